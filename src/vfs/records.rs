//! The records of publications: written behind, many in one commit.
//!
//! A client that uploads thousands of small files waits for each before it sends the next. Were each recorded alone, the
//! database would cost more than the files. What was published within [`GATHERING`] is recorded together instead; until
//! then its intent stands for it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::domain::{AccountId, UploadId};

use super::VfsError;
use super::ledger::{LedgerError, Publication};
use super::places::DiskPath;
use super::storage::{Core, blocking};
use super::uploads::Pending;

/// How long a publication waits for others to be recorded with.
const GATHERING: Duration = Duration::from_millis(50);
/// How many are handed to the ledger together.
const TOGETHER: usize = 256;
/// How long a record may take; it is tried again later.
const RECORD_TIMEOUT: Duration = Duration::from_secs(60);
/// How long it is waited before what could not be recorded is tried again, doubled up to the second.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// The time between two errors told of it.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What came of recording what waits.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    pub(super) done: usize,
    /// They stay for the next time.
    pub(super) failed: usize,
    /// Why the first of those failed.
    failure: Option<VfsError>,
}

impl Recorded {
    pub(super) fn tell(&self) {
        if let Some(error) = &self.failure {
            let (count, error) = (self.failed, error as &dyn std::error::Error);
            tracing::error!(count, error, "{count} published files are not recorded yet; it is tried again");
        }
    }
}

/// Records what is published, soon after it is, until `end`.
pub(super) async fn keep_recording(core: &Arc<Core>, end: CancellationToken) {
    let recording = async {
        let (mut retry, mut told) = (FIRST_RETRY, None::<Instant>);
        if core.uploads.count_pending() > 0 {
            // Start-up could not record them all.
            core.published.notify_one();
        }
        loop {
            core.published.notified().await;
            loop {
                sleep(GATHERING).await;
                let recorded = record_pending(core).await;
                if recorded.failed == 0 {
                    retry = FIRST_RETRY;
                    break;
                }
                if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                    recorded.tell();
                    told = Some(Instant::now());
                }
                // Those that the ledger does take need not wait for those that it does not.
                if timeout(retry, core.published.notified()).await.is_err() {
                    retry = LONGEST_RETRY.min(retry * 2);
                }
            }
        }
    };
    end.run_until_cancelled(recording).await;
}

/// Records what is in place and not recorded. Once begun it goes to its end, also when the caller goes away: else what the
/// ledger has taken would be handed in again, and told again.
pub(super) async fn record_pending(core: &Arc<Core>) -> Recorded {
    // Two at a time would hand the same publications in twice.
    let turn = Arc::clone(&core.recording).lock_owned().await;
    let core = Arc::clone(core);
    let recording = tokio::spawn(async move {
        let _turn = turn;
        record_in_turn(&core).await
    });
    match recording.await {
        Ok(recorded) => recorded,
        Err(error) => Recorded { failure: Some(VfsError::Storage(io::Error::other(error))), failed: 1, done: 0 },
    }
}

async fn record_in_turn(core: &Arc<Core>) -> Recorded {
    let mut all = Recorded::default();
    let pending = core.uploads.pending();
    for together in pending.chunks(TOGETHER) {
        match record(core, together).await {
            Ok(Recorded { done, failure, .. }) => {
                let is_away = done == 0 && failure.is_some();
                all = Recorded { done: all.done + done, failure: all.failure.or(failure), ..all };
                if is_away {
                    // It takes none: it is not asked for the others, each of which may wait until its time is up.
                    break;
                }
            }
            Err(error) => {
                all.failure.get_or_insert(error);
            }
        }
    }
    all.failed = pending.len() - all.done;
    all
}

async fn record(core: &Arc<Core>, pending: &[(UploadId, Pending)]) -> Result<Recorded, VfsError> {
    let (lasting, doubtful): (Vec<_>, Vec<_>) = pending.iter().cloned().partition(|(_, pending)| pending.lasts);
    let mut ready = lasting;
    if !doubtful.is_empty() {
        let synced = Arc::clone(core);
        let lasting = move || Ok(doubtful.into_iter().filter(|(id, pending)| synced.make_last(*id, pending)).collect());
        let lasting: Vec<_> = blocking(lasting).await?;
        ready.extend(lasting);
        ready.sort_by_key(|(_, pending)| pending.publication.event);
    }
    let outcomes = join_all(ready.iter().map(|(_, pending)| hand_in(core, pending.publication.clone()))).await;
    let (mut recorded, mut failure) = (Vec::new(), None);
    for ((id, pending), outcome) in ready.into_iter().zip(outcomes) {
        match outcome {
            Ok(()) => recorded.push((id, pending.publication)),
            Err(error) => failure = failure.or(Some(VfsError::Ledger(error))),
        }
    }
    let (count, done) = (recorded.len(), Arc::clone(core));
    blocking(move || {
        recorded.iter().for_each(|(id, publication)| done.drop_intent(*id, publication));
        Ok(())
    })
    .await?;
    Ok(Recorded { done: count, failed: pending.len() - count, failure })
}

/// Within a bounded time.
async fn hand_in(core: &Core, publication: Publication) -> Result<(), LedgerError> {
    match timeout(RECORD_TIMEOUT, core.ledger.published(publication)).await {
        Ok(result) => result,
        Err(_) => Err(LedgerError(String::from("the record took too long"))),
    }
}

impl Core {
    /// Blocking: both sides of the rename of a staged file to `target` outlast a loss of power.
    pub(super) fn make_names_last(&self, account: AccountId, target: &DiskPath) -> io::Result<()> {
        let visible = self.backend.sync_folder(&target.parent());
        // Had the old name come back, and the new one been renamed meanwhile, the next start would take it for a
        // publication that never happened.
        self.backend.sync_folder(&DiskPath::staging_of(account))?;
        visible
    }

    /// Blocking. A file that is to be recorded must outlive a loss of power; answers whether it does.
    fn make_last(&self, upload: UploadId, Pending { publication, .. }: &Pending) -> bool {
        let place = DiskPath::of(publication.instance, publication.account, &publication.path);
        match self.make_names_last(publication.account, &place) {
            // Its folder was taken away since: it was published all the same. (Staging folders stay.)
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::error!(%upload, %error, "A published file could not be made durable, and is not recorded yet");
                false
            }
            _ => {
                self.uploads.lasts(upload);
                true
            }
        }
    }

    /// Blocking: the record is made. The data left staging long ago; should the sidecar stay, the next start records the
    /// same ids once more.
    fn drop_intent(&self, upload: UploadId, publication: &Publication) {
        if let Err(error) = self.backend.remove_file(&DiskPath::sidecar(publication.account, upload)) {
            tracing::warn!(%upload, %error, "Could not remove the intent of a recorded publication");
        }
        self.uploads.recorded(upload);
    }
}
