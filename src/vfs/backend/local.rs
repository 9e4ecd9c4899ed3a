//! A directory of this machine.
//!
//! Every path is resolved by the kernel, beneath the handle of the storage directory, following no link
//! (`openat2(2)` with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS`). A check of our own before the
//! call could be outrun by whoever swaps a folder for a link in between; the kernel's cannot. Operations that have no
//! such form open the parent that way and act on the last name alone, without following it.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{
    self, AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT,
};
use rustix::io::Errno;

use crate::domain::Timestamp;

use super::super::places::DiskPath;
use super::super::{FileKind, Replace, Space};
use super::copying::copy_content;
use super::{Backend, OpenFile, OpenFolder, Stat, Times};

const CONFINED: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// The kernel answers EAGAIN when a rename elsewhere raced with its walk; only an attack makes that last.
const RESOLUTION_ATTEMPTS: usize = 32;

/// How deep [`Backend::remove_tree`] goes. Far deeper than any virtual path; each level holds one descriptor.
const REMOVAL_DEPTH: usize = 128;

/// Files below one directory.
pub(in crate::vfs) struct LocalBackend {
    top: OwnedFd,
    era: String,
}

/// Where the kernel tells one start of the machine from the next.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

impl LocalBackend {
    /// Makes the directory when it is missing (mode 0700) and holds it open.
    pub(in crate::vfs) fn open(directory: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // Where the kernel does not say, every start of the gateway counts as one of the machine: the empty era is
        // never the same as another.
        let era = std::fs::read_to_string(BOOT_ID).map(|id| id.trim().to_owned()).unwrap_or_default();
        let backend = Self { top: fs::open(directory, flags, Mode::empty())?, era };
        match backend.resolve(".", OFlags::PATH, Mode::empty()) {
            Err(error) if error.raw_os_error() == Some(Errno::NOSYS.raw_os_error()) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this kernel, or the sandbox around the gateway, has no openat2, which confines logins to their \
                 folders: run on Linux 5.6 or newer, and let the sandbox pass that call",
            )),
            opened => opened.and_then(|_| backend.check_renaming()).map(|()| backend),
        }
    }

    /// Whether the filesystem can rename without replacing. Else it would be publications that fail, one by one.
    fn check_renaming(&self) -> io::Result<()> {
        let [from, to] = ["from", "to"].map(|name| format!(".rename-{name}"));
        let remove = |name: &str| match fs::unlinkat(&self.top, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error),
        };
        remove(&from)?;
        remove(&to)?;
        self.resolve(&from, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, Mode::RUSR | Mode::WUSR)?;
        let renamed = fs::renameat_with(&self.top, &from, &self.top, &to, RenameFlags::NOREPLACE);
        remove(if renamed.is_ok() { &to } else { &from })?;
        can_rename(renamed)
    }

    fn resolve(&self, path: &str, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        for _ in 0..RESOLUTION_ATTEMPTS {
            match fs::openat2(&self.top, path, flags | OFlags::CLOEXEC, mode, CONFINED) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                // A link on the way, or as the last name: to a login it is not there. ENXIO is how a socket, or a
                // pipe without a reader, says that it is no file.
                Err(Errno::XDEV | Errno::LOOP | Errno::NXIO | Errno::NODEV) => return Err(not_there()),
                result => return Ok(result?),
            }
        }
        Err(not_there())
    }

    /// The folder that holds `path`. A parent that is a file holds nothing.
    fn parent_of(&self, path: &DiskPath) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        self.resolve(path.parent().as_str(), flags, Mode::empty()).map_err(not_a_folder_is_not_there)
    }

    fn open_regular(&self, path: &DiskPath, access: OFlags) -> io::Result<LocalFile> {
        // Neither waits for the other end of a pipe, nor takes a terminal as its own.
        let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = self.resolve(path.as_str(), flags, Mode::empty()).map_err(not_a_folder_is_not_there)?;
        match stat_of(&fs::fstat(&opened)?)?.kind {
            FileKind::File => Ok(LocalFile(File::from(opened))),
            FileKind::Folder => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn create(&self, path: &DiskPath) -> io::Result<LocalFile> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        Ok(LocalFile(File::from(self.resolve(path.as_str(), flags, Mode::RUSR | Mode::WUSR)?)))
    }

    /// Renames, and tells whether something was there before.
    fn put_in_place(&self, from: &DiskPath, to: &DiskPath, replace: Replace) -> io::Result<bool> {
        let (source, target) = (self.parent_of(from)?, self.parent_of(to)?);
        kind_at(&source, from.name())?;
        let replaced = match fs::statat(&target, to.name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if stat_of(&stat).is_err() => {
                // Something planted holds the name. It is neither followed nor destroyed.
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the name is taken by no file or folder"));
            }
            Ok(_) => true,
            Err(Errno::NOENT) => false,
            Err(error) => return Err(error.into()),
        };
        let flags = match replace {
            Replace::Refuse => RenameFlags::NOREPLACE,
            Replace::Allow => RenameFlags::empty(),
        };
        fs::renameat_with(&source, from.name(), &target, to.name(), flags)?;
        Ok(replaced)
    }
}

impl Backend for LocalBackend {
    fn era(&self) -> String {
        self.era.clone()
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(fs::syncfs(&self.top)?)
    }

    fn open_file(&self, path: &DiskPath) -> io::Result<Arc<dyn OpenFile>> {
        Ok(Arc::new(self.open_regular(path, OFlags::RDONLY)?))
    }

    fn reopen_file(&self, path: &DiskPath) -> io::Result<Arc<dyn OpenFile>> {
        Ok(Arc::new(self.open_regular(path, OFlags::RDWR)?))
    }

    fn create_file(&self, path: &DiskPath) -> io::Result<Arc<dyn OpenFile>> {
        Ok(Arc::new(self.create(path)?))
    }

    fn copy_file(&self, from: &DiskPath, to: &DiskPath) -> io::Result<Arc<dyn OpenFile>> {
        let source = self.open_regular(from, OFlags::RDONLY)?;
        let copy = self.create(to)?;
        match copy_content(&source.0, &copy.0) {
            Ok(()) => Ok(Arc::new(copy)),
            Err(error) => {
                let _ = self.remove_file(to);
                Err(error)
            }
        }
    }

    fn open_folder(&self, path: &DiskPath) -> io::Result<Box<dyn OpenFolder>> {
        let folder = self.resolve(path.as_str(), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        Ok(Box::new(LocalFolder { entries: Dir::new(folder)? }))
    }

    fn stat(&self, path: &DiskPath) -> io::Result<Stat> {
        let opened = self.resolve(path.as_str(), OFlags::PATH, Mode::empty()).map_err(not_a_folder_is_not_there)?;
        stat_of(&fs::fstat(opened)?)
    }

    fn set_times(&self, path: &DiskPath, times: Times) -> io::Result<()> {
        let parent = self.parent_of(path)?;
        kind_at(&parent, path.name())?;
        Ok(fs::utimensat(&parent, path.name(), &timestamps(times), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn make_folder(&self, path: &DiskPath) -> io::Result<()> {
        Ok(fs::mkdirat(self.parent_of(path)?, path.name(), Mode::RWXU)?)
    }

    fn remove_file(&self, path: &DiskPath) -> io::Result<()> {
        let parent = self.parent_of(path)?;
        match kind_at(&parent, path.name())? {
            FileKind::File => Ok(fs::unlinkat(&parent, path.name(), AtFlags::empty())?),
            FileKind::Folder => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn remove_folder(&self, path: &DiskPath) -> io::Result<()> {
        let parent = self.parent_of(path)?;
        match kind_at(&parent, path.name())? {
            FileKind::Folder => Ok(fs::unlinkat(&parent, path.name(), AtFlags::REMOVEDIR)?),
            FileKind::File => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn remove_tree(&self, path: &DiskPath) -> io::Result<()> {
        match self.parent_of(path) {
            Ok(parent) => remove_entry(parent.as_fd(), Path::new(path.name()), REMOVAL_DEPTH),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn rename(&self, from: &DiskPath, to: &DiskPath, replace: Replace) -> io::Result<()> {
        self.put_in_place(from, to, replace).map(|_| ())
    }

    fn publish(&self, staged: &DiskPath, target: &DiskPath, replace: Replace) -> io::Result<bool> {
        self.put_in_place(staged, target, replace)
    }

    fn sync_folder(&self, path: &DiskPath) -> io::Result<()> {
        let folder = self.resolve(path.as_str(), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        Ok(fs::fsync(folder)?)
    }

    fn space(&self) -> io::Result<Space> {
        let space = fs::fstatvfs(&self.top)?;
        Ok(Space {
            block_size: space.f_frsize,
            blocks: space.f_blocks,
            blocks_free: space.f_bfree,
            blocks_available: space.f_bavail,
            files: space.f_files,
            files_free: space.f_ffree,
        })
    }
}

/// An open regular file.
struct LocalFile(File);

impl OpenFile for LocalFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        // No file reaches past 2^63; the kernel would call such a position invalid.
        if i64::try_from(offset).is_err() {
            return Ok(0);
        }
        loop {
            match self.0.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = u64::try_from(data.len()).ok().and_then(|length| offset.checked_add(length));
        if end.is_none_or(|end| i64::try_from(end).is_err()) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.write_all_at(data, offset)
    }

    fn stat(&self) -> io::Result<Stat> {
        stat_of(&fs::fstat(&self.0)?)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        if i64::try_from(size).is_err() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.set_len(size)
    }

    fn set_times(&self, times: Times) -> io::Result<()> {
        Ok(fs::futimens(&self.0, &timestamps(times))?)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// How many entries of a batch room is made for at first.
const MOST_ROOM: usize = 512;

/// One pass over a directory, on a descriptor of its own.
struct LocalFolder {
    entries: Dir,
}

impl OpenFolder for LocalFolder {
    fn next_batch(&mut self, most: usize) -> io::Result<Vec<(String, Stat)>> {
        let mut batch = Vec::with_capacity(most.min(MOST_ROOM));
        while batch.len() < most {
            let Some(entry) = self.entries.read() else { break };
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            // The directory says the kind for free: what cannot be a file or folder costs no stat.
            let may_exist =
                matches!(entry.file_type(), FileType::RegularFile | FileType::Directory | FileType::Unknown);
            if name == "." || name == ".." || !may_exist {
                continue;
            }
            let stat = match fs::statat(self.entries.fd()?, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                // Removed since the directory was read.
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error.into()),
            };
            if let Ok(stat) = stat_of(&stat) {
                batch.push((name.to_owned(), stat));
            }
        }
        Ok(batch)
    }
}

/// What the answer to a rename that must not replace says of the filesystem.
fn can_rename(renamed: Result<(), Errno>) -> io::Result<()> {
    match renamed {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the filesystem of storage.directory cannot rename a file without replacing another (renameat2 with \
             RENAME_NOREPLACE), which keeps uploads from destroying each other: use a local filesystem such as ext4, XFS \
             or btrfs",
        )),
        result => Ok(result?),
    }
}

fn not_there() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// Below a file there is nothing.
fn not_a_folder_is_not_there(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::NotADirectory { not_there() } else { error }
}

fn kind_at(parent: impl AsFd, name: &str) -> io::Result<FileKind> {
    Ok(stat_of(&fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?)?.kind)
}

/// Regular files and directories; anything else is not there.
fn stat_of(stat: &fs::Stat) -> io::Result<Stat> {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Folder,
        _ => return Err(not_there()),
    };
    Ok(Stat {
        kind,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        modified: timestamp(stat.st_mtime, stat.st_mtime_nsec),
        accessed: timestamp(stat.st_atime, stat.st_atime_nsec),
        changed: timestamp(stat.st_ctime, stat.st_ctime_nsec),
        unique: stat.st_ino,
    })
}

fn timestamp(seconds: impl Into<i64>, nanos: impl TryInto<i64>) -> Timestamp {
    let micros = nanos.try_into().unwrap_or(0) / 1_000;
    Timestamp::from_micros(seconds.into().saturating_mul(1_000_000).saturating_add(micros))
}

fn timestamps(times: Times) -> Timestamps {
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let timespec = |time: Timestamp| Timespec {
        tv_sec: time.as_seconds(),
        tv_nsec: time.as_micros().rem_euclid(1_000_000) * 1_000,
    };
    Timestamps {
        last_access: times.accessed.map_or(omit, timespec),
        last_modification: times.modified.map_or(omit, timespec),
    }
}

fn remove_entry(parent: BorrowedFd<'_>, name: &Path, depth: usize) -> io::Result<()> {
    match fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // Linux says EISDIR for a directory, POSIX EPERM.
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    if depth == 0 {
        return Err(io::Error::other("folders lie deeper than the gateway ever makes them: remove them by hand"));
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = fs::openat(parent, name, flags, Mode::empty())?;
    let mut entries = Dir::read_from(&folder)?;
    while let Some(entry) = entries.read() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            let name: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(entry.file_name().to_bytes());
            remove_entry(folder.as_fd(), Path::new(name), depth - 1)?;
        }
    }
    Ok(fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filesystem_that_cannot_rename_without_replacing_is_refused_with_what_would_do() {
        for answer in [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP] {
            let error = can_rename(Err(answer)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
            assert!(error.to_string().contains("storage.directory"), "{error}");
        }
        assert_eq!(can_rename(Err(Errno::ROFS)).unwrap_err().kind(), io::ErrorKind::ReadOnlyFilesystem);
    }

    #[test]
    fn the_check_leaves_nothing_and_minds_nothing_that_was_left() {
        let directory = tempfile::tempdir().unwrap();
        let names = || std::fs::read_dir(directory.path()).unwrap().count();
        LocalBackend::open(directory.path()).unwrap();
        assert_eq!(names(), 0);
        for left in [".rename-from", ".rename-to"] {
            std::fs::write(directory.path().join(left), "").unwrap();
        }
        LocalBackend::open(directory.path()).unwrap();
        assert_eq!(names(), 0);
    }
}
