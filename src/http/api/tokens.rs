//! `/v1/tokens`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{Timestamp, TokenId};
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
    created_at: String,
    /// From then on it is refused; `null`: never.
    #[schema(required)]
    expires_at: Option<String>,
    /// To within a minute.
    #[schema(required)]
    last_used_at: Option<String>,
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
    /// RFC 3339; never when left out.
    expires_at: Option<String>,
}

impl From<TokenInfo> for TokenView {
    fn from(token: TokenInfo) -> Self {
        let TokenInfo { id, name, created_at, expires_at, last_used_at } = token;
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            id: id.to_string(),
            name,
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
    let Some(name) = name else { return Err(fields.refusal()) };
    fields.finish()?;
    let created = management.create_token(&operator, NewToken { name, expires_at }).await?;
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
