//! What an operation on a tree can end in, as the edges tell them apart.

use std::io;

use crate::domain::OverQuota;
use crate::domain::virtual_path::InvalidPath;

use super::ledger::LedgerError;

/// What an operation on a tree can end in. The texts are for the peer: none holds a path of the disk.
#[derive(Debug, thiserror::Error)]
pub enum VfsError {
    #[error("no such file or folder")]
    NotFound,
    #[error("permission denied")]
    PermissionDenied,
    #[error("already exists")]
    AlreadyExists,
    #[error("not a folder")]
    NotAFolder,
    #[error("is a folder")]
    IsAFolder,
    #[error("the folder is not empty")]
    NotEmpty,
    /// An upload to this name is not finished.
    #[error("the file is being uploaded")]
    Busy,
    /// The disk is full, or the file would be larger than its filesystem allows.
    #[error("no space left")]
    NoSpace,
    /// The account may not hold that much.
    #[error("{}", .0.told())]
    OverQuota(OverQuota),
    #[error(transparent)]
    InvalidPath(#[from] InvalidPath),
    #[error("too many at a time")]
    TooMany,
    /// The handle is not open for this, or not open any more.
    #[error("the file is not open for that")]
    WrongMode,
    /// The disk failed; the source says how, for the operator.
    #[error("the storage failed")]
    Storage(#[source] io::Error),
    /// The ledger does not take it, or holds too much that is not recorded yet.
    #[error("the record of the transfer could not be written")]
    Ledger(#[source] LedgerError),
}

impl From<io::Error> for VfsError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::AlreadyExists => Self::AlreadyExists,
            io::ErrorKind::NotADirectory => Self::NotAFolder,
            io::ErrorKind::IsADirectory => Self::IsAFolder,
            io::ErrorKind::DirectoryNotEmpty => Self::NotEmpty,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Self::NoSpace,
            // Some filesystems take less than 255 bytes.
            io::ErrorKind::InvalidFilename => Self::InvalidPath(InvalidPath::NameTooLong),
            // A backend's own refusal carries no number of the operating system; EACCES does, and means that the
            // gateway itself lacks access: the operator's business, not the peer's.
            io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => Self::PermissionDenied,
            _ => Self::Storage(error),
        }
    }
}
