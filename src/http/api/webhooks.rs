//! `/v1/webhooks`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::{EventKind, InstanceId, WebhookId, WebhookUrl};
use crate::http::authentication::Acting;
use crate::http::body::{JsonBody, PathOf, QueryOf, page_request};
use crate::http::fields::{Change, Fields, change as change_of};
use crate::http::problem::Problem;
use crate::management::{NewWebhook, WebhookChanges, WebhookInfo, WebhookWithSecret};

use super::webhook_deliveries::AttemptView;
use super::{Api, page};

/// An endpoint that is sent events, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookView {
    id: String,
    /// The id of the instance whose events alone are sent; `null`: those of all.
    #[schema(required)]
    instance: Option<String>,
    #[schema(example = "https://hr.example.net/events")]
    url: String,
    description: String,
    /// The kinds of events that are sent; `null`: all.
    #[schema(required, example = json!(["file.uploaded"]))]
    kinds: Option<Vec<&'static str>>,
    /// `enabled` or `paused`.
    state: &'static str,
    /// Why it is paused.
    #[schema(required)]
    pause_reason: Option<String>,
    /// Until then the secret before the last rotation signs as well.
    #[schema(required)]
    previous_secret_until: Option<String>,
    created_at: String,
    /// Since when no delivery has succeeded though some were tried; `null`: all is well.
    #[schema(required)]
    failing_since: Option<String>,
    #[schema(required)]
    last_success_at: Option<String>,
    /// Deliveries that wait for it.
    waiting: u64,
}

page! {
    /// Endpoints, by their creation.
    WebhookPage of WebhookView
}

/// An endpoint with a secret that was just made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookWithSecret)]
pub struct WebhookWithSecretView {
    #[serde(flatten)]
    webhook: WebhookView,
    /// What signatures are verified with: this is the one time that it is shown.
    #[schema(example = "whsec_…")]
    secret: String,
}

/// An endpoint to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookToCreate {
    /// https, without user name, password and fragment.
    #[schema(value_type = String, required, nullable = false, example = "https://hr.example.net/events")]
    url: Option<String>,
    /// The id of the instance whose events alone are sent; those of all that the token sees when left out.
    instance: Option<String>,
    /// At most 200 characters.
    description: Option<String>,
    /// The kinds of events to send; all when left out.
    #[schema(example = json!(["file.uploaded"]))]
    kinds: Option<Vec<String>>,
    /// `false`: it begins paused.
    enabled: Option<bool>,
}

/// What to change of an endpoint; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookChange {
    #[serde(default, deserialize_with = "change_of")]
    #[schema(value_type = String, required = false, nullable = false)]
    url: Change<String>,
    #[serde(default, deserialize_with = "change_of")]
    #[schema(value_type = String, required = false, nullable = false)]
    description: Change<String>,
    /// `null`: every kind.
    #[serde(default, deserialize_with = "change_of")]
    #[schema(value_type = Option<Vec<String>>, required = false)]
    kinds: Change<Vec<String>>,
}

/// Which endpoints to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WebhookQuery {
    /// The id of the instance whose endpoints alone are wanted.
    instance: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// 1 to 200 items; 50 when not told.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
}

impl From<WebhookInfo> for WebhookView {
    fn from(webhook: WebhookInfo) -> Self {
        Self {
            id: webhook.id.to_string(),
            instance: webhook.instance.map(|id| id.to_string()),
            url: webhook.url.to_string(),
            description: webhook.description,
            kinds: webhook.kinds.map(|kinds| kinds.into_iter().map(EventKind::as_str).collect()),
            state: webhook.state.as_str(),
            pause_reason: webhook.pause_reason,
            previous_secret_until: webhook.previous_secret_until.map(|at| at.to_string()),
            created_at: webhook.created_at.to_string(),
            failing_since: webhook.failing_since.map(|at| at.to_string()),
            last_success_at: webhook.last_success_at.map(|at| at.to_string()),
            waiting: webhook.waiting,
        }
    }
}

impl From<WebhookWithSecret> for WebhookWithSecretView {
    fn from(made: WebhookWithSecret) -> Self {
        Self { webhook: made.info.into(), secret: made.secret.expose().clone() }
    }
}

/// Makes an endpoint, which is sent what happens from now on; its secret is shown this once.
#[utoipa::path(post, path = "/v1/webhooks", operation_id = "create_webhook", tag = "webhooks",
    request_body = WebhookToCreate,
    responses((status = 201, body = WebhookWithSecretView, headers(("Location" = String, description = "Its address"))), Problem))]
pub async fn create(
    State(management): Api,
    Acting(operator): Acting,
    JsonBody(body): JsonBody<WebhookToCreate>,
) -> Result<(StatusCode, [(axum::http::HeaderName, String); 1], Json<WebhookWithSecretView>), Problem> {
    let mut fields = Fields::default();
    let url = fields.required("url", body.url.as_deref(), WebhookUrl::parse);
    let instance = fields.optional("instance", body.instance.as_deref(), str::parse::<InstanceId>);
    let kinds = body.kinds.map(|kinds| fields.each("kinds", &kinds, str::parse::<EventKind>));
    let Some(url) = url else { return Err(fields.refusal()) };
    fields.finish()?;
    let description = body.description.unwrap_or_default();
    let new = NewWebhook { instance, url, description, kinds, enabled: body.enabled.unwrap_or(true) };
    let made = management.create_webhook(&operator, new).await?;
    let location = format!("/v1/webhooks/{}", made.info.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(made.into())))
}

/// Lists endpoints.
#[utoipa::path(get, path = "/v1/webhooks", operation_id = "list_webhooks", tag = "webhooks", params(WebhookQuery),
    responses((status = 200, body = WebhookPage), Problem))]
pub async fn list(
    State(management): Api,
    Acting(operator): Acting,
    QueryOf(query): QueryOf<WebhookQuery>,
) -> Result<Json<WebhookPage>, Problem> {
    let mut fields = Fields::default();
    let instance = fields.optional("instance", query.instance.as_deref(), str::parse::<InstanceId>);
    let page = page_request(query.cursor.as_ref(), query.limit.as_deref(), &mut fields);
    fields.finish()?;
    Ok(Json(management.list_webhooks(&operator, instance, &page).await?.into()))
}

/// Reads an endpoint.
#[utoipa::path(get, path = "/v1/webhooks/{webhook}", operation_id = "read_webhook", tag = "webhooks",
    params(("webhook" = String, Path)), responses((status = 200, body = WebhookView), Problem))]
pub async fn read(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(id): PathOf<WebhookId>,
) -> Result<Json<WebhookView>, Problem> {
    Ok(Json(management.find_webhook(&operator, id).await?.into()))
}

/// Changes an endpoint.
#[utoipa::path(patch, path = "/v1/webhooks/{webhook}", operation_id = "change_webhook", tag = "webhooks",
    params(("webhook" = String, Path)), request_body = WebhookChange,
    responses((status = 200, body = WebhookView), Problem))]
pub async fn change(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(id): PathOf<WebhookId>,
    JsonBody(body): JsonBody<WebhookChange>,
) -> Result<Json<WebhookView>, Problem> {
    let mut fields = Fields::default();
    let url = fields.changed("url", body.url);
    let url = fields.optional("url", url.as_deref(), WebhookUrl::parse);
    let description = fields.changed("description", body.description);
    let kinds = body.kinds.map(|kinds| kinds.map(|kinds| fields.each("kinds", &kinds, str::parse::<EventKind>)));
    fields.finish()?;
    let changes = WebhookChanges { url, description, kinds };
    Ok(Json(management.change_webhook(&operator, id, changes).await?.into()))
}

/// Removes an endpoint with what waits for it.
#[utoipa::path(delete, path = "/v1/webhooks/{webhook}", operation_id = "remove_webhook", tag = "webhooks",
    params(("webhook" = String, Path)), responses((status = 204), Problem))]
pub async fn remove(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(id): PathOf<WebhookId>,
) -> Result<StatusCode, Problem> {
    management.remove_webhook(&operator, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a new secret, which is shown this once. The one before signs as well for a while.
#[utoipa::path(post, path = "/v1/webhooks/{webhook}/rotate-secret", operation_id = "rotate_webhook_secret",
    tag = "webhooks", params(("webhook" = String, Path)),
    responses((status = 200, body = WebhookWithSecretView), Problem))]
pub async fn rotate(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(id): PathOf<WebhookId>,
) -> Result<Json<WebhookWithSecretView>, Problem> {
    Ok(Json(management.rotate_webhook_secret(&operator, id).await?.into()))
}

/// Sends nothing more to an endpoint; what is meant for it waits.
#[utoipa::path(post, path = "/v1/webhooks/{webhook}/pause", operation_id = "pause_webhook", tag = "webhooks",
    params(("webhook" = String, Path)), responses((status = 200, body = WebhookView), Problem))]
pub async fn pause(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(id): PathOf<WebhookId>,
) -> Result<Json<WebhookView>, Problem> {
    Ok(Json(management.pause_webhook(&operator, id).await?.into()))
}

/// Sends to an endpoint again, first what waited, in its order.
#[utoipa::path(post, path = "/v1/webhooks/{webhook}/resume", operation_id = "resume_webhook", tag = "webhooks",
    params(("webhook" = String, Path)), responses((status = 200, body = WebhookView), Problem))]
pub async fn resume(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(id): PathOf<WebhookId>,
) -> Result<Json<WebhookView>, Problem> {
    Ok(Json(management.resume_webhook(&operator, id).await?.into()))
}

/// Sends an event of the kind `webhook.test` to an endpoint, once, also to one that is paused, and tells what came of it.
#[utoipa::path(post, path = "/v1/webhooks/{webhook}/test", operation_id = "test_webhook", tag = "webhooks",
    params(("webhook" = String, Path)), responses((status = 200, body = AttemptView), Problem))]
pub async fn test(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(id): PathOf<WebhookId>,
) -> Result<Json<AttemptView>, Problem> {
    Ok(Json(management.test_webhook(&operator, id).await?.into()))
}
