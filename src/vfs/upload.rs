//! A file open for writing: staged, invisible to everyone else, then published whole or cut.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use crate::domain::{EventId, FolderId, NotProven, OverQuota, Rights, Timestamp, TransferId, UnprovenEnd, UploadId};

use super::backend::Times;
use super::ledger::{TransferNote, TransferOutcome};
use super::mount_table::Mount;
use super::places::DiskPath;
use super::quota::{self, Meter};
use super::sidecar::{Held, Line};
use super::storage::{blocking, small};
use super::uploads::Staged;
use super::view::View;
use super::{Metadata, Replace, Space, VfsError, Work};

/// Up to this size making a file durable is small work. What was there before (an upload that is continued, a file that
/// is edited) was written long ago, or makes its disk anything but prompt.
const SMALL: u64 = 1024 * 1024;

/// How a file is opened for writing, in SFTP's terms (draft-ietf-secsh-filexfer-02 §6.3), which cover FTP's and HTTP's.
#[derive(Debug, Clone, Copy, Default)]
pub struct WriteOptions {
    /// Make the file when it is not there (neither whole nor incomplete).
    pub create: bool,
    /// Start from nothing. Without it: an incomplete upload of the login's is continued; else a whole file is edited
    /// in a staged copy.
    pub truncate: bool,
    /// Fail when it is there.
    pub exclusive: bool,
    /// The handle may read as well (needs the right to read).
    pub read: bool,
    /// What comes goes behind all that is there, whatever that is: `Busy` while another upload of the path is in flight,
    /// since nobody knows where that one will end.
    pub append: bool,
}

/// Why an upload ended without publishing; told in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutReason {
    ConnectionLost,
    ClosedByOperator,
    Stalled,
    Aborted,
    ShuttingDown,
    StorageFailed,
    /// FTP: no data connection came, or none that could be used.
    NoDataConnection,
    /// FTP: the data connection resumed no TLS session of its control connection, and must.
    NotResumed,
    /// FTP: the data connection ended without TLS's `close_notify`, and that is why it counts as cut.
    NotProven(NotProven),
    /// FTP: the client announced another size.
    NotTheSize {
        announced: u64,
        came: u64,
    },
}

impl fmt::Display for CutReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConnectionLost => "the connection was lost",
            Self::ClosedByOperator => "an operator closed the session",
            Self::Stalled => "nothing came for too long",
            Self::Aborted => "the client gave it up",
            Self::ShuttingDown => "the gateway was shut down",
            Self::StorageFailed => "the storage failed",
            Self::NoDataConnection => "no data connection came, or its TLS handshake failed",
            Self::NotResumed => {
                "the data connection did not resume the TLS session of its control connection, which tls_resumption = \
                 \"require\" of the account or its preset, or require_resumption of the listener, demands"
            }
            Self::NotProven(problem) => return problem.fmt(f),
            Self::NotTheSize { announced, came } => {
                return write!(f, "ALLO announced {announced} bytes, and {came} came");
            }
        })
    }
}

/// What became of a publication.
#[derive(Debug, Clone)]
pub struct Published {
    pub bytes: u64,
    pub transfer: TransferId,
    /// `None`: its folder publishes on rename, and that is still to come.
    pub event: Option<EventId>,
}

/// A staged upload. Invisible to everyone else until `publish`. Dropped: as `cut(ConnectionLost)` (recorded as what it
/// is when a write failed).
/// Handles are shared between tasks of an edge as `Arc<Upload>`; hence `&self`.
pub struct Upload {
    inner: Arc<Inner>,
}

/// What the handle shares with a publication that outlives it.
pub(super) struct Inner {
    pub(super) view: Arc<View>,
    pub(super) staged: Arc<Staged>,
    pub(super) folder: FolderId,
    pub(super) rights: Rights,
    /// What to do with a published file that is there at the end.
    pub(super) replace: Replace,
    pub(super) transfer: TransferId,
    pub(super) started_at: Timestamp,
    /// Its end does not publish it: its rename does.
    pub(super) is_to_be_held: bool,
    /// It was held, and its rename publishes it now.
    pub(super) was_held: bool,
    readable: bool,
    /// It took over an incomplete upload.
    continued: bool,
    /// Where the furthest change ended.
    written_to: AtomicU64,
    /// Something was written: there is something to keep when it is cut.
    changed: AtomicBool,
    /// `publish` or `cut` was called; only the first counts.
    claimed: AtomicBool,
    /// Whether writing is over. Writers hold it for reading while they write, so that its writer waits for them.
    closed: RwLock<bool>,
    /// One append at a time: each goes where the one before ended.
    appending: Mutex<()>,
    failure: Mutex<Option<WriteFailure>>,
    meter: Option<Arc<Meter>>,
    /// The size of the published file that was there when this was opened.
    pub(super) over: Option<u64>,
}

/// The first change that failed: what is staged from there on is not what the client sent.
#[derive(Debug, Clone, Copy)]
struct WriteFailure {
    kind: io::ErrorKind,
    number: Option<i32>,
    /// What lies before is as it was sent.
    good_to: u64,
    /// It would have gone beyond the account's quota: nothing of it is kept.
    quota: Option<OverQuota>,
}

impl WriteFailure {
    fn error(self) -> VfsError {
        if let Some(over) = self.quota {
            return VfsError::OverQuota(over);
        }
        VfsError::from(self.number.map_or_else(|| self.kind.into(), io::Error::from_raw_os_error))
    }
}

impl Upload {
    pub(super) fn new(
        view: Arc<View>,
        staged: Arc<Staged>,
        (mount, replace): (&Mount, Replace),
        options: WriteOptions,
        continued: bool,
        over: Option<u64>,
    ) -> Self {
        let started_at = view.core.now();
        let meter = view.core.quotas.find(view.account);
        let transfer = TransferId::new(started_at, view.core.random.as_ref());
        let view_is_a_logins = view.actor.is_login();
        let inner = Inner {
            view,
            staged,
            is_to_be_held: view_is_a_logins && mount.publish_on_rename,
            was_held: false,
            folder: mount.folder,
            rights: mount.rights,
            replace,
            transfer,
            started_at,
            readable: options.read,
            continued,
            written_to: AtomicU64::new(0),
            changed: AtomicBool::new(false),
            claimed: AtomicBool::new(false),
            closed: RwLock::new(false),
            appending: Mutex::new(()),
            failure: Mutex::new(None),
            meter,
            over,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Blocking.
    pub fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), VfsError> {
        let _open = self.inner.open_for_writing()?;
        let end = offset.saturating_add(data.len() as u64);
        self.inner.change(offset, end, || self.inner.staged.file.write_at(offset, data))
    }

    /// Blocking; at the end, whatever it is then (APPEND).
    pub fn append(&self, data: &[u8]) -> Result<(), VfsError> {
        let _open = self.inner.open_for_writing()?;
        let _turn = self.inner.appending.lock().unwrap_or_else(PoisonError::into_inner);
        let end = self.inner.staged.file.stat()?.size;
        let new_end = end.saturating_add(data.len() as u64);
        self.inner.change(end, new_end, || self.inner.staged.file.write_at(end, data))
    }

    /// Blocking; `WrongMode` unless opened with `read`.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, VfsError> {
        if !self.inner.readable {
            return Err(VfsError::WrongMode);
        }
        Ok(self.inner.staged.file.read_at(offset, buffer)?)
    }

    /// Blocking.
    pub fn metadata(&self) -> Result<Metadata, VfsError> {
        Ok(Metadata::incomplete(self.inner.staged.stat()?, self.inner.rights))
    }

    /// Blocking.
    pub fn space(&self) -> Result<Space, VfsError> {
        self.inner.view.room()
    }

    /// Blocking.
    pub fn set_size(&self, size: u64) -> Result<(), VfsError> {
        let _open = self.inner.open_for_writing()?;
        self.inner.change(size, size, || self.inner.staged.file.set_size(size))
    }

    /// Blocking; kept through publication, also when more is written.
    pub fn set_times(&self, modified: Option<Timestamp>, accessed: Option<Timestamp>) -> Result<(), VfsError> {
        let _open = self.inner.open_for_writing()?;
        self.inner.staged.add_times(Times { modified, accessed });
        Ok(())
    }

    /// Blocking fdatasync (fsync@openssh.com).
    pub fn sync(&self) -> Result<(), VfsError> {
        let _open = self.inner.open_for_writing()?;
        // A failed sync may have lost anything, and the next one may not say so again: nothing is trusted after it.
        self.inner.unless_failed(0, || self.inner.staged.file.sync())
    }

    /// Durable and visible when it resolves (where a folder publishes on rename: to its login alone, until it renames it);
    /// recorded soon after (docs/decisions/0006). Runs to its end even when the caller is dropped. A second call answers `WrongMode`. Publishing an upload in which a write failed is refused (the failed write's error
    /// again).
    pub async fn publish(&self) -> Result<Published, VfsError> {
        self.publish_as(false).await
    }

    /// As [`Self::publish`], for an upload whose end is not proven: its record says so.
    pub async fn publish_unproven(&self, _: UnprovenEnd) -> Result<Published, VfsError> {
        self.publish_as(true).await
    }

    async fn publish_as(&self, unproven_end: bool) -> Result<Published, VfsError> {
        if self.inner.claimed.swap(true, Ordering::AcqRel) {
            return Err(VfsError::WrongMode);
        }
        let inner = Arc::clone(&self.inner);
        let core = &self.inner.view.core;
        let meter = core.quotas.find(inner.view.account);
        if let Some(meter) = &meter
            && let Err(error) = quota::ensure_counted(core, meter).await
        {
            // Nobody can say whether it fits.
            let reason = error.to_string();
            blocking(move || {
                inner.close();
                inner.end_cut(&reason);
                Ok(())
            })
            .await?;
            return Err(error);
        }
        let waits = meter.as_ref().is_some_and(|meter| meter.is_counting());
        let is_small = inner.written_to.load(Ordering::Acquire) <= SMALL;
        let publish = move || inner.publish(unproven_end, meter.as_ref());
        if is_small && !waits { small(core, Work::Sync, publish).await } else { blocking(publish).await }
    }

    /// Blocking: whether the account's quota lets it grow to so many bytes. Where it does not, the upload has failed.
    pub fn announce(&self, size: u64) -> Result<(), VfsError> {
        let _open = self.inner.open_for_writing()?;
        self.inner.check_quota(size)
    }

    /// Ends it as an incomplete upload of the login's (an operator's is discarded).
    pub async fn cut(&self, reason: CutReason) {
        if self.inner.claimed.swap(true, Ordering::AcqRel) {
            return;
        }
        let inner = Arc::clone(&self.inner);
        let ended = blocking(move || {
            inner.close();
            inner.end_cut(&inner.why(reason));
            Ok(())
        });
        if let Err(error) = ended.await {
            tracing::error!(error = &error as &dyn std::error::Error, "Cutting an upload failed");
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.inner.claimed.swap(true, Ordering::AcqRel) {
            return;
        }
        // The index changes at once, so that a client that reconnects finds what it sent; only the files that give
        // way are left to a blocking thread.
        let give_way = self.inner.leave_index();
        self.inner.note_cut(&self.inner.why(CutReason::ConnectionLost));
        let inner = Arc::clone(&self.inner);
        let remove = move || inner.remove_files(&give_way);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

impl Inner {
    /// An upload that ended before and waits for its rename, which publishes it where `staged` says now.
    pub(super) fn of_held(
        view: Arc<View>,
        staged: Arc<Staged>,
        (mount, replace): (&Mount, Replace),
        held: Held,
    ) -> Self {
        Self {
            view,
            staged,
            is_to_be_held: false,
            was_held: true,
            folder: mount.folder,
            rights: mount.rights,
            replace,
            transfer: held.transfer,
            started_at: held.started_at,
            readable: false,
            continued: false,
            written_to: AtomicU64::new(0),
            changed: AtomicBool::new(false),
            claimed: AtomicBool::new(true),
            closed: RwLock::new(true),
            appending: Mutex::new(()),
            failure: Mutex::new(None),
            meter: None,
            over: None,
        }
    }

    /// The guard keeps the upload from being closed while it is written.
    fn open_for_writing(&self) -> Result<RwLockReadGuard<'_, bool>, VfsError> {
        let closed = self.closed.read().unwrap_or_else(PoisonError::into_inner);
        // Claimed is not closed yet: nothing new is let in while the closing waits for what runs.
        if *closed || self.claimed.load(Ordering::Acquire) { Err(VfsError::WrongMode) } else { Ok(closed) }
    }

    /// Blocking: waits for the writes that run; no other starts.
    pub(super) fn close(&self) {
        *self.closed.write().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Changes the staged bytes from `offset` up to `end`.
    fn change(&self, offset: u64, end: u64, change: impl FnOnce() -> io::Result<()>) -> Result<(), VfsError> {
        self.check_writes()?;
        self.check_quota(end)?;
        self.unless_failed(offset, change)?;
        self.written_to.fetch_max(end, Ordering::AcqRel);
        self.changed.store(true, Ordering::Release);
        Ok(())
    }

    /// Does something to the staged bytes and remembers its failure. Such an upload is never published, nor written
    /// on: a later piece would leave a hole that the client, when it resumes at the end, would never fill.
    fn unless_failed(&self, good_to: u64, act: impl FnOnce() -> io::Result<()>) -> Result<(), VfsError> {
        self.check_writes()?;
        act().map_err(|error| {
            let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            let first = *failure.get_or_insert(WriteFailure {
                kind: error.kind(),
                number: error.raw_os_error(),
                good_to,
                quota: None,
            });
            // Of several that fail at a time, the first in the file decides.
            *failure = Some(WriteFailure { good_to: first.good_to.min(good_to), ..first });
            VfsError::from(error)
        })
    }

    /// Refuses when a write failed.
    pub(super) fn check_writes(&self) -> Result<(), VfsError> {
        let failure = *self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.map_or(Ok(()), |failure| Err(failure.error()))
    }

    /// Refuses what could not be published for its size; the upload has failed then, as when the disk is full.
    fn check_quota(&self, size: u64) -> Result<(), VfsError> {
        let Some(meter) = &self.meter else { return Ok(()) };
        meter.allows(size, self.over).map_err(|over| {
            self.refuse(over);
            VfsError::OverQuota(over)
        })
    }

    fn refuse(&self, over: OverQuota) {
        let failure = WriteFailure { kind: io::ErrorKind::QuotaExceeded, number: None, good_to: 0, quota: Some(over) };
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }

    fn over_quota(&self) -> Option<OverQuota> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).and_then(|failure| failure.quota)
    }

    /// What the record says of a publication that failed. What does not fit is not kept.
    pub(super) fn reason_of(&self, error: &VfsError) -> String {
        match error {
            VfsError::OverQuota(over) => {
                self.refuse(*over);
                over.to_string()
            }
            error => error.to_string(),
        }
    }

    /// A connection that goes after a write failed is not why the upload was not published, and neither is a disk where
    /// it was the quota.
    fn why(&self, reason: CutReason) -> String {
        match (reason, self.over_quota()) {
            (CutReason::ConnectionLost | CutReason::StorageFailed, Some(over)) => over.to_string(),
            (CutReason::ConnectionLost, None) if self.check_writes().is_err() => CutReason::StorageFailed.to_string(),
            (reason, _) => reason.to_string(),
        }
    }

    /// Blocking: ends it without publishing.
    pub(super) fn end_cut(&self, reason: &str) {
        // Before another session may continue it: both would write to the sidecar.
        if let Err(error) = self.make_last() {
            tracing::warn!(upload = %self.staged.id, %error, "An upload that was cut short would not outlast a loss of power");
        }
        let give_way = self.leave_index();
        self.note_cut(reason);
        self.remove_files(&give_way);
    }

    /// Turns the upload into the login's incomplete one, or gives it up. Answers the uploads whose files go.
    fn leave_index(&self) -> Vec<UploadId> {
        let (core, staged) = (&self.view.core, &self.staged);
        if self.is_worth_keeping() && self.drop_what_failed() {
            core.uploads.keep(staged, core.now())
        } else {
            core.uploads.discard(staged);
            vec![staged.id]
        }
    }

    /// What was received of a login's upload is to outlast a loss of power.
    fn make_last(&self) -> io::Result<()> {
        if !self.is_worth_keeping() || !self.drop_what_failed() {
            return Ok(());
        }
        let (backend, staged) = (self.view.core.backend.as_ref(), &self.staged);
        staged.file.sync()?;
        let bytes = staged.file.stat()?.size;
        Line::Kept { bytes }.append(backend, &DiskPath::sidecar(staged.account, staged.id), true)?;
        backend.sync_folder(&DiskPath::staging_of(staged.account))
    }

    /// An operator's upload is given up, and so is one that received nothing (a copy that nobody changed says no more
    /// than what it was copied from).
    fn is_worth_keeping(&self) -> bool {
        self.view.actor.is_login()
            && self.over_quota().is_none()
            && (self.continued || self.changed.load(Ordering::Acquire))
    }

    /// Leaves only what is as the client sent it; answers whether that is anything.
    fn drop_what_failed(&self) -> bool {
        let failure = *self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(failure) = failure else { return true };
        let shorten =
            |size: u64| if size > failure.good_to { self.staged.file.set_size(failure.good_to) } else { Ok(()) };
        failure.good_to > 0 && self.staged.file.stat().and_then(|stat| shorten(stat.size)).is_ok()
    }

    fn remove_files(&self, uploads: &[UploadId]) {
        for upload in uploads {
            self.view.core.remove_staged(self.staged.account, *upload);
        }
    }

    fn note_cut(&self, reason: &str) {
        self.view.core.ledger.noted(TransferNote {
            event: self.view.core.new_event_id(),
            transfer: self.transfer,
            instance: self.view.instance,
            account: self.view.account,
            folder: self.folder,
            path: self.staged.path.clone(),
            bytes: self.staged.file.stat().map_or(0, |stat| stat.size),
            upload: true,
            actor: self.view.actor.clone(),
            started_at: self.started_at,
            ended_at: self.view.core.now(),
            outcome: TransferOutcome::Failed { reason: reason.to_owned() },
        });
    }
}
