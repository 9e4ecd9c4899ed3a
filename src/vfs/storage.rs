//! The place of all files, and what is shared by every tree over it.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config::StorageSettings;
use crate::domain::{AccountId, Clock, EventId, InstanceId, Random, Timestamp, UploadId, VirtualPath};

use super::backend::{Backend, LocalBackend};
use super::departures::{Departure, Departures};
use super::event_ids::EventIds;
use super::ledger::Ledger;
use super::names::Names;
use super::places::DiskPath;
use super::quota::{self, Held, QuotaChanging, Quotas};
use super::uploads::Uploads;
use super::{Pace, TreeOwner, VfsError, Work, folders, records, recovery};

/// How the names of the files end that readiness tries to write.
pub(super) const PROBE: &str = ".probe";

/// The place of all files: `<directory>/<instance id>/<account id>/<path>`, staging and trash beside.
pub struct Storage {
    pub(super) core: Arc<Core>,
}

/// What every tree and every open file needs of the storage.
pub(super) struct Core {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) settings: StorageSettings,
    pub(super) uploads: Uploads,
    /// Told of everything that waits for its record.
    pub(super) published: Notify,
    pub(super) pace: Arc<Pace>,
    /// Held by whoever records.
    pub(super) recording: Arc<tokio::sync::Mutex<()>>,
    pub(super) departures: Departures,
    pub(super) quotas: Quotas,
    pub(super) names: Names,
    event_ids: EventIds,
}

/// What start-up found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// Files that were in place, and changes that were made, which are recorded now.
    pub rolled_forward: usize,
    /// Publications and changes that had not happened; the client was never told that they had.
    pub rolled_back: usize,
    /// Incomplete uploads that their logins can continue.
    pub incomplete: usize,
    /// Whole uploads that wait for the rename which publishes them.
    pub held: usize,
}

/// What a sweep removed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    /// Incomplete uploads past their term.
    pub incomplete: usize,
    /// Uploads past their term that no rename published.
    pub held: usize,
    /// Files in staging that nothing knows.
    pub orphans: usize,
    /// Entries of the trash past their term.
    pub trash: usize,
}

impl Storage {
    /// Opens the storage directory, and makes it when it is missing. Fails where the kernel cannot confine paths.
    pub fn open(
        settings: &StorageSettings,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Arc<Self>, VfsError> {
        let backend = LocalBackend::open(&settings.directory).map_err(VfsError::Storage)?;
        Self::over(Arc::new(backend), settings, ledger, clock, random)
    }

    /// The same over any backend.
    pub(super) fn over(
        backend: Arc<dyn Backend>,
        settings: &StorageSettings,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Arc<Self>, VfsError> {
        for folder in [DiskPath::staging(), DiskPath::trash()] {
            make_folder_unless_there(backend.as_ref(), &folder).map_err(VfsError::Storage)?;
        }
        let core = Core {
            backend,
            ledger,
            clock,
            random,
            settings: settings.clone(),
            uploads: Uploads::default(),
            departures: Departures::default(),
            quotas: Quotas::default(),
            names: Names::default(),
            event_ids: EventIds::default(),
            published: Notify::new(),
            pace: Arc::default(),
            recording: Arc::default(),
        };
        Ok(Arc::new(Self { core: Arc::new(core) }))
    }

    /// Rolls every intent forward or back, and finds the incomplete uploads again. Once, before any listener serves.
    pub async fn recover(&self) -> Result<Recovery, VfsError> {
        recovery::recover(&self.core).await
    }

    /// Removes incomplete uploads past their term, orphans of staging, trash past its term; tries again to record what
    /// could not be recorded.
    pub async fn sweep(&self) -> Result<Sweep, VfsError> {
        recovery::sweep(&self.core).await
    }

    /// Records what is published, some milliseconds behind, until `end`.
    pub async fn keep_recording(&self, end: CancellationToken) {
        records::keep_recording(&self.core, end).await;
    }

    /// Everything that happened before is recorded when this resolves, as far as the ledger can: for who wants to read
    /// it, and for the end.
    pub async fn settle(&self) {
        records::record_pending(&self.core).await;
        self.core.ledger.flush().await;
    }

    /// Makes the directories of an account's folders (idempotent).
    pub async fn prepare(&self, owner: &TreeOwner) -> Result<(), VfsError> {
        let owner = owner.clone();
        self.blocking(move |core| folders::prepare(core, &owner)).await
    }

    /// Announces that what is at `path`, but for the folders in `keep`, is about to be moved or thrown away: no tree that
    /// is mounted puts anything there from now on, and none is mounted, until the departure is complete or dropped. To
    /// be held from before the files leave until the rows tell so and the account's sessions were ended.
    pub async fn begin_departure(
        &self,
        account: AccountId,
        path: &VirtualPath,
        keep: &[VirtualPath],
    ) -> Result<Departure, VfsError> {
        let (core, path, keep) = (Arc::clone(&self.core), path.clone(), keep.to_vec());
        blocking(move || Ok(Departure::announce(&core, account, &path, &keep))).await
    }

    /// Moves the files of a folder whose path changes. `AlreadyExists` when something is at `to`. Whatever lies in the
    /// folder moves along, also the files of a remote folder inside it.
    pub async fn move_folder(
        &self,
        instance: InstanceId,
        account: AccountId,
        from: &VirtualPath,
        to: &VirtualPath,
    ) -> Result<(), VfsError> {
        let (from, to) = (from.clone(), to.clone());
        self.blocking(move |core| folders::move_folder(core, instance, account, &from, &to)).await
    }

    /// Into the dated trash. A folder that holds another (`keep`: the other remaining folders' paths) leaves that
    /// one's files.
    pub async fn trash_folder(
        &self,
        instance: InstanceId,
        account: AccountId,
        path: &VirtualPath,
        keep: &[VirtualPath],
    ) -> Result<(), VfsError> {
        let (path, keep) = (path.clone(), keep.to_vec());
        self.blocking(move |core| folders::trash_folder(core, instance, account, &path, &keep)).await
    }

    /// All files of an account into the dated trash.
    pub async fn trash_account(&self, instance: InstanceId, account: AccountId) -> Result<(), VfsError> {
        self.blocking(move |core| folders::trash_account(core, instance, account)).await
    }

    /// To be called before a change of an account's quota is written, and told when it is durable: of two changes at a
    /// time the later one holds.
    pub async fn begin_quota_change(&self) -> QuotaChanging {
        QuotaChanging::begin(&self.core).await
    }

    /// What an account with a quota holds, counted when it is not known or `anew` is asked for; exact also while files
    /// come and go. `None`: it has no quota, and nothing is kept of it.
    pub async fn held(&self, owner: &TreeOwner, anew: bool) -> Result<Option<Held>, VfsError> {
        self.core.quotas.admit(owner.instance, owner.account, owner.quota);
        let Some(meter) = self.core.quotas.find(owner.account) else { return Ok(None) };
        if anew {
            quota::recount(&self.core, &meter).await?;
        } else {
            quota::ensure_counted(&self.core, &meter).await?;
        }
        Ok(meter.held())
    }

    /// Where a folder's files are on the disk (for `try`).
    pub fn directory_of(&self, instance: InstanceId, account: AccountId, path: &VirtualPath) -> PathBuf {
        self.core.settings.directory.join(DiskPath::of(instance, account, path).as_str())
    }

    /// Whether files can be written now (for readiness).
    pub async fn is_writable(&self) -> bool {
        self.blocking(Core::probe).await.is_ok()
    }

    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Core) -> Result<T, VfsError> + Send + 'static,
    ) -> impl Future<Output = Result<T, VfsError>> + Send + 'static {
        let core = Arc::clone(&self.core);
        blocking(move || work(&core))
    }
}

impl Core {
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sorts behind all that were given out before.
    pub(super) fn new_event_id(&self) -> EventId {
        self.event_ids.next(self.now(), self.random.as_ref())
    }

    pub(super) fn new_upload_id(&self) -> UploadId {
        UploadId::new(self.now(), self.random.as_ref())
    }

    /// Removes the files of an upload that nobody needs any more. The sidecar goes first, or nothing does: data alone is
    /// an orphan, whereas a sidecar alone may read as the intent of a file that is in place.
    pub(super) fn remove_staged(&self, account: AccountId, id: UploadId) {
        for place in [DiskPath::sidecar(account, id), DiskPath::staged(account, id)] {
            match self.backend.remove_file(&place) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(upload = %id, %error, "Could not remove a staged file; the next sweep tries again");
                    break;
                }
                _ => {}
            }
        }
        self.uploads.forget(id);
    }

    fn probe(&self) -> Result<(), VfsError> {
        let probe = DiskPath::staging().child(&format!("{}{PROBE}", self.new_upload_id()));
        let file = self.backend.create_file(&probe)?;
        // Removed also when the disk is full.
        let written = file.write_at(0, b"probe");
        self.backend.remove_file(&probe)?;
        Ok(written?)
    }
}

/// Makes one folder; it may be there.
pub(super) fn make_folder_unless_there(backend: &dyn Backend, path: &DiskPath) -> io::Result<()> {
    match backend.make_folder(path) {
        Ok(()) => backend.sync_folder(&path.parent()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Does small disk work, on a blocking thread or in place, to its end even when the caller goes away.
pub(super) async fn small<T: Send + 'static>(
    core: &Core,
    kind: Work,
    work: impl FnOnce() -> Result<T, VfsError> + Send + 'static,
) -> Result<T, VfsError> {
    match Arc::clone(&core.pace).run(kind, work).await {
        Ok(result) => result,
        Err(error) => Err(VfsError::Storage(io::Error::other(error))),
    }
}

/// Runs disk work on a blocking thread, to its end even when the caller goes away.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, VfsError> + Send + 'static,
) -> Result<T, VfsError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(VfsError::Storage(io::Error::other(error))),
    }
}
