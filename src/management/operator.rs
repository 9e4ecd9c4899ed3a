//! Who acts, and how far they reach.
//!
//! Every use case takes the [`Operator`], and asks it before anything else: for what it would change
//! ([`Operator::may_change`]), for what belongs to no instance ([`Operator::sees_all`]), and for each thing of an
//! instance through [`account_for`] and its like, where what is out of reach is what is not there.

use std::fmt;
use std::sync::Arc;

use crate::domain::{Account, AccountId, InstanceId, TokenId, TokenScope};
use crate::store::Accounts;

use super::ManagementError;
use super::accounts::NO_SUCH as NO_SUCH_ACCOUNT;

/// A person or program that provisions, by the name that the records tell (of its token, for the API).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    name: Arc<str>,
    scope: TokenScope,
    token: Option<TokenId>,
    request: Option<Arc<str>>,
}

impl Operator {
    /// One who may do everything.
    pub fn named(name: &str) -> Self {
        Self::with_scope(name, TokenScope::default())
    }

    /// Whoever works at the command line of the gateway's machine.
    pub fn at_the_command_line() -> Self {
        Self::named("command line")
    }

    pub fn with_scope(name: &str, scope: TokenScope) -> Self {
        Self { name: name.into(), scope, token: None, request: None }
    }

    /// Who showed this token.
    pub(super) fn of_token(token: TokenId, name: &str, scope: TokenScope) -> Self {
        Self { token: Some(token), ..Self::with_scope(name, scope) }
    }

    /// The same, in one request of the API.
    #[must_use]
    pub fn in_request(self, id: &str) -> Self {
        Self { request: Some(id.into()), ..self }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The token that it showed; the command line has none.
    pub fn token(&self) -> Option<TokenId> {
        self.token
    }

    /// The id of the request in which it acts.
    pub fn request(&self) -> Option<&str> {
        self.request.as_deref()
    }

    /// The one instance that it reaches; `None`: all.
    pub fn instance(&self) -> Option<InstanceId> {
        self.scope.instance
    }

    /// Whether what belongs to `instance` is there for this operator.
    pub fn sees(&self, instance: InstanceId) -> bool {
        self.scope.sees(instance)
    }

    /// Refuses who may only read.
    pub(super) fn may_change(&self) -> Result<(), ManagementError> {
        if self.scope.read_only {
            return Err(ManagementError::Forbidden { detail: "This token may read, and change nothing." });
        }
        Ok(())
    }

    /// Refuses who reaches one instance alone, for what is above instances.
    pub(super) fn sees_all(&self) -> Result<(), ManagementError> {
        if self.scope.instance.is_some() {
            let detail = "This token is for one instance: instances themselves and tokens are beyond it.";
            return Err(ManagementError::Forbidden { detail });
        }
        Ok(())
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The account, if it is there for this operator.
pub(super) async fn account_for(
    operator: &Operator,
    mut accounts: Accounts<'_>,
    id: AccountId,
) -> Result<Account, ManagementError> {
    accounts.find(id).await?.filter(|account| operator.sees(account.instance)).ok_or(NO_SUCH_ACCOUNT)
}
