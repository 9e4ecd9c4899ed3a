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
    copied: AtomicBool,
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
            copied: AtomicBool::new(false),
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

    /// As [`Self::read_at`], for bytes that stay on this side: they are no part of a download.
    /// A file of which nothing but these was read is none.
    pub fn read_to_copy(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, VfsError> {
        self.copied.store(true, Ordering::Relaxed);
        Ok(self.file.read_at(offset, buffer)?)
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
        self.view.room()
    }

    /// Notes the transfer. `cut`: failed with this reason, also when the last byte was read, for it may not have
    /// arrived. Else completed, provided that the last byte was read.
    pub fn close(mut self, cut: Option<&str>) {
        let all = self.reached_the_end.load(Ordering::Relaxed);
        self.note(match cut {
            None if all => TransferOutcome::Completed,
            None => failed("closed before the end"),
            Some(reason) => failed(reason),
        });
    }

    /// Notes the transfer: completed, because whoever asked for a part of the file got all of it.
    pub fn finish(mut self) {
        self.note(TransferOutcome::Completed);
    }

    /// The file is looked at on this side alone and goes nowhere: that is no transfer.
    #[must_use]
    pub(super) fn unrecorded(mut self) -> Self {
        self.noted = true;
        self
    }

    fn note(&mut self, outcome: TransferOutcome) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        let was_only_copied = bytes == 0 && self.copied.load(Ordering::Relaxed);
        if std::mem::replace(&mut self.noted, true) || was_only_copied {
            return;
        }
        self.view.core.ledger.noted(TransferNote {
            event: self.view.core.new_event_id(),
            transfer: self.transfer,
            instance: self.view.instance,
            account: self.view.account,
            folder: self.folder,
            path: self.path.clone(),
            bytes,
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
        self.note(failed("the connection was lost"));
    }
}

fn failed(reason: &str) -> TransferOutcome {
    TransferOutcome::Failed { reason: reason.to_owned() }
}
