//! One session, as its edge holds it and as operators see it.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::registry::{Opening, Registry};
use crate::domain::{
    AccountId, ClientSoftware, Clock, ConnectionType, FtpRules, InstanceId, LoginName, SessionId, Timestamp,
};
use crate::vfs::CutReason;

/// Why someone ended a session from this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    OperatorAsked,
    AccountChanged,
    AccountRemoved,
    ShuttingDown,
}

impl EndReason {
    /// The word in logs and records.
    pub const fn as_code(self) -> &'static str {
        match self {
            Self::OperatorAsked => "operator_asked",
            Self::AccountChanged => "account_changed",
            Self::AccountRemoved => "account_removed",
            Self::ShuttingDown => "shutting_down",
        }
    }
}

/// What operators see of a session, at one moment.
#[derive(Debug, Clone)]
pub struct SessionInfo {
    pub id: SessionId,
    pub account: AccountId,
    pub instance: InstanceId,
    pub login: LoginName,
    pub connection_type: ConnectionType,
    pub address: IpAddr,
    pub client: ClientSoftware,
    /// What protects the connection, where its edge told.
    pub algorithms: Option<String>,
    pub opened_at: Timestamp,
    pub active_at: Timestamp,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// One authenticated connection; leaves the registry when dropped. Edges hold it in an `Arc`.
pub struct Session {
    pub(super) state: Arc<SessionState>,
    pub(super) registry: Arc<Registry>,
}

impl Session {
    pub fn id(&self) -> SessionId {
        self.state.id
    }

    pub fn login(&self) -> &LoginName {
        &self.state.opening.login
    }

    pub fn account(&self) -> AccountId {
        self.state.opening.account
    }

    /// What the client says it is, where it says so only after it signed in.
    pub fn set_client(&self, client: ClientSoftware) {
        *self.state.client.write().unwrap_or_else(PoisonError::into_inner) = client;
    }

    /// What its account and its listener together demand over FTP.
    pub fn ftp_rules(&self) -> FtpRules {
        self.state.opening.ftp_rules
    }

    /// Cancelled when someone ends the session: the edge must stop its work and close.
    pub fn ended(&self) -> &CancellationToken {
        &self.state.ended
    }

    /// Why it was ended; `None` while it goes on, or when the peer itself left.
    pub fn end_reason(&self) -> Option<EndReason> {
        self.state.reason.get().copied()
    }

    /// Why the uploads of this session are cut now.
    pub fn cut_reason(&self) -> CutReason {
        match self.end_reason() {
            None => CutReason::ConnectionLost,
            Some(EndReason::ShuttingDown) => CutReason::ShuttingDown,
            Some(EndReason::OperatorAsked | EndReason::AccountChanged | EndReason::AccountRemoved) => {
                CutReason::ClosedByOperator
            }
        }
    }

    /// A sign of life (a request, a keepalive answered, bytes).
    pub fn touch(&self) {
        self.state.touch();
    }

    /// Bytes of file content that the client sent: a sign of life too.
    pub fn count_in(&self, bytes: u64) {
        self.state.bytes_in.fetch_add(bytes, Ordering::Relaxed);
        self.state.touch();
    }

    /// Bytes of file content that were sent to the client: a sign of life too.
    pub fn count_out(&self, bytes: u64) {
        self.state.bytes_out.fetch_add(bytes, Ordering::Relaxed);
        self.state.touch();
    }

    /// How long nothing happened.
    pub fn idle(&self) -> Duration {
        self.state.clock.now().since(self.state.active_at())
    }

    /// The session as operators see it now.
    pub fn info(&self) -> SessionInfo {
        self.state.info()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.registry.leave(&self.state);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({}, {})", self.state.id, self.state.opening.login)
    }
}

/// What a session and the registry share. Only the registry's lock guards membership; all here is read without it.
pub(super) struct SessionState {
    pub(super) id: SessionId,
    pub(super) opening: Opening,
    /// As it was at the opening, or as the client said since.
    client: RwLock<ClientSoftware>,
    ended: CancellationToken,
    reason: OnceLock<EndReason>,
    clock: Arc<dyn Clock>,
    opened_at: Timestamp,
    /// Microseconds, as in [`Timestamp`].
    active_at: AtomicI64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl SessionState {
    pub(super) fn new(id: SessionId, opening: Opening, now: Timestamp, clock: Arc<dyn Clock>) -> Self {
        Self {
            id,
            client: RwLock::new(opening.client.clone()),
            opening,
            ended: CancellationToken::new(),
            reason: OnceLock::new(),
            clock,
            opened_at: now,
            active_at: AtomicI64::new(now.as_micros()),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        self.reason.get().is_some()
    }

    /// The first reason stays: a shutdown that follows an operator's wish does not rewrite it. False: it had ended.
    pub(super) fn end(&self, reason: EndReason) -> bool {
        let first = self.reason.set(reason).is_ok();
        self.ended.cancel();
        first
    }

    pub(super) fn info(&self) -> SessionInfo {
        let opening = self.opening.clone();
        SessionInfo {
            id: self.id,
            account: opening.account,
            instance: opening.instance,
            login: opening.login,
            connection_type: opening.connection_type,
            address: opening.address,
            client: self.client.read().unwrap_or_else(PoisonError::into_inner).clone(),
            algorithms: opening.algorithms,
            opened_at: self.opened_at,
            active_at: self.active_at(),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
        }
    }

    fn touch(&self) {
        self.active_at.fetch_max(self.clock.now().as_micros(), Ordering::Relaxed);
    }

    fn active_at(&self) -> Timestamp {
        Timestamp::from_micros(self.active_at.load(Ordering::Relaxed))
    }
}
