//! `/v1/accounts/{account}/transfers`, `/v1/accounts/{account}/sign-ins`

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::{AccountId, ConnectionType, Timestamp, TransferDirection, TransferResult};
use crate::http::authentication::Acting;
use crate::http::body::{PathOf, QueryOf, page_request};
use crate::http::fields::Fields;
use crate::http::problem::Problem;
use crate::management::{SignInInfo, SignInResult, SignInSearch, TransferInfo, TransferSearch};

use super::{Api, page};

/// An upload or download that ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Transfer)]
pub struct TransferView {
    id: String,
    /// Who: `login NAME` or `operator NAME`.
    #[schema(example = "login epaye-acme-7kq2xwa")]
    actor: String,
    /// The session of a login; `null` for an operator, who has no connection of these types and so no address, client and
    /// algorithms either.
    #[schema(required)]
    session: Option<String>,
    #[schema(required)]
    connection_type: Option<&'static str>,
    #[schema(required)]
    address: Option<String>,
    /// What the client said it is, by the time of this transfer; empty: it did not say.
    #[schema(required, example = "SSH-2.0-OpenSSH_9.9")]
    client: Option<String>,
    /// What protected the connection: SSH's key exchange, host key, cipher and, where the cipher needs one, MAC, or TLS's
    /// version and suite; `null` where it is not known.
    #[schema(required, example = "mlkem768x25519-sha256 ssh-ed25519 aes128-gcm@openssh.com")]
    algorithms: Option<String>,
    /// `upload` or `download`.
    direction: &'static str,
    #[schema(example = "/export/absences.csv")]
    path: String,
    /// Of the file that were sent.
    bytes: u64,
    started_at: String,
    ended_at: String,
    /// How long it took.
    milliseconds: u64,
    /// `completed` or `failed`.
    outcome: &'static str,
    /// Why it failed.
    #[schema(required)]
    reason: Option<String>,
    /// An FTP upload that was published although its data connection ended without TLS `close_notify`, as the account's
    /// `close_notify: guarded` allows: nothing proves that its client sent all.
    unproven_end: bool,
}

page! {
    /// Transfers, the newest first.
    TransferPage of TransferView
}

/// Attempts to sign in of one UTC day that were alike.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignIn)]
pub struct SignInView {
    /// As it was typed.
    login: String,
    address: String,
    connection_type: &'static str,
    /// What the client had said it is by then; empty: it had not said.
    #[schema(example = "SSH-2.0-OpenSSH_9.9")]
    client: String,
    /// What protected the connection: SSH's key exchange, host key, cipher and, where the cipher needs one, MAC, or TLS's
    /// version and suite; `null` where it is not known.
    #[schema(required, example = "mlkem768x25519-sha256 ssh-ed25519 aes128-gcm@openssh.com")]
    algorithms: Option<String>,
    /// `granted` or `refused`.
    outcome: &'static str,
    /// Why it was refused, for programs.
    #[schema(required, example = "wrong_password")]
    reason_code: Option<String>,
    /// Why it was refused, for people.
    #[schema(required, example = "The password was wrong.")]
    reason: Option<String>,
    first_at: String,
    last_at: String,
    /// How many they were.
    count: u64,
}

page! {
    /// Attempts to sign in, the newest first.
    SignInPage of SignInView
}

/// Which transfers to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TransferQuery {
    /// `upload` or `download`.
    direction: Option<String>,
    /// `completed` or `failed`.
    outcome: Option<String>,
    /// RFC 3339: those that ended then or later.
    since: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// 1 to 200 items; 50 when not told.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
}

/// Which attempts to sign in to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SignInQuery {
    /// `granted` or `refused`.
    outcome: Option<String>,
    /// RFC 3339: those that were last seen then or later.
    since: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// 1 to 200 items; 50 when not told.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
}

impl From<TransferInfo> for TransferView {
    fn from(transfer: TransferInfo) -> Self {
        let took = transfer.ended_at.since(transfer.started_at).as_millis();
        Self {
            id: transfer.id.to_string(),
            actor: transfer.actor,
            session: transfer.session.map(|id| id.to_string()),
            connection_type: transfer.connection_type.map(ConnectionType::as_str),
            address: transfer.address,
            client: transfer.client,
            algorithms: transfer.algorithms,
            direction: transfer.direction.as_str(),
            path: transfer.path.to_string(),
            bytes: transfer.bytes,
            started_at: transfer.started_at.to_string(),
            ended_at: transfer.ended_at.to_string(),
            milliseconds: u64::try_from(took).unwrap_or(u64::MAX),
            outcome: transfer.outcome.as_str(),
            reason: transfer.reason,
            unproven_end: transfer.unproven_end,
        }
    }
}

impl From<SignInInfo> for SignInView {
    fn from(sign_in: SignInInfo) -> Self {
        Self {
            login: sign_in.login,
            address: sign_in.address,
            connection_type: sign_in.connection_type.as_str(),
            client: sign_in.client,
            algorithms: sign_in.algorithms,
            outcome: match sign_in.outcome {
                SignInResult::Granted => "granted",
                SignInResult::Refused => "refused",
            },
            reason_code: sign_in.reason_code,
            reason: sign_in.reason,
            first_at: sign_in.first_at.to_string(),
            last_at: sign_in.last_at.to_string(),
            count: sign_in.count,
        }
    }
}

/// Lists the transfers of an account, for as long as they are kept; after its removal too.
#[utoipa::path(get, path = "/v1/accounts/{account}/transfers", operation_id = "list_transfers", tag = "history",
    params(("account" = String, Path), TransferQuery), responses((status = 200, body = TransferPage), Problem))]
pub async fn list_transfers(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(account): PathOf<AccountId>,
    QueryOf(query): QueryOf<TransferQuery>,
) -> Result<Json<TransferPage>, Problem> {
    let mut fields = Fields::default();
    let search = TransferSearch {
        direction: fields.optional("direction", query.direction.as_deref(), str::parse::<TransferDirection>),
        outcome: fields.optional("outcome", query.outcome.as_deref(), str::parse::<TransferResult>),
        since: fields.optional("since", query.since.as_deref(), Timestamp::parse),
    };
    let page = page_request(query.cursor.as_ref(), query.limit.as_deref(), &mut fields);
    fields.finish()?;
    Ok(Json(management.list_transfers(&operator, account, search, &page).await?.into()))
}

/// Lists the attempts to sign in to an account: alike ones of a day are one item. The newest are kept.
#[utoipa::path(get, path = "/v1/accounts/{account}/sign-ins", operation_id = "list_sign_ins", tag = "history",
    params(("account" = String, Path), SignInQuery), responses((status = 200, body = SignInPage), Problem))]
pub async fn list_sign_ins(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(account): PathOf<AccountId>,
    QueryOf(query): QueryOf<SignInQuery>,
) -> Result<Json<SignInPage>, Problem> {
    let mut fields = Fields::default();
    let outcome = fields.optional("outcome", query.outcome.as_deref(), |text| match text {
        "granted" => Ok(SignInResult::Granted),
        "refused" => Ok(SignInResult::Refused),
        _ => Err("unknown: use \"granted\" or \"refused\""),
    });
    let since = fields.optional("since", query.since.as_deref(), Timestamp::parse);
    let page = page_request(query.cursor.as_ref(), query.limit.as_deref(), &mut fields);
    fields.finish()?;
    let search = SignInSearch { outcome, since };
    Ok(Json(management.list_sign_ins(&operator, account, search, &page).await?.into()))
}
