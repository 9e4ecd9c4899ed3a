//! Opening a file for writing: every check that can be made then is made then, and a staging file takes what comes.

use std::io;
use std::sync::{Arc, Mutex};

use crate::domain::{Right, UploadId, VirtualPath};

use super::backend::{OpenFile, Times};
use super::folders::make_folders;
use super::metadata::FileKind;
use super::mount_table::Mount;
use super::operation::Operation;
use super::places::DiskPath;
use super::sidecar::{Line, Opened};
use super::storage::make_folder_unless_there;
use super::upload::{Upload, WriteOptions};
use super::uploads::{RoomForACopy, Staged, Unfinished, cut_at};
use super::view::View;
use super::{Replace, VfsError};

/// Up to this size a copy costs no more than the client could send in its place.
const SMALL_COPY: u64 = 1024 * 1024;

/// A twin's upload can be published between looking at it and copying it; then the look is taken again.
const ATTEMPTS: usize = 4;

/// What an upload starts from.
enum Base {
    Nothing,
    /// The published file.
    Whole,
    /// The bytes so far of another session's upload in flight: usually of the client's own dead twin, whose
    /// connection has not timed out yet.
    Twin(UploadId),
    /// The login's incomplete upload, which this one takes over.
    Continued(UploadId),
    /// The login's whole upload, which waits for its rename. It stays until this one is whole too.
    Held(UploadId),
}

impl View {
    pub(super) fn open_write(self: &Arc<Self>, path: &VirtualPath, options: WriteOptions) -> Result<Upload, VfsError> {
        self.open_over(path, options, |exists| self.base(path, options, exists))
    }

    /// Over what `base` says, which is told whether a published file is there.
    fn open_over(
        self: &Arc<Self>,
        path: &VirtualPath,
        options: WriteOptions,
        base: impl Fn(bool) -> Result<Base, VfsError>,
    ) -> Result<Upload, VfsError> {
        let mount = match self.changeable(path) {
            Err(VfsError::PermissionDenied) if self.leads_to_a_mount(path) => return Err(VfsError::IsAFolder),
            located => located?,
        };
        if options.read && !mount.rights.allows(Right::Read) {
            return Err(VfsError::PermissionDenied);
        }
        for _ in 0..ATTEMPTS {
            let exists = self.check_target(path, mount, options)?;
            let base = base(exists)?;
            match self.stage(path, mount, &base) {
                Err(VfsError::NotFound) if matches!(base, Base::Twin(_) | Base::Held(_) | Base::Whole) => {}
                Err(error) => return Err(error),
                Ok(staged) => {
                    let replace = if options.exclusive || !Operation::WriteExisting.is_allowed(mount.rights) {
                        Replace::Refuse
                    } else {
                        Replace::Allow
                    };
                    let continued = matches!(base, Base::Continued(_));
                    let over = if exists { self.whole(path)?.map(|whole| whole.size) } else { None };
                    return Ok(Upload::new(Arc::clone(self), staged, (mount, replace), options, continued, over));
                }
            }
        }
        Err(VfsError::Busy)
    }

    /// Whether a published file is there; refuses what the options and rights do not allow.
    fn check_target(&self, path: &VirtualPath, mount: &Mount, options: WriteOptions) -> Result<bool, VfsError> {
        let whole = self.whole(path)?;
        let unfinished = self.unfinished(path).is_some();
        // Whoever cannot look must not learn by this answer either: there, a taken name is a refusal like another.
        if options.exclusive && (whole.is_some() || unfinished) && !mount.rights.is_write_only() {
            return Err(VfsError::AlreadyExists);
        }
        let operation = if whole.is_some() { Operation::WriteExisting } else { Operation::WriteNew };
        operation.require(mount.rights)?;
        match whole.map(|stat| stat.kind) {
            Some(FileKind::Folder) => return Err(VfsError::IsAFolder),
            Some(FileKind::File) => {}
            None => {
                if !options.create && !unfinished {
                    return Err(VfsError::NotFound);
                }
                self.check_parent(path, options)?;
            }
        }
        if options.exclusive && (whole.is_some() || unfinished) {
            return Err(VfsError::PermissionDenied);
        }
        Ok(whole.is_some())
    }

    fn check_parent(&self, path: &VirtualPath, options: WriteOptions) -> Result<(), VfsError> {
        let parent = self.disk(path).parent();
        if !self.actor.is_login() && options.create {
            // An application delivers to a path; that its folders exist is not its business.
            let _alone = self.core.names.hold(self.account, &[path])?;
            self.core.settle(self.account, &[path])?;
            let _stay = self.arrival.stay(&[path])?;
            return match make_folders(&self.core, &parent) {
                Err(VfsError::AlreadyExists) => Err(VfsError::NotAFolder),
                result => result,
            };
        }
        match self.core.backend.stat(&parent)?.kind {
            FileKind::Folder => Ok(()),
            FileKind::File => Err(VfsError::NotAFolder),
        }
    }

    fn base(&self, path: &VirtualPath, options: WriteOptions, exists: bool) -> Result<Base, VfsError> {
        let published = if exists { Base::Whole } else { Base::Nothing };
        Ok(match () {
            // An older incomplete upload stays until this one is cut or published: a crash in between costs nothing.
            () if options.truncate => Base::Nothing,
            () if !self.actor.is_login() => published,
            () => match self.core.uploads.take_over(self.account, path) {
                // Neither behind half of it, nor in place of what a client that resumes by appending sent before.
                Some(Unfinished::InFlight(_)) if options.append => return Err(VfsError::Busy),
                Some(Unfinished::InFlight(twin)) => Base::Twin(twin.id),
                Some(Unfinished::Incomplete(id)) => Base::Continued(id),
                Some(Unfinished::Held(id)) => Base::Held(id),
                None => published,
            },
        })
    }

    fn stage(&self, path: &VirtualPath, mount: &Mount, base: &Base) -> Result<Arc<Staged>, VfsError> {
        let core = &self.core;
        if let Base::Continued(id) = *base {
            let place = DiskPath::staged(self.account, id);
            let file = core.backend.reopen_file(&place);
            return match file {
                Ok(file) => {
                    // From here on its data is not synced any more.
                    let line = Line::Opened(self.opened(path));
                    line.append(core.backend.as_ref(), &DiskPath::sidecar(self.account, id), true)
                        .inspect_err(|_| self.put_back(path, id))?;
                    Ok(self.show(id, path, file, None))
                }
                Err(error) => {
                    // Lost when its data is; else as it was.
                    if error.kind() == io::ErrorKind::NotFound {
                        core.remove_staged(self.account, id);
                    } else {
                        self.put_back(path, id);
                    }
                    Err(error.into())
                }
            };
        }
        let id = core.new_upload_id();
        let room = match self.source(path, base) {
            // Where the filesystem cannot share blocks, opening costs time and disk that closing may not use.
            Some(source) if core.backend.stat(&source)?.size > SMALL_COPY => {
                Some(core.uploads.room_for_a_copy(self.account).ok_or(VfsError::TooMany)?)
            }
            _ => None,
        };
        core.uploads.begin(id);
        match self.make_staging(id, path, base) {
            Ok(file) => {
                tracing::debug!(upload = %id, folder = %mount.folder, "Staged an upload");
                Ok(self.show(id, path, file, room))
            }
            Err(error) => {
                core.remove_staged(self.account, id);
                Err(error.into())
            }
        }
    }

    /// Makes the staging file, then its sidecar: data without one is an orphan, so a copy that a crash cut short is
    /// never taken for what the client sent.
    fn make_staging(&self, id: UploadId, path: &VirtualPath, base: &Base) -> io::Result<Arc<dyn OpenFile>> {
        let backend = self.core.backend.as_ref();
        let place = DiskPath::staged(self.account, id);
        let source = self.source(path, base);
        let make = || match &source {
            Some(source) => backend.copy_file(source, &place),
            None => backend.create_file(&place),
        };
        let file = match make() {
            // An account's first upload finds no staging folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_folder_unless_there(backend, &place.parent())?;
                make()?
            }
            made => made?,
        };
        Line::Opened(self.opened(path)).create(backend, &DiskPath::sidecar(self.account, id))?;
        Ok(file)
    }

    /// What a staging file is made a copy of.
    fn source(&self, path: &VirtualPath, base: &Base) -> Option<DiskPath> {
        match base {
            Base::Whole => Some(self.disk(path)),
            Base::Twin(id) | Base::Held(id) => Some(DiskPath::staged(self.account, *id)),
            Base::Nothing | Base::Continued(_) => None,
        }
    }

    /// The line that says whose upload it is.
    fn opened(&self, path: &VirtualPath) -> Opened {
        Opened {
            instance: self.instance,
            account: self.account,
            path: path.clone(),
            started: self.core.now(),
            actor: self.actor.clone(),
            era: self.core.backend.era(),
        }
    }

    /// An incomplete upload that was taken over in vain.
    fn put_back(&self, path: &VirtualPath, id: UploadId) {
        let now = self.core.now();
        let place = DiskPath::staged(self.account, id);
        let since = self.core.backend.stat(&place).map_or(now, |stat| cut_at(stat.modified, now));
        for older in self.core.uploads.restore(self.account, path.clone(), id, since) {
            self.core.remove_staged(self.account, older);
        }
    }

    fn show(
        &self,
        id: UploadId,
        path: &VirtualPath,
        file: Arc<dyn OpenFile>,
        room: Option<RoomForACopy>,
    ) -> Arc<Staged> {
        let (account, path, times) = (self.account, path.clone(), Mutex::new(Times::default()));
        let staged = Arc::new(Staged { id, account, path, file, times, room });
        if self.actor.is_login() {
            self.core.uploads.show(&staged);
        }
        staged
    }

    /// Sets the size of a published file: an update in place like any other. The caller publishes it.
    pub(super) fn open_resized(self: &Arc<Self>, path: &VirtualPath, size: u64) -> Result<Upload, VfsError> {
        let mount = match self.changeable(path) {
            Err(VfsError::PermissionDenied) if self.leads_to_a_mount(path) => return Err(VfsError::IsAFolder),
            located => located?,
        };
        Operation::WriteExisting.require(mount.rights)?;
        if self.unfinished(path).is_some() {
            return Err(VfsError::Busy);
        }
        self.open_whole(path, size)
    }

    /// Resizing must not publish what was cut short, not even a moment ago.
    pub(super) fn open_whole(self: &Arc<Self>, path: &VirtualPath, size: u64) -> Result<Upload, VfsError> {
        let whole = |exists: bool| if exists { Ok(Base::Whole) } else { Err(VfsError::Busy) };
        let upload = self.open_over(path, WriteOptions::default(), whole)?;
        upload.set_size(size)?;
        Ok(upload)
    }
}
