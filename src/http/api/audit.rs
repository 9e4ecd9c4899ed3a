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
use crate::management::{AuditSearch, Management, ManagementError, Operator};

use super::{Api, page};

/// A change that an operator made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditRow)]
pub struct AuditView {
    /// Its place in the chain: 1 and more, without a gap.
    position: i64,
    id: String,
    at: String,
    /// Who: the name of a token, or `command line`.
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
    /// `instance`, `account`, `credential`, `folder`, `token`, `session`, `sign_in_block`.
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

/// Which changes to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    #[serde(flatten)]
    #[param(inline)]
    filter: AuditFilterQuery,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// 1 to 200 items; 50 when not told.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
}
