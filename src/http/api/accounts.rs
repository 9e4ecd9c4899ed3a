//! `/v1/accounts`, `/v1/instances/{instance}/accounts`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::{
    Account, AccountId, AccountName, AccountState, AddressRange, AuthenticationRule, CloseNotify, ConnectionType,
    ConnectionTypes, Hosting, InstanceId, LoginName, PresetName, PublicKey, Quota, RemoteFolder, Secret, Timestamp,
    TlsResumption,
};
use crate::http::authentication::Acting;
use crate::http::body::{JsonBody, PageQuery, PathOf, QueryOf, page_request};
use crate::http::fields::{Change, Fields, change as change_of};
use crate::http::problem::Problem;
use crate::management::{AccountChanges, AccountFilter, Management, NewAccount};

use super::folders::{FolderToCreate, FolderView};
use super::quota::{QuotaInput, QuotaView};
use super::{Api, page};

/// An access on a server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub struct AccountView {
    id: String,
    /// The id of its instance.
    instance: String,
    #[schema(example = "E-paye production")]
    name: String,
    #[schema(example = "epaye-acme-7kq2xwa")]
    login: String,
    preset: String,
    /// The version of the preset that it was made with.
    preset_version: u32,
    /// The host name that the partner is told.
    host: String,
    /// `sftp`, `ftps`, `ftpes`.
    connection_types: Vec<String>,
    /// `any_credential` or `key_and_password`.
    authentication: &'static str,
    /// `enabled` or `disabled`.
    state: &'static str,
    /// From then on no sign-in succeeds; `null`: never.
    #[schema(required)]
    expires_at: Option<String>,
    /// From where it may sign in; empty: from anywhere.
    allowed_addresses: Vec<String>,
    /// What becomes of an FTP upload that ends without TLS `close_notify`: `strict` (it is not published) or `guarded`
    /// (published, marked, if all else speaks for it); `null`: as the preset says.
    #[schema(required)]
    close_notify: Option<&'static str>,
    /// Whether FTP data connections must resume the TLS session of their control connection: `offered` or `require`;
    /// `null`: as the preset says.
    #[schema(required)]
    tls_resumption: Option<&'static str>,
    /// Its own limits; what is `null` is as the preset says.
    quota: QuotaView,
    created_at: String,
    updated_at: String,
}

/// An account with its remote folders.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountWithFolders {
    #[serde(flatten)]
    account: AccountView,
    folders: Vec<FolderView>,
}

/// An account that was just created.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CreatedAccount)]
pub struct CreatedAccountView {
    #[serde(flatten)]
    account: AccountWithFolders,
    /// A generated password: this is the one time that it is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

page! {
    /// Accounts, by creation.
    AccountPage of AccountView
}

/// An account to create. What is left out comes from the preset.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountToCreate {
    #[schema(value_type = String, required, nullable = false, example = "E-paye production")]
    name: Option<String>,
    #[schema(value_type = String, required, nullable = false, example = "epaye")]
    preset: Option<String>,
    /// 3 to 64 characters, unique without case, with the preset's prefix; made by the preset's pattern when left out.
    login: Option<String>,
    /// 12 to 128 characters.
    #[schema(value_type = Option<String>)]
    password: Option<Secret<String>>,
    /// When left out: true if there is neither a password nor a key.
    generate_password: Option<bool>,
    /// OpenSSH lines, RFC 4716 files, or public parts of PuTTY files; at most 20.
    #[serde(default)]
    public_keys: Vec<String>,
    /// Some of those that the preset offers.
    connection_types: Option<Vec<String>>,
    /// The host name that the partner is told.
    host: Option<String>,
    /// `any_credential` (when left out) or `key_and_password`.
    authentication: Option<String>,
    /// `enabled` (when left out) or `disabled`.
    state: Option<String>,
    /// RFC 3339.
    expires_at: Option<String>,
    /// Addresses or networks: `203.0.113.7`, `203.0.113.0/24`, `2001:db8::/32`.
    #[serde(default)]
    allowed_addresses: Vec<String>,
    /// `strict` or `guarded`; `null`: as the preset says.
    close_notify: Option<String>,
    /// `offered` or `require`; `null`: as the preset says.
    tls_resumption: Option<String>,
    #[serde(default)]
    quota: QuotaInput,
    /// 1 to 50.
    folders: Option<Vec<FolderToCreate>>,
}

/// What to change of an account; what is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountChange {
    #[serde(default, deserialize_with = "change_of")]
    #[schema(value_type = String, required = false, nullable = false)]
    name: Change<String>,
    /// Its sessions end, its files stay.
    #[serde(default, deserialize_with = "change_of")]
    #[schema(value_type = String, required = false, nullable = false)]
    login: Change<String>,
    #[serde(default, deserialize_with = "change_of")]
    #[schema(value_type = String, required = false, nullable = false)]
    host: Change<String>,
    #[serde(default, deserialize_with = "change_of")]
    #[schema(value_type = Vec<String>, required = false, nullable = false)]
    connection_types: Change<Vec<String>>,
    #[serde(default, deserialize_with = "change_of")]
    #[schema(value_type = String, required = false, nullable = false)]
    authentication: Change<String>,
    #[serde(default, deserialize_with = "change_of")]
    #[schema(value_type = String, required = false, nullable = false)]
    state: Change<String>,
    /// `null`: it never expires.
    #[serde(default, deserialize_with = "change_of")]
    #[schema(value_type = Option<String>)]
    expires_at: Change<String>,
    #[serde(default, deserialize_with = "change_of")]
    #[schema(value_type = Vec<String>, required = false, nullable = false)]
    allowed_addresses: Change<Vec<String>>,
    /// `null`: as the preset says. Made stricter, it ends the account's sessions over FTP.
    #[serde(default, deserialize_with = "change_of")]
    #[schema(value_type = Option<String>)]
    close_notify: Change<String>,
    /// `null`: as the preset says. Made stricter, it ends the account's sessions over FTP.
    #[serde(default, deserialize_with = "change_of")]
    #[schema(value_type = Option<String>)]
    tls_resumption: Change<String>,
    /// Holds at once, also for sessions that run. Below what is held it refuses what is new, and removes nothing.
    #[serde(default)]
    quota: QuotaInput,
}

/// Which accounts to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AccountQuery {
    /// Of this instance, by id.
    instance: Option<String>,
    /// Under this preset.
    preset: Option<String>,
    /// With this part in the name or login, without case.
    search: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// 1 to 200 items; 50 when not told.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
}

impl From<Account> for AccountView {
    fn from(account: Account) -> Self {
        let Hosting::Hosted { preset, version } = account.hosting;
        Self {
            id: account.id.to_string(),
            instance: account.instance.to_string(),
            name: account.name.to_string(),
            login: account.login.to_string(),
            preset: preset.to_string(),
            preset_version: version,
            host: account.host,
            connection_types: account.connection_types.iter().map(|kind| kind.to_string()).collect(),
            authentication: account.authentication.as_str(),
            state: account.state.as_str(),
            expires_at: account.expires_at.map(|at| at.to_string()),
            allowed_addresses: account.allowed_addresses.iter().map(ToString::to_string).collect(),
            close_notify: account.close_notify.map(CloseNotify::as_str),
            tls_resumption: account.tls_resumption.map(TlsResumption::as_str),
            quota: account.quota.into(),
            created_at: account.created_at.to_string(),
            updated_at: account.updated_at.to_string(),
        }
    }
}

impl From<(Account, Vec<RemoteFolder>)> for AccountWithFolders {
    fn from((account, folders): (Account, Vec<RemoteFolder>)) -> Self {
        Self { account: account.into(), folders: folders.into_iter().map(FolderView::from).collect() }
    }
}

impl AccountToCreate {
    /// Reads all fields, and asks the rules about those that can be read, so that one answer names all that is wrong.
    fn read(self, management: &Management) -> Result<NewAccount, Problem> {
        let mut fields = Fields::default();
        let name = fields.required("name", self.name.as_deref(), AccountName::parse);
        let preset = fields.required("preset", self.preset.as_deref(), PresetName::parse);
        let login = fields.optional("login", self.login.as_deref(), LoginName::parse);
        let public_keys = fields.each("public_keys", &self.public_keys, PublicKey::parse);
        let connection_types = self.connection_types.as_deref().map(|types| types_of(types, &mut fields));
        let authentication = fields.optional("authentication", self.authentication.as_deref(), str::parse);
        let state = fields.optional("state", self.state.as_deref(), str::parse);
        let expires_at = fields.optional("expires_at", self.expires_at.as_deref(), Timestamp::parse);
        let allowed_addresses = fields.each("allowed_addresses", &self.allowed_addresses, str::parse::<AddressRange>);
        let close_notify = fields.optional("close_notify", self.close_notify.as_deref(), str::parse);
        let tls_resumption = fields.optional("tls_resumption", self.tls_resumption.as_deref(), str::parse);
        let quota = Quota::default().changed(self.quota.read(&mut fields));
        let folders: Option<Vec<_>> = self.folders.map(|folders| {
            let read =
                |(index, folder): (usize, FolderToCreate)| folder.read(&format!("folders[{index}]."), &mut fields);
            folders.into_iter().enumerate().map(read).collect()
        });
        // With one unreadable the others' places would shift: the rules about folders then wait for the next try.
        let folders = folders.and_then(|folders| folders.into_iter().collect::<Option<Vec<_>>>());
        let generate_by_default = self.password.is_none() && self.public_keys.is_empty();
        // Where there is nothing to ask the rules about, all that is wrong is known.
        let Some(preset) = preset else { return Err(fields.refusal()) };
        // Never stored: a name that is missing or malformed has been refused below.
        let stand_in = || AccountName::parse("-").expect("one character is a name");
        let new = NewAccount {
            name: name.unwrap_or_else(stand_in),
            preset,
            login,
            password: self.password,
            generate_password: self.generate_password.unwrap_or(generate_by_default),
            public_keys,
            connection_types,
            host: self.host,
            authentication: authentication.unwrap_or_default(),
            state: state.unwrap_or_default(),
            expires_at,
            allowed_addresses,
            close_notify,
            tls_resumption,
            quota,
            folders,
        };
        fields.add(management.check_new_account(&new));
        fields.finish()?;
        Ok(new)
    }
}

fn types_of(types: &[String], fields: &mut Fields) -> ConnectionTypes {
    fields.each("connection_types", types, str::parse::<ConnectionType>).into_iter().collect()
}

/// Lists accounts of all instances.
#[utoipa::path(get, path = "/v1/accounts", operation_id = "list_accounts", tag = "accounts", params(AccountQuery),
    responses((status = 200, body = AccountPage), Problem))]
pub async fn list(
    State(management): Api,
    Acting(operator): Acting,
    QueryOf(query): QueryOf<AccountQuery>,
) -> Result<Json<AccountPage>, Problem> {
    let mut fields = Fields::default();
    let filter = AccountFilter {
        instance: fields.optional("instance", query.instance.as_deref(), str::parse::<InstanceId>),
        preset: fields.optional("preset", query.preset.as_deref(), PresetName::parse),
        search: query.search.filter(|text| !text.is_empty()),
    };
    let page = page_request(query.cursor.as_ref(), query.limit.as_deref(), &mut fields);
    fields.finish()?;
    Ok(Json(management.list_accounts(&operator, filter, &page).await?.into()))
}

/// Lists the accounts of an instance.
#[utoipa::path(get, path = "/v1/instances/{instance}/accounts", operation_id = "list_accounts_of_instance",
    tag = "accounts", params(("instance" = String, Path), PageQuery),
    responses((status = 200, body = AccountPage), Problem))]
pub async fn list_of_instance(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(instance): PathOf<InstanceId>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<AccountPage>, Problem> {
    let page = query.request()?;
    let instance = management.find_instance(&operator, instance).await?;
    let filter = AccountFilter { instance: Some(instance.id), ..AccountFilter::default() };
    Ok(Json(management.list_accounts(&operator, filter, &page).await?.into()))
}

/// Creates an account with its credentials and folders.
#[utoipa::path(post, path = "/v1/instances/{instance}/accounts", operation_id = "create_account", tag = "accounts",
    params(("instance" = String, Path)), request_body = AccountToCreate,
    responses((status = 201, body = CreatedAccountView), Problem))]
pub async fn create(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(instance): PathOf<InstanceId>,
    JsonBody(body): JsonBody<AccountToCreate>,
) -> Result<(StatusCode, [(axum::http::HeaderName, String); 1], Json<CreatedAccountView>), Problem> {
    let new = body.read(&management)?;
    let created = management.create_account(&operator, instance, new).await?;
    let location = (LOCATION, format!("/v1/accounts/{}", created.account.id));
    let view = CreatedAccountView {
        account: (created.account, created.folders).into(),
        password: created.password.map(|password| password.expose().clone()),
    };
    Ok((StatusCode::CREATED, [location], Json(view)))
}

/// Reads an account.
#[utoipa::path(get, path = "/v1/accounts/{account}", operation_id = "read_account", tag = "accounts",
    params(("account" = String, Path)), responses((status = 200, body = AccountWithFolders), Problem))]
pub async fn read(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(id): PathOf<AccountId>,
) -> Result<Json<AccountWithFolders>, Problem> {
    Ok(Json(management.find_account(&operator, id).await?.into()))
}

/// Changes an account. Its files stay, whatever changes; sessions that it may no longer have end.
#[utoipa::path(patch, path = "/v1/accounts/{account}", operation_id = "change_account", tag = "accounts",
    params(("account" = String, Path)), request_body = AccountChange,
    responses((status = 200, body = AccountView), Problem))]
pub async fn change(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(id): PathOf<AccountId>,
    JsonBody(body): JsonBody<AccountChange>,
) -> Result<Json<AccountView>, Problem> {
    let mut fields = Fields::default();
    let name = fields.changed("name", body.name);
    let login = fields.changed("login", body.login);
    let host = fields.changed("host", body.host);
    let connection_types = fields.changed("connection_types", body.connection_types);
    let authentication = fields.changed("authentication", body.authentication);
    let state = fields.changed("state", body.state);
    let addresses = fields.changed("allowed_addresses", body.allowed_addresses);
    let changes = AccountChanges {
        name: fields.optional("name", name.as_deref(), AccountName::parse),
        login: fields.optional("login", login.as_deref(), LoginName::parse),
        host,
        connection_types: connection_types.map(|types| types_of(&types, &mut fields)),
        authentication: fields.optional("authentication", authentication.as_deref(), str::parse::<AuthenticationRule>),
        state: fields.optional("state", state.as_deref(), str::parse::<AccountState>),
        expires_at: fields.changed_or_emptied("expires_at", &body.expires_at, Timestamp::parse),
        allowed_addresses: addresses.map(|list| fields.each("allowed_addresses", &list, str::parse::<AddressRange>)),
        close_notify: fields.changed_or_emptied("close_notify", &body.close_notify, str::parse),
        tls_resumption: fields.changed_or_emptied("tls_resumption", &body.tls_resumption, str::parse),
        quota: body.quota.read(&mut fields),
    };
    fields.finish()?;
    Ok(Json(management.change_account(&operator, id, changes).await?.into()))
}

/// Removes an account with its credentials and folders; its sessions end, its files go to the trash.
#[utoipa::path(delete, path = "/v1/accounts/{account}", operation_id = "remove_account", tag = "accounts",
    params(("account" = String, Path)), responses((status = 204), Problem))]
pub async fn remove(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(id): PathOf<AccountId>,
) -> Result<StatusCode, Problem> {
    management.remove_account(&operator, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
