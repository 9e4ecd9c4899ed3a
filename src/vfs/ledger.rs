//! Where publications and transfers are recorded. Declared here, implemented by `events`, so that the file tree knows
//! no database.

use futures_util::future::BoxFuture;

use crate::domain::{AccountId, EventId, FolderId, InstanceId, Timestamp, TransferId, VirtualPath};

use super::Actor;

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
    pub actor: Actor,
    pub started_at: Timestamp,
    pub published_at: Timestamp,
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
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LedgerError(pub String);

/// Where publications are recorded.
pub trait Ledger: Send + Sync + 'static {
    /// Writes the transfer and the `file.uploaded` event in one transaction. Durable when it resolves; idempotent by ids.
    fn published(&self, publication: Publication) -> BoxFuture<'_, Result<(), LedgerError>>;

    /// Notes a transfer; never waits, may be lost in a crash.
    fn noted(&self, note: TransferNote);

    /// Resolves when everything that was handed in before is written, or cannot be.
    fn flush(&self) -> BoxFuture<'_, ()>;
}
