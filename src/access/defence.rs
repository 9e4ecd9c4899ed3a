//! Against guessing: who gave too many wrong answers waits.
//!
//! A block is on an address *and* a login. Blocking a login alone would let anyone lock a customer out; blocking an
//! address alone would let one misconfigured client behind a shared line lock its neighbours out.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;

use crate::config::AccessSettings;
use crate::domain::Timestamp;
use crate::sessions::Source;
use crate::store::Block;

/// How many pairs of address and login are kept in mind. Pushing one out takes as many attempts with other logins, each
/// of which costs its hashing and is delayed; and blocks are in the store too.
const MOST_TARGETS: NonZeroUsize = NonZeroUsize::new(16_384).expect("it is not zero");
/// The most wrong answers that are counted for one pair.
const MOST_ANSWERS: usize = 1000;

/// What the defence counts by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Target {
    pub(super) source: Source,
    /// Folded; for what cannot be a login, as it is shown.
    pub(super) login: String,
}

/// How long a block that the store keeps is believed without looking there again: so long may one that was lifted by
/// another process go on in this one.
const BELIEVED_FOR: Duration = Duration::from_secs(5);

/// Whether attempts are refused now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Free,
    Blocked,
    /// Blocked, unless the store says by now that it was lifted: [`Defence::adopt`] or [`Defence::forgive`] follows.
    BlockedIfKept,
}

/// What decides who waits. Only the attempts made count, never whether the login exists: a block tells nothing.
pub(super) trait Defence: Send + Sync + 'static {
    /// Whether attempts are refused now.
    fn verdict(&self, target: &Target, now: Timestamp) -> Verdict;

    /// A wrong answer was given; the block that it brings about, to be kept in the store.
    fn wrong_answer(&self, target: &Target, now: Timestamp) -> Option<Block>;

    /// What was wrong before were slips, and a block is over: a sign-in succeeded, or the block was lifted.
    fn forgive(&self, target: &Target);

    /// A block that was found in the store, made by this process or another, lately or before a restart.
    fn adopt(&self, target: &Target, until: Timestamp, now: Timestamp);

    /// A block of this process has come to the store: from now on it may be lifted there.
    fn kept(&self, block: &Block);

    /// An operator ends a block.
    fn lift(&self, address: &str, login: &str);
}

/// The first defence: after so many wrong answers within a while, no answer is looked at for a while.
pub(super) struct WrongAnswers {
    settings: AccessSettings,
    targets: Mutex<LruCache<Target, Standing>>,
}

#[derive(Default)]
struct Standing {
    /// When the wrong answers within the window were given, oldest first.
    wrong: Vec<Timestamp>,
    block: Option<Standstill>,
}

/// A block as it is known here.
struct Standstill {
    until: Timestamp,
    /// When it was last as the store has it. `None`: it is on its way there, or could not be written; then it holds here
    /// to its end, for that the store lacks it says nothing.
    kept_at: Option<Timestamp>,
}

impl WrongAnswers {
    pub(super) fn new(settings: AccessSettings) -> Self {
        Self { settings, targets: Mutex::new(LruCache::new(MOST_TARGETS)) }
    }

    fn targets(&self) -> MutexGuard<'_, LruCache<Target, Standing>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Defence for WrongAnswers {
    fn verdict(&self, target: &Target, now: Timestamp) -> Verdict {
        let mut targets = self.targets();
        let block = targets.get(target).and_then(|standing| standing.block.as_ref());
        match block.filter(|block| now < block.until) {
            None => Verdict::Free,
            Some(Standstill { kept_at: Some(at), .. }) if now.since(*at) >= BELIEVED_FOR => Verdict::BlockedIfKept,
            Some(_) => Verdict::Blocked,
        }
    }

    fn wrong_answer(&self, target: &Target, now: Timestamp) -> Option<Block> {
        let enough = usize::try_from(self.settings.block_after).unwrap_or(usize::MAX).clamp(1, MOST_ANSWERS);
        let mut targets = self.targets();
        let standing = targets.get_or_insert_mut(target.clone(), Standing::default);
        let since = now.minus(self.settings.block_window);
        standing.wrong.retain(|at| *at > since);
        standing.wrong.push(now);
        if standing.wrong.len() < enough {
            return None;
        }
        let until = now.plus(self.settings.block_for);
        *standing = Standing { wrong: Vec::new(), block: Some(Standstill { until, kept_at: None }) };
        drop(targets);
        let reason =
            format!("{enough} wrong answers within {} minutes", self.settings.block_window.as_secs().div_ceil(60));
        Some(Block { address: target.source.to_string(), login: target.login.clone(), reason, since: now, until })
    }

    fn forgive(&self, target: &Target) {
        self.targets().pop(target);
    }

    fn adopt(&self, target: &Target, until: Timestamp, now: Timestamp) {
        let mut targets = self.targets();
        let standing = targets.get_or_insert_mut(target.clone(), Standing::default);
        standing.block = Some(Standstill { until, kept_at: Some(now) });
    }

    fn kept(&self, block: &Block) {
        for (target, standing) in self.targets().iter_mut() {
            // Not one that was made since.
            if let Some(own) = &mut standing.block
                && own.until == block.until
                && is_of(target, &block.address, &block.login)
            {
                own.kept_at = Some(block.since);
            }
        }
    }

    fn lift(&self, address: &str, login: &str) {
        self.targets().retain(|target, _| !is_of(target, address, login));
    }
}

/// Whether a block of this address and login, as the store has them, is on `target`.
fn is_of(target: &Target, address: &str, login: &str) -> bool {
    target.login == login && target.source.to_string() == address
}
