//! Why the gateway does not start, or stopped by itself.

use std::path::PathBuf;

use super::data_lock::LockError;
use super::supervisor::TaskFailure;
use crate::credentials::{HostKeyError, MasterKeyError};
use crate::net::{BindError, TlsError};
use crate::store::StoreError;
use crate::vfs::VfsError;

/// What kept the gateway from starting.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("{}: cannot be made: {source}; make it, or let the gateway's user write there", path.display())]
    Directory { path: PathBuf, source: std::io::Error },
    #[error("host keys: {0}")]
    HostKeys(#[from] HostKeyError),
    #[error("api.tls: {0}")]
    Tls(#[from] TlsError),
    #[error("webhooks.ca: {0}")]
    Authorities(#[source] TlsError),
    #[error("the master key: {0}")]
    MasterKey(#[from] MasterKeyError),
    #[error("opening the database: {0}")]
    Store(#[from] StoreError),
    #[error("opening the storage: {0}")]
    Storage(#[source] VfsError),
}

/// Why a gateway that ran ended otherwise than it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("listening for signals: {0}")]
    Signals(#[source] std::io::Error),
    #[error(transparent)]
    Task(#[from] TaskFailure),
    #[error("ended at once by a second signal; sessions were cut")]
    Impatient,
}
