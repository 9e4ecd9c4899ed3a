//! Which accounts were changed lately, so that a sign-in that looked at one before its change opens no session after.
//!
//! The attack: an account is disabled while a sign-in of it is under way. The sign-in has read the account as it was,
//! argon2 takes its time, and the account's sessions are ended before this one exists.

use std::num::NonZeroUsize;

use lru::LruCache;

use crate::domain::AccountId;

/// How many accounts' last changes are kept; beyond, the oldest counts for every account that is not kept.
const MOST: NonZeroUsize = NonZeroUsize::new(4096).expect("it is not zero");

/// A place in the order of all changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(u64);

pub(super) struct Changes {
    now: Moment,
    last: LruCache<AccountId, Moment>,
    /// The latest change that is no longer kept by account. Whoever looked before it is refused, whatever the account:
    /// that takes a sign-in that lasts as long as thousands of changes, and it may try again.
    forgotten: Moment,
}

impl Default for Changes {
    fn default() -> Self {
        Self { now: Moment::default(), last: LruCache::new(MOST), forgotten: Moment::default() }
    }
}

impl Changes {
    pub(super) fn now(&self) -> Moment {
        self.now
    }

    pub(super) fn note(&mut self, account: AccountId) {
        self.now.0 += 1;
        // Only `note` touches the entries, so the one that gives way is the one changed longest ago.
        if let Some((pushed_out, moment)) = self.last.push(account, self.now)
            && pushed_out != account
        {
            self.forgotten = moment;
        }
    }

    /// Whether `account` was, or may have been, changed after `moment`.
    pub(super) fn since(&self, account: AccountId, moment: Moment) -> bool {
        self.last.peek(&account).copied().unwrap_or(self.forgotten) > moment
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{OsRandom, Timestamp};

    fn account() -> AccountId {
        AccountId::new(Timestamp::EPOCH, &OsRandom)
    }

    #[test]
    fn a_change_is_known_to_who_looked_before_it_alone() {
        let (mut changes, acme, other) = (Changes::default(), account(), account());
        let before = changes.now();
        changes.note(acme);
        assert!(changes.since(acme, before) && !changes.since(other, before));
        let between = changes.now();
        assert!(!changes.since(acme, between));
        changes.note(acme);
        assert!(changes.since(acme, between));
    }

    #[test]
    fn changes_take_so_much_memory_and_a_forgotten_one_still_counts() {
        let (mut changes, acme) = (Changes::default(), account());
        let before = changes.now();
        changes.note(acme);
        for _ in 0..MOST.get() {
            changes.note(account());
        }
        assert_eq!(changes.last.len(), MOST.get());
        assert!(changes.since(acme, before), "its own change is no longer kept");
        assert!(!changes.since(account(), changes.now()));
    }
}
