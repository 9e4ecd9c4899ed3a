//! Uploads that are whole and wait for the rename which publishes them ([`crate::vfs::held`]).

use crate::domain::{AccountId, Timestamp, UploadId, VirtualPath};

use super::{OfAccount, Staged, Uploads};
use crate::vfs::sidecar::Held;

/// Uploads that an account has waiting for their rename. More are refused: none of them may be given up for another.
const HELD_PER_ACCOUNT: usize = 10_000;

impl Uploads {
    /// Whether the account may have one more upload waiting for its rename, at this path.
    pub(in crate::vfs) fn has_room_to_hold(&self, account: AccountId, path: &VirtualPath) -> bool {
        let index = self.index();
        let room = |of: &OfAccount| of.held.len() < HELD_PER_ACCOUNT || of.held.contains_key(path);
        index.accounts.get(&account).is_none_or(room)
    }

    /// Ends a login's upload that is whole and waits for its rename; answers the other ones of its path, which are
    /// obsolete.
    pub(in crate::vfs) fn hold(&self, staged: &Staged, held: Held) -> Vec<UploadId> {
        let mut index = self.index();
        index.live.remove(&staged.id);
        let of_account = index.of(staged.account);
        of_account.leave(staged.id);
        let incomplete = of_account.incomplete.remove(&staged.path).map(|upload| upload.id);
        let older = of_account.held.insert(staged.path.clone(), (staged.id, held)).map(|(id, _)| id);
        incomplete.into_iter().chain(older).collect()
    }

    /// Puts back an upload that waits for its rename; answers the one that gives way, which may be this one.
    #[must_use]
    pub(in crate::vfs) fn hold_again(
        &self,
        account: AccountId,
        path: VirtualPath,
        id: UploadId,
        held: Held,
    ) -> Option<UploadId> {
        let mut index = self.index();
        index.live.remove(&id);
        let of_account = index.of(account);
        match of_account.held.get(&path) {
            Some((_, other)) if other.at > held.at => Some(id),
            _ => of_account.held.insert(path, (id, held)).map(|(older, _)| older),
        }
    }

    /// Takes out the upload of a path that waits for its rename: the caller's to publish, or to remove the files of.
    pub(in crate::vfs) fn take_held(&self, account: AccountId, path: &VirtualPath, id: UploadId) -> Option<Held> {
        let mut index = self.index();
        let of_account = index.accounts.get_mut(&account)?;
        // Another may have taken its place.
        let (_, held) = *of_account.held.get(path).filter(|(found, _)| *found == id)?;
        of_account.held.remove(path);
        index.live.insert(id);
        Some(held)
    }

    /// Takes out the uploads that have waited for their rename since before `until`.
    pub(in crate::vfs) fn expire_held(&self, until: Timestamp) -> Vec<(AccountId, UploadId)> {
        let mut expired = Vec::new();
        for (account, of_account) in &mut self.index().accounts {
            let past = of_account.held.extract_if(|_, (_, held)| held.at <= until);
            expired.extend(past.map(|(_, (id, _))| (*account, id)));
        }
        expired
    }
}
