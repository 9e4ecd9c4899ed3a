//! Webhooks: where events are sent to, of the whole gateway or of one instance.

use crate::domain::{AuditAction, EventKind, InstanceId, Secret, Timestamp, WebhookId, WebhookState, WebhookUrl};
use crate::store::WebhookRow;

use super::changing::Change;
use super::webhook_deliveries::AttemptInfo;
use super::{FieldError, Management, ManagementError, Operator, Page, PageRequest};

/// Endpoints in all: every event is held against each.
const MOST: u64 = 500;
/// Endpoints of one instance.
const MOST_OF_INSTANCE: u64 = 20;
/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 200;

pub(super) const NO_SUCH: ManagementError = ManagementError::NotFound { what: "webhook" };

/// What an endpoint is made from.
#[derive(Debug, Clone)]
pub struct NewWebhook {
    /// Whose events alone; `None`: all that the operator sees.
    pub instance: Option<InstanceId>,
    pub url: WebhookUrl,
    pub description: String,
    /// `None`: every kind.
    pub kinds: Option<Vec<EventKind>>,
    /// Otherwise it begins paused.
    pub enabled: bool,
}

/// What is to change of an endpoint; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct WebhookChanges {
    pub url: Option<WebhookUrl>,
    pub description: Option<String>,
    /// `Some(None)`: every kind.
    pub kinds: Option<Option<Vec<EventKind>>>,
}

/// An endpoint without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookInfo {
    pub id: WebhookId,
    pub instance: Option<InstanceId>,
    pub url: WebhookUrl,
    pub description: String,
    pub kinds: Option<Vec<EventKind>>,
    pub state: WebhookState,
    pub pause_reason: Option<String>,
    /// Until when the secret before the last rotation signs as well.
    pub previous_secret_until: Option<Timestamp>,
    pub created_at: Timestamp,
    /// Since when no delivery has succeeded though some were tried.
    pub failing_since: Option<Timestamp>,
    pub last_success_at: Option<Timestamp>,
    /// Deliveries that wait for it.
    pub waiting: u64,
}

/// An endpoint with a secret that was just made: the one time that it is shown.
#[derive(Debug)]
pub struct WebhookWithSecret {
    pub info: WebhookInfo,
    pub secret: Secret<String>,
}

impl Management {
    /// Makes an endpoint; it is sent what happens from now on.
    pub async fn create_webhook(
        &self,
        operator: &Operator,
        new: NewWebhook,
    ) -> Result<WebhookWithSecret, ManagementError> {
        operator.may_change()?;
        let instance = match new.instance {
            Some(instance) if !operator.sees(instance) => {
                return Err(ManagementError::invalid("instance", "unknown", "There is no such instance."));
            }
            Some(instance) => Some(instance),
            None => operator.instance(),
        };
        self.check_webhook(Some(&new.url), Some(&new.description), Some(new.kinds.as_deref()))?;
        let now = self.clock.now();
        let id = WebhookId::new(now, &*self.random);
        let (secret, sealed) = self.webhooks.new_secret(id);
        let mut unit = self.change(operator).await?;
        if let Some(instance) = instance
            && unit.instances().find(instance).await?.is_none()
        {
            return Err(ManagementError::invalid("instance", "unknown", "There is no such instance."));
        }
        let of_instance = unit.webhooks().count(instance.or(operator.instance())).await?;
        if unit.webhooks().count(None).await? >= MOST || (instance.is_some() && of_instance >= MOST_OF_INSTANCE) {
            let detail = format!("There are at most {MOST} webhooks, and {MOST_OF_INSTANCE} of one instance.");
            return Err(ManagementError::conflict("instance", detail));
        }
        let state = if new.enabled { WebhookState::Enabled } else { WebhookState::Paused };
        let webhook = WebhookRow {
            id,
            instance,
            url: new.url,
            description: new.description,
            kinds: new.kinds,
            state,
            pause_reason: (!new.enabled).then(|| String::from("It was made so.")),
            secret: sealed,
            previous_secret: None,
            position: unit.events().last_position().await?,
            created_at: now,
            failing_since: None,
            last_success_at: None,
        };
        unit.webhooks().insert(&webhook).await?;
        unit.commit([Change::created(AuditAction::WebhookCreated, &webhook)]).await?;
        self.webhooks.wake();
        tracing::info!(%operator, webhook = %id, "Created a webhook");
        Ok(WebhookWithSecret { info: info(webhook, 0), secret })
    }

    /// Those that the operator sees, by their creation: an operator of one instance sees that instance's.
    pub async fn list_webhooks(
        &self,
        operator: &Operator,
        instance: Option<InstanceId>,
        page: &PageRequest,
    ) -> Result<Page<WebhookInfo>, ManagementError> {
        let page = page.checked()?;
        if instance.is_some_and(|instance| !operator.sees(instance)) {
            return Err(ManagementError::NotFound { what: "instance" });
        }
        let mut reader = self.store.read().await?;
        let found = reader.webhooks().list(instance.or(operator.instance()), &page).await?;
        let mut items = Vec::new();
        for webhook in found.items {
            let waiting = reader.deliveries().waiting(webhook.id).await?;
            items.push(info(webhook, waiting));
        }
        Ok(Page { items, next: found.next.map(|cursor| cursor.encode()) })
    }

    pub async fn find_webhook(&self, operator: &Operator, id: WebhookId) -> Result<WebhookInfo, ManagementError> {
        let webhook = self.webhook_for(operator, id).await?;
        let waiting = self.store.read().await?.deliveries().waiting(id).await?;
        Ok(info(webhook, waiting))
    }

    /// What is on its way already goes to the address of before.
    pub async fn change_webhook(
        &self,
        operator: &Operator,
        id: WebhookId,
        changes: WebhookChanges,
    ) -> Result<WebhookInfo, ManagementError> {
        let WebhookChanges { url, description, kinds } = changes;
        self.change_one(operator, id, "Changed a webhook", |webhook| {
            self.check_webhook(url.as_ref(), description.as_deref(), kinds.as_ref().map(Option::as_deref))?;
            webhook.url = url.unwrap_or_else(|| webhook.url.clone());
            webhook.description = description.unwrap_or_else(|| webhook.description.clone());
            webhook.kinds = kinds.unwrap_or_else(|| webhook.kinds.clone());
            Ok(())
        })
        .await
    }

    /// A new secret; the one before signs as well for as long as the configuration says (`webhooks.secret_overlap`). One
    /// before that ends at once.
    pub async fn rotate_webhook_secret(
        &self,
        operator: &Operator,
        id: WebhookId,
    ) -> Result<WebhookWithSecret, ManagementError> {
        let (secret, sealed) = self.webhooks.new_secret(id);
        let until = self.clock.now().plus(self.webhooks.settings().secret_overlap);
        let rotate = |webhook: &mut WebhookRow| {
            webhook.previous_secret = Some((std::mem::replace(&mut webhook.secret, sealed), until));
            Ok(())
        };
        let info = self.change_one(operator, id, "Changed the secret of a webhook", rotate).await?;
        Ok(WebhookWithSecret { info, secret })
    }

    /// What is meant for it waits from now on.
    pub async fn pause_webhook(&self, operator: &Operator, id: WebhookId) -> Result<WebhookInfo, ManagementError> {
        let reason = format!("{operator} paused it.");
        self.change_one(operator, id, "Paused a webhook", |webhook| {
            if webhook.state == WebhookState::Enabled {
                (webhook.state, webhook.pause_reason) = (WebhookState::Paused, Some(reason));
            }
            Ok(())
        })
        .await
    }

    /// What waited for it is tried at once, in its order, for as long as if it were new.
    pub async fn resume_webhook(&self, operator: &Operator, id: WebhookId) -> Result<WebhookInfo, ManagementError> {
        let resume = |webhook: &mut WebhookRow| {
            (webhook.state, webhook.pause_reason, webhook.failing_since) = (WebhookState::Enabled, None, None);
            Ok(())
        };
        let info = self.change_one(operator, id, "Resumed a webhook", resume).await?;
        Ok(info)
    }

    /// With everything that waits for it.
    pub async fn remove_webhook(&self, operator: &Operator, id: WebhookId) -> Result<(), ManagementError> {
        let mut unit = self.change(operator).await?;
        let found = unit.webhooks().find(id).await?;
        let webhook = found.filter(|webhook| is_for(operator, webhook)).ok_or(NO_SUCH)?;
        unit.webhooks().remove(id).await?;
        unit.commit([Change::removed(AuditAction::WebhookRemoved, &webhook)]).await?;
        tracing::info!(%operator, webhook = %id, "Removed a webhook");
        Ok(())
    }

    /// Sends it an event of the kind `webhook.test`, once, and tells what came of it.
    pub async fn test_webhook(&self, operator: &Operator, id: WebhookId) -> Result<AttemptInfo, ManagementError> {
        operator.may_change()?;
        let webhook = self.webhook_for(operator, id).await?;
        let attempt = self.webhooks.test(&webhook).await.map_err(|_| ManagementError::Busy)?;
        tracing::info!(%operator, webhook = %id, status = attempt.status, "Tested a webhook");
        Ok(attempt.into())
    }

    /// The endpoint, if it is there for this operator.
    pub(super) async fn webhook_for(&self, operator: &Operator, id: WebhookId) -> Result<WebhookRow, ManagementError> {
        let found = self.store.read().await?.webhooks().find(id).await?;
        found.filter(|webhook| is_for(operator, webhook)).ok_or(NO_SUCH)
    }

    /// Changes an endpoint as it is now, in one transaction.
    async fn change_one(
        &self,
        operator: &Operator,
        id: WebhookId,
        told: &str,
        change: impl FnOnce(&mut WebhookRow) -> Result<(), ManagementError>,
    ) -> Result<WebhookInfo, ManagementError> {
        let mut unit = self.change(operator).await?;
        let found = unit.webhooks().find(id).await?;
        let mut webhook = found.filter(|webhook| is_for(operator, webhook)).ok_or(NO_SUCH)?;
        let before = webhook.clone();
        let was_paused = webhook.state == WebhookState::Paused;
        change(&mut webhook)?;
        unit.webhooks().change(&webhook).await?;
        if was_paused && webhook.state == WebhookState::Enabled {
            unit.deliveries().hurry(id, self.clock.now()).await?;
        }
        let waiting = unit.deliveries().waiting(id).await?;
        unit.commit([Change::changed(AuditAction::WebhookChanged, &before, &webhook)]).await?;
        self.webhooks.wake();
        tracing::info!(%operator, webhook = %id, "{told}");
        Ok(info(webhook, waiting))
    }

    fn check_webhook(
        &self,
        url: Option<&WebhookUrl>,
        description: Option<&str>,
        kinds: Option<Option<&[EventKind]>>,
    ) -> Result<(), ManagementError> {
        let mut errors = Vec::new();
        if url.is_some_and(|url| !url.is_secure()) && !self.webhooks.settings().allow_http {
            let detail = "Use https: webhooks.allow_http does not let events be sent without TLS.";
            errors.push(FieldError::new("url", "not_allowed", detail));
        }
        let fits = |text: &str| text.chars().count() <= MAX_DESCRIPTION && !text.chars().any(char::is_control);
        if description.is_some_and(|text| !fits(text)) {
            let detail = format!("A description has at most {MAX_DESCRIPTION} characters, on one line.");
            errors.push(FieldError::new("description", "malformed", detail));
        }
        if kinds.flatten().is_some_and(<[EventKind]>::is_empty) {
            errors.push(FieldError::new("kinds", "required", "Name a kind, or use null for every kind."));
        }
        if errors.is_empty() { Ok(()) } else { Err(ManagementError::Invalid(errors)) }
    }
}

/// An operator of one instance has to do with that instance's endpoints alone.
fn is_for(operator: &Operator, webhook: &WebhookRow) -> bool {
    operator.instance().is_none_or(|own| webhook.instance == Some(own))
}

fn info(webhook: WebhookRow, waiting: u64) -> WebhookInfo {
    let WebhookRow { id, instance, url, description, kinds, state, pause_reason, previous_secret, .. } = webhook;
    WebhookInfo {
        id,
        instance,
        url,
        description,
        kinds,
        state,
        pause_reason,
        previous_secret_until: previous_secret.map(|(_, until)| until),
        created_at: webhook.created_at,
        failing_since: webhook.failing_since,
        last_success_at: webhook.last_success_at,
        waiting,
    }
}
