//! The proof that a sign-in succeeded.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::refusal::{Refusal, RefusalReason};
use crate::domain::{AccountId, ConnectionType, InstanceId, LoginName};
use crate::sessions::{LimitReached, NotOpened, Opening, Registry, Session};
use crate::vfs::{Actor, OperatorTree, SessionTree, Storage, TreeOwner, VfsError};

/// The proof that a sign-in succeeded; the only thing that opens a session.
///
/// It holds what the account was when it was proven. After a change of the account it opens nothing any more
/// ([`Registry::account_changed`]).
pub struct Grant(Box<Granted>);

/// Everything to open: only this module's siblings can fill it in.
pub(super) struct Granted {
    pub(super) opening: Opening,
    pub(super) owner: TreeOwner,
    pub(super) registry: Arc<Registry>,
    pub(super) trees: Arc<dyn Trees>,
}

/// Why a granted sign-in did not become a session.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Limit(#[from] LimitReached),
    /// The account was changed between the look at it and now: whether the change allows this session, another sign-in
    /// finds out.
    #[error("the account was changed during the sign-in")]
    AccountChanged,
    #[error(transparent)]
    Tree(VfsError),
}

impl OpenError {
    const fn reason(&self) -> RefusalReason {
        match self {
            Self::Limit(_) => RefusalReason::TooManySessions,
            Self::AccountChanged | Self::Tree(_) => RefusalReason::Unavailable,
        }
    }
}

impl From<NotOpened> for OpenError {
    fn from(problem: NotOpened) -> Self {
        match problem {
            NotOpened::Limit(limit) => Self::Limit(limit),
            NotOpened::AccountChanged => Self::AccountChanged,
        }
    }
}

impl From<VfsError> for OpenError {
    fn from(problem: VfsError) -> Self {
        match problem {
            // One of its folders is being moved or removed.
            VfsError::Busy => Self::AccountChanged,
            problem => Self::Tree(problem),
        }
    }
}

impl Grant {
    pub(super) fn new(granted: Granted) -> Self {
        Self(Box::new(granted))
    }

    /// Enters the registry and mounts the account's folders. The sign-in was right, so a refusal here ends the
    /// connection: trying again on it would not help.
    pub async fn open(self) -> Result<(Session, SessionTree), Refusal> {
        let (login, connection_type) = (self.login().clone(), self.connection_type());
        self.try_open().await.map_err(|problem| {
            match &problem {
                OpenError::Limit(_) | OpenError::AccountChanged => {
                    tracing::warn!(%login, %connection_type, "Refused {login} a session: {problem}");
                }
                OpenError::Tree(_) => {
                    tracing::error!(%login, %connection_type, "Could not open the folders of {login}: {problem}");
                }
            }
            Refusal { reason: problem.reason(), end_connection: true }
        })
    }

    pub(super) async fn try_open(self) -> Result<(Session, SessionTree), OpenError> {
        let Granted { opening, owner, registry, trees } = *self.0;
        let Opening { login, connection_type, address, client, algorithms, .. } = opening.clone();
        let session = registry.open(opening)?;
        let actor = Actor::Login { session: session.id(), login, connection_type, address, client, algorithms };
        let tree = trees.mount(owner, actor).await?;
        Ok((session, tree))
    }

    /// As the account has it, whatever case the client wrote.
    pub fn login(&self) -> &LoginName {
        &self.0.opening.login
    }

    pub fn account(&self) -> AccountId {
        self.0.opening.account
    }

    pub fn instance(&self) -> InstanceId {
        self.0.opening.instance
    }

    pub fn connection_type(&self) -> ConnectionType {
        self.0.opening.connection_type
    }

    pub fn address(&self) -> IpAddr {
        self.0.opening.address
    }

    pub fn client(&self) -> &str {
        self.0.opening.client.as_str()
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Grant({}, {})", self.0.opening.account, self.0.opening.login)
    }
}

/// The making of trees, which only this module may do; an interface so that a test needs no disk.
pub(super) trait Trees: Send + Sync + 'static {
    fn mount(&self, owner: TreeOwner, actor: Actor) -> BoxFuture<'_, Result<SessionTree, VfsError>>;
    fn mount_for_operator(&self, owner: TreeOwner, actor: Actor) -> BoxFuture<'_, Result<OperatorTree, VfsError>>;
}

/// Trees of the files on this gateway.
pub(super) struct StorageTrees(pub(super) Arc<Storage>);

impl Trees for StorageTrees {
    fn mount(&self, owner: TreeOwner, actor: Actor) -> BoxFuture<'_, Result<SessionTree, VfsError>> {
        Box::pin(SessionTree::mount(&self.0, owner, actor))
    }

    fn mount_for_operator(&self, owner: TreeOwner, actor: Actor) -> BoxFuture<'_, Result<OperatorTree, VfsError>> {
        Box::pin(OperatorTree::mount(&self.0, owner, actor))
    }
}
