//! A change, and what is written of it in the same transaction: its rows of the audit log, and the events by which other
//! programs are told.
//!
//! Whatever changes something works in a [`Changing`], which is committed together with a [`Change`] for each thing that is
//! no longer as it was. There is no way to commit one without the other.

use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};

use crate::domain::{AccountId, AuditAction, AuditEntry, AuditId, Clock, EventId, FolderId, InstanceId, Random};
use crate::store::{EventRow, Store, StoreError, Unit};

use super::{Management, ManagementError, Operator};

/// A transaction in which an operator changes something. Dropped without commit: nothing happened.
pub(super) struct Changing<'a> {
    unit: Unit,
    operator: &'a Operator,
    clock: &'a dyn Clock,
    random: &'a dyn Random,
}

/// One thing that is not as it was.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    action: AuditAction,
    about: About,
    before: Option<Value>,
    after: Option<Value>,
}

/// What was changed, whose it is, and what people call it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct About {
    pub(super) id: String,
    pub(super) instance: Option<InstanceId>,
    pub(super) account: Option<AccountId>,
    pub(super) folder: Option<FolderId>,
    pub(super) label: String,
}

/// A thing whose changes are recorded. `management::shapes` has them all.
pub(super) trait Recorded {
    fn about(&self) -> About;

    /// What is told of it, before and after a change: stable names, no secret.
    fn shape(&self) -> Value;
}

impl Change {
    pub(super) fn created(action: AuditAction, thing: &impl Recorded) -> Self {
        Self { action, about: thing.about(), before: None, after: Some(thing.shape()) }
    }

    pub(super) fn changed<T: Recorded>(action: AuditAction, before: &T, after: &T) -> Self {
        Self { action, about: after.about(), before: Some(before.shape()), after: Some(after.shape()) }
    }

    pub(super) fn removed(action: AuditAction, thing: &impl Recorded) -> Self {
        Self { action, about: thing.about(), before: Some(thing.shape()), after: None }
    }

    /// Something that was done with it and leaves it as it is.
    pub(super) fn done(action: AuditAction, thing: &impl Recorded, what: Value) -> Self {
        Self { action, about: thing.about(), before: None, after: Some(what) }
    }

    /// Whether anything differs that is told.
    fn is_one(&self) -> bool {
        self.before != self.after
    }
}

impl Management {
    /// A transaction to change something in, for who may change anything.
    pub(super) async fn change<'a>(&'a self, operator: &'a Operator) -> Result<Changing<'a>, ManagementError> {
        operator.may_change()?;
        Ok(Changing::begin(&self.store, operator, &*self.clock, &*self.random).await?)
    }
}

impl<'a> Changing<'a> {
    /// For who was asked already whether they may.
    pub(super) async fn begin(
        store: &Store,
        operator: &'a Operator,
        clock: &'a dyn Clock,
        random: &'a dyn Random,
    ) -> Result<Self, StoreError> {
        Ok(Self { unit: store.decide().await?, operator, clock, random })
    }

    /// Records the changes and commits them with all that was done. A change after which a thing is as it was before is no
    /// change, and not recorded.
    pub(super) async fn commit(self, changes: impl IntoIterator<Item = Change>) -> Result<(), StoreError> {
        let Self { mut unit, operator, clock, random } = self;
        let at = clock.now();
        let mut entries = Vec::new();
        let mut events = Vec::new();
        for change in changes.into_iter().filter(Change::is_one) {
            let Change { action, about, before, after } = change;
            if let (Some(kind), Some(instance)) = (action.event(), about.instance) {
                let data = event_data(operator, action, &about, before.as_ref(), after.as_ref());
                let (account, folder) = (about.account, about.folder);
                events.push(EventRow { id: EventId::new(at, random), kind, instance, account, folder, at, data });
            }
            entries.push(AuditEntry {
                id: AuditId::new(at, random),
                at,
                operator: operator.name().to_owned(),
                token: operator.token(),
                request: operator.request().map(str::to_owned),
                action,
                resource_id: about.id,
                instance: about.instance,
                account: about.account,
                label: about.label,
                before,
                after,
            });
        }
        unit.audit().append(&entries).await?;
        unit.events().record_all(&events.iter().collect::<Vec<_>>()).await?;
        unit.commit().await
    }
}

impl Deref for Changing<'_> {
    type Target = Unit;

    fn deref(&self) -> &Unit {
        &self.unit
    }
}

impl DerefMut for Changing<'_> {
    fn deref_mut(&mut self) -> &mut Unit {
        &mut self.unit
    }
}

/// What receivers of the event read: docs/EVENTS.md, "Management".
fn event_data(
    operator: &Operator,
    action: AuditAction,
    about: &About,
    before: Option<&Value>,
    after: Option<&Value>,
) -> Value {
    let mut data = json!({
        "actor": { "operator": operator.name() },
        "label": about.label,
        "before": before,
        "after": after,
    });
    if let Some(account) = about.account {
        data["account"] = json!(account);
    }
    data[action.resource().as_str()] = json!(about.id);
    data
}
