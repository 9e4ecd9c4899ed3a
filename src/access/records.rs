//! What operators are told of sign-ins, written behind.
//!
//! A sign-in never waits for its record: records go into a bounded queue that one task empties into the store, alike
//! attempts merged, many in one transaction. When a flood fills the queue, records are dropped and counted; sign-ins go
//! on.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::sync::{mpsc, oneshot};

use super::accounts::Accounts;
use super::tellings::{Attempt, Tellings};
use crate::domain::credential::LastUse;
use crate::domain::{CredentialId, Random, Timestamp};
use crate::store::{Block, EventRow, SignInAttempt, StoreError};

/// How many records wait at most.
const QUEUE: usize = 4096;
/// How many are written in one transaction.
const BATCH: usize = 256;
/// How long the store may take for one batch.
const LONGEST_WRITE: Duration = Duration::from_secs(30);
/// The use of a credential is written again after so long, not at every sign-in of a poller.
const USE_WRITTEN_EVERY: Duration = Duration::from_secs(60);
/// For how many credentials the last written use is remembered; beyond, one is written more often.
const USES_REMEMBERED: NonZeroUsize = NonZeroUsize::new(16_384).expect("it is not zero");

/// One thing to write.
#[derive(Debug, Clone)]
pub(super) enum Record {
    Attempt(SignInAttempt),
    Use {
        credential: CredentialId,
        last_use: LastUse,
    },
    /// A password's hash with today's parameters, to be put where `old` is.
    Upgrade {
        credential: CredentialId,
        old: String,
        new: String,
    },
    Block(Block),
    /// In the transaction of the attempt that it tells of.
    Event(EventRow),
}

enum Message {
    Record(Record),
    /// Of an account's; it may be told to other programs.
    Attempt(SignInAttempt, Attempt),
    /// Answered when all that came before is written.
    Flush(oneshot::Sender<()>),
}

/// The near end of the queue.
pub(super) struct Records {
    queue: mpsc::Sender<Message>,
    dropped: Arc<AtomicU64>,
    uses: Mutex<LruCache<CredentialId, Timestamp>>,
}

impl Records {
    /// Starts the task that writes; it ends when the records are dropped and written. `written` is told of each once it
    /// is durable.
    pub(super) fn start(
        accounts: Arc<dyn Accounts>,
        attempts_kept: u32,
        random: Arc<dyn Random>,
        written: impl Fn(&Record) + Send + Sync + 'static,
    ) -> Self {
        let (queue, messages) = mpsc::channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let tellings = Tellings::new(random);
        tokio::spawn(write_behind(messages, accounts, (attempts_kept, tellings), written, dropped.clone()));
        Self { queue, dropped, uses: Mutex::new(LruCache::new(USES_REMEMBERED)) }
    }

    pub(super) fn push(&self, record: Record) {
        self.send(Message::Record(record));
    }

    /// An attempt of an account's, of which other programs may be told.
    pub(super) fn push_attempt(&self, attempt: SignInAttempt, of: Attempt) {
        self.send(Message::Attempt(attempt, of));
    }

    fn send(&self, message: Message) {
        if self.queue.try_send(message).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records a use of `credential`, unless that was done within the last minute.
    pub(super) fn push_use(&self, credential: CredentialId, last_use: LastUse) {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        if uses.get(&credential).is_some_and(|written| last_use.at.since(*written) < USE_WRITTEN_EVERY) {
            return;
        }
        uses.put(credential, last_use.at);
        drop(uses);
        self.push(Record::Use { credential, last_use });
    }

    /// Resolves when all that was pushed before is written (or was found impossible to write).
    pub(super) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        // Both ends fail only when the task is gone, and then nothing is left to wait for.
        if self.queue.send(Message::Flush(done)).await.is_ok() {
            let _ = written.await;
        }
    }
}

async fn write_behind(
    mut messages: mpsc::Receiver<Message>,
    accounts: Arc<dyn Accounts>,
    (attempts_kept, mut tellings): (u32, Tellings),
    written: impl Fn(&Record) + Send + Sync + 'static,
    dropped: Arc<AtomicU64>,
) {
    let mut received = Vec::with_capacity(BATCH);
    while messages.recv_many(&mut received, BATCH).await > 0 {
        let mut records = Vec::new();
        let mut flushes = Vec::new();
        for message in received.drain(..) {
            match message {
                Message::Record(record) => merge(&mut records, record),
                Message::Attempt(attempt, of) => {
                    records.extend(tellings.of(&attempt, &of).map(Record::Event));
                    merge(&mut records, Record::Attempt(attempt));
                }
                Message::Flush(done) => flushes.push(done),
            }
        }
        if let Err(loss) = write(&*accounts, &records, attempts_kept, &written).await {
            let Loss { lost, cause } = loss;
            tracing::warn!(lost, cause, "{lost} records of sign-ins could not be written and are lost");
        }
        let dropped = dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(dropped, "More sign-ins than can be recorded: {dropped} records were dropped");
        }
        for done in flushes {
            let _ = done.send(());
        }
    }
}

struct Loss {
    lost: usize,
    cause: String,
}

/// Writes all in one transaction; when the store refuses one of them (its account was removed a moment ago), each in its
/// own, so that it takes no other with it.
async fn write(
    accounts: &dyn Accounts,
    records: &[Record],
    attempts_kept: u32,
    written: &(impl Fn(&Record) + Sync),
) -> Result<(), Loss> {
    if records.is_empty() {
        return Ok(());
    }
    let all_at_once = write_once(accounts, records, attempts_kept).await;
    let Err(cause) = all_at_once else {
        records.iter().for_each(written);
        return Ok(());
    };
    if cause.is_of_the_store || records.len() == 1 {
        return Err(Loss { lost: records.len(), cause: cause.text });
    }
    let mut lost = 0;
    for record in records {
        match write_once(accounts, std::slice::from_ref(record), attempts_kept).await {
            Ok(()) => written(record),
            Err(_) => lost += 1,
        }
    }
    if lost == 0 { Ok(()) } else { Err(Loss { lost, cause: cause.text }) }
}

struct Cause {
    text: String,
    /// Nothing can be written now, whatever it is.
    is_of_the_store: bool,
}

async fn write_once(accounts: &dyn Accounts, records: &[Record], attempts_kept: u32) -> Result<(), Cause> {
    match tokio::time::timeout(LONGEST_WRITE, accounts.write(records, attempts_kept)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            let is_of_the_store = !matches!(
                error,
                StoreError::Conflict(_) | StoreError::Inconsistent { .. } | StoreError::NulCharacter(_)
            );
            Err(Cause { text: error.to_string(), is_of_the_store })
        }
        Err(_) => Err(Cause { text: "the store did not answer in time".to_owned(), is_of_the_store: true }),
    }
}

/// Adds a record, or counts it with the one that is alike.
fn merge(records: &mut Vec<Record>, record: Record) {
    if let Record::Attempt(new) = &record {
        for known in records.iter_mut() {
            if let Record::Attempt(known) = known
                && is_alike(known, new)
            {
                known.count = known.count.saturating_add(new.count);
                known.first_at = known.first_at.min(new.first_at);
                known.last_at = known.last_at.max(new.last_at);
                return;
            }
        }
    }
    records.push(record);
}

/// Alike, and on one UTC day: the store keeps a row per day.
fn is_alike(one: &SignInAttempt, other: &SignInAttempt) -> bool {
    let day = |at: Timestamp| at.as_seconds().div_euclid(86_400);
    one.account == other.account
        && one.login == other.login
        && one.address == other.address
        && one.connection_type == other.connection_type
        && one.client == other.client
        && one.algorithms == other.algorithms
        && one.outcome == other.outcome
        && day(one.last_at) == day(other.last_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::tests::world::{MemoryAccounts, NOON};
    use crate::domain::{ConnectionType, OsRandom};

    #[tokio::test]
    async fn a_flood_fills_the_queue_and_no_more_and_nobody_waits_for_it() {
        let accounts = Arc::new(MemoryAccounts::default());
        let records = Records::start(accounts.clone(), 10, Arc::new(OsRandom), |_| {});
        for number in 0..3 * QUEUE {
            records.push(Record::Attempt(SignInAttempt {
                account: None,
                login: format!("login-{}", number % 7),
                address: "192.0.2.7".to_owned(),
                connection_type: ConnectionType::Sftp,
                client: String::new(),
                algorithms: None,
                outcome: "unknown_login".to_owned(),
                first_at: NOON,
                last_at: NOON,
                count: 1,
            }));
        }
        assert_eq!(usize::try_from(records.dropped.load(Ordering::Relaxed)).unwrap(), 2 * QUEUE);
        records.flush().await;
        assert_eq!(records.dropped.load(Ordering::Relaxed), 0, "it was told");
        let written = accounts.written.lock().unwrap();
        let counts = written.iter().map(|record| if let Record::Attempt(attempt) = record { attempt.count } else { 0 });
        assert_eq!(counts.sum::<u64>(), u64::try_from(QUEUE).unwrap());
        assert!(written.len() <= 7 * QUEUE / BATCH + 7, "alike ones are merged: {}", written.len());
    }
}
