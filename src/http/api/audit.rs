//! `/v1/audit`

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::domain::{AccountId, AuditAction, AuditResource, AuditRow, InstanceId, Timestamp};
use crate::http::authentication::Acting;
use crate::http::body::{QueryOf, page_request};
use crate::http::fields::Fields;
use crate::http::problem::Problem;
use crate::management::{AuditSearch, ManagementError};

use super::{Api, page};

/// A change that an operator made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditRow)]
pub struct AuditView {
    /// Its place in the chain: 1 and more, without a gap.
    position: i64,
    id: String,
    at: String,
    /// Who: the name of a token; `command line`; `try`.
    #[schema(example = "HR suite, production")]
    operator: String,
    /// The id of the operator's token; `null` for the command line.
    #[schema(required)]
    token: Option<String>,
    /// The `X-Request-Id` of the request.
    #[schema(required)]
    request: Option<String>,
    #[schema(example = "account.changed")]
    action: String,
    /// `instance`, `account`, `credential`, `folder`, `token`, `webhook`, `session`, `sign_in_block`.
    resource: String,
    resource_id: String,
    #[schema(required)]
    instance: Option<String>,
    #[schema(required)]
    account: Option<String>,
    /// What people call it: a login, a folder's path.
    label: String,
    /// How it was; `null`: it was not there. Holds no secret.
    #[schema(required, value_type = Option<Object>)]
    before: Option<Value>,
    /// How it is since; `null`: it is gone.
    #[schema(required, value_type = Option<Object>)]
    after: Option<Value>,
    /// The hash of the row before it.
    previous: String,
    /// SHA-256 of all of this, as docs/OPERATIONS.md says.
    hash: String,
}

page! {
    /// Changes, the newest first.
    AuditPage of AuditView
}

/// A query by these fields, and by those that it has of its own.
macro_rules! query {
    ($(#[$doc:meta])* $name:ident { $($(#[$own_doc:meta])* $own:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Deserialize, IntoParams)]
        #[serde(deny_unknown_fields)]
        #[into_params(parameter_in = Query)]
        pub struct $name {
            /// The id of an instance.
            instance: Option<String>,
            /// The id of an account: what was done to it, and to its credentials, folders and sessions.
            account: Option<String>,
            /// The name of an operator, or the id of its token.
            operator: Option<String>,
            #[param(example = "account.changed")]
            action: Option<String>,
            /// `instance`, `account`, `credential`, `folder`, `token`, `webhook`, `session`, `sign_in_block`.
            resource: Option<String>,
            /// The id of what was changed.
            resource_id: Option<String>,
            /// RFC 3339: what was done then or later.
            since: Option<String>,
            /// RFC 3339: what was done before then.
            until: Option<String>,
            /// With this part in the label, without case.
            search: Option<String>,
            $($(#[$own_doc])* $own: Option<String>,)*
        }

        impl $name {
            fn search(&self, fields: &mut Fields) -> AuditSearch {
                let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
                AuditSearch {
                    instance: fields.optional("instance", self.instance.as_deref(), str::parse::<InstanceId>),
                    account: fields.optional("account", self.account.as_deref(), str::parse::<AccountId>),
                    operator: text(&self.operator),
                    action: fields.optional("action", self.action.as_deref(), str::parse::<AuditAction>),
                    resource: fields.optional("resource", self.resource.as_deref(), str::parse::<AuditResource>),
                    resource_id: text(&self.resource_id),
                    since: fields.optional("since", self.since.as_deref(), Timestamp::parse),
                    until: fields.optional("until", self.until.as_deref(), Timestamp::parse),
                    search: text(&self.search),
                }
            }
        }
    };
}

query! {
    /// Which changes to list.
    AuditQuery {
        /// The `next_cursor` of the page before.
        cursor,
        /// 1 to 200 items; 50 when not told.
        #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
        limit,
    }
}

query! {
    /// Which changes to export.
    AuditExportQuery {}
}

impl From<AuditRow> for AuditView {
    fn from(row: AuditRow) -> Self {
        // What somebody made of it that is no JSON is shown as the text that it is.
        let state = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self {
            position: row.position,
            id: row.id,
            at: row.at.to_string(),
            operator: row.operator,
            token: row.token,
            request: row.request,
            action: row.action,
            resource: row.resource,
            resource_id: row.resource_id,
            instance: row.instance,
            account: row.account,
            label: row.label,
            before: row.before.map(state),
            after: row.after.map(state),
            previous: row.previous,
            hash: row.hash,
        }
    }
}

/// Lists what operators changed. A token of one instance is told of that one's changes, without those of tokens.
#[utoipa::path(get, path = "/v1/audit", operation_id = "list_audit", tag = "audit", params(AuditQuery),
    responses((status = 200, body = AuditPage), Problem))]
pub async fn list(
    State(management): Api,
    Acting(operator): Acting,
    QueryOf(query): QueryOf<AuditQuery>,
) -> Result<Json<AuditPage>, Problem> {
    let mut fields = Fields::default();
    let search = query.search(&mut fields);
    let page = page_request(query.cursor.as_ref(), query.limit.as_deref(), &mut fields);
    fields.finish()?;
    Ok(Json(management.list_audit(&operator, search, &page).await?.into()))
}

/// Exports what operators changed, the oldest first, as JSON Lines: each line is an `AuditRow`. Without a filter the hashes
/// of the lines are a chain, which proves that none was changed or left out.
#[utoipa::path(get, path = "/v1/audit/export", operation_id = "export_audit", tag = "audit", params(AuditExportQuery),
    responses((status = 200, content_type = "application/x-ndjson", body = String), Problem))]
pub async fn export(
    State(management): Api,
    Acting(operator): Acting,
    QueryOf(query): QueryOf<AuditExportQuery>,
) -> Result<Response, Problem> {
    let mut fields = Fields::default();
    let search = query.search(&mut fields);
    fields.finish()?;
    // The first rows before the answer begins: what is wrong by then can still be told.
    let first = management.export_audit(&operator, search.clone(), 0).await?;
    let parts = stream::unfold(Some(Ok(first)), move |rows: Option<Result<Vec<AuditRow>, ManagementError>>| {
        let (management, operator, search) = (management.clone(), operator.clone(), search.clone());
        async move {
            match rows? {
                Ok(rows) => {
                    let last = rows.last()?.position;
                    let next = management.export_audit(&operator, search, last).await;
                    Some((Ok(lines(rows)), Some(next)))
                }
                // The status is on its way already; breaking the connection is how HTTP says that the rest is missing.
                Err(error) => {
                    tracing::error!(%error, cause = ?std::error::Error::source(&error), "An export broke off");
                    Some((Err(error), None))
                }
            }
        }
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(parts)).into_response())
}

/// A line of JSON for each row.
fn lines(rows: Vec<AuditRow>) -> Bytes {
    let mut text = String::new();
    for row in rows {
        text += &serde_json::to_string(&AuditView::from(row)).expect("texts and JSON can be written as JSON");
        text.push('\n');
    }
    text.into()
}
