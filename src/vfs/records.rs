//! The records of publications and changes: written behind, many in one commit.
//!
//! A client that uploads thousands of small files waits for each before it sends the next. Were each recorded alone, the
//! database would cost more than the files. What happened within [`GATHERING`] is recorded together instead; until then its
//! intent stands for it.
//!
//! What happened in one remote folder is recorded in that order: behind what cannot be recorded the others of its folder
//! wait, and those of other folders do not.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::domain::{AccountId, FolderId, UploadId};

use super::VfsError;
use super::ledger::{Happening, LedgerError};
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
            tracing::error!(count, error, "{count} publications and changes are not recorded yet; it is tried again");
        }
    }
}

/// Records what happened, soon after, until `end`.
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

/// Records what happened and is not recorded. Once begun it goes to its end, also when the caller goes away: else what the
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
    let mut stuck = HashSet::new();
    for together in pending.chunks(TOGETHER) {
        match record(core, together, &mut stuck).await {
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

/// `stuck`: the folders in which something waits that could not be recorded.
async fn record(
    core: &Arc<Core>,
    pending: &[(UploadId, Pending)],
    stuck: &mut HashSet<FolderId>,
) -> Result<Recorded, VfsError> {
    let doubtful: Vec<_> = pending.iter().filter(|(_, pending)| !pending.lasts).cloned().collect();
    let mut not_lasting = HashSet::new();
    if !doubtful.is_empty() {
        let synced = Arc::clone(core);
        let failed = move || Ok(doubtful.into_iter().filter(|(id, one)| !synced.make_last(*id, one)).collect());
        let failed: Vec<_> = blocking(failed).await?;
        not_lasting.extend(failed.into_iter().map(|(id, _)| id));
    }
    let is_ready = |(id, pending): &&(UploadId, Pending)| {
        let folders = pending.happening.folders();
        let is_ready = !not_lasting.contains(id) && folders.iter().all(|folder| !stuck.contains(folder));
        if !is_ready {
            stuck.extend(folders);
        }
        is_ready
    };
    let ready: Vec<_> = pending.iter().filter(is_ready).cloned().collect();
    if ready.is_empty() {
        return Ok(Recorded { failed: pending.len(), ..Recorded::default() });
    }
    let outcomes = hand_in(core, ready.iter().map(|(_, pending)| pending.happening.clone()).collect()).await;
    let (mut recorded, mut failure) = (Vec::new(), None);
    for ((id, pending), outcome) in ready.into_iter().zip(outcomes) {
        match outcome {
            Ok(()) => recorded.push((id, pending.happening.account())),
            Err(error) => {
                stuck.extend(pending.happening.folders());
                failure = failure.or(Some(VfsError::Ledger(error)));
            }
        }
    }
    let (count, done) = (recorded.len(), Arc::clone(core));
    blocking(move || {
        recorded.into_iter().for_each(|(id, account)| done.drop_intent(id, account));
        Ok(())
    })
    .await?;
    Ok(Recorded { done: count, failed: pending.len() - count, failure })
}

/// Within a bounded time.
async fn hand_in(core: &Core, happenings: Vec<Happening>) -> Vec<Result<(), LedgerError>> {
    let count = happenings.len();
    match timeout(RECORD_TIMEOUT, core.ledger.record(happenings)).await {
        Ok(results) => results,
        Err(_) => vec![Err(LedgerError(String::from("the record took too long"))); count],
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

    /// Blocking. What is to be recorded must outlive a loss of power; answers whether it does.
    fn make_last(&self, id: UploadId, pending: &Pending) -> bool {
        match self.make_happening_last(&pending.happening) {
            Err(error) => {
                tracing::error!(%id, %error, "A publication or change could not be made durable, and is not recorded yet");
                false
            }
            Ok(()) => {
                self.uploads.lasts(id);
                true
            }
        }
    }

    /// Blocking: the record is made. The data left staging long ago; should the sidecar stay, the next start records the
    /// same ids once more.
    fn drop_intent(&self, id: UploadId, account: AccountId) {
        if let Err(error) = self.backend.remove_file(&DiskPath::sidecar(account, id)) {
            tracing::warn!(%id, %error, "Could not remove the intent of what is recorded");
        }
        self.uploads.recorded(id);
    }
}
