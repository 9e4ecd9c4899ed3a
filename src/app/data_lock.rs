//! One gateway alone works with a storage directory: two would sweep away each other's uploads.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file that is locked, in the storage directory: whoever reaches the directory, by a link, another mount or a volume
/// that containers share, reaches the same file. No instance has such a name.
const NAME: &str = ".lock";

/// Why the lock could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error(
        "{}: another gateway{} works with this storage: stop it, or give each its own storage.directory and database",
        path.display(),
        holder.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    Held { path: PathBuf, holder: Option<u32> },
    #[error("{}: cannot be locked: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
}

/// Held as long as the value lives; the kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct DataLock {
    _file: File,
}

impl DataLock {
    /// Locks a storage directory.
    pub(super) fn take(directory: &Path) -> Result<Self, LockError> {
        let path = directory.join(NAME);
        let io = |source| LockError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Only to help whoever reads the error.
                let _ = file.read_to_string(&mut text);
                return Err(LockError::Held { path, holder: text.trim().parse().ok() });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let written =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(io)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage(directory: &tempfile::TempDir) -> PathBuf {
        let storage = directory.path().join("files");
        std::fs::create_dir(&storage).unwrap();
        storage
    }

    #[test]
    fn a_storage_is_one_gateways_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let storage = storage(&directory);
        let lock = DataLock::take(&storage).unwrap();
        let LockError::Held { path, holder } = DataLock::take(&storage).unwrap_err() else { panic!("not held") };
        assert_eq!(path, storage.join(".lock"));
        assert_eq!(holder, Some(std::process::id()));
        drop(lock);
        DataLock::take(&storage).unwrap();
    }

    #[test]
    fn a_storage_is_the_same_by_whatever_way_it_is_reached() {
        let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let storage = storage(&directory);
        let other_way = elsewhere.path().join("mounted");
        std::os::unix::fs::symlink(&storage, &other_way).unwrap();
        let _lock = DataLock::take(&storage).unwrap();
        for way in [other_way, directory.path().join("files/")] {
            let LockError::Held { .. } = DataLock::take(&way).unwrap_err() else { panic!("not held") };
        }
    }

    #[test]
    fn a_file_that_a_dead_gateway_left_is_no_lock() {
        let directory = tempfile::tempdir().unwrap();
        let storage = storage(&directory);
        std::fs::write(storage.join(".lock"), "4194304\nlonger than what is written").unwrap();
        let _lock = DataLock::take(&storage).unwrap();
        let text = std::fs::read_to_string(storage.join(".lock")).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
    }

    #[test]
    fn a_directory_that_is_not_there_is_told() {
        let error = DataLock::take(Path::new("/nowhere/files")).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/files/.lock: cannot be locked"), "{error}");
    }
}
