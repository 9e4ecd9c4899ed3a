//! `/v1/webhooks/{webhook}/deliveries`, `/v1/webhooks/{webhook}/replay`

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::{DeliveryState, EventId, Timestamp, WebhookId};
use crate::http::authentication::Acting;
use crate::http::body::{JsonBody, PathOf, QueryOf, page_request};
use crate::http::fields::Fields;
use crate::http::problem::Problem;
use crate::management::{AttemptInfo, DeliveryInfo, ReplayRequest};

use super::{Api, page};

/// One event on its way to one endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryView {
    /// The event's id, which is the header `webhook-id` of every attempt.
    event: String,
    #[schema(example = "file.uploaded")]
    kind: String,
    /// The id of the instance in which it happened.
    instance: String,
    /// `waiting`, `delivered` or `failed`.
    state: &'static str,
    occurred_at: String,
    /// When it is tried next, if those before it of the same folder are through by then; `null`: it does not wait.
    #[schema(required)]
    next_attempt_at: Option<String>,
    /// How often it was tried in all.
    attempts: u32,
    /// When it was delivered or given up.
    #[schema(required)]
    ended_at: Option<String>,
    /// The status of the last answer, if the last attempt had one.
    #[schema(required)]
    last_status: Option<u16>,
    /// What went wrong with the last attempt.
    #[schema(required)]
    last_error: Option<String>,
}

page! {
    /// Deliveries, those of the newest events first.
    DeliveryPage of DeliveryView
}

/// A delivery with its last attempts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeliveryWithAttempts)]
pub struct DeliveryDetail {
    #[serde(flatten)]
    delivery: DeliveryView,
    /// The last 20, the newest first.
    last_attempts: Vec<AttemptView>,
    /// The event, as it is sent.
    #[schema(value_type = Object)]
    body: serde_json::Value,
}

/// One attempt to deliver.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeliveryAttempt)]
pub struct AttemptView {
    at: String,
    /// How long it took.
    milliseconds: u64,
    /// Of the answer, if there was one.
    #[schema(required)]
    status: Option<u16>,
    /// What went wrong; `null`: it succeeded.
    #[schema(required)]
    error: Option<String>,
}

/// Which deliveries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveryQuery {
    /// `waiting`, `delivered` or `failed`.
    state: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// 1 to 200 items; 50 when not told.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
}

/// What to deliver once more, of what was delivered or given up: `event`, or `failed`, or `from` and `to`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// The id of one event.
    event: Option<String>,
    /// `true`: everything that was given up.
    failed: Option<bool>,
    /// Events that occurred then or later (RFC 3339).
    from: Option<String>,
    /// And before then.
    to: Option<String>,
}

/// What is delivered once more.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replayed {
    /// How many deliveries wait again.
    deliveries: u64,
}

impl From<DeliveryInfo> for DeliveryView {
    fn from(delivery: DeliveryInfo) -> Self {
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            event: delivery.event.to_string(),
            kind: delivery.kind,
            instance: delivery.instance.to_string(),
            state: delivery.state.as_str(),
            occurred_at: delivery.occurred_at.to_string(),
            next_attempt_at: text(delivery.next_attempt_at),
            attempts: delivery.attempts,
            ended_at: text(delivery.ended_at),
            last_status: delivery.last_status,
            last_error: delivery.last_error,
        }
    }
}

impl From<AttemptInfo> for AttemptView {
    fn from(attempt: AttemptInfo) -> Self {
        let AttemptInfo { at, milliseconds, status, error } = attempt;
        Self { at: at.to_string(), milliseconds, status, error }
    }
}

/// Lists the deliveries to an endpoint, for as long as they are kept.
#[utoipa::path(get, path = "/v1/webhooks/{webhook}/deliveries", operation_id = "list_deliveries", tag = "webhooks",
    params(("webhook" = String, Path), DeliveryQuery), responses((status = 200, body = DeliveryPage), Problem))]
pub async fn list(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(webhook): PathOf<WebhookId>,
    QueryOf(query): QueryOf<DeliveryQuery>,
) -> Result<Json<DeliveryPage>, Problem> {
    let mut fields = Fields::default();
    let state = fields.optional("state", query.state.as_deref(), str::parse::<DeliveryState>);
    let page = page_request(query.cursor.as_ref(), query.limit.as_deref(), &mut fields);
    fields.finish()?;
    Ok(Json(management.list_deliveries(&operator, webhook, state, &page).await?.into()))
}

/// Reads a delivery with its last attempts.
#[utoipa::path(get, path = "/v1/webhooks/{webhook}/deliveries/{event}", operation_id = "read_delivery",
    tag = "webhooks", params(("webhook" = String, Path), ("event" = String, Path)),
    responses((status = 200, body = DeliveryDetail), Problem))]
pub async fn read(
    State(management): Api,
    Acting(operator): Acting,
    PathOf((webhook, event)): PathOf<(WebhookId, EventId)>,
) -> Result<Json<DeliveryDetail>, Problem> {
    let (mut delivery, attempts) = management.find_delivery(&operator, webhook, event).await?;
    let body = delivery.body.take();
    let last_attempts = attempts.into_iter().map(AttemptView::from).collect();
    Ok(Json(DeliveryDetail { delivery: delivery.into(), last_attempts, body }))
}

/// Delivers once more, under the same ids, in the order of the events.
#[utoipa::path(post, path = "/v1/webhooks/{webhook}/replay", operation_id = "replay_deliveries", tag = "webhooks",
    params(("webhook" = String, Path)), request_body = Replay, responses((status = 200, body = Replayed), Problem))]
pub async fn replay(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(webhook): PathOf<WebhookId>,
    JsonBody(body): JsonBody<Replay>,
) -> Result<Json<Replayed>, Problem> {
    let mut fields = Fields::default();
    let event = fields.optional("event", body.event.as_deref(), str::parse::<EventId>);
    let from = fields.optional("from", body.from.as_deref(), Timestamp::parse);
    let to = fields.optional("to", body.to.as_deref(), Timestamp::parse);
    fields.finish()?;
    let request = match (event, body.failed.unwrap_or(false), from, to) {
        (Some(event), false, None, None) => ReplayRequest::One(event),
        (None, true, None, None) => ReplayRequest::Failed,
        (None, false, Some(from), Some(to)) => ReplayRequest::Between(from, to),
        _ => {
            let mut fields = Fields::default();
            fields.refuse("event", "required", "Give an event, or \"failed\": true, or from and to.");
            return Err(fields.refusal());
        }
    };
    Ok(Json(Replayed { deliveries: management.replay_deliveries(&operator, webhook, request).await? }))
}
