//! Which sign-ins other programs are told of, and how often.
//!
//! Whoever knows a login can have sign-ins refused as often as it likes, and each event is kept, delivered and paid for. So
//! of refusals that are alike (one account, address and reason) one a minute is told, and of one account
//! [`OF_AN_ACCOUNT`] a minute, however many addresses take part; each carries how many there were since the one before.
//! The last ones of a flood may stay untold, but not unrecorded: the sign-in attempts count them all. Every sign-in that
//! succeeds is told: only who may sign in can make those, and sessions are capped.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;

use crate::domain::{AccountId, EventId, EventKind, InstanceId, Random, Timestamp};
use crate::store::{EventRow, GRANTED, SignInAttempt};

/// The time between two events of refusals that are alike.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// The most refusals of an account that are told within [`TOLD_EVERY`].
const OF_AN_ACCOUNT: u32 = 20;
/// How many kinds of refusals, and accounts, are remembered; beyond, one may be told again sooner.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(16_384).expect("it is not zero");

/// An attempt with the login of an account.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) instance: InstanceId,
    pub(super) account: AccountId,
}

/// Refusals that are alike.
#[derive(PartialEq, Eq, Hash)]
struct Kind {
    account: AccountId,
    address: String,
    reason: String,
}

#[derive(Default)]
struct Refusals {
    told_at: Option<Timestamp>,
    /// Since then.
    untold: u64,
}

/// What was told of late.
pub(super) struct Tellings {
    random: Arc<dyn Random>,
    refusals: LruCache<Kind, Refusals>,
    /// Since when so many of an account were told.
    accounts: LruCache<AccountId, (Timestamp, u32)>,
}

impl Tellings {
    pub(super) fn new(random: Arc<dyn Random>) -> Self {
        Self { random, refusals: LruCache::new(REMEMBERED), accounts: LruCache::new(REMEMBERED) }
    }

    /// The event of an attempt of an account's; `None`: it is only counted.
    pub(super) fn of(&mut self, attempt: &SignInAttempt, of: &Attempt) -> Option<EventRow> {
        let (account, at) = (of.account, attempt.last_at);
        let mut data = serde_json::json!({
            "account": account,
            "login": attempt.login,
            "connection_type": attempt.connection_type.as_str(),
            "address": attempt.address,
            "client": attempt.client,
        });
        let kind = if attempt.outcome == GRANTED {
            EventKind::SignInSucceeded
        } else {
            data["reason"] = attempt.outcome.as_str().into();
            data["count"] = self.count_refusal(attempt, account)?.into();
            EventKind::SignInRefused
        };
        let id = EventId::new(at, self.random.as_ref());
        Some(EventRow { id, kind, instance: of.instance, account: Some(account), folder: None, at, data })
    }

    /// How many refusals an event tells of; `None`: none is due.
    fn count_refusal(&mut self, attempt: &SignInAttempt, account: AccountId) -> Option<u64> {
        let at = attempt.last_at;
        let kind = Kind { account, address: attempt.address.clone(), reason: attempt.outcome.clone() };
        let refusals = self.refusals.get_or_insert_mut(kind, Refusals::default);
        refusals.untold = refusals.untold.saturating_add(attempt.count);
        if refusals.told_at.is_some_and(|told| at.since(told) < TOLD_EVERY) {
            return None;
        }
        let (since, told) = self.accounts.get_or_insert_mut(account, || (at, 0));
        if at.since(*since) >= TOLD_EVERY {
            (*since, *told) = (at, 0);
        }
        if *told >= OF_AN_ACCOUNT {
            return None;
        }
        *told += 1;
        refusals.told_at = Some(at);
        Some(std::mem::take(&mut refusals.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ConnectionType, OsRandom};
    use crate::events::{documented, keys};

    const NOON: Timestamp = Timestamp::from_seconds(1_795_435_200);

    fn attempt(second: u64, address: &str, outcome: &str) -> SignInAttempt {
        let at = NOON.plus(Duration::from_secs(second));
        SignInAttempt {
            account: None,
            login: String::from("paie.acme"),
            address: address.to_owned(),
            connection_type: ConnectionType::Sftp,
            client: String::from("SSH-2.0-OpenSSH_9.9"),
            algorithms: None,
            outcome: outcome.to_owned(),
            first_at: at,
            last_at: at,
            count: 1,
        }
    }

    fn of() -> Attempt {
        Attempt { instance: InstanceId::new(NOON, &OsRandom), account: AccountId::new(NOON, &OsRandom) }
    }

    #[test]
    fn a_refusal_tells_who_was_refused_from_where_and_why() {
        let (mut tellings, of) = (Tellings::new(Arc::new(OsRandom)), of());
        let event = tellings.of(&attempt(0, "203.0.113.7", "wrong_password"), &of).unwrap();
        let expected = serde_json::json!({
            "account": of.account.to_string(),
            "login": "paie.acme",
            "connection_type": "sftp",
            "address": "203.0.113.7",
            "client": "SSH-2.0-OpenSSH_9.9",
            "reason": "wrong_password",
            "count": 1,
        });
        assert_eq!((event.kind.as_str(), event.instance, event.data), ("sign_in.refused", of.instance, expected));
    }

    #[test]
    fn each_shape_is_the_documented_one() {
        let (mut tellings, of) = (Tellings::new(Arc::new(OsRandom)), of());
        for outcome in [GRANTED, "wrong_password"] {
            let event = tellings.of(&attempt(0, "203.0.113.7", outcome), &of).unwrap();
            assert_eq!(keys(&event.data), keys(&documented(event.kind)), "{}", event.kind);
        }
    }

    #[test]
    fn each_success_is_told() {
        let (mut tellings, of) = (Tellings::new(Arc::new(OsRandom)), of());
        for _ in 0..100 {
            let event = tellings.of(&attempt(0, "203.0.113.7", GRANTED), &of).unwrap();
            assert_eq!(event.kind.as_str(), "sign_in.succeeded");
        }
    }

    #[test]
    fn refusals_that_are_alike_are_told_once_a_minute_with_their_number() {
        let (mut tellings, of) = (Tellings::new(Arc::new(OsRandom)), of());
        let mut tell = |second, address, reason| {
            let event = tellings.of(&attempt(second, address, reason), &of)?;
            event.data["count"].as_u64()
        };
        assert_eq!(tell(0, "203.0.113.7", "wrong_password"), Some(1));
        for second in 1..60 {
            assert_eq!(tell(second, "203.0.113.7", "wrong_password"), None);
        }
        assert_eq!(tell(30, "203.0.113.8", "wrong_password"), Some(1));
        assert_eq!(tell(30, "203.0.113.7", "expired"), Some(1));
        assert_eq!(tell(60, "203.0.113.7", "wrong_password"), Some(60));
        assert_eq!(tell(200, "203.0.113.7", "wrong_password"), Some(1));
    }

    #[test]
    fn a_flood_from_everywhere_makes_a_bounded_number_of_events() {
        let (mut tellings, of) = (Tellings::new(Arc::new(OsRandom)), of());
        let told = |tellings: &mut Tellings, second, of: &Attempt| {
            let each = (0..250)
                .filter_map(|one| tellings.of(&attempt(second, &format!("203.0.113.{one}"), "wrong_password"), of));
            each.count()
        };
        assert_eq!(told(&mut tellings, 0, &of), 20);
        assert_eq!(told(&mut tellings, 59, &of), 0);
        assert_eq!(told(&mut tellings, 60, &of), 20);
        let another = Attempt { account: AccountId::new(NOON, &OsRandom), ..of };
        assert_eq!(told(&mut tellings, 60, &another), 20);
    }
}
