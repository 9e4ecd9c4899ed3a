//! `/v1/events`

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::{EventKind, InstanceId};
use crate::http::authentication::Acting;
use crate::http::body::QueryOf;
use crate::http::fields::Fields;
use crate::http::problem::Problem;
use crate::management::{Feed, FeedRequest, FeedStart};

use super::Api;

/// Where the feed is.
pub const PATH: &str = "/v1/events";

/// An event: CloudEvents 1.0 in its JSON format. Webhooks carry the same.
#[derive(ToSchema)]
#[schema(as = Event)]
#[expect(dead_code, reason = "tells the API document what events::cloud_event writes")]
pub struct EventView {
    #[schema(example = "1.0")]
    specversion: String,
    /// The same for every delivery of this event, and in the feed.
    id: String,
    /// The instance in this API.
    #[schema(example = "/v1/instances/01937d0e-5f3c-7c3a-9d5e-2f4a1b6c8d7e")]
    source: String,
    /// The event's kind.
    #[schema(rename = "type", example = "file.uploaded")]
    kind: String,
    time: String,
    /// What it is about: a file's path; else the id of the folder, the account or the instance.
    #[schema(example = "/export/absences.csv")]
    subject: String,
    #[schema(example = "application/json")]
    datacontenttype: String,
    /// The instance's id.
    instance: String,
    /// The account's id; not there for events of an instance.
    account: Option<String>,
    /// The folder's id, for events of a folder and its files.
    folder: Option<String>,
    /// What happened in detail; each kind has fields of its own.
    #[schema(value_type = Object)]
    data: serde_json::Value,
}

/// Events in the order in which they were recorded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventFeed)]
pub struct FeedView {
    #[schema(value_type = Vec<EventView>)]
    items: Vec<serde_json::Value>,
    /// Hand it back as `after` to go on; also there when `items` is empty.
    next_cursor: String,
}

/// Which events to read.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FeedQuery {
    /// The `next_cursor` of the answer before, or `latest` for what comes from now on; from the first event that is kept
    /// when left out. One behind which events were forgotten meanwhile is refused with 410.
    after: Option<String>,
    /// 1 to 200 events; 50 when not told.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
    /// For how many seconds to wait for an event when there is none, 0 to 60; 0 when not told.
    #[param(value_type = Option<u32>, minimum = 0, maximum = 60)]
    wait: Option<String>,
    /// Kinds of events, separated by commas; all when left out.
    #[param(example = "file.uploaded,file.deleted")]
    kind: Option<String>,
    /// The id of the instance whose events alone are wanted.
    instance: Option<String>,
}

impl From<Feed> for FeedView {
    fn from(feed: Feed) -> Self {
        let Feed { events, next_cursor } = feed;
        Self { items: events, next_cursor }
    }
}

/// Reads events on from a cursor, waiting for them if asked. None is missed.
#[utoipa::path(get, path = "/v1/events", operation_id = "read_events", tag = "events", params(FeedQuery),
    responses((status = 200, body = FeedView), Problem))]
pub async fn read(
    State(management): Api,
    Acting(operator): Acting,
    QueryOf(query): QueryOf<FeedQuery>,
) -> Result<Json<FeedView>, Problem> {
    let mut fields = Fields::default();
    let number = |text: &str| text.parse::<u32>().map_err(|_| "use a whole number");
    let limit = fields.optional("limit", query.limit.as_deref(), number);
    let wait = fields.optional("wait", query.wait.as_deref(), number);
    let kinds = query.kind.as_deref().map(|text| text.split(',').map(|kind| kind.trim().to_owned()).collect());
    let kinds: Vec<String> = kinds.unwrap_or_default();
    let kinds = fields.each("kind", &kinds, str::parse::<EventKind>);
    let instance = fields.optional("instance", query.instance.as_deref(), str::parse::<InstanceId>);
    fields.finish()?;
    let start = match query.after {
        None => FeedStart::Beginning,
        Some(latest) if latest == "latest" => FeedStart::Latest,
        Some(cursor) => FeedStart::After(cursor),
    };
    let wait = Duration::from_secs(u64::from(wait.unwrap_or_default()));
    Ok(Json(management.read_events(&operator, &FeedRequest { start, limit, wait, kinds, instance }).await?.into()))
}
