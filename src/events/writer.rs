//! The one task that writes: everything that waits, up to a bound, in one transaction.
//!
//! A commit waits for the disk, whatever it holds; so while one is under way others queue up, and the next commit takes
//! them all. What nobody waits for is gathered for a moment: a client that takes a thousand small files, one after the
//! other, is not worth a thousand commits.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::timeout;

use super::rows::{Came, Rows, tell_transfer};
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
    /// Answered, for each, when they are durable.
    Happenings { rows: Vec<Rows>, done: oneshot::Sender<Vec<Result<(), LedgerError>>> },
    /// Nobody waits for it.
    Note { rows: Box<(TransferRow, EventRow)>, _room: OwnedSemaphorePermit },
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
    failure: Option<String>,
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
            let told: Vec<Told<'_>> = batch.iter().flat_map(told).collect();
            match write(&self.store, &told).await {
                Ok(()) => batch.drain(..).for_each(answer),
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

    /// After a transaction that failed: each entry in one of its own, so that a bad one fails alone (and what comes after it
    /// in its remote folder with it). When the database does not answer there is no point in asking again for each: they
    /// fail together, and their callers try later.
    async fn write_one_by_one(&mut self, batch: &mut Vec<Entry>, error: StoreError) {
        let mut outage = matches!(error, StoreError::Unavailable(_)).then(|| error.to_string());
        for entry in batch.drain(..) {
            match entry {
                Entry::Happenings { rows, done } => {
                    let outcomes = self.write_in_order(&rows, &mut outage).await;
                    drop(done.send(outcomes));
                }
                Entry::Note { ref rows, .. } => {
                    if let Err(failure) = self.write_one(Told::of_note(rows), &mut outage).await {
                        self.failed_notes += 1;
                        self.failure = Some(failure);
                    }
                }
                Entry::Flush { .. } => answer(entry),
            }
        }
    }

    async fn write_in_order(&self, rows: &[Rows], outage: &mut Option<String>) -> Vec<Result<(), LedgerError>> {
        let mut stuck = HashSet::new();
        let mut outcomes = Vec::with_capacity(rows.len());
        for rows in rows {
            let outcome = if rows.folders.iter().any(|folder| stuck.contains(folder)) {
                Err(LedgerError(String::from("what happened before it in its remote folder is not recorded yet")))
            } else {
                self.write_one(Told::of(rows), outage).await.map_err(LedgerError)
            };
            if outcome.is_err() {
                stuck.extend(rows.folders);
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    /// In a transaction of its own, unless the database was found not to answer.
    async fn write_one(&self, told: Told<'_>, outage: &mut Option<String>) -> Result<(), String> {
        if let Some(outage) = outage {
            return Err(outage.clone());
        }
        write(&self.store, &[told]).await.map_err(|error| {
            let text = error.to_string();
            if matches!(error, StoreError::Unavailable(_)) {
                *outage = Some(text.clone());
            }
            text
        })
    }

    fn warn_of_lost_notes(&mut self) {
        let dropped = self.dropped_notes.swap(0, Ordering::Relaxed);
        let failed = std::mem::take(&mut self.failed_notes);
        let failure = self.failure.take();
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

/// What one transaction writes of a happening or a note.
#[derive(Clone, Copy)]
struct Told<'a> {
    transfer: Option<&'a TransferRow>,
    event: Option<&'a EventRow>,
    came_as: Option<&'a Came>,
}

impl<'a> Told<'a> {
    fn of(rows: &'a Rows) -> Self {
        Self { transfer: rows.transfer.as_ref(), event: rows.event.as_ref(), came_as: rows.came_as.as_ref() }
    }

    fn of_note((transfer, event): &'a (TransferRow, EventRow)) -> Self {
        Self { transfer: Some(transfer), event: Some(event), came_as: None }
    }
}

fn told(entry: &Entry) -> Vec<Told<'_>> {
    match entry {
        Entry::Happenings { rows, .. } => rows.iter().map(Told::of).collect(),
        Entry::Note { rows, .. } => vec![Told::of_note(rows)],
        Entry::Flush { .. } => Vec::new(),
    }
}

/// Records these in one transaction.
async fn write(store: &Store, told: &[Told<'_>]) -> Result<(), StoreError> {
    if told.is_empty() {
        return Ok(());
    }
    let transfers: Vec<&TransferRow> = told.iter().filter_map(|told| told.transfer).collect();
    let mut events = Vec::with_capacity(told.len());
    let mut unit = store.write().await?;
    unit.transfers().record_all(&transfers).await?;
    for told in told {
        let Some(event) = told.event else { continue };
        let mut event = Cow::Borrowed(event);
        if let Some(Came { account, path, until }) = told.came_as
            && let Some(transfer) = unit.transfers().last_upload_to(*account, path, *until).await?
        {
            tell_transfer(event.to_mut(), &transfer);
        }
        events.push(event);
    }
    let events: Vec<&EventRow> = events.iter().map(Cow::as_ref).collect();
    unit.events().record_all(&events).await?;
    unit.commit().await
}

/// Tells whoever waits for the entry that it is written; that nobody does any more is no fault.
fn answer(entry: Entry) {
    match entry {
        Entry::Happenings { rows, done } => drop(done.send(vec![Ok(()); rows.len()])),
        Entry::Note { .. } => {}
        Entry::Flush { done } => drop(done.send(())),
    }
}
