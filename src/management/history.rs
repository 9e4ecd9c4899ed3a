//! The history of an account: its transfers, and the attempts to sign in to it.
//!
//! It outlives the account: after a removal it is still told, for as long as the configuration keeps it, to operators
//! who see every instance.

use std::time::Duration;

use tokio::time::timeout;

use crate::access::RefusalReason;
use crate::domain::{
    AccountId, ConnectionType, SessionId, Timestamp, TransferDirection, TransferId, TransferResult, VirtualPath,
};
use crate::store::{GRANTED, SignInAttempt, SignInFilter, TransferFilter, TransferRow};

use super::accounts::NO_SUCH as NO_SUCH_ACCOUNT;
use super::{Management, ManagementError, Operator, Page, PageRequest};

/// How long the list of transfers waits for those that are just being recorded.
const SETTLING: Duration = Duration::from_secs(2);

/// Which transfers to list; what is `None` does not matter.
#[derive(Debug, Clone, Copy, Default)]
pub struct TransferSearch {
    pub direction: Option<TransferDirection>,
    pub outcome: Option<TransferResult>,
    /// Ended then or later.
    pub since: Option<Timestamp>,
}

/// Which attempts to sign in to list; what is `None` does not matter.
#[derive(Debug, Clone, Copy, Default)]
pub struct SignInSearch {
    pub outcome: Option<SignInResult>,
    /// Last seen then or later.
    pub since: Option<Timestamp>,
}

/// What came of an attempt to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInResult {
    Granted,
    Refused,
}

/// An upload or download that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferInfo {
    pub id: TransferId,
    /// `login NAME` or `operator NAME`.
    pub actor: String,
    /// The login's session; operators have none, nor a connection type, an address, a client and algorithms.
    pub session: Option<SessionId>,
    pub connection_type: Option<ConnectionType>,
    pub address: Option<String>,
    /// What the client said it is.
    pub client: Option<String>,
    /// What protected the connection, where known.
    pub algorithms: Option<String>,
    pub direction: TransferDirection,
    pub path: VirtualPath,
    pub bytes: u64,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    pub outcome: TransferResult,
    /// Why it failed.
    pub reason: Option<String>,
    /// It was published although nothing proves that its client sent all.
    pub unproven_end: bool,
}

/// Attempts of one UTC day that were alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInInfo {
    pub login: String,
    pub address: String,
    pub connection_type: ConnectionType,
    /// What the client said it is.
    pub client: String,
    /// What protected the connection, where known.
    pub algorithms: Option<String>,
    pub outcome: SignInResult,
    /// Why it was refused, for programs.
    pub reason_code: Option<String>,
    /// Why it was refused, for people.
    pub reason: Option<String>,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub count: u64,
}

impl From<TransferRow> for TransferInfo {
    fn from(row: TransferRow) -> Self {
        let TransferRow { id, actor, session, connection_type, address, direction, path, bytes, .. } = row;
        let TransferRow { client, algorithms, started_at, ended_at, outcome, reason, unproven_end, .. } = row;
        Self {
            id,
            actor,
            session,
            connection_type,
            address,
            client,
            algorithms,
            direction,
            path,
            bytes,
            started_at,
            ended_at,
            outcome,
            reason,
            unproven_end,
        }
    }
}

impl From<SignInAttempt> for SignInInfo {
    fn from(attempt: SignInAttempt) -> Self {
        let SignInAttempt { account: _, login, address, connection_type, client, algorithms, outcome, .. } = attempt;
        let SignInAttempt { first_at, last_at, count, .. } = attempt;
        let (outcome, reason_code) =
            if outcome == GRANTED { (SignInResult::Granted, None) } else { (SignInResult::Refused, Some(outcome)) };
        // A code of another version of this program is told as it is.
        let in_words = |code: &str| RefusalReason::of_code(code).map(|reason| reason.in_words().to_owned());
        let reason = reason_code.as_deref().and_then(in_words);
        Self {
            login,
            address,
            connection_type,
            client,
            algorithms,
            outcome,
            reason_code,
            reason,
            first_at,
            last_at,
            count,
        }
    }
}

impl Management {
    /// The newest first, by their beginning.
    pub async fn list_transfers(
        &self,
        operator: &Operator,
        account: AccountId,
        search: TransferSearch,
        page: &PageRequest,
    ) -> Result<Page<TransferInfo>, ManagementError> {
        let page = page.checked()?;
        let is_there = self.has_history_for(operator, account).await?;
        let TransferSearch { direction, outcome, since } = search;
        // Whoever just saw a file arrive finds it here too. When the ledger is slow, what there is has to do.
        let _ = timeout(SETTLING, self.storage.settle()).await;
        let filter = TransferFilter { direction, outcome, since };
        let found = self.store.read().await?.transfers().of_account(account, &filter, &page).await?;
        if !is_there && found.items.is_empty() && page.after.is_none() {
            return Err(NO_SUCH_ACCOUNT);
        }
        Ok(Page::from(found).map(TransferInfo::from))
    }

    /// The newest first, by when attempts like them began on their day.
    pub async fn list_sign_ins(
        &self,
        operator: &Operator,
        account: AccountId,
        search: SignInSearch,
        page: &PageRequest,
    ) -> Result<Page<SignInInfo>, ManagementError> {
        let page = page.checked()?;
        let is_there = self.has_history_for(operator, account).await?;
        let granted = search.outcome.map(|outcome| outcome == SignInResult::Granted);
        let filter = SignInFilter { granted, since: search.since };
        let found = self.store.read().await?.sign_ins().of_account(account, &filter, &page).await?;
        if !is_there && found.items.is_empty() && page.after.is_none() {
            return Err(NO_SUCH_ACCOUNT);
        }
        Ok(Page::from(found).map(SignInInfo::from))
    }

    /// Whether the account is there. One that is gone may have left a history, told to who sees every instance alone:
    /// nothing says any more whose it was.
    async fn has_history_for(&self, operator: &Operator, account: AccountId) -> Result<bool, ManagementError> {
        match self.store.read().await?.accounts().find(account).await? {
            Some(account) if operator.sees(account.instance) => Ok(true),
            None if operator.instance().is_none() => Ok(false),
            Some(_) | None => Err(NO_SUCH_ACCOUNT),
        }
    }
}
