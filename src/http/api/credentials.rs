//! `/v1/accounts/{account}/credentials`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{AccountId, Credential, CredentialId, CredentialKind, PublicKey, Secret, Timestamp, Validity};
use crate::http::authentication::Acting;
use crate::http::body::{JsonBody, PathOf};
use crate::http::fields::{Change, Fields, change as change_of};
use crate::http::problem::Problem;
use crate::management::{NewPassword, NewPublicKey, ValidityChanges, sentence};

use super::Api;

/// A password or a key of an account. A password itself is shown once, when it is generated.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Credential)]
pub struct CredentialView {
    id: String,
    /// `password` or `public_key`.
    kind: &'static str,
    label: String,
    /// Of a key: the OpenSSH line.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    /// Of a key: as `ssh-keygen -l` prints it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    /// Refused before; `null`: always was valid.
    #[schema(required)]
    not_before: Option<String>,
    /// Refused from then on; `null`: never ends.
    #[schema(required)]
    not_after: Option<String>,
    created_at: String,
    /// `null`: never yet.
    #[schema(required)]
    last_use: Option<LastUseView>,
}

/// Where and by what a credential was last used.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LastUse)]
pub struct LastUseView {
    at: String,
    address: String,
    /// What the client said it is.
    client: String,
}

/// A credential that was just added.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedCredential {
    #[serde(flatten)]
    credential: CredentialView,
    /// A generated password: this is the one time that it is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

/// The credentials of an account, by creation.
#[derive(Debug, Serialize, ToSchema)]
pub struct CredentialList {
    items: Vec<CredentialView>,
}

/// A credential to add: a `public_key`, a `password`, or a password to be generated.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialToAdd {
    /// `password` or `public_key`.
    #[schema(value_type = String, required, nullable = false, example = "password")]
    kind: Option<String>,
    /// 12 to 128 characters; generated when left out.
    #[schema(value_type = Option<String>)]
    password: Option<Secret<String>>,
    /// An OpenSSH line, an RFC 4716 file, or the public part of a PuTTY file.
    public_key: Option<String>,
    /// A word for people; a key's comment when left out.
    label: Option<String>,
    /// RFC 3339; from now on when left out.
    not_before: Option<String>,
    /// RFC 3339; without end when left out.
    not_after: Option<String>,
}

/// What to change of a credential's dates. `null`: no such date.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialChange {
    #[serde(default, deserialize_with = "change_of")]
    #[schema(value_type = Option<String>)]
    not_before: Change<String>,
    /// A time that has come retires the credential at once.
    #[serde(default, deserialize_with = "change_of")]
    #[schema(value_type = Option<String>)]
    not_after: Change<String>,
}

enum Kind {
    Password,
    PublicKey,
}

impl From<Credential> for CredentialView {
    fn from(credential: Credential) -> Self {
        let Credential { id, account: _, kind, label, validity, created_at, last_use } = credential;
        let (kind, public_key, fingerprint) = match kind {
            CredentialKind::Password { hash: _ } => ("password", None, None),
            CredentialKind::PublicKey(key) => ("public_key", Some(key.to_string()), Some(key.fingerprint())),
        };
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let last_use =
            last_use.map(|last| LastUseView { at: last.at.to_string(), address: last.address, client: last.client });
        Self {
            id: id.to_string(),
            kind,
            label,
            public_key,
            fingerprint,
            not_before: text(validity.not_before),
            not_after: text(validity.not_after),
            created_at: created_at.to_string(),
            last_use,
        }
    }
}

/// Lists the credentials of an account, with their last use.
#[utoipa::path(get, path = "/v1/accounts/{account}/credentials", operation_id = "list_credentials", tag = "credentials",
    params(("account" = String, Path)), responses((status = 200, body = CredentialList), Problem))]
pub async fn list(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(account): PathOf<AccountId>,
) -> Result<Json<CredentialList>, Problem> {
    let items = management.list_credentials(&operator, account).await?;
    Ok(Json(CredentialList { items: items.into_iter().map(CredentialView::from).collect() }))
}

/// Adds a password or a key. During a rotation the old and the new one overlap: at most two passwords are valid at
/// one time.
#[utoipa::path(post, path = "/v1/accounts/{account}/credentials", operation_id = "add_credential", tag = "credentials",
    params(("account" = String, Path)), request_body = CredentialToAdd,
    responses((status = 201, body = CreatedCredential), Problem))]
pub async fn add(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(account): PathOf<AccountId>,
    JsonBody(body): JsonBody<CredentialToAdd>,
) -> Result<(StatusCode, Json<CreatedCredential>), Problem> {
    let mut fields = Fields::default();
    let kind = fields.required("kind", body.kind.as_deref(), |text| match text {
        "password" => Ok(Kind::Password),
        "public_key" => Ok(Kind::PublicKey),
        _ => Err("a kind is \"password\" or \"public_key\""),
    });
    let not_before = fields.optional("not_before", body.not_before.as_deref(), Timestamp::parse);
    let not_after = fields.optional("not_after", body.not_after.as_deref(), Timestamp::parse);
    let validity = Validity::new(not_before, not_after).unwrap_or_else(|problem| {
        fields.refuse("not_after", "before_beginning", &sentence(&problem));
        Validity::default()
    });
    let (credential, password) = match kind {
        None => return Err(fields.refusal()),
        Some(Kind::Password) => {
            if body.public_key.is_some() {
                fields.refuse("public_key", "contradictory", "A password has no public_key: add the key by itself.");
            }
            fields.finish()?;
            let new = NewPassword { password: body.password, label: body.label.unwrap_or_default(), validity };
            let created = management.add_password(&operator, account, new).await?;
            (created.credential, created.password)
        }
        Some(Kind::PublicKey) => {
            if body.password.is_some() {
                fields.refuse("password", "contradictory", "A key has no password: add the password by itself.");
            }
            let key = fields.required("public_key", body.public_key.as_deref(), PublicKey::parse);
            let Some(key) = key else { return Err(fields.refusal()) };
            fields.finish()?;
            let new = NewPublicKey { key, label: body.label, validity };
            (management.add_public_key(&operator, account, new).await?, None)
        }
    };
    let password = password.map(|password| password.expose().clone());
    Ok((StatusCode::CREATED, Json(CreatedCredential { credential: credential.into(), password })))
}

/// Changes from when until when a credential may be used.
#[utoipa::path(patch, path = "/v1/accounts/{account}/credentials/{credential}", operation_id = "change_credential",
    tag = "credentials", params(("account" = String, Path), ("credential" = String, Path)),
    request_body = CredentialChange, responses((status = 200, body = CredentialView), Problem))]
pub async fn change(
    State(management): Api,
    Acting(operator): Acting,
    PathOf((account, credential)): PathOf<(AccountId, CredentialId)>,
    JsonBody(body): JsonBody<CredentialChange>,
) -> Result<Json<CredentialView>, Problem> {
    let mut fields = Fields::default();
    let changes = ValidityChanges {
        not_before: fields.changed_or_emptied("not_before", &body.not_before, Timestamp::parse),
        not_after: fields.changed_or_emptied("not_after", &body.not_after, Timestamp::parse),
    };
    fields.finish()?;
    Ok(Json(management.change_credential(&operator, account, credential, changes).await?.into()))
}

/// Removes a credential: sign-ins with it are refused at once. Sessions that are open go on.
#[utoipa::path(delete, path = "/v1/accounts/{account}/credentials/{credential}", operation_id = "remove_credential",
    tag = "credentials", params(("account" = String, Path), ("credential" = String, Path)),
    responses((status = 204), Problem))]
pub async fn remove(
    State(management): Api,
    Acting(operator): Acting,
    PathOf((account, credential)): PathOf<(AccountId, CredentialId)>,
) -> Result<StatusCode, Problem> {
    management.remove_credential(&operator, account, credential).await?;
    Ok(StatusCode::NO_CONTENT)
}
