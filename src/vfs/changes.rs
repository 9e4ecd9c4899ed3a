//! Removals and renames, which are told of without fail, like publications.
//!
//! 1. a durable *intent* in staging (a sidecar without data) says what is about to happen, and to which file,
//! 2. it happens,
//! 3. its folders are synced, and whoever asked is told,
//! 4. the ledger records it, together with others ([`super::records`]), and the intent goes.
//!
//! After a crash the old path says whether it happened: as long as the same file is there, it did not. For that answer to
//! be true, nothing is put where something was taken from before the sidecar itself says so ([`Core::settle`]): else the
//! file could have been renamed back, or another one have got the freed inode.

use std::io;

use crate::domain::{AccountId, UploadId, VirtualPath};

use super::backend::Stat;
use super::ledger::{Change, FileChange, Happening, LedgerError};
use super::mount_table::Mount;
use super::operation::Operation;
use super::places::DiskPath;
use super::publisher::WAITING_MOST;
use super::sidecar::{Announced, Line};
use super::storage::{Core, make_folder_unless_there};
use super::trash::Removal;
use super::uploads::Pending;
use super::view::{View, if_there};
use super::{FileKind, Replace, VfsError};

impl View {
    /// Removes a published file: the one way in which logins, operators and the gateway itself do, and the home of its
    /// event. Durable when it answers.
    pub(super) fn remove_published(&self, path: &VirtualPath, mount: &Mount) -> Result<(), VfsError> {
        self.remove_if(path, mount, Removal::Final, |_| true).map(drop)
    }

    /// The same to any end, if the file is the one that is meant: that is asked when nobody can put another in its place
    /// any more. Answers its size; `None`: it is another.
    pub(super) fn remove_if(
        &self,
        path: &VirtualPath,
        mount: &Mount,
        removal: Removal<'_>,
        is_meant: impl FnOnce(&Stat) -> bool,
    ) -> Result<Option<u64>, VfsError> {
        let core = &self.core;
        let _alone = core.names.hold(self.account, &[path])?;
        let place = self.disk(path);
        let stat = core.backend.stat(&place)?;
        if stat.kind == FileKind::Folder {
            return Err(VfsError::IsAFolder);
        }
        if !is_meant(&stat) {
            return Ok(None);
        }
        core.settle(self.account, &[path])?;
        let (entry, to) = match removal {
            Removal::Final => (None, None),
            Removal::ToTrash(entry) => (Some(entry.clone()), Some(core.make_room_in_trash(entry, &place)?)),
        };
        let remove = || match &to {
            None => Ok(core.remove_counted(self.account, &place)?),
            Some(to) => Ok(core.put_in_trash(self.account, &place, to)?),
        };
        if self.is_temporary(path) {
            remove()?;
            core.make_both_last(&place, to.as_ref().unwrap_or(&place))?;
        } else {
            let change = FileChange { trashed: entry, ..self.change(path, mount, stat, Change::Deleted) };
            core.make_change(change, stat.unique, remove)?;
        }
        Ok(Some(stat.size))
    }

    /// Renames what is published. `effective` is what the rights leave of `replace`.
    pub(super) fn rename_published(
        &self,
        (from, source): (&VirtualPath, &Mount),
        (to, target): (&VirtualPath, &Mount),
        replace: Replace,
    ) -> Result<(), VfsError> {
        let core = &self.core;
        let may_replace = Operation::RenameOver.is_allowed(target.rights);
        // Without the right to overwrite, the kernel is asked to refuse a target that is there: nothing can slip in
        // between a look and the rename.
        let effective = if may_replace { replace } else { Replace::Refuse };
        let told = |error| match error {
            VfsError::AlreadyExists if replace == Replace::Allow => VfsError::PermissionDenied,
            error => error,
        };
        let (from_place, to_place) = (self.disk(from), self.disk(to));
        let _alone = core.names.hold(self.account, &[from, to])?;
        let stat = core.backend.stat(&from_place)?;
        let replaced = if_there(core.backend.stat(&to_place))?.is_some();
        if replaced && effective == Replace::Refuse {
            return Err(told(VfsError::AlreadyExists));
        }
        core.settle(self.account, &[from, to])?;
        let rename = || {
            let _stay = self.arrival.stay(&[from, to])?;
            let renamed = core.rename_counted(self.account, &from_place, &to_place, effective);
            renamed.map_err(|error| told(error.into()))
        };
        let is_file = stat.kind == FileKind::File;
        let (was_temporary, is_temporary) = (is_file && self.is_temporary(from), is_file && self.is_temporary(to));
        if was_temporary && is_temporary {
            rename()?;
            return core.make_both_last(&from_place, &to_place).map_err(VfsError::from);
        }
        let renamed =
            Change::Renamed { from_folder: source.folder, from: from.clone(), replaced, ends_upload: was_temporary };
        core.make_change(self.change(to, target, stat, renamed), stat.unique, rename)
    }

    fn change(&self, path: &VirtualPath, mount: &Mount, stat: Stat, change: Change) -> FileChange {
        FileChange {
            event: self.core.new_event_id(),
            instance: self.instance,
            account: self.account,
            folder: mount.folder,
            path: path.clone(),
            kind: stat.kind,
            bytes: if stat.kind == FileKind::File { stat.size } else { 0 },
            change,
            trashed: None,
            actor: self.actor.clone(),
            at: self.core.now(),
        }
    }
}

impl Core {
    /// Blocking: makes a change that is told. The caller holds its paths. What fails before it happened is withdrawn; what
    /// happened is recorded, come what may.
    fn make_change(
        &self,
        change: FileChange,
        unique: u64,
        act: impl FnOnce() -> Result<(), VfsError>,
    ) -> Result<(), VfsError> {
        if self.uploads.count_pending() >= WAITING_MOST {
            return Err(VfsError::Ledger(LedgerError(String::from("too many changes wait to be recorded"))));
        }
        let (id, account) = (self.new_upload_id(), change.account);
        self.uploads.begin(id);
        let announced = Line::Change(Box::new(Announced { unique, change: change.clone() }));
        if let Err(error) = self.announce(account, id, &announced) {
            self.remove_staged(account, id);
            return Err(error.into());
        }
        if let Err(error) = act() {
            self.withdraw_change(account, id);
            return Err(error);
        }
        let pending = Happening::Changed(change);
        self.uploads.pend(id, pending.clone());
        self.uploads.forget(id);
        let lasts = self.make_happening_last(&pending);
        if lasts.is_ok() {
            self.uploads.lasts(id);
        }
        // Also when it does not last yet: the recorder tries that again.
        self.published.notify_one();
        Ok(lasts?)
    }

    /// Writes a sidecar that lasts.
    fn announce(&self, account: AccountId, id: UploadId, line: &Line) -> io::Result<()> {
        let (backend, place) = (self.backend.as_ref(), DiskPath::sidecar(account, id));
        match line.create_lasting(backend, &place) {
            // The account never had anything in staging.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_folder_unless_there(backend, &place.parent())?;
                line.create_lasting(backend, &place)?;
            }
            created => created?,
        }
        backend.sync_folder(&place.parent())
    }

    /// Ends the intent of a change that did not happen, for good: its file may be changed by another intent, or by hand,
    /// and a sidecar that came back after a loss of power would tell of that twice.
    pub(super) fn withdraw_change(&self, account: AccountId, id: UploadId) {
        if let Err(error) = Line::Withdrawn.append(self.backend.as_ref(), &DiskPath::sidecar(account, id), true) {
            tracing::warn!(change = %id, %error, "Could not withdraw the intent of a change that failed");
        }
        self.remove_staged(account, id);
    }

    /// Blocking: to be called before these paths are changed, by whoever holds them. What happened to them and is not
    /// recorded is made to last, and a crash later does not mistake it for what did not happen.
    pub(super) fn settle(&self, account: AccountId, paths: &[&VirtualPath]) -> Result<(), VfsError> {
        for path in paths {
            for (id, pending) in self.uploads.unsettled(account, path) {
                self.settle_one(account, id, &pending)?;
            }
        }
        Ok(())
    }

    fn settle_one(&self, account: AccountId, id: UploadId, pending: &Pending) -> io::Result<()> {
        if !pending.lasts {
            self.make_happening_last(&pending.happening)?;
            self.uploads.lasts(id);
        }
        if matches!(pending.happening, Happening::Changed(_)) && !pending.is_sealed {
            match Line::Made.append(self.backend.as_ref(), &DiskPath::sidecar(account, id), true) {
                // Recorded meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                made => made?,
            }
            self.uploads.sealed(id);
        }
        Ok(())
    }

    /// Blocking: what happened outlasts a loss of power.
    pub(super) fn make_happening_last(&self, happening: &Happening) -> io::Result<()> {
        let made_last = match happening {
            Happening::Published(publication) => {
                let place = DiskPath::of(publication.instance, publication.account, &publication.path);
                self.make_names_last(publication.account, &place)
            }
            Happening::Changed(change) => self.make_both_last(&change.old_place(), &change.new_place()),
        };
        unless_gone(made_last)
    }

    /// Blocking: syncs the folders of both names, the new one first.
    fn make_both_last(&self, from: &DiskPath, to: &DiskPath) -> io::Result<()> {
        let (from, to) = (from.parent(), to.parent());
        let named = self.backend.sync_folder(&to);
        if from != to {
            unless_gone(self.backend.sync_folder(&from))?;
        }
        named
    }
}

/// A folder that was taken away since (a file may have its name now) has nothing to sync; that it went lasts by itself.
fn unless_gone(synced: io::Result<()>) -> io::Result<()> {
    match synced {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
        result => result,
    }
}
