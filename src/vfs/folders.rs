//! What operators do to whole remote folders: make, move, throw away. Every step is a rename, so no file is ever
//! copied or lost, and each is durable before the next.

use std::io;

use crate::domain::{AccountId, InstanceId, VirtualPath};

use super::places::DiskPath;
use super::storage::{Core, make_folder_unless_there};
use super::trash::TrashEntry;
use super::{FileKind, Replace, TreeOwner, VfsError, sidecar};

/// How many entries of a folder are looked at together.
const BATCH: usize = 256;

/// Makes the directories of an account's folders. Cheap when they are there: it runs at every sign-in.
pub(super) fn prepare(core: &Core, owner: &TreeOwner) -> Result<(), VfsError> {
    for folder in &owner.folders {
        let place = DiskPath::of(owner.instance, owner.account, &folder.path);
        match core.backend.stat(&place) {
            Ok(stat) if stat.kind == FileKind::Folder => {}
            _ => make_folders(core, &place)?,
        }
    }
    Ok(())
}

/// Makes a folder and those above it.
pub(super) fn make_folders(core: &Core, place: &DiskPath) -> Result<(), VfsError> {
    match make_folder_unless_there(core.backend.as_ref(), place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && *place != DiskPath::top() => {
            make_folders(core, &place.parent())?;
            make_folder_unless_there(core.backend.as_ref(), place)?;
        }
        result => result?,
    }
    // Whatever has the name must be a folder; a file or a planted link would swallow what is put there.
    match core.backend.stat(place)?.kind {
        FileKind::Folder => Ok(()),
        FileKind::File => Err(VfsError::AlreadyExists),
    }
}

pub(super) fn move_folder(
    core: &Core,
    instance: InstanceId,
    account: AccountId,
    from: &VirtualPath,
    to: &VirtualPath,
) -> Result<(), VfsError> {
    if from == to {
        return Ok(());
    }
    // A folder cannot move into itself, nor onto what holds it (which is never empty).
    if to.is_within(from) || from.is_within(to) {
        return Err(VfsError::AlreadyExists);
    }
    let (source, target) = (DiskPath::of(instance, account, from), DiskPath::of(instance, account, to));
    if matches!(core.backend.stat(&source), Err(error) if error.kind() == io::ErrorKind::NotFound) {
        return make_folders(core, &target);
    }
    let _alone = core.names.hold(account, &[from, to])?;
    core.settle(account, &[from, to])?;
    make_folders(core, &target.parent())?;
    // An empty folder at the target gives way: that is what an earlier folder of that path left behind.
    match core.rename_counted(account, &source, &target, Replace::Allow).map_err(VfsError::from) {
        Err(VfsError::NotEmpty | VfsError::NotAFolder) => return Err(VfsError::AlreadyExists),
        result => result?,
    }
    core.backend.sync_folder(&target.parent())?;
    core.backend.sync_folder(&source.parent())?;
    note_moves(core, account, from, to);
    Ok(())
}

/// Lets unfinished uploads follow what was renamed. Only a convenience, so a failing disk is only logged.
pub(super) fn note_moves(core: &Core, account: AccountId, from: &VirtualPath, to: &VirtualPath) {
    // The login must see what it renamed, not an older attempt at that name, or at one in the empty folder of that name.
    for upload in core.uploads.remove_below(account, to, &[]) {
        core.remove_staged(account, upload);
    }
    let moves = core.uploads.moved(account, from, to);
    for (upload, path, is_held) in moves.followed {
        let line = sidecar::Line::Moved { path };
        // What is held was acknowledged: it is found where it belongs also after a loss of power.
        if let Err(error) = line.append(core.backend.as_ref(), &DiskPath::sidecar(account, upload), is_held) {
            tracing::warn!(%upload, %error, "Could not note the new path of an upload that is not published");
        }
    }
    for upload in moves.gave_way {
        core.remove_staged(account, upload);
    }
}

pub(super) fn trash_folder(
    core: &Core,
    instance: InstanceId,
    account: AccountId,
    path: &VirtualPath,
    keep: &[VirtualPath],
) -> Result<(), VfsError> {
    // A removal that is announced is made, or not, before.
    let _alone = core.names.hold(account, &[path])?;
    let entry = core.new_trash_entry();
    let inside: Vec<VirtualPath> = keep.iter().filter(|kept| kept.is_within(path)).cloned().collect();
    let trash = Trash { core, instance, account, entry: &entry, keep: &inside };
    let taken = trash.take(path);
    core.distrust_count(account);
    taken?;
    for upload in core.uploads.remove_below(account, path, &inside) {
        core.remove_staged(account, upload);
    }
    Ok(())
}

pub(super) fn trash_account(core: &Core, instance: InstanceId, account: AccountId) -> Result<(), VfsError> {
    trash_folder(core, instance, account, &VirtualPath::root(), &[])?;
    for upload in core.uploads.remove_account(account) {
        core.remove_staged(account, upload);
    }
    core.forget_quota(account);
    Ok(())
}

/// One entry of the trash while it is filled.
struct Trash<'a> {
    core: &'a Core,
    instance: InstanceId,
    account: AccountId,
    entry: &'a TrashEntry,
    keep: &'a [VirtualPath],
}

impl Trash<'_> {
    /// Moves what is at `path` into the trash; around the folders to keep, piece by piece.
    fn take(&self, path: &VirtualPath) -> Result<(), VfsError> {
        if self.keep.contains(path) {
            return Ok(());
        }
        if !self.keep.iter().any(|kept| kept.is_within(path)) {
            return self.take_whole(path);
        }
        let place = DiskPath::of(self.instance, self.account, path);
        // All names first: the folder changes while its entries leave.
        let mut names = Vec::new();
        let mut folder = match self.core.backend.open_folder(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        loop {
            let batch = folder.next_batch(BATCH)?;
            if batch.is_empty() {
                break;
            }
            names.extend(batch.into_iter().map(|(name, _)| name));
        }
        for name in names {
            // What is no name for a login belongs to nobody's folder and stays where it is.
            let Ok(name) = crate::domain::FileName::parse(&name) else { continue };
            if let Ok(child) = path.join(&name) {
                self.take(&child)?;
            }
        }
        Ok(())
    }

    fn take_whole(&self, path: &VirtualPath) -> Result<(), VfsError> {
        let place = DiskPath::of(self.instance, self.account, path);
        if matches!(self.core.backend.stat(&place), Err(error) if error.kind() == io::ErrorKind::NotFound) {
            return Ok(());
        }
        let trashed = self.core.make_room_in_trash(self.entry, &place)?;
        self.core.backend.rename(&place, &trashed, Replace::Refuse)?;
        self.core.backend.sync_folder(&trashed.parent())?;
        Ok(self.core.backend.sync_folder(&place.parent())?)
    }
}
