//! Against guessing: who gave too many wrong answers waits.
//!
//! A block is on an address *and* a login. Blocking a login alone would let anyone lock a customer out; blocking an
//! address alone would let one misconfigured client behind a shared line lock its neighbours out.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// What decides who waits. Only the attempts made count, never whether the login exists: a block tells nothing.
pub(super) trait Defence: Send + Sync + 'static {
    /// Whether attempts are refused now.
    fn is_blocked(&self, target: &Target, now: Timestamp) -> bool;

    /// A wrong answer was given; the block that it brings about, to be kept in the store.
    fn wrong_answer(&self, target: &Target, now: Timestamp) -> Option<Block>;

    /// A sign-in succeeded: what was wrong before were slips.
    fn granted(&self, target: &Target);

    /// A block that was found in the store, made before a restart or by another process.
    fn adopt(&self, target: &Target, until: Timestamp);

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
    blocked_until: Option<Timestamp>,
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
    fn is_blocked(&self, target: &Target, now: Timestamp) -> bool {
        self.targets().get(target).and_then(|standing| standing.blocked_until).is_some_and(|until| now < until)
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
        *standing = Standing { wrong: Vec::new(), blocked_until: Some(until) };
        drop(targets);
        let reason =
            format!("{enough} wrong answers within {} minutes", self.settings.block_window.as_secs().div_ceil(60));
        Some(Block { address: target.source.to_string(), login: target.login.clone(), reason, since: now, until })
    }

    fn granted(&self, target: &Target) {
        self.targets().pop(target);
    }

    fn adopt(&self, target: &Target, until: Timestamp) {
        self.targets().get_or_insert_mut(target.clone(), Standing::default).blocked_until = Some(until);
    }

    fn lift(&self, address: &str, login: &str) {
        self.targets().retain(|target, _| target.login != login || target.source.to_string() != address);
    }
}
