//! `/v1/sign-in-blocks`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::authentication::Acting;
use crate::http::body::{PageQuery, QueryOf};
use crate::http::fields::Fields;
use crate::http::problem::Problem;
use crate::management::SignInBlock;

use super::{Api, page};

/// A login that is refused from an address for a while, whatever is shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignInBlock)]
pub struct BlockView {
    /// An IPv4 address, or the /64 network of an IPv6 address.
    #[schema(example = "203.0.113.7")]
    address: String,
    /// In lower case; it may be one that nobody has.
    login: String,
    /// What led to it.
    #[schema(example = "10 wrong answers within 10 minutes")]
    reason: String,
    since: String,
    /// When it ends by itself.
    until: String,
}

page! {
    /// Blocks, by address.
    BlockPage of BlockView
}

/// Which block to end: both as the list has them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BlockQuery {
    #[param(value_type = String, required)]
    address: Option<String>,
    #[param(value_type = String, required)]
    login: Option<String>,
}

impl From<SignInBlock> for BlockView {
    fn from(SignInBlock { address, login, reason, since, until }: SignInBlock) -> Self {
        Self { address, login, reason, since: since.to_string(), until: until.to_string() }
    }
}

/// Lists the logins that are refused from an address for now.
#[utoipa::path(get, path = "/v1/sign-in-blocks", operation_id = "list_sign_in_blocks", tag = "blocks",
    params(PageQuery), responses((status = 200, body = BlockPage), Problem))]
pub async fn list(
    State(management): Api,
    Acting(operator): Acting,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<BlockPage>, Problem> {
    Ok(Json(management.list_blocks(&operator, &query.request()?).await?.into()))
}

/// Ends a block before its time: at once where one process serves, within five seconds in others on the same database.
#[utoipa::path(delete, path = "/v1/sign-in-blocks", operation_id = "lift_sign_in_block", tag = "blocks",
    params(BlockQuery), responses((status = 204), Problem))]
pub async fn lift(
    State(management): Api,
    Acting(operator): Acting,
    QueryOf(query): QueryOf<BlockQuery>,
) -> Result<StatusCode, Problem> {
    let mut fields = Fields::default();
    let as_it_is = |text: &str| Ok::<_, &str>(text.to_owned());
    let address = fields.required("address", query.address.as_deref(), as_it_is);
    let login = fields.required("login", query.login.as_deref(), as_it_is);
    let (Some(address), Some(login)) = (address, login) else { return Err(fields.refusal()) };
    management.lift_block(&operator, &address, &login).await?;
    Ok(StatusCode::NO_CONTENT)
}
