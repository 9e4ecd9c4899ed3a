//! `/v1/presets`

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::preset::{CredentialMethod, PresetFolder};
use crate::domain::{ConnectionTypes, Preset, PresetName, Right};
use crate::http::authentication::Acting;
use crate::http::body::PathOf;
use crate::http::problem::Problem;

use super::Api;
use super::folder_rules::FolderRulesView;
use super::quota::QuotaView;

/// The parameters of a hosting server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Preset)]
pub struct PresetView {
    #[schema(example = "epaye")]
    name: String,
    version: u32,
    label: PresetLabels,
    /// Starting values that say nothing about the real server, for the operator to fill in.
    neutral: bool,
    /// The host name that partners are told.
    host: String,
    ports: PresetPorts,
    /// The connection types that an account may have.
    connection_types: Vec<String>,
    /// Those that it has when none are named.
    default_connection_types: Vec<String>,
    /// The kinds of credentials that an account may have: `password`, `public_key`.
    credentials: Vec<&'static str>,
    /// What every login starts with.
    login_prefix: String,
    /// How a login is made when none is given.
    login_pattern: String,
    /// The remote folders that an account gets when none are named.
    folders: Vec<PresetFolderView>,
    /// What becomes of an FTP upload that ends without TLS `close_notify`: `strict` or `guarded`. Accounts may differ.
    close_notify: &'static str,
    /// Whether FTP data connections must resume the TLS session of their control connection: `offered` or `require`.
    /// Accounts may differ.
    tls_resumption: &'static str,
    /// How much an account may hold. Accounts may differ.
    quota: QuotaView,
    /// Patterns of names, with `*` for any text, that clients give a file until they have sent all of it.
    #[schema(example = json!(["*.filepart", "*.part", "*.tmp", "*~", ".in.*"]))]
    temporary_names: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PresetLabels {
    fr: String,
    en: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PresetPorts {
    sftp: u16,
    ftps: u16,
    ftpes: u16,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PresetFolder)]
pub struct PresetFolderView {
    name: String,
    path: String,
    rights: Vec<&'static str>,
    rules: FolderRulesView,
}

/// All presets.
#[derive(Debug, Serialize, ToSchema)]
pub struct PresetList {
    items: Vec<PresetView>,
}

impl From<(PresetName, Preset)> for PresetView {
    fn from((name, preset): (PresetName, Preset)) -> Self {
        let types = |types: ConnectionTypes| types.iter().map(|kind| kind.to_string()).collect();
        let method = |method| match method {
            CredentialMethod::Password => "password",
            CredentialMethod::PublicKey => "public_key",
        };
        Self {
            name: name.to_string(),
            version: preset.version,
            label: PresetLabels { fr: preset.label.fr, en: preset.label.en },
            neutral: preset.neutral,
            host: preset.host,
            ports: PresetPorts { sftp: preset.ports.sftp, ftps: preset.ports.ftps, ftpes: preset.ports.ftpes },
            connection_types: types(preset.connection_types),
            default_connection_types: types(preset.default_connection_types),
            credentials: preset.credentials.into_iter().map(method).collect(),
            login_prefix: preset.login_prefix,
            login_pattern: preset.login_pattern,
            folders: preset.folders.into_iter().map(PresetFolderView::from).collect(),
            close_notify: preset.close_notify.as_str(),
            tls_resumption: preset.tls_resumption.as_str(),
            quota: preset.quota.into(),
            temporary_names: preset.temporary_names.patterns().to_vec(),
        }
    }
}

impl From<PresetFolder> for PresetFolderView {
    fn from(folder: PresetFolder) -> Self {
        let PresetFolder { name, path, rights, rules } = folder;
        let rights = rights.iter().map(Right::as_str).collect();
        Self { name: name.to_string(), path: path.to_string(), rights, rules: rules.into() }
    }
}

/// Lists presets, by name.
#[utoipa::path(get, path = "/v1/presets", operation_id = "list_presets", tag = "presets",
    responses((status = 200, body = PresetList), Problem))]
pub async fn list(State(management): Api, Acting(operator): Acting) -> Json<PresetList> {
    let items = management.list_presets(&operator).into_iter().map(PresetView::from).collect();
    Json(PresetList { items })
}

/// Reads a preset.
#[utoipa::path(get, path = "/v1/presets/{preset}", operation_id = "read_preset", tag = "presets",
    params(("preset" = String, Path)), responses((status = 200, body = PresetView), Problem))]
pub async fn read(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(name): PathOf<PresetName>,
) -> Result<Json<PresetView>, Problem> {
    let preset = management.find_preset(&operator, &name)?;
    Ok(Json((name, preset).into()))
}
