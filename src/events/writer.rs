//! The one task that writes: everything that waits, up to a bound, in one transaction.
//!
//! A commit waits for the disk, whatever it holds; so while one is under way others queue up, and the next commit takes
//! them all. What nobody waits for is gathered for a moment: a client that takes a thousand small files, one after the
//! other, is not worth a thousand commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::timeout;

use crate::store::{EventRow, Store, StoreError, TransferRow};
use crate::vfs::LedgerError;

/// The most entries of one transaction: it holds up every other writer.
const BATCH: usize = 256;
/// How long notes alone wait for more. A full queue of them drops what comes: this is short enough for 20,000 a second.
const GATHERING: Duration = Duration::from_millis(50);
/// The time between two warnings of lost notes.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// What is handed to the writer.
pub(super) enum Entry {
    /// Answered when it is durable.
    Publication { transfer: TransferRow, event: EventRow, done: oneshot::Sender<Result<(), LedgerError>> },
    /// Nobody waits for it.
    Note { transfer: TransferRow, _room: OwnedSemaphorePermit },
    /// Answered when everything before it is written.
    Flush { done: oneshot::Sender<()> },
}

/// Takes entries from the queue until the last sender is gone.
pub(super) struct Writer {
    store: Store,
    entries: mpsc::Receiver<Entry>,
    /// Something came that is waited for.
    hurry: Arc<Notify>,
    /// Notes that found no room.
    dropped_notes: Arc<AtomicU64>,
    /// Notes that the database did not take, and why, since the last warning.
    failed_notes: u64,
    failure: Option<StoreError>,
    last_warning: Option<Instant>,
}

impl Writer {
    pub(super) fn new(
        store: Store,
        entries: mpsc::Receiver<Entry>,
        hurry: Arc<Notify>,
        dropped_notes: Arc<AtomicU64>,
    ) -> Self {
        Self { store, entries, hurry, dropped_notes, failed_notes: 0, failure: None, last_warning: None }
    }

    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.entries.recv_many(&mut batch, BATCH).await > 0 {
            if batch.len() < BATCH && batch.iter().all(|entry| matches!(entry, Entry::Note { .. })) {
                self.gather(&mut batch).await;
            }
            match write(&self.store, &batch).await {
                Ok(()) => batch.drain(..).for_each(|entry| answer(entry, Ok(()))),
                Err(error) => self.write_one_by_one(&mut batch, error).await,
            }
            if self.last_warning.is_none_or(|last| last.elapsed() >= WARN_EVERY) {
                self.warn_of_lost_notes();
            }
        }
        self.warn_of_lost_notes();
    }

    /// Waits for more, unless somebody waits for the writer.
    async fn gather(&mut self, batch: &mut Vec<Entry>) {
        if !self.entries.is_closed() {
            // Woken by the clock and not by every note: that would cost more than writing it.
            let _ = timeout(GATHERING, self.hurry.notified()).await;
        }
        while batch.len() < BATCH
            && let Ok(entry) = self.entries.try_recv()
        {
            batch.push(entry);
        }
    }

    /// After a transaction that failed: each entry in one of its own, so that a bad one fails alone. When the database
    /// does not answer there is no point in asking again for each: they fail together, and their callers try later.
    async fn write_one_by_one(&mut self, batch: &mut Vec<Entry>, error: StoreError) {
        let mut outage = Some(error).filter(|error| matches!(error, StoreError::Unavailable(_)));
        for entry in batch.drain(..) {
            if let Some(error) = &outage {
                let failure = Err(LedgerError(error.to_string()));
                self.failed_notes += u64::from(matches!(entry, Entry::Note { .. }));
                answer(entry, failure);
                continue;
            }
            match write(&self.store, std::slice::from_ref(&entry)).await {
                Ok(()) => answer(entry, Ok(())),
                Err(error) => {
                    let is_note = matches!(entry, Entry::Note { .. });
                    answer(entry, Err(LedgerError(error.to_string())));
                    if matches!(error, StoreError::Unavailable(_)) {
                        outage = Some(error);
                    } else if is_note {
                        self.failure = Some(error);
                    }
                    self.failed_notes += u64::from(is_note);
                }
            }
        }
        if outage.is_some() {
            self.failure = outage;
        }
    }

    fn warn_of_lost_notes(&mut self) {
        let dropped = self.dropped_notes.swap(0, Ordering::Relaxed);
        let failed = std::mem::take(&mut self.failed_notes);
        let failure = self.failure.take().map(|error| error.to_string());
        if dropped + failed == 0 {
            return;
        }
        self.last_warning = Some(Instant::now());
        tracing::warn!(
            dropped,
            failed,
            failure,
            "{} transfers that ended are missing from the history: the database is too slow or refuses them",
            dropped + failed
        );
    }
}

/// Records entries in one transaction.
async fn write(store: &Store, entries: &[Entry]) -> Result<(), StoreError> {
    if entries.iter().all(|entry| matches!(entry, Entry::Flush { .. })) {
        return Ok(());
    }
    let (mut transfers, mut events) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry {
            Entry::Publication { transfer, event, .. } => {
                transfers.push(transfer);
                events.push(event);
            }
            Entry::Note { transfer, .. } => transfers.push(transfer),
            Entry::Flush { .. } => {}
        }
    }
    let mut unit = store.write().await?;
    unit.transfers().record_all(&transfers).await?;
    unit.events().record_all(&events).await?;
    unit.commit().await
}

/// Tells whoever waits for the entry; that nobody does any more is no fault.
fn answer(entry: Entry, outcome: Result<(), LedgerError>) {
    match entry {
        Entry::Publication { done, .. } => drop(done.send(outcome)),
        Entry::Note { .. } => {}
        Entry::Flush { done } => drop(done.send(())),
    }
}
