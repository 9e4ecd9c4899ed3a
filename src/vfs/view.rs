//! What both trees are made of: one account's remote folders, over the storage, for one actor.
//!
//! A login's view knows rights and unfinished uploads; an operator's has all rights and sees published files only.
//! All methods block; the trees call them on blocking threads.

use std::io;
use std::sync::Arc;

use crate::domain::{
    AccountId, ClientSoftware, FileName, InstanceId, RemoteFolder, Right, Rights, TemporaryNames, Timestamp,
    VirtualPath,
};

use super::backend::{Stat, Times};
use super::departures::Arrival;
use super::file::ReadFile;
use super::folders::{self, note_moves};
use super::listing::Listing;
use super::metadata::{FileKind, Metadata, Space};
use super::mount_table::{Mount, MountTable, Place};
use super::operation::Operation;
use super::places::DiskPath;
use super::quota::Meter;
use super::storage::{Core, Storage};
use super::uploads::{Staged, Unfinished};
use super::{Actor, Replace, TreeOwner, VfsError};

/// One account's files for one actor.
pub(super) struct View {
    pub(super) core: Arc<Core>,
    pub(super) instance: InstanceId,
    pub(super) account: AccountId,
    pub(super) actor: Actor,
    pub(super) mounts: MountTable,
    temporary_names: Arc<TemporaryNames>,
    /// Knows which folders left since.
    pub(super) arrival: Arc<Arrival>,
    /// The time of the ancestors, which are made up.
    mounted_at: Timestamp,
}

/// Whether to act on something that is there.
pub(super) fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl View {
    /// Blocking: makes the folders' directories when they are missing. `Busy` while one of them is moved or removed.
    pub(super) fn mount(storage: &Storage, owner: &TreeOwner, actor: Actor) -> Result<Arc<Self>, VfsError> {
        let core = Arc::clone(&storage.core);
        let arrival = Arc::new(Arrival::of(&core, owner.account)?);
        {
            // One that begins to leave now must not find its directory made anew behind it.
            let paths: Vec<&VirtualPath> = owner.folders.iter().map(|folder| &folder.path).collect();
            let _stay = arrival.stay(&paths).map_err(|_| VfsError::Busy)?;
            folders::prepare(&core, owner)?;
        }
        core.quotas.admit(owner.instance, owner.account, owner.quota);
        let all = |folder: &RemoteFolder| RemoteFolder { rights: Rights::all(), ..folder.clone() };
        let mounts = if actor.is_login() {
            MountTable::new(&owner.folders)
        } else {
            MountTable::new(&owner.folders.iter().map(all).collect::<Vec<_>>())
        };
        let mounted_at = core.now();
        let temporary_names = Arc::new(owner.temporary_names.clone());
        let TreeOwner { instance, account, .. } = *owner;
        Ok(Arc::new(Self { core, instance, account, actor, mounts, temporary_names, arrival, mounted_at }))
    }

    /// The same for a login that says only now what its client is. What is open stays as it is.
    pub(super) fn known_as(&self, software: ClientSoftware) -> Arc<Self> {
        let mut actor = self.actor.clone();
        if let Actor::Login { client, .. } = &mut actor {
            *client = software;
        }
        let (core, mounts, arrival) = (Arc::clone(&self.core), self.mounts.clone(), Arc::clone(&self.arrival));
        let temporary_names = Arc::clone(&self.temporary_names);
        let Self { instance, account, mounted_at, .. } = *self;
        Arc::new(Self { core, instance, account, actor, mounts, temporary_names, arrival, mounted_at })
    }

    /// Where a virtual path is on the disk.
    pub(super) fn disk(&self, path: &VirtualPath) -> DiskPath {
        DiskPath::of(self.instance, self.account, path)
    }

    pub(super) fn stat(&self, path: &VirtualPath) -> Result<Metadata, VfsError> {
        let (mount, fixed) = match self.mounts.locate(path) {
            Place::Inside { mount, fixed } => (mount, fixed),
            Place::Ancestor if self.actor.is_login() => return Ok(self.ancestor(path)),
            // An operator names remote folders and files in them; the way there is a login's notion.
            Place::Ancestor | Place::Nowhere => return Err(VfsError::NotFound),
        };
        if fixed {
            return Ok(Metadata::fixed(self.core.backend.stat(&self.disk(path))?, mount.rights));
        }
        if !mount.rights.is_write_only() {
            Operation::Stat.require(mount.rights)?;
        }
        if let Some(unfinished) = self.unfinished(path) {
            return Ok(Metadata::incomplete(self.stat_unfinished(&unfinished)?, mount.rights));
        }
        if mount.rights.is_write_only() {
            let memory = self.core.uploads.just_uploaded(self.account, path, self.core.now());
            return match memory {
                Some(memory) => Ok(Metadata::whole(memory.stat, mount.rights)),
                None => self.stat_unseen_folder(path, mount.rights),
            };
        }
        Ok(Metadata::whole(self.core.backend.stat(&self.disk(path))?, mount.rights))
    }

    /// Where nothing is seen, a login that may make folders sees them, or it could not go into those that it made.
    /// Making one of the same name would tell it as much.
    fn stat_unseen_folder(&self, path: &VirtualPath, rights: Rights) -> Result<Metadata, VfsError> {
        if !rights.allows(Right::MakeFolder) {
            return Err(VfsError::NotFound);
        }
        let stat = self.core.backend.stat(&self.disk(path))?;
        match stat.kind {
            FileKind::Folder => Ok(Metadata::whole(stat, rights)),
            FileKind::File => Err(VfsError::NotFound),
        }
    }

    pub(super) fn list(self: &Arc<Self>, path: &VirtualPath) -> Result<Listing, VfsError> {
        let mut shown: Vec<(FileName, Metadata)> = Vec::new();
        for name in self.mounts.names_towards_mounts(path) {
            match self.stat(&path.join(&name)?) {
                Ok(metadata) => shown.push((name, metadata)),
                // Its directory was taken away by hand: the other folders are still there.
                Err(VfsError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        match self.mounts.locate(path) {
            Place::Ancestor if self.actor.is_login() => Ok(Listing::fixed(shown)),
            Place::Ancestor | Place::Nowhere => Err(VfsError::NotFound),
            Place::Inside { mount, fixed } => {
                if mount.rights.is_write_only() {
                    // What cannot be seen is no folder to list, but for the folder itself and the way to others.
                    return if fixed { Ok(Listing::fixed(shown)) } else { self.list_unseen(path) };
                }
                if !shown.is_empty() && !Operation::List.is_allowed(mount.rights) {
                    return Ok(Listing::fixed(shown));
                }
                Operation::List.require(mount.rights)?;
                let folder = self.core.backend.open_folder(&self.disk(path))?;
                if self.actor.is_login() {
                    for (name, unfinished) in self.core.uploads.in_folder(self.account, path) {
                        // One that ended meanwhile is listed as what it became.
                        if let Ok(stat) = self.stat_unfinished(&unfinished) {
                            shown.push((name, Metadata::incomplete(stat, mount.rights)));
                        }
                    }
                }
                Ok(Listing::over(&self.core, folder, shown, mount.rights))
            }
        }
    }

    /// A folder in which nothing is seen lists as empty, provided that it is one.
    fn list_unseen(&self, path: &VirtualPath) -> Result<Listing, VfsError> {
        match self.core.backend.stat(&self.disk(path))?.kind {
            FileKind::Folder => Ok(Listing::fixed(Vec::new())),
            FileKind::File => Err(VfsError::NotFound),
        }
    }

    pub(super) fn open_read(self: &Arc<Self>, path: &VirtualPath) -> Result<ReadFile, VfsError> {
        let mount = match self.mounts.locate(path) {
            Place::Inside { fixed: true, .. } => return Err(VfsError::IsAFolder),
            Place::Ancestor if self.actor.is_login() => return Err(VfsError::IsAFolder),
            Place::Ancestor | Place::Nowhere => return Err(VfsError::NotFound),
            Place::Inside { mount, fixed: false } => mount,
        };
        if mount.rights.is_write_only() {
            // The same answer as for what is not there, but for what the login knows to be there.
            return self.stat(path).and(Err(VfsError::PermissionDenied));
        }
        Operation::OpenRead.require(mount.rights)?;
        if self.unfinished(path).is_some() {
            return Err(VfsError::Busy);
        }
        let file = self.core.backend.open_file(&self.disk(path))?;
        let size = file.stat()?.size;
        Ok(ReadFile::new(Arc::clone(self), file, (mount.folder, mount.rights), path.clone(), size))
    }

    pub(super) fn make_folder(&self, path: &VirtualPath) -> Result<(), VfsError> {
        let mount = match self.changeable(path) {
            // What is made up, or mounted, is there already.
            Err(VfsError::PermissionDenied) if self.leads_to_a_mount(path) => return Err(VfsError::AlreadyExists),
            located => located?,
        };
        Operation::MakeFolder.require(mount.rights)?;
        if self.unfinished(path).is_some() {
            return Err(VfsError::AlreadyExists);
        }
        let place = self.disk(path);
        let _alone = self.core.names.hold(self.account, &[path])?;
        self.core.settle(self.account, &[path])?;
        self.core.backend.make_folder(&place)?;
        Ok(self.core.backend.sync_folder(&place.parent())?)
    }

    pub(super) fn remove_folder(&self, path: &VirtualPath) -> Result<(), VfsError> {
        let mount = self.changeable(path)?;
        Operation::RemoveFolder.require(mount.rights)?;
        if !self.core.uploads.in_folder(self.account, path).is_empty() {
            return Err(VfsError::NotEmpty);
        }
        let place = self.disk(path);
        self.core.backend.remove_folder(&place)?;
        Ok(self.core.backend.sync_folder(&place.parent())?)
    }

    pub(super) fn remove_file(&self, path: &VirtualPath) -> Result<(), VfsError> {
        let mount = self.changeable(path)?;
        match self.unfinished(path) {
            Some(_) if !Operation::DiscardUpload.is_allowed(mount.rights) => return Err(VfsError::PermissionDenied),
            // The other handle would publish it all the same.
            Some(Unfinished::InFlight(_)) => return Err(VfsError::Busy),
            Some(Unfinished::Incomplete(_)) => {
                if let Some(upload) = self.core.uploads.remove(self.account, path) {
                    self.core.remove_staged(self.account, upload);
                }
                return Ok(());
            }
            Some(Unfinished::Held(upload)) => {
                if self.core.uploads.take_held(self.account, path, upload).is_some() {
                    self.core.remove_staged(self.account, upload);
                }
                return Ok(());
            }
            None => {}
        }
        Operation::RemoveFile.require(mount.rights)?;
        self.remove_published(path, mount)?;
        if self.actor.is_login() {
            // An upload that was cut meanwhile stays: it is later than what was removed.
            self.core.uploads.forget_just_uploaded(self.account, path);
        }
        Ok(())
    }

    pub(super) fn rename(
        self: &Arc<Self>,
        from: &VirtualPath,
        to: &VirtualPath,
        replace: Replace,
        meter: Option<&Arc<Meter>>,
    ) -> Result<(), VfsError> {
        let source = self.changeable(from)?;
        let target = self.changeable(to)?;
        if let Some(Unfinished::Held(upload)) = self.unfinished(from)
            && from != to
        {
            return self.publish_held(upload, (from, source), (to, target), replace, meter);
        }
        Operation::RenameFrom.require(source.rights)?;
        if from == to {
            return self.stat(from).map(drop);
        }
        if source.folder != target.folder {
            Operation::RenameInto.require(target.rights)?;
        }
        // A folder cannot be put into itself.
        if to.is_within(from) {
            return Err(VfsError::PermissionDenied);
        }
        if self.unfinished(from).is_some() || self.core.uploads.any_in_flight_below(self.account, from) {
            return Err(VfsError::Busy);
        }
        if replace == Replace::Refuse && self.unfinished(to).is_some() {
            return Err(VfsError::AlreadyExists);
        }
        self.rename_published((from, source), (to, target), replace)?;
        note_moves(&self.core, self.account, from, to);
        Ok(())
    }

    pub(super) fn set_times(&self, path: &VirtualPath, times: Times) -> Result<(), VfsError> {
        let mount = match self.mounts.locate(path) {
            Place::Inside { mount, .. } => mount,
            Place::Ancestor => return Err(VfsError::PermissionDenied),
            Place::Nowhere => return Err(VfsError::NotFound),
        };
        Operation::SetTimes.require(mount.rights)?;
        match self.unfinished(path) {
            Some(Unfinished::InFlight(staged)) => {
                staged.add_times(times);
                return Ok(());
            }
            Some(Unfinished::Incomplete(_)) => return Err(VfsError::Busy),
            Some(Unfinished::Held(upload)) => {
                return Ok(self.core.backend.set_times(&DiskPath::staged(self.account, upload), times)?);
            }
            None => {}
        }
        if mount.rights.is_write_only() {
            // Only what the login knows to be there.
            self.stat(path)?;
        }
        Ok(self.core.backend.set_times(&self.disk(path), times)?)
    }

    pub(super) fn space(&self, path: &VirtualPath) -> Result<Space, VfsError> {
        self.stat(path)?;
        self.room()
    }

    /// What the disk has, or the account's quota where that leaves less.
    pub(super) fn room(&self) -> Result<Space, VfsError> {
        let space = self.core.backend.space()?;
        let (bytes, files) = self.core.quotas.find(self.account).map_or((None, None), |meter| meter.left());
        Ok(space.at_most(bytes, files))
    }

    /// The remote folder of a path that is to be changed. What leads to a mount, or is one, cannot be.
    pub(super) fn changeable(&self, path: &VirtualPath) -> Result<&Mount, VfsError> {
        match self.mounts.locate(path) {
            Place::Inside { mount, fixed: false } => Ok(mount),
            Place::Inside { fixed: true, .. } | Place::Ancestor => Err(VfsError::PermissionDenied),
            // Ancestors are read-only; where nothing is, not even a parent is.
            Place::Nowhere => match path.parent().map(|parent| self.leads_to_a_mount(&parent)) {
                Some(true) if self.actor.is_login() => Err(VfsError::PermissionDenied),
                _ => Err(VfsError::NotFound),
            },
        }
    }

    /// Whether this is an ancestor, a remote folder, or holds one.
    pub(super) fn leads_to_a_mount(&self, path: &VirtualPath) -> bool {
        matches!(self.mounts.locate(path), Place::Ancestor | Place::Inside { fixed: true, .. })
    }

    /// Whether a file's name is one that clients give it until they have sent all of it.
    pub(super) fn is_temporary(&self, path: &VirtualPath) -> bool {
        path.name().is_some_and(|name| self.temporary_names.matches(name.as_str()))
    }

    /// The unfinished upload that the login sees at a path.
    pub(super) fn unfinished(&self, path: &VirtualPath) -> Option<Unfinished> {
        if self.actor.is_login() { self.core.uploads.unfinished(self.account, path) } else { None }
    }

    /// What is published at a path, if anything.
    pub(super) fn whole(&self, path: &VirtualPath) -> Result<Option<Stat>, VfsError> {
        Ok(if_there(self.core.backend.stat(&self.disk(path)))?)
    }

    fn stat_unfinished(&self, unfinished: &Unfinished) -> Result<Stat, VfsError> {
        match unfinished {
            Unfinished::InFlight(staged) => staged.stat(),
            Unfinished::Incomplete(id) | Unfinished::Held(id) => {
                Ok(self.core.backend.stat(&DiskPath::staged(self.account, *id))?)
            }
        }
    }

    fn ancestor(&self, path: &VirtualPath) -> Metadata {
        Metadata {
            kind: FileKind::Folder,
            size: 0,
            modified: self.mounted_at,
            accessed: self.mounted_at,
            rights: Rights::none().with(Right::List),
            unique: unique_of(path),
            incomplete: false,
            fixed: true,
        }
    }
}

impl Staged {
    /// As it will be published: with the times that were asked for.
    pub(super) fn stat(&self) -> Result<Stat, VfsError> {
        let stat = self.file.stat()?;
        let times = *self.times();
        let (modified, accessed) = (times.modified.unwrap_or(stat.modified), times.accessed.unwrap_or(stat.accessed));
        Ok(Stat { modified, accessed, ..stat })
    }

    pub(super) fn add_times(&self, times: Times) {
        let mut kept = self.times();
        kept.modified = times.modified.or(kept.modified);
        kept.accessed = times.accessed.or(kept.accessed);
    }

    pub(super) fn times(&self) -> std::sync::MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A stable number for a folder that is on no disk (FNV-1a); the top bit keeps it apart from inodes.
fn unique_of(path: &VirtualPath) -> u64 {
    let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    path.as_str().bytes().fold(0xcbf2_9ce4_8422_2325, hash) | 1 << 63
}
