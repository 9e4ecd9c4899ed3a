//! `/v1/sessions`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::{AccountId, InstanceId, SessionId};
use crate::http::authentication::Acting;
use crate::http::body::{PathOf, QueryOf, page_request};
use crate::http::fields::Fields;
use crate::http::problem::Problem;
use crate::management::{OpenSession, SessionSearch};

use super::{Api, page};

/// One login's connection, as it is now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    id: String,
    instance: String,
    account: String,
    login: String,
    /// `sftp`, `ftps`, `ftpes`.
    connection_type: &'static str,
    address: String,
    /// What the client said it is; empty: it has not said.
    #[schema(example = "SSH-2.0-OpenSSH_9.9")]
    client: String,
    /// What protects the connection: SSH's key exchange, host key, cipher and, where the cipher needs one, MAC, or TLS's
    /// version and suite; `null` where it is not known.
    #[schema(required, example = "mlkem768x25519-sha256 ssh-ed25519 aes128-gcm@openssh.com")]
    algorithms: Option<String>,
    opened_at: String,
    /// When something last happened.
    active_at: String,
    /// Of files, from the client.
    bytes_in: u64,
    /// Of files, to the client.
    bytes_out: u64,
}

page! {
    /// Sessions, the oldest first.
    SessionPage of SessionView
}

/// Which sessions to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SessionQuery {
    /// The id of an account.
    account: Option<String>,
    /// The id of an instance.
    instance: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// 1 to 200 items; 50 when not told.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
}

impl From<OpenSession> for SessionView {
    fn from(session: OpenSession) -> Self {
        Self {
            id: session.id.to_string(),
            instance: session.instance.to_string(),
            account: session.account.to_string(),
            login: session.login.to_string(),
            connection_type: session.connection_type.as_str(),
            address: session.address.to_canonical().to_string(),
            client: session.client,
            algorithms: session.algorithms,
            opened_at: session.opened_at.to_string(),
            active_at: session.active_at.to_string(),
            bytes_in: session.bytes_in,
            bytes_out: session.bytes_out,
        }
    }
}

/// Lists who is connected now.
#[utoipa::path(get, path = "/v1/sessions", operation_id = "list_sessions", tag = "sessions", params(SessionQuery),
    responses((status = 200, body = SessionPage), Problem))]
pub async fn list(
    State(management): Api,
    Acting(operator): Acting,
    QueryOf(query): QueryOf<SessionQuery>,
) -> Result<Json<SessionPage>, Problem> {
    let mut fields = Fields::default();
    let search = SessionSearch {
        account: fields.optional("account", query.account.as_deref(), str::parse::<AccountId>),
        instance: fields.optional("instance", query.instance.as_deref(), str::parse::<InstanceId>),
    };
    let page = page_request(query.cursor.as_ref(), query.limit.as_deref(), &mut fields);
    fields.finish()?;
    Ok(Json(management.list_sessions(&operator, search, &page)?.into()))
}

/// Ends a session. Its login may sign in again at once: to keep it out, disable the account.
#[utoipa::path(delete, path = "/v1/sessions/{session}", operation_id = "disconnect_session", tag = "sessions",
    params(("session" = String, Path)), responses((status = 204), Problem))]
pub async fn disconnect(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(id): PathOf<SessionId>,
) -> Result<StatusCode, Problem> {
    management.disconnect_session(&operator, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
