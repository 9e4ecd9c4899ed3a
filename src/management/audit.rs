//! The audit log: who changed what, to read, and whether it is as it was written.
//!
//! An operator of one instance reads the rows of that instance. Rows of tokens, and those of no instance, are for who sees
//! all instances.

use crate::domain::{AccountId, AuditAction, AuditReport, AuditResource, AuditRow, AuditWalk, InstanceId, Timestamp};
use crate::store::{AuditFilter, Store, StoreError};

use super::{Management, ManagementError, Operator, Page, PageRequest};

/// How many rows are read at a time when many are.
const BATCH: u32 = 500;
/// How often a check begins anew when rows whose term is over are removed under it.
const TRIES: usize = 10;

/// Which rows to list; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub struct AuditSearch {
    pub instance: Option<InstanceId>,
    pub account: Option<AccountId>,
    /// An operator's name, or the id of a token.
    pub operator: Option<String>,
    pub action: Option<AuditAction>,
    pub resource: Option<AuditResource>,
    pub resource_id: Option<String>,
    /// Then or later.
    pub since: Option<Timestamp>,
    /// Before then.
    pub until: Option<Timestamp>,
    /// A part of the label, without case.
    pub search: Option<String>,
}

/// Why the log could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("rows whose term is over are being removed from the audit log: try again in a minute")]
    NeverStill,
}

impl Management {
    /// The newest first.
    pub async fn list_audit(
        &self,
        operator: &Operator,
        search: AuditSearch,
        page: &PageRequest,
    ) -> Result<Page<AuditRow>, ManagementError> {
        let page = page.checked()?;
        let Some(filter) = filter(operator, search) else { return Ok(Page { items: Vec::new(), next: None }) };
        Ok(self.store.read().await?.audit().list(&filter, &page).await?.into())
    }

    /// Some rows behind the position `after`, in the order of the chain; none: these were all.
    pub async fn export_audit(
        &self,
        operator: &Operator,
        search: AuditSearch,
        after: i64,
    ) -> Result<Vec<AuditRow>, ManagementError> {
        let Some(filter) = filter(operator, search) else { return Ok(Vec::new()) };
        Ok(self.store.read().await?.audit().walk(&filter, after, BATCH).await?)
    }
}

/// `None`: there is nothing that this operator may see of it.
fn filter(operator: &Operator, search: AuditSearch) -> Option<AuditFilter> {
    let AuditSearch { instance, account, operator: name, action, resource, resource_id, since, until, search } = search;
    let (instance, without) = match operator.instance() {
        None => (instance, None),
        Some(own) if instance.is_none_or(|instance| instance == own) => (Some(own), Some(AuditResource::Token)),
        Some(_) => return None,
    };
    Some(AuditFilter {
        instance,
        without,
        operator: name,
        action,
        resource,
        resource_id,
        account,
        since,
        until,
        search,
    })
}

/// Walks along the whole log, from its oldest kept row to its head; rows may be appended meanwhile. `noted` is a hash that
/// was the head's once, and was noted elsewhere.
pub async fn verify(store: &Store, noted: Option<&str>) -> Result<AuditReport, VerifyError> {
    for _ in 0..TRIES {
        if let Some(report) = walk_once(store, noted).await? {
            return Ok(report);
        }
    }
    Err(VerifyError::NeverStill)
}

/// `None`: rows were removed from the beginning meanwhile.
async fn walk_once(store: &Store, noted: Option<&str>) -> Result<Option<AuditReport>, StoreError> {
    let mut known = store.read().await?.audit().chain().await?;
    let mut walk = AuditWalk::begin(known.clone(), noted);
    let mut after = i64::MIN;
    loop {
        let rows = store.read().await?.audit().walk(&AuditFilter::default(), after, BATCH).await?;
        // Read behind the rows, so that each that was appended meanwhile is in it.
        let chain = store.read().await?.audit().chain().await?;
        if (chain.forgotten, &chain.forgotten_hash) != (known.forgotten, &known.forgotten_hash) {
            return Ok(None);
        }
        match rows.last() {
            Some(last) => after = last.position,
            None if chain == known => return Ok(Some(walk.end())),
            // Rows were appended just now, perhaps behind what was read.
            None => {}
        }
        walk.head_moved(chain.clone());
        known = chain;
        rows.iter().for_each(|row| walk.step(row));
    }
}
