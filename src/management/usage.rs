//! What accounts hold of what they may.

use crate::domain::{AccountId, Quota};
use crate::vfs::{Held, TreeOwner};

use super::{Management, ManagementError, Operator};

/// What an account holds, and may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountUsage {
    /// `None`: it has no quota, and is not counted.
    pub held: Option<Held>,
    /// Its own limits, else its preset's.
    pub limits: Quota,
}

impl Management {
    pub async fn usage(&self, operator: &Operator, account: AccountId) -> Result<AccountUsage, ManagementError> {
        self.look_at_usage(operator, account, false).await
    }

    /// Counted from the disk again.
    pub async fn recount(&self, operator: &Operator, account: AccountId) -> Result<AccountUsage, ManagementError> {
        operator.may_change()?;
        self.look_at_usage(operator, account, true).await
    }

    async fn look_at_usage(
        &self,
        operator: &Operator,
        account: AccountId,
        anew: bool,
    ) -> Result<AccountUsage, ManagementError> {
        let (account, folders) = self.find_account(operator, account).await?;
        let owner =
            TreeOwner { quota: account.quota(&self.presets), ..TreeOwner::new(account.instance, account.id, folders) };
        let held = self.storage.held(&owner, anew).await.map_err(ManagementError::of_path)?;
        Ok(AccountUsage { held, limits: owner.quota })
    }
}
