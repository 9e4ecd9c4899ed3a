//! `/v1/tokens`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{InstanceId, Timestamp, TokenId, TokenScope};
use crate::http::authentication::Acting;
use crate::http::body::{JsonBody, PathOf};
use crate::http::fields::Fields;
use crate::http::problem::Problem;
use crate::management::{NewToken, TokenInfo};

use super::Api;

/// A token of this API, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenView {
    id: String,
    name: String,
    scope: ScopeView,
    created_at: String,
    /// From then on it is refused; `null`: never.
    #[schema(required)]
    expires_at: Option<String>,
    /// To within a minute.
    #[schema(required)]
    last_used_at: Option<String>,
}

/// What a token may be used for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Scope)]
pub struct ScopeView {
    /// The id of the one instance that it sees; `null`: all.
    #[schema(required)]
    instance: Option<String>,
    /// Whether it may read alone, and change nothing.
    read_only: bool,
}

/// A token that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedTokenView {
    #[serde(flatten)]
    token: TokenView,
    /// The token itself: this is the one time that it is shown.
    #[schema(example = "lgw_…")]
    secret: String,
}

/// All tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenList {
    items: Vec<TokenView>,
}

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenToCreate {
    /// By which records tell who acted.
    #[schema(value_type = String, required, nullable = false, example = "HR suite, production")]
    name: Option<String>,
    /// What it may be used for; everything when left out.
    scope: Option<ScopeInput>,
    /// RFC 3339; never when left out.
    expires_at: Option<String>,
}

/// What a token to make may be used for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScopeInput {
    /// The id of the one instance that it shall see; all when left out.
    instance: Option<String>,
    /// Whether it shall read alone; `false` when left out.
    read_only: Option<bool>,
}

impl From<TokenInfo> for TokenView {
    fn from(token: TokenInfo) -> Self {
        let TokenInfo { id, name, scope, created_at, expires_at, last_used_at } = token;
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            id: id.to_string(),
            name,
            scope: ScopeView { instance: scope.instance.map(|id| id.to_string()), read_only: scope.read_only },
            created_at: created_at.to_string(),
            expires_at: text(expires_at),
            last_used_at: text(last_used_at),
        }
    }
}

/// Lists tokens.
#[utoipa::path(get, path = "/v1/tokens", operation_id = "list_tokens", tag = "tokens",
    responses((status = 200, body = TokenList), Problem))]
pub async fn list(State(management): Api, Acting(operator): Acting) -> Result<Json<TokenList>, Problem> {
    let items = management.list_tokens(&operator).await?.into_iter().map(TokenView::from).collect();
    Ok(Json(TokenList { items }))
}

/// Makes a token; its secret is shown this once.
#[utoipa::path(post, path = "/v1/tokens", operation_id = "create_token", tag = "tokens", request_body = TokenToCreate,
    responses((status = 201, body = CreatedTokenView), Problem))]
pub async fn create(
    State(management): Api,
    Acting(operator): Acting,
    JsonBody(body): JsonBody<TokenToCreate>,
) -> Result<(StatusCode, Json<CreatedTokenView>), Problem> {
    let mut fields = Fields::default();
    let name = fields.required("name", body.name.as_deref(), |text| Ok::<_, &str>(text.to_owned()));
    let expires_at = fields.optional("expires_at", body.expires_at.as_deref(), Timestamp::parse);
    let scope = body.scope.unwrap_or_default();
    let scope = TokenScope {
        instance: fields.optional("scope.instance", scope.instance.as_deref(), str::parse::<InstanceId>),
        read_only: scope.read_only.unwrap_or(false),
    };
    let Some(name) = name else { return Err(fields.refusal()) };
    fields.finish()?;
    let created = management.create_token(&operator, NewToken { name, scope, expires_at }).await?;
    let view = CreatedTokenView { token: created.info.into(), secret: created.secret.expose().clone() };
    Ok((StatusCode::CREATED, Json(view)))
}

/// Ends a token at once.
#[utoipa::path(delete, path = "/v1/tokens/{token}", operation_id = "revoke_token", tag = "tokens",
    params(("token" = String, Path)), responses((status = 204), Problem))]
pub async fn remove(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(id): PathOf<TokenId>,
) -> Result<StatusCode, Problem> {
    management.revoke_token(&operator, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
