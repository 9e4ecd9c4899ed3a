//! A file open for reading.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::domain::{FolderId, Rights, Timestamp, TransferId, VirtualPath};

use super::backend::OpenFile;
use super::ledger::{TransferNote, TransferOutcome};
use super::view::View;
use super::{Metadata, Space, VfsError};

/// A published file (or, never, an incomplete one) open for reading; sees the version that was there when it was
/// opened, also after another replaced it.
pub struct ReadFile {
    view: Arc<View>,
    file: Arc<dyn OpenFile>,
    folder: FolderId,
    rights: Rights,
    path: VirtualPath,
    size: u64,
    transfer: TransferId,
    started_at: Timestamp,
    bytes: AtomicU64,
    reached_the_end: AtomicBool,
    noted: bool,
}

impl ReadFile {
    pub(super) fn new(
        view: Arc<View>,
        file: Arc<dyn OpenFile>,
        (folder, rights): (FolderId, Rights),
        path: VirtualPath,
        size: u64,
    ) -> Self {
        let started_at = view.core.now();
        let transfer = TransferId::new(started_at, view.core.random.as_ref());
        Self {
            view,
            file,
            folder,
            rights,
            path,
            size,
            transfer,
            started_at,
            bytes: AtomicU64::new(0),
            reached_the_end: AtomicBool::new(size == 0),
            noted: false,
        }
    }

    /// Blocking: call from a blocking thread. 0 at or past the end.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, VfsError> {
        let read = self.file.read_at(offset, buffer)?;
        self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        if read > 0 && offset.saturating_add(read as u64) >= self.size {
            self.reached_the_end.store(true, Ordering::Relaxed);
        }
        Ok(read)
    }

    /// Blocking (fstat).
    pub fn metadata(&self) -> Result<Metadata, VfsError> {
        Ok(Metadata::whole(self.file.stat()?, self.rights))
    }

    /// As it was when the file was opened.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Blocking.
    pub fn space(&self) -> Result<Space, VfsError> {
        Ok(self.view.core.backend.space()?)
    }

    /// Notes the transfer. With `cut`, failed for that reason, however much was read: what was read need not have
    /// arrived. Without, completed when the last byte was read.
    pub fn close(mut self, cut: Option<&str>) {
        let gave_up = (!self.reached_the_end.load(Ordering::Relaxed)).then_some("closed before the end");
        self.note(cut.or(gave_up));
    }

    /// Notes the transfer: completed, because whoever asked for a part of the file got all of it.
    pub fn finish(mut self) {
        self.note(None);
    }

    /// What is read is not for the client: no transfer is noted.
    pub fn keep_unnoted(&mut self) {
        self.noted = true;
    }

    fn note(&mut self, failure: Option<&str>) {
        if std::mem::replace(&mut self.noted, true) {
            return;
        }
        let outcome = match failure {
            None => TransferOutcome::Completed,
            Some(reason) => TransferOutcome::Failed { reason: reason.to_owned() },
        };
        self.view.core.ledger.noted(TransferNote {
            transfer: self.transfer,
            instance: self.view.instance,
            account: self.view.account,
            folder: self.folder,
            path: self.path.clone(),
            bytes: self.bytes.load(Ordering::Relaxed),
            upload: false,
            actor: self.view.actor.clone(),
            started_at: self.started_at,
            ended_at: self.view.core.now(),
            outcome,
        });
    }
}

impl Drop for ReadFile {
    fn drop(&mut self) {
        self.note(Some("the connection was lost"));
    }
}
