//! How long published files have been there, and the removal of those that have been there for too long.
//!
//! The age of a file counts from its `ctime`, which no client sets: the rename that publishes a file gives it a new one,
//! and so does whatever touches it afterwards (a rename, SETSTAT, MFMT). So no file is taken for older than its publication.

use std::io;
use std::sync::Arc;

use crate::domain::{FileName, FolderId, Timestamp, VirtualPath};

use super::backend::OpenFolder;
use super::mount_table::Place;
use super::storage::blocking;
use super::trash::{Removal, TrashEntry};
use super::view::View;
use super::{FileKind, OperatorTree, VfsError};

/// How many entries of a folder are looked at together, and how many folders are opened in one go.
const BATCH: usize = 256;

/// A published file, and since when it is as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgedFile {
    pub path: VirtualPath,
    pub bytes: u64,
    /// Tells files apart.
    pub unique: u64,
    pub since: Timestamp,
}

/// One pass over the published files of a remote folder and the folders in it, but for what belongs to remote folders in
/// it. In the medium's order; holds one open directory for each level.
pub struct Ages {
    /// Gone while a batch is read, and at the end.
    walk: Option<Walk>,
}

struct Walk {
    view: Arc<View>,
    folder: FolderId,
    /// From the outermost in; no deeper than a path.
    levels: Vec<Level>,
}

struct Level {
    path: VirtualPath,
    folder: Box<dyn OpenFolder>,
    /// Folders of its last batch that were not visited yet.
    to_visit: Vec<VirtualPath>,
}

impl OperatorTree {
    /// Looks at all files of a remote folder.
    pub async fn ages(&self, folder: FolderId) -> Result<Ages, VfsError> {
        let view = self.view();
        blocking(move || {
            let path = view.mounts.path_of(folder).ok_or(VfsError::NotFound)?.clone();
            let mut walk = Walk { view, folder, levels: Vec::new() };
            walk.enter(path)?;
            Ok(Ages { walk: Some(walk) })
        })
        .await
    }

    /// Removes a published file that has been as it is since `than` or before, in one step: one that takes its place
    /// meanwhile stays. Answers its size; `None`: it is newer.
    pub async fn remove_if_older(
        &self,
        path: &VirtualPath,
        than: Timestamp,
        trash: Option<&TrashEntry>,
    ) -> Result<Option<u64>, VfsError> {
        let (view, path, trash) = (self.view(), path.clone(), trash.cloned());
        blocking(move || {
            let mount = view.changeable(&path)?;
            let removal = trash.as_ref().map_or(Removal::Final, Removal::ToTrash);
            // A folder that departs takes its files along, whatever comes to its path.
            let is_here = || view.arrival.stay(&[&path]).is_ok();
            view.remove_if(&path, mount, removal, |stat| stat.changed <= than && is_here())
        })
        .await
    }

    /// A new entry of the trash.
    pub fn new_trash_entry(&self) -> TrashEntry {
        self.view().core.new_trash_entry()
    }
}

impl Ages {
    /// Some more files, perhaps none; `None` at the end. A pass whose batch failed or was given up half-way is at its end.
    pub async fn next_batch(&mut self) -> Result<Option<Vec<AgedFile>>, VfsError> {
        let Some(mut walk) = self.walk.take() else { return Ok(None) };
        let (walk, batch) = blocking(move || {
            let batch = walk.next_batch()?;
            Ok((walk, batch))
        })
        .await?;
        self.walk = batch.is_some().then_some(walk);
        Ok(batch)
    }
}

impl Walk {
    /// Blocking.
    fn next_batch(&mut self) -> Result<Option<Vec<AgedFile>>, VfsError> {
        // Folders without files are many in one go, and not without end.
        for _ in 0..BATCH {
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            if let Some(path) = level.to_visit.pop() {
                self.enter(path)?;
                continue;
            }
            let found = level.folder.next_batch(BATCH)?;
            if found.is_empty() {
                self.levels.pop();
                continue;
            }
            let at = level.path.clone();
            let mut files = Vec::new();
            for (name, stat) in found {
                // What no path can say is nobody's, and is nothing to a login.
                let Some(Ok(path)) = FileName::as_kept(name).map(|name| at.join(&name)) else { continue };
                let Place::Inside { mount, .. } = self.view.mounts.locate(&path) else { continue };
                match stat.kind {
                    _ if mount.folder != self.folder => {}
                    FileKind::Folder => level.to_visit.push(path),
                    FileKind::File => {
                        files.push(AgedFile { path, bytes: stat.size, unique: stat.unique, since: stat.changed });
                    }
                }
            }
            if !files.is_empty() {
                return Ok(Some(files));
            }
        }
        Ok(Some(Vec::new()))
    }

    /// A folder that has gone meanwhile holds nothing.
    fn enter(&mut self, path: VirtualPath) -> Result<(), VfsError> {
        match self.view.core.backend.open_folder(&self.view.disk(&path)) {
            Ok(folder) => self.levels.push(Level { path, folder, to_visit: Vec::new() }),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
