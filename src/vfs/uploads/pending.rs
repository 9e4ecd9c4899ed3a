//! What happened and is not recorded yet.

use crate::domain::{AccountId, UploadId, VirtualPath};

use super::Uploads;
use crate::vfs::ledger::Happening;

/// A publication or change that happened and is not recorded.
#[derive(Debug, Clone)]
pub(in crate::vfs) struct Pending {
    pub(in crate::vfs) happening: Happening,
    /// That it happened outlasts a loss of power.
    pub(in crate::vfs) lasts: bool,
    /// Of a change: its sidecar says that it was made.
    pub(in crate::vfs) is_sealed: bool,
}

impl Uploads {
    /// Notes what happened and is not recorded. It may not outlast a loss of power yet.
    pub(in crate::vfs) fn pend(&self, id: UploadId, happening: Happening) {
        self.index().pending.insert(id, Pending { happening, lasts: false, is_sealed: false });
    }

    /// What is not recorded yet of a path that is about to be changed, and needs to be settled before.
    pub(in crate::vfs) fn unsettled(&self, account: AccountId, path: &VirtualPath) -> Vec<(UploadId, Pending)> {
        let overlaps = |one: &VirtualPath| one.is_within(path) || path.is_within(one);
        let is_unsettled = |pending: &Pending| match &pending.happening {
            Happening::Published(publication) => !pending.lasts && overlaps(&publication.path),
            Happening::Changed(change) => {
                (!pending.is_sealed && overlaps(change.old_path())) || (!pending.lasts && overlaps(&change.path))
            }
        };
        let index = self.index();
        let of_account = index.pending.iter().filter(|(_, pending)| pending.happening.account() == account);
        of_account.filter(|(_, pending)| is_unsettled(pending)).map(|(id, pending)| (*id, pending.clone())).collect()
    }

    /// The sidecar of this change says that it was made.
    pub(in crate::vfs) fn sealed(&self, id: UploadId) {
        if let Some(pending) = self.index().pending.get_mut(&id) {
            pending.is_sealed = true;
        }
    }

    /// A loss of power does not undo this any more.
    pub(in crate::vfs) fn lasts(&self, id: UploadId) {
        if let Some(pending) = self.index().pending.get_mut(&id) {
            pending.lasts = true;
        }
    }

    pub(in crate::vfs) fn count_pending(&self) -> usize {
        self.index().pending.len()
    }

    pub(in crate::vfs) fn recorded(&self, id: UploadId) {
        self.index().pending.remove(&id);
    }

    /// What waits for its record, in the order in which it happened.
    pub(in crate::vfs) fn pending(&self) -> Vec<(UploadId, Pending)> {
        let mut pending: Vec<_> = self.index().pending.iter().map(|(id, one)| (*id, one.clone())).collect();
        pending.sort_by_key(|(_, pending)| pending.happening.event());
        pending
    }
}
