//! Instances: the customers' tenants.

use crate::domain::{AccountId, AuditAction, Instance, InstanceId, InstanceKey, InstanceName};
use crate::store::{self, AccountFilter, Burial};

use super::changing::Change;
use super::{Management, ManagementError, Operator, Page, PageRequest};

/// What an instance is made from.
#[derive(Debug, Clone)]
pub struct NewInstance {
    pub key: InstanceKey,
    pub name: InstanceName,
}

const NO_SUCH: ManagementError = ManagementError::NotFound { what: "instance" };

impl Management {
    pub async fn create_instance(&self, operator: &Operator, new: NewInstance) -> Result<Instance, ManagementError> {
        operator.sees_all()?;
        let now = self.clock.now();
        let id = InstanceId::new(now, &*self.random);
        let instance = Instance { id, key: new.key, name: new.name, created_at: now };
        let mut unit = self.change(operator).await?;
        unit.instances().insert(&instance).await?;
        unit.commit([Change::created(AuditAction::InstanceCreated, &instance)]).await?;
        tracing::info!(%operator, instance = %id, key = %instance.key, "Created an instance");
        Ok(instance)
    }

    /// Those that the operator sees, by key.
    pub async fn list_instances(
        &self,
        operator: &Operator,
        page: &PageRequest,
    ) -> Result<Page<Instance>, ManagementError> {
        let page = page.checked()?;
        if let Some(own) = operator.instance() {
            let found = self.store.read().await?.instances().find(own).await?;
            let is_behind = |instance: &Instance| match &page.after {
                Some(cursor) => instance.key.as_str() > cursor.key(),
                None => true,
            };
            return Ok(Page { items: found.into_iter().filter(is_behind).collect(), next: None });
        }
        Ok(self.store.read().await?.instances().list(&page).await?.into())
    }

    pub async fn find_instance(&self, operator: &Operator, id: InstanceId) -> Result<Instance, ManagementError> {
        if !operator.sees(id) {
            return Err(NO_SUCH);
        }
        self.store.read().await?.instances().find(id).await?.ok_or(NO_SUCH)
    }

    pub async fn find_instance_by_key(
        &self,
        operator: &Operator,
        key: &InstanceKey,
    ) -> Result<Option<Instance>, ManagementError> {
        let found = self.store.read().await?.instances().find_by_key(key).await?;
        Ok(found.filter(|instance| operator.sees(instance.id)))
    }

    pub async fn rename_instance(
        &self,
        operator: &Operator,
        id: InstanceId,
        name: &InstanceName,
    ) -> Result<Instance, ManagementError> {
        Self::may_change_instance(operator, id)?;
        let mut unit = self.change(operator).await?;
        let before = unit.instances().find(id).await?.ok_or(NO_SUCH)?;
        unit.instances().rename(id, name).await?;
        let instance = Instance { name: name.clone(), ..before.clone() };
        unit.commit([Change::changed(AuditAction::InstanceChanged, &before, &instance)]).await?;
        tracing::info!(%operator, instance = %id, "Renamed an instance");
        Ok(instance)
    }

    /// Removes it with all its accounts and its tokens; the accounts' files go to the trash.
    pub async fn remove_instance(&self, operator: &Operator, id: InstanceId) -> Result<(), ManagementError> {
        Self::may_change_instance(operator, id)?;
        let mut unit = self.change(operator).await?;
        let instance = unit.instances().find(id).await?.ok_or(NO_SUCH)?;
        let mut changes = Vec::new();
        // One transaction for all rows, so that no account can be created into an instance that is going.
        let filter = AccountFilter { instance: Some(id), ..AccountFilter::default() };
        let mut accounts: Vec<AccountId> = Vec::new();
        loop {
            let page = crate::store::PageRequest { after: None, limit: super::page::MAX_LIMIT };
            let page = unit.accounts().list(&filter, &page).await?;
            if page.items.is_empty() {
                break;
            }
            for account in page.items {
                changes.push(Self::remove_account_row(&mut unit, &account).await?);
                accounts.push(account.id);
            }
        }
        let tokens = unit.tokens().list().await?;
        let ending = tokens.iter().filter(|token| token.scope.instance == Some(id));
        changes.extend(ending.map(|token| Change::removed(AuditAction::TokenRevoked, token)));
        let mut page = store::PageRequest::first(200);
        loop {
            let webhooks = unit.webhooks().list(Some(id), &page).await?;
            changes.extend(webhooks.items.iter().map(|webhook| Change::removed(AuditAction::WebhookRemoved, webhook)));
            let Some(next) = webhooks.next else { break };
            page.after = Some(next);
        }
        unit.instances().remove(id).await?;
        changes.push(Change::removed(AuditAction::InstanceRemoved, &instance));
        unit.commit(changes).await?;
        tracing::info!(%operator, instance = %id, accounts = accounts.len(), "Removed an instance");
        for account in accounts {
            self.bury_account(Burial { account, instance: id }).await;
        }
        Ok(())
    }

    /// An operator of one instance works in it, not on it; another's is not there.
    fn may_change_instance(operator: &Operator, id: InstanceId) -> Result<(), ManagementError> {
        if !operator.sees(id) {
            return Err(NO_SUCH);
        }
        operator.sees_all()
    }
}
