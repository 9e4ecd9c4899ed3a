//! Folders in which a name is final only when it was given by a rename.
//!
//! There the orderly end of a login's upload does not publish it: it is *held*, whole and durable, seen by that login alone,
//! until the login renames it. The rename publishes it under the new name as an orderly end does elsewhere. An upload that
//! was cut short is incomplete like everywhere, and renaming it is refused. Operators' uploads are published at once.
//!
//! What is held was acknowledged: it gives way to what the login puts in its place and to nothing else, and its term is
//! that of the trash, not that of incomplete uploads.

use std::sync::{Arc, Mutex};

use crate::domain::{UploadId, VirtualPath};

use super::backend::Times;
use super::mount_table::Mount;
use super::operation::Operation;
use super::places::DiskPath;
use super::quota::Meter;
use super::sidecar::{Held, Line};
use super::upload::{Inner, Published};
use super::uploads::Staged;
use super::view::View;
use super::{Replace, VfsError};

impl Inner {
    /// Blocking. What fails leaves an incomplete upload.
    pub(super) fn hold(&self, unproven_end: bool, meter: Option<&Arc<Meter>>) -> Result<Published, VfsError> {
        match self.make_held(unproven_end, meter) {
            Ok(held) => {
                let (core, staged) = (&self.view.core, &self.staged);
                for obsolete in core.uploads.hold(staged, held) {
                    core.remove_staged(staged.account, obsolete);
                }
                Ok(Published { bytes: held.bytes, transfer: held.transfer, event: None })
            }
            Err(error) => {
                self.end_cut(&self.reason_of(&error));
                Err(error)
            }
        }
    }

    /// As durable as a publication. It counts nothing until it is renamed, but must be small enough to be published.
    fn make_held(&self, unproven_end: bool, meter: Option<&Arc<Meter>>) -> Result<Held, VfsError> {
        let (core, staged) = (&self.view.core, &self.staged);
        if !core.uploads.has_room_to_hold(staged.account, &staged.path) {
            return Err(VfsError::TooMany);
        }
        let stat = self.make_whole()?;
        meter.map_or(Ok(()), |meter| meter.allows(stat.size, self.over)).map_err(VfsError::OverQuota)?;
        let held = Held {
            transfer: self.transfer,
            bytes: stat.size,
            unproven_end,
            started_at: self.started_at,
            at: core.now(),
        };
        let sidecar = DiskPath::sidecar(staged.account, staged.id);
        Line::Held(held).append(core.backend.as_ref(), &sidecar, true)?;
        core.backend.sync_folder(&DiskPath::staging_of(staged.account))?;
        Ok(held)
    }
}

impl View {
    /// Renames an upload that is held, which publishes it.
    pub(super) fn publish_held(
        self: &Arc<Self>,
        upload: UploadId,
        (from, source): (&VirtualPath, &Mount),
        (to, target): (&VirtualPath, &Mount),
        replace: Replace,
        meter: Option<&Arc<Meter>>,
    ) -> Result<(), VfsError> {
        Operation::FinishUpload.require(source.rights)?;
        if source.folder != target.folder {
            Operation::RenameInto.require(target.rights)?;
        }
        if replace == Replace::Refuse && self.unfinished(to).is_some() {
            return Err(VfsError::AlreadyExists);
        }
        let may_replace = Operation::RenameOver.is_allowed(target.rights);
        let effective = if may_replace { replace } else { Replace::Refuse };
        // Another session of the login is renaming or removing it.
        let held = self.core.uploads.take_held(self.account, from, upload).ok_or(VfsError::NotFound)?;
        let placed = self.place_held((upload, held), to, (target, effective), meter);
        // Its file is visible from then on, and only that may be in doubt that it lasts.
        placed
            .map_err(|error| {
                if let Some(gives_way) = self.core.uploads.hold_again(self.account, from.clone(), upload, held) {
                    self.core.remove_staged(self.account, gives_way);
                }
                match error {
                    VfsError::AlreadyExists if replace == Replace::Allow => VfsError::PermissionDenied,
                    error => error,
                }
            })?
            .map(drop)
    }

    fn place_held(
        self: &Arc<Self>,
        (id, held): (UploadId, Held),
        to: &VirtualPath,
        (target, replace): (&Mount, Replace),
        meter: Option<&Arc<Meter>>,
    ) -> Result<Result<Published, VfsError>, VfsError> {
        if self.whole(to)?.is_some() && replace == Replace::Refuse {
            // Before anything is written: clients try names until one is free.
            return Err(VfsError::AlreadyExists);
        }
        let file = self.core.backend.reopen_file(&DiskPath::staged(self.account, id))?;
        let (account, path, times) = (self.account, to.clone(), Mutex::new(Times::default()));
        let staged = Arc::new(Staged { id, account, path, file, times, room: None });
        Inner::of_held(Arc::clone(self), staged, (target, replace), held).place(held.unproven_end, meter)
    }
}
