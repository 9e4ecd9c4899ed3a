//! Passwords, hashed and verified with a slow function whose memory and time are bounded whoever asks.
//!
//! One verification takes 64 MiB and a tenth of a second of a core. Without a bound, a hundred connections that send
//! passwords would take the machine from those who transfer files: so [`Passwords`] lets a few run at a time, on threads
//! that give way to transfers, lets some wait, and refuses the rest at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::hashing::HashingThreads;
use crate::config::PasswordSettings;
use crate::domain::{Random, Secret};

/// The longest password that can match, in bytes.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// The longest that a verification waits for its turn: less than the time that a sign-in gets, and enough for two
/// hundred at once on a machine of two processors that is busy with transfers.
const LONGEST_WAIT: Duration = Duration::from_secs(50);

/// The most that run at a time, whatever is configured.
const MOST_CONCURRENT: usize = 1024;

const SALT_BYTES: usize = 16;

/// Why a password was neither right nor wrong.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// As many as may are being hashed, and as many as may are waiting.
    #[error("too many sign-ins at a time")]
    Overloaded,
    /// A new password that could never match.
    #[error("a password has at most {MAX_PASSWORD_BYTES} bytes")]
    TooLong,
    /// Not a hash of this gateway, or one whose parameters are out of bounds. Names no part of it.
    #[error("the stored hash cannot be read: {0}")]
    Unreadable(String),
    /// The function itself failed, for want of memory for instance.
    #[error("hashing failed: {0}")]
    Failed(String),
}

/// What came of comparing a password with one hash.
#[derive(Debug, PartialEq, Eq)]
pub struct Verification {
    pub matches: bool,
    /// A new hash with today's parameters, when it matched and the old one's differ.
    pub upgraded: Option<String>,
}

/// One of the hashes that a password may match.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub hash: String,
    /// Whether a match lets someone in. One that does not is found at the full price, as if it were none.
    pub opens: bool,
}

/// Which of several hashes a password matched.
#[derive(Debug, PartialEq, Eq)]
pub struct Match {
    /// Its place among the hashes that were handed in.
    pub index: usize,
    /// A new hash with today's parameters, when the old one's differ.
    pub upgraded: Option<String>,
}

/// The slow function itself (blocking), behind an interface so that a test can count its calls and parameters.
pub trait Hasher: Send + Sync + 'static {
    fn hash(&self, password: &str, salt: &[u8]) -> String;
    fn verify(&self, password: &str, hash: &str) -> Result<bool, HashError>;
    /// Whether `hash` was made by today's algorithm and parameters.
    fn is_current(&self, hash: &str) -> bool;
    /// A hash that nothing matches, with today's parameters: for unknown logins.
    fn dummy(&self) -> &str;
}

/// Hashing on a bounded number of threads, first come, first served.
pub struct Passwords {
    hasher: Arc<dyn Hasher>,
    random: Arc<dyn Random>,
    /// One for each that runs or waits.
    places: Arc<Semaphore>,
    /// One for each that runs.
    turns: Arc<Semaphore>,
    /// As many as there are turns.
    threads: HashingThreads,
    remember: Duration,
    shortest: usize,
}

impl Passwords {
    pub fn new(settings: &PasswordSettings, hasher: Arc<dyn Hasher>, random: Arc<dyn Random>) -> Arc<Self> {
        let concurrent = settings.concurrent.clamp(1, MOST_CONCURRENT);
        let waiting = settings.queue.min(Semaphore::MAX_PERMITS / 2);
        Arc::new(Self {
            hasher,
            random,
            places: Arc::new(Semaphore::new(concurrent + waiting)),
            turns: Arc::new(Semaphore::new(concurrent)),
            threads: HashingThreads::new(concurrent),
            remember: settings.remember,
            shortest: settings.shortest,
        })
    }

    /// The fewest characters of a password that someone chooses.
    pub const fn shortest(&self) -> usize {
        self.shortest
    }

    /// How long a password that was right may be remembered by whoever asked; zero: not at all.
    pub fn remember(&self) -> Duration {
        self.remember
    }

    /// The hash to store for a new password.
    pub async fn hash(&self, password: Secret<String>) -> Result<String, HashError> {
        if password.expose().len() > MAX_PASSWORD_BYTES {
            return Err(HashError::TooLong);
        }
        let salt = self.salt();
        self.work(move |hasher| Ok(hasher.hash(password.expose(), &salt))).await
    }

    /// Whether `password` is the one of `hash`.
    pub async fn verify(&self, password: Secret<String>, hash: &str) -> Result<Verification, HashError> {
        let hash = hash.to_owned();
        let salt = self.salt();
        self.work(move |hasher| {
            let matches = matches(hasher, &password, &hash)?;
            let upgraded = if matches { upgrade(hasher, &password, &hash, &salt) } else { None };
            Ok(Verification { matches, upgraded })
        })
        .await
    }

    /// The first of `candidates` that `password` matches, at the price of exactly `calls` verifications unless it opens.
    ///
    /// Candidates beyond `calls` are not tried; missing ones, and ones that cannot be read, are made up for by
    /// verifications of the dummy. What someone who is not let in costs thus depends on nothing that is stored: neither
    /// on whether the login exists, nor on how many passwords it has, nor on whether the password was right
    /// (`access::verification` names the attack). A hash is upgraded only when its match opens.
    pub async fn verify_any(
        &self,
        password: Secret<String>,
        candidates: Vec<Candidate>,
        calls: usize,
    ) -> Result<Option<Match>, HashError> {
        let salt = self.salt();
        self.work(move |hasher| {
            let mut done = 0;
            let mut found = None;
            for (index, candidate) in candidates.iter().enumerate().take(calls) {
                match matches(hasher, &password, &candidate.hash) {
                    Ok(true) if candidate.opens => {
                        let upgraded = upgrade(hasher, &password, &candidate.hash, &salt);
                        return Ok(Some(Match { index, upgraded }));
                    }
                    Ok(right) => {
                        done += 1;
                        if right && found.is_none() {
                            found = Some(Match { index, upgraded: None });
                        }
                    }
                    Err(HashError::Unreadable(problem)) => {
                        tracing::error!(problem, "A stored password hash cannot be read: that password opens nothing");
                    }
                    Err(error) => return Err(error),
                }
            }
            for _ in done..calls {
                matches(hasher, &password, hasher.dummy())?;
            }
            Ok(found)
        })
        .await
    }

    /// The same work as [`verify`](Self::verify), for a login that has no password.
    pub async fn verify_nothing(&self, password: Secret<String>) -> Result<(), HashError> {
        self.verify_any(password, Vec::new(), 1).await.map(|_| ())
    }

    /// Runs `task` on a thread for hashing when its turn comes.
    ///
    /// A caller that goes away before a thread has begun gives up its place. Once running, the task holds its turn to the end even
    /// if the caller has gone: the thread and the memory are in use, and clients that hang up early must not get more
    /// of them than those that wait.
    async fn work<T: Send + 'static>(
        &self,
        task: impl FnOnce(&dyn Hasher) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| HashError::Overloaded)?;
        let turn = tokio::time::timeout(LONGEST_WAIT, self.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(HashError::Overloaded) };
        let hasher = self.hasher.clone();
        let answer = self.threads.run(move || {
            let _held = (place, turn);
            task(&*hasher)
        })?;
        // What panicked, and where, is on standard error.
        answer.await.unwrap_or_else(|_| Err(HashError::Failed("it panicked".to_owned())))
    }

    fn salt(&self) -> [u8; SALT_BYTES] {
        let mut salt = [0; SALT_BYTES];
        self.random.fill(&mut salt);
        salt
    }
}

/// One verification.
fn matches(hasher: &dyn Hasher, password: &Secret<String>, hash: &str) -> Result<bool, HashError> {
    let password = password.expose();
    if password.len() <= MAX_PASSWORD_BYTES {
        return hasher.verify(password, hash);
    }
    // Too long to be anyone's. The work is done all the same, so that length is no quick way past the queue; over the
    // part that fits, since hashing megabytes would be a way to burn our time.
    let part = &password[..password.floor_char_boundary(MAX_PASSWORD_BYTES)];
    hasher.verify(part, hash).map(|_| false)
}

/// The hash to store instead of one that is not of today.
fn upgrade(hasher: &dyn Hasher, password: &Secret<String>, hash: &str, salt: &[u8]) -> Option<String> {
    (!hasher.is_current(hash)).then(|| hasher.hash(password.expose(), salt))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::OsRandom;
    use futures_util::FutureExt as _;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    /// Hashes are `version:password`; notes each verification, and how many ran at a time.
    #[derive(Default)]
    struct Plain {
        verified: Mutex<Vec<String>>,
        running: AtomicUsize,
        most_running: AtomicUsize,
        /// Set: no verification ends while the other end lives.
        gate: Mutex<Option<mpsc::Receiver<()>>>,
    }

    impl Hasher for Plain {
        fn hash(&self, password: &str, _salt: &[u8]) -> String {
            format!("2:{password}")
        }
        fn verify(&self, password: &str, hash: &str) -> Result<bool, HashError> {
            let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_running.fetch_max(running, Ordering::SeqCst);
            if let Some(gate) = &*self.gate.lock().unwrap() {
                let _ = gate.recv();
            }
            self.running.fetch_sub(1, Ordering::SeqCst);
            assert_ne!(hash, "2:a hash that makes the function panic");
            let (_, right) = hash.split_once(':').ok_or_else(|| HashError::Unreadable("no colon".to_owned()))?;
            self.verified.lock().unwrap().push(hash.to_owned());
            Ok(right == password)
        }
        fn is_current(&self, hash: &str) -> bool {
            hash.starts_with("2:")
        }
        fn dummy(&self) -> &str {
            "2:\0"
        }
    }

    fn passwords(hasher: &Arc<Plain>, concurrent: usize, queue: usize) -> Arc<Passwords> {
        let settings = PasswordSettings {
            memory_kib: 64,
            iterations: 1,
            parallelism: 1,
            concurrent,
            queue,
            shortest: 12,
            remember: Duration::ZERO,
        };
        Passwords::new(&settings, hasher.clone(), Arc::new(OsRandom))
    }

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn an_old_hash_is_upgraded_when_the_password_was_right() {
        let passwords = passwords(&Arc::default(), 1, 1);
        let right = passwords.verify(secret("pass"), "1:pass").await;
        assert_eq!(right, Ok(Verification { matches: true, upgraded: Some("2:pass".to_owned()) }));
        let current = passwords.verify(secret("pass"), "2:pass").await;
        assert_eq!(current, Ok(Verification { matches: true, upgraded: None }));
        let wrong = passwords.verify(secret("fail"), "1:pass").await;
        assert_eq!(wrong, Ok(Verification { matches: false, upgraded: None }));
    }

    #[tokio::test]
    async fn a_wrong_password_costs_the_same_whatever_is_stored() {
        for stored in [vec![], vec!["2:a"], vec!["2:a", "1:b"], vec!["unreadable", "2:a"], vec!["2:a", "2:b", "2:c"]] {
            let hasher = Arc::new(Plain::default());
            let candidates = stored.iter().map(|hash| candidate(hash, true)).collect();
            let found = passwords(&hasher, 1, 1).verify_any(secret("wrong"), candidates, 2).await;
            assert_eq!(found, Ok(None));
            assert_eq!(hasher.verified.lock().unwrap().len(), 2, "{stored:?}");
        }
    }

    fn candidate(hash: &str, opens: bool) -> Candidate {
        Candidate { hash: hash.to_owned(), opens }
    }

    #[tokio::test]
    async fn the_one_of_several_passwords_that_matches_is_named() {
        let candidates = vec![candidate("2:a", true), candidate("1:b", true)];
        let found = passwords(&Arc::default(), 1, 1).verify_any(secret("b"), candidates, 2).await;
        assert_eq!(found, Ok(Some(Match { index: 1, upgraded: Some("2:b".to_owned()) })));
    }

    #[tokio::test]
    async fn a_right_password_that_opens_nothing_costs_as_much_as_a_wrong_one() {
        let hasher = Arc::new(Plain::default());
        let found = passwords(&hasher, 1, 1).verify_any(secret("a"), vec![candidate("1:a", false)], 2).await;
        assert_eq!(found, Ok(Some(Match { index: 0, upgraded: None })));
        assert_eq!(hasher.verified.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn an_endless_password_costs_as_much_as_another_and_matches_nothing() {
        let hasher = Arc::new(Plain::default());
        let passwords = passwords(&hasher, 1, 1);
        let long = "é".repeat(MAX_PASSWORD_BYTES);
        let stored = format!("2:{}", "é".repeat(MAX_PASSWORD_BYTES / 2));
        let answer = passwords.verify(secret(&long), &stored).await;
        assert_eq!(answer, Ok(Verification { matches: false, upgraded: None }));
        assert_eq!(hasher.verified.lock().unwrap().len(), 1);
        assert_eq!(passwords.hash(secret(&long)).await, Err(HashError::TooLong));
    }

    #[tokio::test]
    async fn a_hash_that_makes_the_function_panic_fails_alone() {
        let passwords = passwords(&Arc::default(), 1, 0);
        for _ in 0..3 {
            let failed = passwords.verify(secret("x"), "2:a hash that makes the function panic").await;
            assert!(matches!(failed, Err(HashError::Failed(_))), "{failed:?}");
        }
        assert!(passwords.verify(secret("x"), "2:x").await.unwrap().matches);
    }

    #[tokio::test]
    async fn a_flood_is_bounded_and_refused_at_once() {
        let (closed, gate) = mpsc::channel();
        let hasher = Arc::new(Plain { gate: Mutex::new(Some(gate)), ..Plain::default() });
        let passwords = passwords(&hasher, 1, 1);
        let mut running = Box::pin(passwords.verify_nothing(secret("x")));
        let mut waiting = Box::pin(passwords.verify_nothing(secret("x")));
        assert!((&mut running).now_or_never().is_none());
        assert!((&mut waiting).now_or_never().is_none());
        assert_eq!(passwords.verify_nothing(secret("x")).await, Err(HashError::Overloaded));

        // The one that waits goes away: its place is free again at once. The one that runs still has the thread.
        drop(waiting);
        let mut next = Box::pin(passwords.verify_nothing(secret("x")));
        assert!((&mut next).now_or_never().is_none());
        drop(running);
        assert_eq!(passwords.verify_nothing(secret("x")).await, Err(HashError::Overloaded));

        drop(closed);
        assert_eq!(next.await, Ok(()));
        assert_eq!(hasher.most_running.load(Ordering::SeqCst), 1);
    }
}
