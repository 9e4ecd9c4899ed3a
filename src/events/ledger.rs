//! Where publications, changes and transfers are handed in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::rows::{self, Rows};
use super::telling::tell;
use super::writer::{Entry, Writer};
use crate::store::Store;
use crate::telemetry::Metrics;
use crate::vfs::{Happening, Ledger, LedgerError, TransferNote};

/// How many entries wait for the writer at most.
const QUEUE: usize = 2_048;
/// How many of them are notes at most: however many there are, publications find room.
const NOTES: usize = 1_024;
/// How long a publication waits for room in the queue.
const ROOM_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a publication waits to be written, once in the queue. The writer's own waits are shorter; past this the
/// disk hangs.
const WRITTEN_TIMEOUT: Duration = Duration::from_secs(60);

/// Records publications, changes and transfers in the store.
///
/// Publications and changes are grouped into as few transactions as keep up (each waits for its own to be durable); notes are
/// written behind, bounded, dropped with a warning when too many. When it is dropped, what waits is still written, and
/// then the writer ends.
pub struct StoreLedger {
    queue: mpsc::Sender<Entry>,
    room_for_notes: Arc<Semaphore>,
    dropped_notes: Arc<AtomicU64>,
    /// Told of every entry that somebody waits for.
    hurry: Arc<Notify>,
    metrics: Metrics,
    /// For [`Self::start_without_events`].
    without_events: bool,
}

impl StoreLedger {
    /// Starts the writer. Every transfer is told to the log and counted in `metrics`.
    pub fn start(store: Store, metrics: Metrics) -> Arc<Self> {
        Self::start_as(store, metrics, false)
    }

    /// As [`Self::start`], but a publication's row of the transfer is all that is written: what the benchmark of uploads
    /// compares with (benches/without_events.rs). No configuration leads here.
    #[doc(hidden)]
    pub fn start_without_events(store: Store, metrics: Metrics) -> Arc<Self> {
        Self::start_as(store, metrics, true)
    }

    fn start_as(store: Store, metrics: Metrics, without_events: bool) -> Arc<Self> {
        let (ledger, writer) = Self::new(store, metrics, without_events);
        tokio::spawn(writer.run());
        ledger
    }

    fn new(store: Store, metrics: Metrics, without_events: bool) -> (Arc<Self>, Writer) {
        let (queue, entries) = mpsc::channel(QUEUE);
        let dropped_notes = Arc::new(AtomicU64::new(0));
        let hurry = Arc::new(Notify::new());
        let writer = Writer::new(store, entries, Arc::clone(&hurry), Arc::clone(&dropped_notes));
        let room_for_notes = Arc::new(Semaphore::new(NOTES));
        (Arc::new(Self { queue, room_for_notes, dropped_notes, hurry, metrics, without_events }), writer)
    }

    async fn record_all(&self, happenings: Vec<Happening>) -> Vec<Result<(), LedgerError>> {
        let mut rows: Vec<Rows> = happenings.into_iter().map(rows::of_happening).collect();
        if self.without_events {
            rows.iter_mut().for_each(|rows| rows.event = None);
        }
        let transfers: Vec<_> = rows.iter().map(|rows| rows.transfer.clone()).collect();
        let all = |problem: LedgerError| vec![Err(problem); transfers.len()];
        let (done, written) = oneshot::channel();
        if let Err(problem) = self.hand_in(Entry::Happenings { rows, done }).await {
            return all(problem);
        }
        let outcomes = match timeout(WRITTEN_TIMEOUT, written).await {
            Ok(Ok(outcomes)) => outcomes,
            Ok(Err(_)) => all(LedgerError(String::from("the ledger has stopped"))),
            Err(_) => all(LedgerError(String::from("recording takes too long"))),
        };
        for (transfer, outcome) in transfers.iter().zip(&outcomes) {
            if let (Some(transfer), Ok(())) = (transfer, outcome) {
                tell(transfer, &self.metrics);
            }
        }
        outcomes
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

    fn record(&self, happenings: Vec<Happening>) -> BoxFuture<'_, Vec<Result<(), LedgerError>>> {
        self.record_all(happenings).boxed()
    }

    fn noted(&self, note: TransferNote) {
        let rows = Box::new(rows::of_note(note));
        tell(&rows.0, &self.metrics);
        let noted = Arc::clone(&self.room_for_notes)
            .try_acquire_owned()
            .ok()
            .and_then(|room| self.queue.try_send(Entry::Note { rows, _room: room }).ok());
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
    use crate::events::samples::{STARTED, change, note, publication, renamed};
    use crate::store::contract::{TestStore, on_every_engine};
    use crate::store::{PageRequest, PlacedEvent, TransferFilter};
    use crate::vfs::{Change, FileChange, Publication};

    on_every_engine! {
        a_publication_survives_the_programs_end;
        the_same_publication_told_twice_is_recorded_once;
        publications_that_come_together_share_their_transactions;
        a_publication_that_cannot_be_recorded_does_not_fail_the_others;
        what_fails_keeps_back_the_rest_of_its_folder_and_no_other;
        changes_are_recorded_in_their_order_each_once;
        the_end_of_an_upload_by_rename_names_the_transfer_that_brought_the_file;
        a_note_writes_its_event_too;
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

    async fn events_in(store: &Store, instance: InstanceId) -> Vec<PlacedEvent> {
        let page = PageRequest::first(200);
        store.read().await.unwrap().events().list(Some(instance), &page).await.unwrap().items
    }

    async fn events_of(store: &Store, instance: InstanceId) -> usize {
        events_in(store, instance).await.len()
    }

    async fn kinds_in(store: &Store, instance: InstanceId) -> Vec<&'static str> {
        events_in(store, instance).await.iter().map(|placed| placed.event.kind.as_str()).collect()
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

    async fn what_fails_keeps_back_the_rest_of_its_folder_and_no_other(store: &TestStore) {
        store
            .run(
                "CREATE TRIGGER refused BEFORE INSERT ON events WHEN NEW.kind = 'file.deleted' \
                 BEGIN SELECT RAISE(ABORT, 'refused'); END",
                "ALTER TABLE events ADD CONSTRAINT refused CHECK (kind <> 'file.deleted')",
            )
            .await;
        let removed = change(2, Change::Deleted);
        let FileChange { instance, account, folder, .. } = removed;
        let in_folder = |number| Happening::Published(Publication { instance, account, folder, ..publication(number) });
        let elsewhere = Happening::Published(Publication { instance, ..publication(4) });
        // Into another folder, out of the one in which something is stuck; then something in that one.
        let into_another = FileChange { instance, ..renamed(5, false) };
        let out_of_it = FileChange {
            change: Change::Renamed {
                from_folder: folder,
                from: "/export/x.csv".parse().unwrap(),
                replaced: false,
                ends_upload: false,
            },
            ..into_another.clone()
        };
        let behind = Happening::Published(Publication { instance, folder: into_another.folder, ..publication(6) });
        let all = vec![
            in_folder(1),
            Happening::Changed(removed),
            in_folder(3),
            elsewhere,
            Happening::Changed(out_of_it),
            behind,
        ];
        let outcomes = start(store).record(all).await;
        let went: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
        assert_eq!(went, [true, false, false, true, false, false]);
        assert_eq!(events_of(store, instance).await, 2);
    }

    async fn changes_are_recorded_in_their_order_each_once(store: &Store) {
        let ledger = start(store);
        let removed = change(3, Change::Deleted);
        let FileChange { instance, account, folder, .. } = removed;
        let all = vec![
            Happening::Published(Publication { instance, account, folder, ..publication(1) }),
            Happening::Changed(FileChange { instance, account, folder, ..renamed(2, false) }),
            Happening::Changed(removed),
        ];
        for _ in 0..2 {
            assert!(ledger.record(all.clone()).await.iter().all(Result::is_ok));
            assert_eq!(kinds_in(store, instance).await, ["file.uploaded", "file.renamed", "file.deleted"]);
        }
        assert_eq!(transfers_of(store, account).await.len(), 1);
    }

    async fn the_end_of_an_upload_by_rename_names_the_transfer_that_brought_the_file(store: &Store) {
        let ledger = start(store);
        let ended = renamed(5, true);
        let FileChange { instance, account, .. } = ended;
        let path = ended.old_path().clone();
        let came = |number| Publication {
            instance,
            account,
            path: path.clone(),
            temporary: true,
            unproven_end: true,
            ..publication(number)
        };
        let (earlier, it, later) = (came(1), came(4), came(6));
        let all = [&earlier, &it, &later].map(|one| Happening::Published(one.clone()));
        let mut all = all.to_vec();
        all.insert(2, Happening::Changed(ended.clone()));
        assert!(ledger.record(all).await.iter().all(Result::is_ok));
        let unknown = FileChange { account: AccountId::new(STARTED, &OsRandom), instance, ..renamed(7, true) };
        ledger.record(vec![Happening::Changed(unknown)]).await.remove(0).unwrap();
        let told = events_in(store, instance).await;
        assert_eq!(told.len(), 2, "temporary names raise no event");
        assert_eq!(told[0].event.data["transfer"], it.transfer.to_string());
        assert_eq!(told[0].event.data["unproven_end"], true);
        assert_eq!(told[1].event.data["transfer"], serde_json::Value::Null);
        assert_eq!(transfers_of(store, account).await.len(), 3);
    }

    async fn a_note_writes_its_event_too(store: &Store) {
        let ledger = start(store);
        let noted = note(1);
        ledger.noted(noted.clone());
        ledger.flush().await;
        assert_eq!(kinds_in(store, noted.instance).await, ["file.downloaded"]);
        assert_eq!(transfers_of(store, noted.account).await.len(), 1);
    }

    async fn a_publication_fails_at_once_when_the_database_is_gone(store: &Store) {
        let ledger = start(store);
        store.close().await;
        let outcomes = futures_util::future::join_all((0..20).map(|number| ledger.published(publication(number))));
        assert!(outcomes.await.iter().all(Result::is_err));
    }

    async fn notes_are_written_behind_and_dropped_only_when_too_many_wait(store: &Store) {
        let (ledger, writer) = StoreLedger::new(store.clone(), Metrics::default(), false);
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
