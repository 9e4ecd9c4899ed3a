//! Who is connected now, and how an operator ends it.

use std::net::IpAddr;

use crate::domain::{AccountId, AuditAction, ConnectionType, InstanceId, LoginName, SessionId, Timestamp};
use crate::sessions::{EndReason, SessionInfo};
use crate::store::Cursor;

use super::changing::Change;
use super::{Management, ManagementError, Operator, Page, PageRequest};

/// Which sessions to list; what is `None` does not matter.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionSearch {
    pub account: Option<AccountId>,
    pub instance: Option<InstanceId>,
}

/// One login's connection, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSession {
    pub id: SessionId,
    pub account: AccountId,
    pub instance: InstanceId,
    pub login: LoginName,
    pub connection_type: ConnectionType,
    pub address: IpAddr,
    /// What the client said it is.
    pub client: String,
    /// What protects the connection, where known.
    pub algorithms: Option<String>,
    pub opened_at: Timestamp,
    /// When something last happened.
    pub active_at: Timestamp,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

impl From<SessionInfo> for OpenSession {
    fn from(session: SessionInfo) -> Self {
        let SessionInfo { id, account, instance, login, connection_type, address, client, .. } = session;
        let SessionInfo { algorithms, opened_at, active_at, bytes_in, bytes_out, .. } = session;
        Self {
            id,
            account,
            instance,
            login,
            connection_type,
            address,
            client: client.to_string(),
            algorithms,
            opened_at,
            active_at,
            bytes_in,
            bytes_out,
        }
    }
}

const NO_SUCH: ManagementError = ManagementError::NotFound { what: "session" };

impl Management {
    /// The oldest first.
    pub fn list_sessions(
        &self,
        operator: &Operator,
        search: SessionSearch,
        page: &PageRequest,
    ) -> Result<Page<OpenSession>, ManagementError> {
        let page = page.checked()?;
        let after = page.after.map(|cursor| cursor.key().parse::<SessionId>()).transpose();
        let after = after.map_err(|_| ManagementError::invalid_cursor(&crate::store::InvalidCursor))?;
        let SessionSearch { account, instance } = search;
        let mut sessions = self.registry.list();
        sessions.retain(|session| {
            operator.sees(session.instance)
                && account.is_none_or(|account| session.account == account)
                && instance.is_none_or(|instance| session.instance == instance)
                && after.is_none_or(|after| session.id > after)
        });
        let size = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let more = sessions.len() > size;
        sessions.truncate(size);
        let next = sessions.last().filter(|_| more).map(|last| Cursor::after(&last.id.to_string()).encode());
        Ok(Page { items: sessions.into_iter().map(OpenSession::from).collect(), next })
    }

    /// Ends a session. Its login may sign in again at once: to keep it out, disable the account.
    pub async fn disconnect_session(&self, operator: &Operator, id: SessionId) -> Result<(), ManagementError> {
        operator.may_change()?;
        let session = self.registry.list().into_iter().find(|session| session.id == id);
        let session =
            session.filter(|session| operator.sees(session.instance) && self.registry.goes_on(id)).ok_or(NO_SUCH)?;
        // Recorded first: what cannot be recorded is not done. A session that ends by itself meanwhile is what was asked for.
        let unit = self.change(operator).await?;
        unit.commit([Change::removed(AuditAction::SessionEnded, &session)]).await?;
        self.registry.disconnect(id, EndReason::OperatorAsked);
        tracing::info!(%operator, session = %id, account = %session.account, login = %session.login, "Ended a session");
        Ok(())
    }
}
