//! Files that are removed and not gone at once: they lie in the dated trash, below their instance's and account's
//! identifiers and under their own path, until the trash's term is over.

use std::io;

use serde::{Deserialize, Serialize};

use crate::domain::AccountId;

use super::folders::make_folders;
use super::ledger::FileChange;
use super::places::{DiskPath, trash_entry};
use super::storage::Core;
use super::{Replace, VfsError};

/// An entry of the trash, by its name: `.trash/<entry>/<instance>/<account>/<path>` is where a file lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrashEntry(String);

impl TrashEntry {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What becomes of a file that is removed.
#[derive(Debug, Clone, Copy)]
pub enum Removal<'a> {
    /// It is gone.
    Final,
    /// It goes into this entry of the trash. One entry takes a path of an account once.
    ToTrash(&'a TrashEntry),
}

impl Core {
    /// A new entry; nothing is on the disk before something is put into it.
    pub(super) fn new_trash_entry(&self) -> TrashEntry {
        TrashEntry(trash_entry(self.now(), self.new_upload_id()))
    }

    /// Blocking: where a published file or folder goes in an entry of the trash; the folders on the way are made, and last.
    pub(super) fn make_room_in_trash(&self, entry: &TrashEntry, place: &DiskPath) -> Result<DiskPath, VfsError> {
        let to = DiskPath::trashed(entry.as_str(), place);
        make_folders(self, &to.parent())?;
        Ok(to)
    }

    /// Blocking: moves a published file to where [`Core::make_room_in_trash`] said. It lasts once both folders are synced.
    pub(super) fn put_in_trash(&self, account: AccountId, place: &DiskPath, to: &DiskPath) -> io::Result<()> {
        self.take_counted(account, place, || self.backend.rename(place, to, Replace::Refuse))
    }
}

impl FileChange {
    /// Where what it is about was on the disk.
    pub(super) fn old_place(&self) -> DiskPath {
        DiskPath::of(self.instance, self.account, self.old_path())
    }

    /// Where it is now, also in the trash; where it was, when it is gone.
    pub(super) fn new_place(&self) -> DiskPath {
        let place = DiskPath::of(self.instance, self.account, &self.path);
        match &self.trashed {
            Some(entry) => DiskPath::trashed(entry.as_str(), &place),
            None => place,
        }
    }
}
