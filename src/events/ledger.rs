//! Where publications and transfers are handed in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::rows;
use super::telling::tell;
use super::writer::{Entry, Writer};
use crate::store::Store;
use crate::telemetry::Metrics;
use crate::vfs::{Ledger, LedgerError, Publication, TransferNote};

/// How many entries wait for the writer at most.
const QUEUE: usize = 2_048;
/// How many of them are notes at most: however many there are, publications find room.
const NOTES: usize = 1_024;
/// How long a publication waits for room in the queue.
const ROOM_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a publication waits to be written, once in the queue. The writer's own waits are shorter; past this the
/// disk hangs.
const WRITTEN_TIMEOUT: Duration = Duration::from_secs(60);

/// Records publications and transfers in the store.
///
/// Publications are grouped into as few transactions as keep up (each waits for its own to be durable); notes are
/// written behind, bounded, dropped with a warning when too many. When it is dropped, what waits is still written, and
/// then the writer ends.
pub struct StoreLedger {
    queue: mpsc::Sender<Entry>,
    room_for_notes: Arc<Semaphore>,
    dropped_notes: Arc<AtomicU64>,
    /// Told of every entry that somebody waits for.
    hurry: Arc<Notify>,
    metrics: Metrics,
}

impl StoreLedger {
    /// Starts the writer. Every transfer is told to the log and counted in `metrics`.
    pub fn start(store: Store, metrics: Metrics) -> Arc<Self> {
        let (ledger, writer) = Self::new(store, metrics);
        tokio::spawn(writer.run());
        ledger
    }

    fn new(store: Store, metrics: Metrics) -> (Arc<Self>, Writer) {
        let (queue, entries) = mpsc::channel(QUEUE);
        let dropped_notes = Arc::new(AtomicU64::new(0));
        let hurry = Arc::new(Notify::new());
        let writer = Writer::new(store, entries, Arc::clone(&hurry), Arc::clone(&dropped_notes));
        let room_for_notes = Arc::new(Semaphore::new(NOTES));
        (Arc::new(Self { queue, room_for_notes, dropped_notes, hurry, metrics }), writer)
    }

    async fn publish(&self, publication: Publication) -> Result<(), LedgerError> {
        let (transfer, event) = rows::of_publication(publication);
        let (done, written) = oneshot::channel();
        let told = transfer.clone();
        let entry = Entry::Publication { transfer, event, done };
        self.hand_in(entry).await?;
        match timeout(WRITTEN_TIMEOUT, written).await {
            Ok(Ok(outcome)) => outcome.inspect(|()| tell(&told, &self.metrics)),
            Ok(Err(_)) => Err(LedgerError(String::from("the ledger has stopped"))),
            Err(_) => Err(LedgerError(String::from("recording takes too long"))),
        }
    }

    /// Hands in what somebody waits for.
    async fn hand_in(&self, entry: Entry) -> Result<(), LedgerError> {
        let sent = self.queue.send_timeout(entry, ROOM_TIMEOUT).await;
        self.hurry.notify_one();
        sent.map_err(|error| match error {
            SendTimeoutError::Timeout(_) => LedgerError(String::from("too many publications wait to be recorded")),
            SendTimeoutError::Closed(_) => LedgerError(String::from("the ledger has stopped")),
        })
    }
}

impl Ledger for StoreLedger {
    fn flush(&self) -> BoxFuture<'_, ()> {
        let (done, written) = oneshot::channel();
        async move {
            let flushed = async { self.hand_in(Entry::Flush { done }).await.is_ok() && written.await.is_ok() };
            if !timeout(WRITTEN_TIMEOUT, flushed).await.unwrap_or(false) {
                tracing::error!("Some transfers are not written down yet: the database does not answer");
            }
        }
        .boxed()
    }

    fn published(&self, publication: Publication) -> BoxFuture<'_, Result<(), LedgerError>> {
        self.publish(publication).boxed()
    }

    fn noted(&self, note: TransferNote) {
        let transfer = rows::of_note(note);
        tell(&transfer, &self.metrics);
        let noted = Arc::clone(&self.room_for_notes)
            .try_acquire_owned()
            .ok()
            .and_then(|room| self.queue.try_send(Entry::Note { transfer, _room: room }).ok());
        if noted.is_none() {
            // Told by the writer, many at a time: a flood of notes is no reason for a flood of warnings.
            self.dropped_notes.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AccountId, InstanceId, OsRandom};
    use crate::events::samples::{STARTED, note, publication};
    use crate::store::contract::{TestStore, on_every_engine};
    use crate::store::{PageRequest, TransferFilter};

    on_every_engine! {
        a_publication_survives_the_programs_end;
        the_same_publication_told_twice_is_recorded_once;
        publications_that_come_together_share_their_transactions;
        a_publication_that_cannot_be_recorded_does_not_fail_the_others;
        a_publication_fails_at_once_when_the_database_is_gone;
        notes_are_written_behind_and_dropped_only_when_too_many_wait;
    }

    fn start(store: &Store) -> Arc<StoreLedger> {
        StoreLedger::start(store.clone(), Metrics::default())
    }

    async fn transfers_of(store: &Store, account: AccountId) -> Vec<crate::store::TransferRow> {
        let page = PageRequest::first(200);
        store
            .read()
            .await
            .unwrap()
            .transfers()
            .of_account(account, &TransferFilter::default(), &page)
            .await
            .unwrap()
            .items
    }

    async fn events_of(store: &Store, instance: InstanceId) -> usize {
        let page = PageRequest::first(200);
        store.read().await.unwrap().events().list(Some(instance), &page).await.unwrap().items.len()
    }

    async fn a_publication_survives_the_programs_end(store: &TestStore) {
        let published = publication(1);
        start(store).published(published.clone()).await.unwrap();
        store.close().await;

        let reopened = store.another().await;
        let transfers = transfers_of(&reopened, published.account).await;
        assert_eq!(transfers, [rows::of_publication(published.clone()).0]);
        assert_eq!(events_of(&reopened, published.instance).await, 1);
    }

    async fn the_same_publication_told_twice_is_recorded_once(store: &Store) {
        let ledger = start(store);
        let published = publication(1);
        ledger.published(published.clone()).await.unwrap();
        ledger.published(published.clone()).await.unwrap();
        assert_eq!(transfers_of(store, published.account).await.len(), 1);
        assert_eq!(events_of(store, published.instance).await, 1);
    }

    async fn publications_that_come_together_share_their_transactions(store: &Store) {
        let ledger = start(store);
        let account = AccountId::new(STARTED, &OsRandom);
        let all = (0..500).map(|number| ledger.published(Publication { account, ..publication(number) }));
        let outcomes = futures_util::future::join_all(all).await;
        assert!(outcomes.iter().all(Result::is_ok));
        assert!(store.commits() <= 10, "{} transactions", store.commits());
        let mut reader = store.read().await.unwrap();
        let first =
            reader.transfers().of_account(account, &TransferFilter::default(), &PageRequest::first(200)).await.unwrap();
        let second = PageRequest { after: first.next, limit: 200 };
        let second = reader.transfers().of_account(account, &TransferFilter::default(), &second).await.unwrap();
        let third = PageRequest { after: second.next, limit: 200 };
        let third = reader.transfers().of_account(account, &TransferFilter::default(), &third).await.unwrap();
        assert_eq!((first.items.len(), second.items.len(), third.items.len()), (200, 200, 100));
    }

    async fn a_publication_that_cannot_be_recorded_does_not_fail_the_others(store: &TestStore) {
        store
            .run(
                "CREATE TRIGGER refused BEFORE INSERT ON transfers WHEN NEW.path = '/export/absences-7.csv' \
                 BEGIN SELECT RAISE(ABORT, 'refused'); END",
                "ALTER TABLE transfers ADD CONSTRAINT refused CHECK (path <> '/export/absences-7.csv')",
            )
            .await;

        let ledger = start(store);
        let all = (0..20).map(|number| ledger.published(publication(number)));
        let outcomes = futures_util::future::join_all(all).await;
        let failed: Vec<usize> = (0..20).filter(|number| outcomes[*number].is_err()).collect();
        assert_eq!(failed, [7]);
    }

    async fn a_publication_fails_at_once_when_the_database_is_gone(store: &Store) {
        let ledger = start(store);
        store.close().await;
        let outcomes = futures_util::future::join_all((0..20).map(|number| ledger.published(publication(number))));
        assert!(outcomes.await.iter().all(Result::is_err));
    }

    async fn notes_are_written_behind_and_dropped_only_when_too_many_wait(store: &Store) {
        let (ledger, writer) = StoreLedger::new(store.clone(), Metrics::default());
        let account = AccountId::new(STARTED, &OsRandom);
        for number in 0..NOTES as u64 {
            ledger.noted(TransferNote { account, ..note(number) });
        }
        assert_eq!(ledger.dropped_notes.load(Ordering::Relaxed), 0);
        ledger.noted(note(0));
        ledger.noted(note(1));
        assert_eq!(ledger.dropped_notes.load(Ordering::Relaxed), 2);

        // Publications find room beside a full measure of notes.
        let writer = tokio::spawn(writer.run());
        ledger.published(publication(1)).await.unwrap();
        ledger.noted(TransferNote { account, ..note(5_000) });
        ledger.flush().await;
        let newest = transfers_of(store, account).await;
        assert_eq!((newest.len(), newest[0].path.as_str()), (200, "/export/absences-5000.csv"));
        assert_eq!(ledger.dropped_notes.load(Ordering::Relaxed), 0, "the writer told of those that were dropped");

        // The writer ends with the ledger, after what waited.
        ledger.noted(TransferNote { account, ..note(6_000) });
        drop(ledger);
        writer.await.unwrap();
        assert_eq!(transfers_of(store, account).await[0].path.as_str(), "/export/absences-6000.csv");
    }
}
