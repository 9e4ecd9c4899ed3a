//! Logins that are refused from an address for a while, since too many wrong answers came from there; and how an operator
//! ends that.

use crate::domain::{AuditAction, Timestamp};
use crate::store::Block;

use super::changing::Change;
use super::{Management, ManagementError, Operator, Page, PageRequest};

/// A login that is refused from an address, whatever is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInBlock {
    /// An IPv4 address, or the /64 network of an IPv6 address.
    pub address: String,
    /// In lower case; whether anyone has it is another question.
    pub login: String,
    pub reason: String,
    pub since: Timestamp,
    pub until: Timestamp,
}

impl From<Block> for SignInBlock {
    fn from(Block { address, login, reason, since, until }: Block) -> Self {
        Self { address, login, reason, since, until }
    }
}

impl Management {
    /// Those that have not ended, by address. For who sees every instance: a block may be on a login that nobody has.
    pub async fn list_blocks(
        &self,
        operator: &Operator,
        page: &PageRequest,
    ) -> Result<Page<SignInBlock>, ManagementError> {
        operator.sees_all()?;
        let page = page.checked()?;
        let found = self.store.read().await?.blocks().active(self.clock.now(), &page).await?;
        Ok(Page::from(found).map(SignInBlock::from))
    }

    /// Ends a block, of an address and login as the list has them: at once in this process, within seconds in others.
    pub async fn lift_block(&self, operator: &Operator, address: &str, login: &str) -> Result<(), ManagementError> {
        operator.sees_all()?;
        operator.may_change()?;
        let lifted = self.access.lift_block(address, login, async {
            let mut unit = self.change(operator).await?;
            let Some(block) = unit.blocks().find(address, login, self.clock.now()).await? else { return Ok(false) };
            unit.blocks().lift(address, login).await?;
            unit.commit([Change::removed(AuditAction::BlockLifted, &block)]).await?;
            Ok::<_, ManagementError>(true)
        });
        if !lifted.await? {
            return Err(ManagementError::NotFound { what: "block" });
        }
        tracing::info!(%operator, address, login, "Ended a block");
        Ok(())
    }
}
