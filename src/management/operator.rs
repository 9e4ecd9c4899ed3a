//! Who acts, and how far they reach.
//!
//! Every use case takes the [`Operator`], and asks it before anything else: for what it would change
//! ([`Operator::may_change`]), for what belongs to no instance ([`Operator::sees_all`]), and for each thing of an
//! instance through [`account_for`] and its like, where what is out of reach is what is not there.

use std::fmt;
use std::sync::Arc;

use crate::domain::{Account, AccountId, InstanceId, TokenScope};
use crate::store::{Accounts, Unit};

use super::accounts::NO_SUCH as NO_SUCH_ACCOUNT;
use super::{Management, ManagementError};

/// A person or program that provisions, by the name that the records tell (of its token, for the API).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    name: Arc<str>,
    scope: TokenScope,
}

impl Operator {
    /// One who may do everything.
    pub fn named(name: &str) -> Self {
        Self::with_scope(name, TokenScope::default())
    }

    pub fn with_scope(name: &str, scope: TokenScope) -> Self {
        Self { name: name.into(), scope }
    }

    pub fn name(&self) -> &str {
        &self.name
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

impl Management {
    /// A transaction to change something in, for who may change anything.
    pub(super) async fn change(&self, operator: &Operator) -> Result<Unit, ManagementError> {
        operator.may_change()?;
        Ok(self.store.decide().await?)
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
