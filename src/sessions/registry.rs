//! All sessions of this process, under one lock that is held only to count and copy.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::changes::{Changes, Moment};
use super::limits::{LimitReached, Source};
use super::session::{EndReason, Session, SessionInfo, SessionState};
use crate::config::SessionSettings;
use crate::domain::{
    AccountId, ClientSoftware, Clock, ConnectionType, FtpRules, InstanceId, LoginName, Random, SessionId,
};

/// What a session starts from.
#[derive(Debug, Clone)]
pub struct Opening {
    pub account: AccountId,
    pub instance: InstanceId,
    pub login: LoginName,
    pub connection_type: ConnectionType,
    pub address: IpAddr,
    /// What the client had said it is by then.
    pub client: ClientSoftware,
    /// What protects the connection, where its edge told; escaped and cut.
    pub algorithms: Option<String>,
    /// What holds for it over FTP.
    pub ftp_rules: FtpRules,
    /// When the account was looked at, as [`Registry::moment`] told before.
    pub as_of: Moment,
}

/// Why a session was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOpened {
    #[error(transparent)]
    Limit(#[from] LimitReached),
    /// What the sign-in looked at may no longer be so.
    #[error("the account was changed during the sign-in")]
    AccountChanged,
}

/// The sessions of this process, and the caps over them.
pub struct Registry {
    settings: SessionSettings,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    members: Mutex<Members>,
    /// How many sessions there are, for [`Registry::drained`].
    count: watch::Sender<usize>,
}

#[derive(Default)]
struct Members {
    sessions: HashMap<SessionId, Arc<SessionState>>,
    per_account: HashMap<AccountId, usize>,
    per_source: HashMap<Source, usize>,
    changes: Changes,
    /// Set by a shutdown: a sign-in that was under way then still gets its session, but one that has ended already.
    shutting_down: bool,
}

impl Registry {
    pub fn new(settings: SessionSettings, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Arc<Self> {
        Arc::new(Self { settings, clock, random, members: Mutex::default(), count: watch::Sender::new(0) })
    }

    /// Now, as changes of accounts are ordered. Whoever is about to look at an account that a session shall be opened
    /// for asks this before.
    pub fn moment(&self) -> Moment {
        self.members().changes.now()
    }

    /// An account was changed, durably: no session opens any more for who looked at it before.
    ///
    /// With this first and [`Registry::disconnect_account`] after, no sign-in slips through: it enters the registry
    /// before, and is ended; or after, and is refused.
    pub fn account_changed(&self, account: AccountId) {
        self.members().changes.note(account);
    }

    /// Whether an account was, or may have been, changed after `moment`.
    pub fn was_changed_since(&self, account: AccountId, moment: Moment) -> bool {
        self.members().changes.since(account, moment)
    }

    /// Only `access::Grant` may call this (tests/architecture.rs).
    pub fn open(self: &Arc<Self>, opening: Opening) -> Result<Session, NotOpened> {
        let now = self.clock.now();
        let id = SessionId::new(now, &*self.random);
        let state = Arc::new(SessionState::new(id, opening, now, self.clock.clone()));
        let mut members = self.members();
        if members.changes.since(state.opening.account, state.opening.as_of) {
            return Err(NotOpened::AccountChanged);
        }
        members.room(&self.settings, state.opening.account, state.opening.address)?;
        *members.per_account.entry(state.opening.account).or_default() += 1;
        *members.per_source.entry(state.opening.address.into()).or_default() += 1;
        members.sessions.insert(id, state.clone());
        if members.shutting_down {
            state.end(EndReason::ShuttingDown);
        }
        self.count.send_replace(members.sessions.len());
        drop(members);
        Ok(Session { state, registry: self.clone() })
    }

    /// Whether a session of `account` from `address` would be let in now.
    pub fn room(&self, account: AccountId, address: IpAddr) -> Result<(), LimitReached> {
        self.members().room(&self.settings, account, address)
    }

    /// Every session, oldest first.
    pub fn list(&self) -> Vec<SessionInfo> {
        let sessions: Vec<Arc<SessionState>> = self.members().sessions.values().cloned().collect();
        let mut list: Vec<SessionInfo> = sessions.iter().map(|session| session.info()).collect();
        list.sort_by_key(|session| session.id);
        list
    }

    /// Whether a session of this id is there that nobody has ended.
    pub fn goes_on(&self, id: SessionId) -> bool {
        self.members().sessions.get(&id).is_some_and(|session| !session.is_ended())
    }

    /// Ends one session. False: there is none of that id, or it was ended before.
    pub fn disconnect(&self, id: SessionId, reason: EndReason) -> bool {
        let session = self.members().sessions.get(&id).cloned();
        session.is_some_and(|session| session.end(reason))
    }

    /// Ends all sessions of an account; how many it ended.
    pub fn disconnect_account(&self, account: AccountId, reason: EndReason) -> usize {
        self.disconnect_where(|session| session.opening.account == account, reason)
    }

    /// Ends all sessions; how many it ended. After [`EndReason::ShuttingDown`] none begins any more.
    pub fn disconnect_all(&self, reason: EndReason) -> usize {
        if reason == EndReason::ShuttingDown {
            self.members().shutting_down = true;
        }
        self.disconnect_where(|_| true, reason)
    }

    /// Resolves when no session is left.
    pub async fn drained(&self) {
        let mut count = self.count.subscribe();
        // An error would say that the sender is gone, and it lives as long as `self`.
        let _ = count.wait_for(|count| *count == 0).await;
    }

    /// Called once, by the session's `Drop`.
    pub(super) fn leave(&self, session: &SessionState) {
        let mut members = self.members();
        members.sessions.remove(&session.id);
        count_down(&mut members.per_account, &session.opening.account);
        count_down(&mut members.per_source, &session.opening.address.into());
        self.count.send_replace(members.sessions.len());
    }

    /// Cancelling wakes the edges' tasks, so it is done outside the lock.
    fn disconnect_where(&self, chosen: impl Fn(&SessionState) -> bool, reason: EndReason) -> usize {
        let chosen: Vec<Arc<SessionState>> =
            self.members().sessions.values().filter(|session| chosen(session)).cloned().collect();
        chosen.iter().filter(|session| session.end(reason)).count()
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        // Nothing that can panic runs under the lock; should it ever, the counts are still the best there is.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Members {
    fn room(&self, settings: &SessionSettings, account: AccountId, address: IpAddr) -> Result<(), LimitReached> {
        let of_account = self.per_account.get(&account).copied().unwrap_or(0);
        let of_source = self.per_source.get(&address.into()).copied().unwrap_or(0);
        if self.sessions.len() >= settings.total {
            Err(LimitReached::Total)
        } else if of_account >= settings.per_account {
            Err(LimitReached::Account)
        } else if of_source >= settings.per_address {
            Err(LimitReached::Address)
        } else {
            Ok(())
        }
    }
}

/// One less; at zero the entry goes, so that the map is no longer than the list of sessions.
fn count_down<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ManualClock, OsRandom, Timestamp};
    use futures_util::FutureExt as _;
    use std::time::Duration;

    struct Setting {
        registry: Arc<Registry>,
        clock: Arc<ManualClock>,
    }

    fn setting() -> Setting {
        let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_000_000)));
        let (idle, stall) = (Duration::from_secs(900), Duration::from_secs(300));
        let settings = SessionSettings { total: 4, per_account: 2, per_address: 3, idle, stall };
        Setting { registry: Registry::new(settings, clock.clone(), Arc::new(OsRandom)), clock }
    }

    fn account() -> AccountId {
        AccountId::new(Timestamp::EPOCH, &OsRandom)
    }

    fn opening(account: AccountId, address: &str) -> Opening {
        Opening {
            account,
            instance: InstanceId::new(Timestamp::EPOCH, &OsRandom),
            login: LoginName::parse("paie-acme").unwrap(),
            connection_type: ConnectionType::Sftp,
            address: address.parse().unwrap(),
            client: ClientSoftware::said("OpenSSH_9.9"),
            algorithms: None,
            ftp_rules: FtpRules::default(),
            as_of: Moment::default(),
        }
    }

    #[test]
    fn each_cap_holds_and_a_session_that_ends_makes_room() {
        let Setting { registry, .. } = setting();
        let acme = account();
        let first = registry.open(opening(acme, "192.0.2.1")).unwrap();
        let second = registry.open(opening(acme, "192.0.2.2")).unwrap();
        assert_eq!(registry.open(opening(acme, "192.0.2.3")).unwrap_err(), LimitReached::Account.into());
        let third = registry.open(opening(account(), "192.0.2.1")).unwrap();
        let _fourth = registry.open(opening(account(), "192.0.2.1")).unwrap();
        assert_eq!(registry.open(opening(account(), "192.0.2.9")).unwrap_err(), LimitReached::Total.into());
        drop(third);
        let _fifth = registry.open(opening(account(), "192.0.2.1")).unwrap();
        drop(second);
        assert_eq!(registry.open(opening(account(), "192.0.2.1")).unwrap_err(), LimitReached::Address.into());
        drop(first);
        assert!(registry.open(opening(acme, "192.0.2.3")).is_ok());
        assert_eq!(registry.list().len(), 2);
        assert!(registry.members().per_account.len() == 2, "accounts without a session are forgotten");
    }

    #[test]
    fn what_a_session_does_is_seen_in_the_list() {
        let Setting { registry, clock } = setting();
        let session = registry.open(opening(account(), "192.0.2.1")).unwrap();
        clock.advance(Duration::from_secs(60));
        assert_eq!(session.idle(), Duration::from_secs(60));
        session.count_in(100);
        session.count_in(11);
        session.count_out(7);
        assert_eq!(session.idle(), Duration::ZERO);
        let [seen] = registry.list().try_into().unwrap();
        assert_eq!((seen.bytes_in, seen.bytes_out, seen.id), (111, 7, session.id()));
        assert_eq!(seen.active_at.since(seen.opened_at), Duration::from_secs(60));
    }

    #[test]
    fn ending_an_accounts_sessions_leaves_the_others() {
        let Setting { registry, .. } = setting();
        let (acme, other) = (account(), account());
        let sessions = [acme, acme, other].map(|account| registry.open(opening(account, "192.0.2.1")).unwrap());
        assert_eq!(registry.disconnect_account(acme, EndReason::AccountChanged), 2);
        let reasons = sessions.each_ref().map(Session::end_reason);
        assert_eq!(reasons, [Some(EndReason::AccountChanged), Some(EndReason::AccountChanged), None]);
        assert!(sessions[0].ended().is_cancelled() && !sessions[2].ended().is_cancelled());
        assert!(registry.goes_on(sessions[2].id()) && !registry.goes_on(sessions[0].id()));
        assert!(registry.disconnect(sessions[2].id(), EndReason::OperatorAsked));
        assert!(!registry.disconnect(sessions[2].id(), EndReason::OperatorAsked), "it has ended already");
        let [first, ..] = sessions;
        let id = first.id();
        drop(first);
        assert!(!registry.disconnect(id, EndReason::OperatorAsked), "it is gone");
    }

    #[test]
    fn who_looked_at_an_account_before_it_changed_gets_no_session() {
        let Setting { registry, .. } = setting();
        let (acme, other) = (account(), account());
        let before = registry.moment();
        registry.account_changed(acme);
        let late = registry.open(Opening { as_of: before, ..opening(acme, "192.0.2.1") });
        assert_eq!(late.unwrap_err(), NotOpened::AccountChanged);
        assert!(registry.list().is_empty());
        assert!(registry.open(Opening { as_of: before, ..opening(other, "192.0.2.1") }).is_ok());
        assert!(registry.open(Opening { as_of: registry.moment(), ..opening(acme, "192.0.2.1") }).is_ok());
    }

    #[tokio::test]
    async fn draining_waits_for_the_last_session() {
        let Setting { registry, .. } = setting();
        registry.drained().await;
        let session = registry.open(opening(account(), "192.0.2.1")).unwrap();
        let mut drained = std::pin::pin!(registry.drained());
        assert!((&mut drained).now_or_never().is_none());
        registry.disconnect_all(EndReason::ShuttingDown);
        assert!((&mut drained).now_or_never().is_none(), "ended, but its edge still closes it");
        drop(session);
        drained.await;
    }

    #[test]
    fn a_session_that_begins_during_the_shutdown_has_ended_already() {
        let Setting { registry, .. } = setting();
        registry.disconnect_all(EndReason::ShuttingDown);
        let late = registry.open(opening(account(), "192.0.2.1")).unwrap();
        assert_eq!(late.end_reason(), Some(EndReason::ShuttingDown));
        assert!(late.ended().is_cancelled());
    }
}
