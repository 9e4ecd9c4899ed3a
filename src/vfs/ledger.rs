//! Where publications, changes and transfers are recorded. Declared here, implemented by `events`, so that the file tree
//! knows no database.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::domain::{AccountId, EventId, FolderId, InstanceId, Timestamp, TransferId, VirtualPath};

use super::{Actor, FileKind, TrashEntry};

/// A file that became visible.
#[derive(Debug, Clone)]
pub struct Publication {
    pub event: EventId,
    pub transfer: TransferId,
    pub instance: InstanceId,
    pub account: AccountId,
    pub folder: FolderId,
    pub path: VirtualPath,
    pub bytes: u64,
    pub replaced: bool,
    /// Nothing proves that its client sent all of it.
    pub unproven_end: bool,
    /// Its name is one that clients give a file until they have sent all of it: the transfer is recorded, and no event.
    pub temporary: bool,
    pub actor: Actor,
    pub started_at: Timestamp,
    pub published_at: Timestamp,
}

/// A published file that was removed, or a file or folder that was renamed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FileChange {
    pub event: EventId,
    pub instance: InstanceId,
    pub account: AccountId,
    /// The remote folder where it is, or was.
    pub folder: FolderId,
    /// Where it is now, or was when it was removed.
    pub path: VirtualPath,
    pub kind: FileKind,
    /// A file's size; 0 for a folder.
    pub bytes: u64,
    pub change: Change,
    /// The entry of the trash that has what was removed; `None`: it is gone, or was not removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trashed: Option<TrashEntry>,
    pub actor: Actor,
    pub at: Timestamp,
}

/// What happened to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Deleted,
    Renamed {
        from_folder: FolderId,
        from: VirtualPath,
        /// Something else had the new name.
        replaced: bool,
        /// The old name was a client's temporary one and the new one is not: with it, its upload is over.
        ends_upload: bool,
    },
}

impl FileChange {
    /// Where it was before.
    pub fn old_path(&self) -> &VirtualPath {
        match &self.change {
            Change::Deleted => &self.path,
            Change::Renamed { from, .. } => from,
        }
    }

    /// The remote folders that it is about.
    pub fn folders(&self) -> [FolderId; 2] {
        match &self.change {
            Change::Deleted => [self.folder; 2],
            Change::Renamed { from_folder, .. } => [*from_folder, self.folder],
        }
    }
}

/// What is to be recorded without fail.
#[derive(Debug, Clone)]
pub enum Happening {
    Published(Publication),
    Changed(FileChange),
}

impl Happening {
    pub fn event(&self) -> EventId {
        match self {
            Self::Published(publication) => publication.event,
            Self::Changed(change) => change.event,
        }
    }

    pub fn account(&self) -> AccountId {
        match self {
            Self::Published(publication) => publication.account,
            Self::Changed(change) => change.account,
        }
    }

    /// The remote folders that it is about: what happened in one is recorded in the order in which it happened.
    pub fn folders(&self) -> [FolderId; 2] {
        match self {
            Self::Published(publication) => [publication.folder; 2],
            Self::Changed(change) => change.folders(),
        }
    }
}

/// How a transfer that published nothing ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferOutcome {
    Completed,
    Failed { reason: String },
}

/// A transfer that published nothing: a download, or an upload cut short.
#[derive(Debug, Clone)]
pub struct TransferNote {
    pub event: EventId,
    pub transfer: TransferId,
    pub instance: InstanceId,
    pub account: AccountId,
    pub folder: FolderId,
    pub path: VirtualPath,
    pub bytes: u64,
    pub upload: bool,
    pub actor: Actor,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    pub outcome: TransferOutcome,
}

/// The record could not be written; the intent stays and is tried again.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct LedgerError(pub String);

/// Where publications and changes are recorded.
pub trait Ledger: Send + Sync + 'static {
    /// Writes what each of these tells (transfer and event of a publication, event of a change) in one transaction or, when
    /// it fails as a whole, in as few as keep the good from the bad; in this order within each remote folder, so that behind
    /// one that fails no other of its folders is written. Answers for each. What is answered well is durable; idempotent by
    /// ids.
    fn record(&self, happenings: Vec<Happening>) -> BoxFuture<'_, Vec<Result<(), LedgerError>>>;

    /// One publication alone; see [`Self::record`].
    fn published(&self, publication: Publication) -> BoxFuture<'_, Result<(), LedgerError>> {
        let recorded = self.record(vec![Happening::Published(publication)]);
        recorded.map(|answers| answers.into_iter().collect()).boxed()
    }

    /// Notes a transfer and its event; never waits, may be lost in a crash.
    fn noted(&self, note: TransferNote);

    /// Resolves when everything that was handed in before is written, or cannot be.
    fn flush(&self) -> BoxFuture<'_, ()>;
}
