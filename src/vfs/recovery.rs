//! What start-up and the timer put in order: intents, incomplete uploads, orphans, trash.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::domain::{AccountId, Timestamp, UploadId};

use super::backend::Backend;
use super::ledger::{Change, Happening};
use super::places::{DiskPath, trashed_at};
use super::records::record_pending;
use super::sidecar::{Announced, Intent, Line, Sidecar, staging_name};
use super::storage::{Core, PROBE, Recovery, Sweep, blocking};
use super::uploads::{cut_at, expiry};
use super::{FileKind, VfsError};

/// How many entries of a folder are looked at together.
const BATCH: usize = 256;

/// Files of one upload in staging.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    /// When the data was last written; `None` without data.
    data: Option<Timestamp>,
    sidecar: bool,
}

/// Rolls intents forward or back and rebuilds the index.
pub(super) async fn recover(core: &Arc<Core>) -> Result<Recovery, VfsError> {
    let scanned = Arc::clone(core);
    let mut recovery = blocking(move || scanned.rebuild()).await?;
    let recorded = record_pending(core).await;
    recorded.tell();
    recovery.rolled_forward = recorded.done;
    tracing::info!(
        rolled_forward = recovery.rolled_forward,
        rolled_back = recovery.rolled_back,
        incomplete = recovery.incomplete,
        held = recovery.held,
        "Looked through the staged uploads"
    );
    Ok(recovery)
}

/// Removes what is past its term and what nothing knows.
pub(super) async fn sweep(core: &Arc<Core>) -> Result<Sweep, VfsError> {
    record_pending(core).await.tell();
    let swept = Arc::clone(core);
    blocking(move || swept.sweep()).await
}

impl Core {
    fn rebuild(&self) -> Result<Recovery, VfsError> {
        let mut recovery = Recovery::default();
        // What a killed gateway did and did not sync is seen now, and what is built on it must not outlast it.
        self.backend.sync_all()?;
        for name in names_in(self.backend.as_ref(), &DiskPath::staging())? {
            // Nobody probes yet: this one was interrupted.
            if name.ends_with(PROBE) {
                self.backend.remove_file(&DiskPath::staging().child(&name))?;
            }
        }
        for account in self.accounts_in_staging()? {
            // In the order in which they were opened, so that of two for one path the later one stays.
            for (upload, found) in self.staged_of(account)? {
                self.rebuild_one(account, upload, found, &mut recovery)?;
            }
        }
        Ok(recovery)
    }

    fn rebuild_one(
        &self,
        account: AccountId,
        upload: UploadId,
        found: Found,
        recovery: &mut Recovery,
    ) -> Result<(), VfsError> {
        let place = DiskPath::sidecar(account, upload);
        if found.data.is_none()
            && found.sidecar
            && let Some((announced, made)) = Announced::read(self.backend.as_ref(), &place)?
        {
            return self.rebuild_change(account, upload, announced, made, recovery);
        }
        let sidecar = if found.sidecar { Sidecar::read(self.backend.as_ref(), &place)? } else { None };
        let Some(sidecar) = sidecar else {
            if found.sidecar {
                tracing::warn!(%upload, "Dropped an upload or an intent whose sidecar a crash left unreadable");
            }
            self.remove_staged(account, upload);
            return Ok(());
        };
        match (found.data, &sidecar.intent) {
            (None, Some(intent)) => {
                self.uploads.pend(upload, Happening::Published(intent.clone().publication()));
            }
            (None, None) => self.remove_staged(account, upload),
            (Some(_), Some(intent)) if self.is_in_place(upload, intent)? => {
                self.backend.remove_file(&DiskPath::staged(account, upload))?;
                self.uploads.pend(upload, Happening::Published(intent.clone().publication()));
            }
            (Some(modified), intent) => {
                recovery.rolled_back += usize::from(intent.is_some());
                let sound = self.drop_what_was_lost(account, upload, &sidecar)?;
                if intent.is_some() {
                    // Else it would come true should this upload be discarded one day and its data vanish first.
                    Line::Withdrawn.append(self.backend.as_ref(), &place, true)?;
                }
                if (sound == 0 && sidecar.held.is_none()) || !sidecar.opened.actor.is_login() {
                    self.remove_staged(account, upload);
                    return Ok(());
                }
                if let Some(held) = sidecar.held {
                    recovery.held += 1;
                    if let Some(older) = self.uploads.hold_again(account, sidecar.opened.path, upload, held) {
                        recovery.held -= 1;
                        self.remove_staged(account, older);
                    }
                    return Ok(());
                }
                recovery.incomplete += 1;
                let since = cut_at(modified, self.now());
                for older in self.uploads.restore(account, sidecar.opened.path, upload, since) {
                    recovery.incomplete -= 1;
                    self.remove_staged(account, older);
                }
            }
        }
        Ok(())
    }

    /// Whether a change was made, by its sidecar or by what is at its old path.
    fn rebuild_change(
        &self,
        account: AccountId,
        id: UploadId,
        announced: Announced,
        made: Option<bool>,
        recovery: &mut Recovery,
    ) -> Result<(), VfsError> {
        let was_made = match made {
            Some(made) => made,
            None => self.was_made(account, &announced)?,
        };
        if was_made {
            self.uploads.pend(id, Happening::Changed(announced.change));
        } else {
            recovery.rolled_back += 1;
            self.withdraw_change(account, id);
        }
        Ok(())
    }

    fn was_made(&self, account: AccountId, Announced { unique, change }: &Announced) -> Result<bool, VfsError> {
        let is_at = |place: &DiskPath| match self.backend.stat(place) {
            Ok(stat) => Ok(stat.unique == *unique && stat.kind == change.kind),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        };
        let old = change.old_place();
        if !is_at(&old)? {
            return Ok(true);
        }
        if (matches!(change.change, Change::Renamed { .. }) || change.trashed.is_some())
            && change.kind == FileKind::File
            && is_at(&change.new_place())?
        {
            // Power was lost when the new name was on the disk and the old one not yet off it.
            self.remove_counted(account, &old)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether the target of an intent is the staged file itself: power was lost when the new name was on the disk and
    /// the old one not yet off it.
    fn is_in_place(&self, upload: UploadId, intent: &Intent) -> Result<bool, VfsError> {
        let staged = self.backend.stat(&DiskPath::staged(intent.account, upload))?;
        let target = DiskPath::of(intent.instance, intent.account, &intent.path);
        Ok(self.backend.stat(&target).is_ok_and(|target| target.unique == staged.unique))
    }

    /// Leaves what is as the client sent it; answers how much that is.
    fn drop_what_was_lost(&self, account: AccountId, upload: UploadId, sidecar: &Sidecar) -> Result<u64, VfsError> {
        let file = self.backend.reopen_file(&DiskPath::staged(account, upload))?;
        let size = file.stat()?.size;
        let sound = sidecar.sound(size, &self.backend.era());
        if sound < size {
            tracing::warn!(%upload, lost = size - sound, "A loss of power took bytes of an incomplete upload");
            file.set_size(sound)?;
        }
        Ok(sound)
    }

    fn sweep(&self) -> Result<Sweep, VfsError> {
        let mut sweep = Sweep::default();
        let now = self.now();
        for (account, upload) in self.uploads.expire(expiry(now, self.settings.incomplete), now) {
            self.remove_staged(account, upload);
            sweep.incomplete += 1;
        }
        for (account, upload) in self.uploads.expire_held(expiry(now, self.settings.trash)) {
            tracing::info!(%account, %upload, "Removed an upload that no rename published before its term was over");
            self.remove_staged(account, upload);
            sweep.held += 1;
        }
        for account in self.accounts_in_staging()? {
            for (upload, _) in self.staged_of(account)? {
                if !self.uploads.knows(account, upload) {
                    self.remove_staged(account, upload);
                    sweep.orphans += 1;
                }
            }
        }
        for entry in names_in(self.backend.as_ref(), &DiskPath::trash())? {
            if trashed_at(&entry).is_some_and(|at| at <= expiry(now, self.settings.trash)) {
                match self.backend.remove_tree(&DiskPath::trash().child(&entry)) {
                    Ok(()) => sweep.trash += 1,
                    // The others' terms are over all the same.
                    Err(error) => tracing::error!(entry, %error, "An entry of the trash cannot be removed: {error}"),
                }
            }
        }
        Ok(sweep)
    }

    fn accounts_in_staging(&self) -> Result<Vec<AccountId>, VfsError> {
        let names = names_in(self.backend.as_ref(), &DiskPath::staging())?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// What staging holds of an account, by upload.
    fn staged_of(&self, account: AccountId) -> Result<BTreeMap<UploadId, Found>, VfsError> {
        let mut uploads: BTreeMap<UploadId, Found> = BTreeMap::new();
        let mut folder = match self.backend.open_folder(&DiskPath::staging_of(account)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(uploads),
            opened => opened?,
        };
        loop {
            let batch = folder.next_batch(BATCH)?;
            if batch.is_empty() {
                return Ok(uploads);
            }
            for (name, stat) in batch {
                match staging_name(&name) {
                    Some((upload, true)) => uploads.entry(upload).or_default().data = Some(stat.modified),
                    Some((upload, false)) => uploads.entry(upload).or_default().sidecar = true,
                    None => {}
                }
            }
        }
    }
}

fn names_in(backend: &dyn Backend, place: &DiskPath) -> Result<Vec<String>, VfsError> {
    let mut folder = backend.open_folder(place)?;
    let mut names = Vec::new();
    loop {
        let batch = folder.next_batch(BATCH)?;
        if batch.is_empty() {
            return Ok(names);
        }
        names.extend(batch.into_iter().map(|(name, _)| name));
    }
}
