//! What was sent to an endpoint, what came of it, and sending it once more.

use serde_json::json;

use crate::domain::{AuditAction, DeliveryState, EventId, InstanceId, Timestamp, WebhookId};
use crate::store::{DeliveryAttempt, DeliveryRow, Replay};

use super::changing::Change;
use super::{Management, ManagementError, Operator, Page, PageRequest};

const NO_SUCH: ManagementError = ManagementError::NotFound { what: "delivery" };

/// One event on its way to one endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryInfo {
    pub event: EventId,
    pub kind: String,
    pub instance: InstanceId,
    pub state: DeliveryState,
    pub occurred_at: Timestamp,
    /// When it is tried next, if those before it are through by then; `None`: it does not wait.
    pub next_attempt_at: Option<Timestamp>,
    /// How often it was tried in all.
    pub attempts: u32,
    pub ended_at: Option<Timestamp>,
    pub last_status: Option<u16>,
    pub last_error: Option<String>,
    /// The event, as it is sent.
    pub body: serde_json::Value,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptInfo {
    pub at: Timestamp,
    pub milliseconds: u64,
    /// Of the answer, if there was one.
    pub status: Option<u16>,
    /// `None`: it succeeded.
    pub error: Option<String>,
}

/// What to send once more, of what was delivered or given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayRequest {
    One(EventId),
    /// Everything that was given up.
    Failed,
    /// Events that occurred from then to then, the second not included.
    Between(Timestamp, Timestamp),
}

impl From<DeliveryRow> for DeliveryInfo {
    fn from(row: DeliveryRow) -> Self {
        let DeliveryRow { event, kind, instance, state, occurred_at, due_at, attempts, ended_at, .. } = row;
        Self {
            event,
            kind,
            instance,
            state,
            occurred_at,
            next_attempt_at: (state == DeliveryState::Waiting).then_some(due_at),
            attempts,
            ended_at,
            last_status: row.last_status,
            last_error: row.last_error,
            body: serde_json::from_str(&row.body).unwrap_or_default(),
        }
    }
}

impl From<DeliveryAttempt> for AttemptInfo {
    fn from(attempt: DeliveryAttempt) -> Self {
        let DeliveryAttempt { at, milliseconds, status, error } = attempt;
        Self { at, milliseconds, status, error }
    }
}

impl Management {
    /// Those with the newest events first.
    pub async fn list_deliveries(
        &self,
        operator: &Operator,
        webhook: WebhookId,
        state: Option<DeliveryState>,
        page: &PageRequest,
    ) -> Result<Page<DeliveryInfo>, ManagementError> {
        let page = page.checked()?;
        self.webhook_for(operator, webhook).await?;
        let found = self.store.read().await?.deliveries().list(webhook, state, &page).await?;
        Ok(Page::from(found).map(DeliveryInfo::from))
    }

    /// A delivery with its last attempts, the newest first.
    pub async fn find_delivery(
        &self,
        operator: &Operator,
        webhook: WebhookId,
        event: EventId,
    ) -> Result<(DeliveryInfo, Vec<AttemptInfo>), ManagementError> {
        self.webhook_for(operator, webhook).await?;
        let mut reader = self.store.read().await?;
        let delivery = reader.deliveries().find(webhook, event).await?.ok_or(NO_SUCH)?;
        let attempts = reader.deliveries().attempts(webhook, event).await?;
        Ok((delivery.into(), attempts.into_iter().map(AttemptInfo::from).collect()))
    }

    /// Delivers once more, under the same id, in the order of the events; says how many.
    pub async fn replay_deliveries(
        &self,
        operator: &Operator,
        webhook: WebhookId,
        request: ReplayRequest,
    ) -> Result<u64, ManagementError> {
        operator.may_change()?;
        let endpoint = self.webhook_for(operator, webhook).await?;
        let which = match request {
            ReplayRequest::One(event) => Replay::One(event),
            ReplayRequest::Failed => Replay::Failed,
            ReplayRequest::Between(from, to) if from >= to => {
                return Err(ManagementError::invalid("to", "out_of_range", "The end comes after the beginning."));
            }
            ReplayRequest::Between(from, to) => Replay::Between(from, to),
        };
        let mut unit = self.change(operator).await?;
        if let Replay::One(event) = which
            && unit.deliveries().find(webhook, event).await?.is_none()
        {
            return Err(NO_SUCH);
        }
        let replayed = unit.deliveries().replay(webhook, which, self.clock.now()).await?;
        let mut what = match which {
            Replay::One(event) => json!({ "event": event }),
            Replay::Failed => json!({ "failed": true }),
            Replay::Between(from, to) => json!({ "from": from, "to": to }),
        };
        what["deliveries"] = json!(replayed);
        unit.commit([Change::done(AuditAction::WebhookReplayed, &endpoint, what)]).await?;
        self.webhooks.wake();
        tracing::info!(%operator, %webhook, replayed, "Delivering {replayed} events once more");
        Ok(replayed)
    }
}
