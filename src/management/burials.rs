//! What follows the removal of an account's row: its sessions end, its files go to the trash.
//!
//! In this order, so that no login ever works on an account whose files are gone, and no running session fills a tree
//! that was put away. What a crash or a failing disk interrupts is done later: the removal noted it in its own
//! transaction, and the note goes when the files have gone.

use crate::domain::{AccountId, VirtualPath};
use crate::sessions::EndReason;
use crate::store::{Burial, StoreError};
use crate::vfs::VfsError;

use super::{Management, ManagementError};

/// How many burials are read at a time.
const BATCH: u32 = 100;

impl Management {
    /// Puts the files of accounts away that were removed and whose files could not be moved then; says of how many.
    /// What fails again is told and stays for the next time.
    pub async fn bury_removed_accounts(&self) -> Result<usize, ManagementError> {
        let (mut buried, mut after): (usize, Option<AccountId>) = (0, None);
        loop {
            let burials = self.store.read().await?.burials().list(after, BATCH).await?;
            let Some(last) = burials.last() else { return Ok(buried) };
            after = Some(last.account);
            for burial in burials {
                buried += usize::from(self.bury_account(burial).await);
            }
        }
    }

    /// False: the files are still where they were.
    pub(super) async fn bury_account(&self, burial: Burial) -> bool {
        let Burial { account, instance } = burial;
        self.access.account_changed(account);
        self.registry.disconnect_account(account, EndReason::AccountRemoved);
        match self.put_away(burial).await {
            Ok(()) | Err(VfsError::NotFound) => {}
            Err(problem) => {
                tracing::error!(%instance, %account, %problem,
                    "The files of a removed account could not be moved to the trash; the next sweep tries again");
                return false;
            }
        }
        if let Err(problem) = self.note_buried(account).await {
            // The next sweep finds nothing left to move, and notes it then.
            tracing::warn!(%account, %problem, "That the files of a removed account are in the trash was not noted");
        }
        true
    }

    async fn put_away(&self, Burial { account, instance }: Burial) -> Result<(), VfsError> {
        let departure = self.storage.begin_departure(account, &VirtualPath::root(), &[]).await?;
        self.storage.trash_account(instance, account).await?;
        departure.complete();
        Ok(())
    }

    async fn note_buried(&self, account: AccountId) -> Result<(), StoreError> {
        let mut unit = self.store.write().await?;
        unit.burials().finish(account).await?;
        unit.commit().await
    }
}
