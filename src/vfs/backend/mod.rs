//! Where the bytes are kept, behind one small trait.
//!
//! Everything the file tree does to a disk goes through [`Backend`]. Its methods block: callers are on a blocking
//! thread, or do small work while the disk is prompt ([`super::pace`]). It knows neither logins nor rights nor publication; it keeps three promises instead: nothing outside the
//! storage directory is ever reached, only regular files and folders exist (all else is "not found"), and what a
//! `sync…` call was told of survives a loss of power.

mod copying;
mod local;

use std::io;
use std::sync::Arc;

use crate::domain::Timestamp;

use super::places::DiskPath;
use super::{FileKind, Replace, Space};

pub(super) use local::LocalBackend;

/// What a backend knows of a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) kind: FileKind,
    pub(super) size: u64,
    pub(super) modified: Timestamp,
    pub(super) accessed: Timestamp,
    /// When it last got its name, its content or its times (`ctime`). The medium sets it and nobody else can: what is put
    /// in place by a rename is never older than that.
    pub(super) changed: Timestamp,
    /// Tells files apart.
    pub(super) unique: u64,
}

/// Times to set; `None` leaves one as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) modified: Option<Timestamp>,
    pub(super) accessed: Option<Timestamp>,
}

impl Times {
    pub(super) const fn is_empty(self) -> bool {
        self.modified.is_none() && self.accessed.is_none()
    }
}

/// A place to keep files.
pub(super) trait Backend: Send + Sync + 'static {
    /// Names the time since power was last lost (or the machine last started, which is the same to a disk): while it
    /// is the same, what was written is there, synced or not.
    fn era(&self) -> String;
    /// Makes everything last.
    fn sync_all(&self) -> io::Result<()>;
    /// Opens a file for reading. A folder is an error of kind `IsADirectory`.
    fn open_file(&self, path: &DiskPath) -> io::Result<Arc<dyn OpenFile>>;
    /// Opens a file that is there for reading and writing.
    fn reopen_file(&self, path: &DiskPath) -> io::Result<Arc<dyn OpenFile>>;
    /// Makes a file and opens it for reading and writing.
    fn create_file(&self, path: &DiskPath) -> io::Result<Arc<dyn OpenFile>>;
    /// Makes `to` with what `from` holds, as cheaply as the medium can, and opens it for reading and writing.
    fn copy_file(&self, from: &DiskPath, to: &DiskPath) -> io::Result<Arc<dyn OpenFile>>;
    /// Opens a folder for one pass over what it holds.
    fn open_folder(&self, path: &DiskPath) -> io::Result<Box<dyn OpenFolder>>;
    fn stat(&self, path: &DiskPath) -> io::Result<Stat>;
    fn set_times(&self, path: &DiskPath, times: Times) -> io::Result<()>;
    /// Fails with `AlreadyExists` when anything has that name.
    fn make_folder(&self, path: &DiskPath) -> io::Result<()>;
    fn remove_file(&self, path: &DiskPath) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_folder(&self, path: &DiskPath) -> io::Result<()>;
    /// Removes whatever is there and in it, links and all, and follows none. Nothing there is success.
    fn remove_tree(&self, path: &DiskPath) -> io::Result<()>;
    /// Atomic: with [`Replace::Refuse`] nothing is ever replaced (`AlreadyExists`).
    fn rename(&self, from: &DiskPath, to: &DiskPath, replace: Replace) -> io::Result<()>;
    /// Makes a staged file, whose data is synced, visible at `target`, atomically. Answers whether it replaced another.
    /// It lasts once the folder of `target` is synced.
    fn publish(&self, staged: &DiskPath, target: &DiskPath, replace: Replace) -> io::Result<bool>;
    /// Makes what was created, renamed and removed in a folder last.
    fn sync_folder(&self, path: &DiskPath) -> io::Result<()>;
    fn space(&self) -> io::Result<Space>;
}

/// An open file. Positions are given with every call, so that several threads may share it.
pub(super) trait OpenFile: Send + Sync + 'static {
    /// 0 at or past the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes all of it.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    fn stat(&self) -> io::Result<Stat>;
    fn set_size(&self, size: u64) -> io::Result<()>;
    fn set_times(&self, times: Times) -> io::Result<()>;
    /// Makes what the file holds last (not its name: that is its folder's).
    fn sync(&self) -> io::Result<()>;
}

/// One pass over a folder.
pub(super) trait OpenFolder: Send + 'static {
    /// Up to `most` more, in the medium's order; empty at the end. Names that are not UTF-8 are left out.
    fn next_batch(&mut self, most: usize) -> io::Result<Vec<(String, Stat)>>;
}
