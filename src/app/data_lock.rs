//! One gateway alone works with a storage directory: two would sweep away each other's uploads.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Why the lock could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error(
        "{}: another gateway{} works with this storage: stop it, or give each its own storage.directory",
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
    /// Locks a storage directory, by a file beside it: what is in it belongs to the storage alone.
    pub(super) fn take(directory: &Path) -> Result<Self, LockError> {
        let mut name = directory.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let io = |source| LockError::Io { path: path.clone(), source };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
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

    #[test]
    fn a_storage_is_one_gateways_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let storage = directory.path().join("files");
        let lock = DataLock::take(&storage).unwrap();
        let LockError::Held { path, holder } = DataLock::take(&storage).unwrap_err() else { panic!("not held") };
        assert_eq!(path, directory.path().join("files.lock"));
        assert_eq!(holder, Some(std::process::id()));
        drop(lock);
        DataLock::take(&storage).unwrap();
    }

    #[test]
    fn a_file_that_a_dead_gateway_left_is_no_lock() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("files.lock"), "4194304\nlonger than what is written").unwrap();
        let _lock = DataLock::take(&directory.path().join("files")).unwrap();
        let text = std::fs::read_to_string(directory.path().join("files.lock")).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
    }

    #[test]
    fn a_directory_that_is_not_there_is_told() {
        let error = DataLock::take(Path::new("/nowhere/files")).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/files.lock: cannot be locked"), "{error}");
    }
}
