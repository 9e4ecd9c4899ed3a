//! `/v1/accounts/{account}/folders`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{AccountId, FolderId, FolderName, FolderRules, ReadySet, RemoteFolder, Right, Rights, VirtualPath};
use crate::http::authentication::Acting;
use crate::http::body::{JsonBody, PathOf};
use crate::http::fields::{Change, Fields, change as change_of};
use crate::http::problem::Problem;
use crate::management::{FolderChanges, NewFolder};

use super::Api;
use super::folder_rules::{FolderRulesInput, FolderRulesView};

/// A remote folder of an account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Folder)]
pub struct FolderView {
    id: String,
    #[schema(example = "Import")]
    name: String,
    #[schema(example = "/dossier1/dossier2/dossier3")]
    path: String,
    /// What the login may do: `list`, `read`, `write`, `overwrite`, `delete`, `rename`, `make_folder`.
    rights: Vec<&'static str>,
    /// The ready set with exactly these rights, when there is one: `read-write`, `pick-up`, `drop-box`.
    #[schema(required)]
    ready_set: Option<&'static str>,
    rules: FolderRulesView,
}

/// The folders of an account, by path.
#[derive(Debug, Serialize, ToSchema)]
pub struct FolderList {
    items: Vec<FolderView>,
}

/// A folder to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FolderToCreate {
    #[schema(value_type = String, required, nullable = false, example = "Import")]
    name: Option<String>,
    /// Absolute; unique in the account; may lie inside another folder.
    #[schema(value_type = String, required, nullable = false, example = "/paie/import")]
    path: Option<String>,
    #[schema(value_type = RightsInput, required, nullable = false)]
    rights: Option<RightsInput>,
    #[serde(default)]
    rules: FolderRulesInput,
}

/// What to change of a folder.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FolderChange {
    #[serde(default, deserialize_with = "change_of")]
    #[schema(value_type = String, required = false, nullable = false)]
    name: Change<String>,
    /// The files move along.
    #[serde(default, deserialize_with = "change_of")]
    #[schema(value_type = String, required = false, nullable = false)]
    path: Change<String>,
    #[serde(default, deserialize_with = "change_of")]
    #[schema(value_type = RightsInput, required = false, nullable = false)]
    rights: Change<RightsInput>,
    #[serde(default)]
    rules: FolderRulesInput,
}

/// Rights: a ready set's name (`read-write`, `pick-up`, `drop-box`), or a list of rights.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "rights are the name of a ready set (\"read-write\", \"pick-up\", \"drop-box\") or a list of rights"
)]
#[schema(example = "pick-up")]
pub enum RightsInput {
    Set(String),
    List(Vec<String>),
}

impl FolderToCreate {
    /// `at` is where it is in the request: empty, or `folders[2].`.
    pub fn read(self, at: &str, fields: &mut Fields) -> Option<NewFolder> {
        let name = fields.required(&format!("{at}name"), self.name.as_deref(), FolderName::parse);
        let path = fields.required(&format!("{at}path"), self.path.as_deref(), VirtualPath::parse);
        let rights = match &self.rights {
            Some(rights) => rights.read(&format!("{at}rights"), fields),
            None => {
                fields.refuse(&format!("{at}rights"), "required", "This field is needed.");
                None
            }
        };
        let rules = FolderRules::default().changed(&self.rules.read(&format!("{at}rules."), fields));
        Some(NewFolder { name: name?, path: path?, rights: rights?, rules })
    }
}

impl RightsInput {
    fn read(&self, field: &str, fields: &mut Fields) -> Option<Rights> {
        match self {
            Self::Set(name) => fields.parse(field, name, |text| text.parse::<ReadySet>().map(ReadySet::rights)),
            Self::List(rights) => {
                let parsed = fields.each(field, rights, str::parse::<Right>);
                (parsed.len() == rights.len()).then(|| parsed.into_iter().collect())
            }
        }
    }
}

impl From<RemoteFolder> for FolderView {
    fn from(folder: RemoteFolder) -> Self {
        let RemoteFolder { id, account: _, name, path, rights, rules } = folder;
        Self {
            id: id.to_string(),
            name: name.to_string(),
            path: path.to_string(),
            rights: rights.iter().map(Right::as_str).collect(),
            ready_set: rights.ready_set().map(ReadySet::as_str),
            rules: rules.into(),
        }
    }
}

/// Lists the folders of an account.
#[utoipa::path(get, path = "/v1/accounts/{account}/folders", operation_id = "list_folders", tag = "folders",
    params(("account" = String, Path)), responses((status = 200, body = FolderList), Problem))]
pub async fn list(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(account): PathOf<AccountId>,
) -> Result<Json<FolderList>, Problem> {
    let items = management.list_folders(&operator, account).await?.into_iter().map(FolderView::from).collect();
    Ok(Json(FolderList { items }))
}

/// Adds a folder to an account; the account's sessions end.
#[utoipa::path(post, path = "/v1/accounts/{account}/folders", operation_id = "create_folder", tag = "folders",
    params(("account" = String, Path)), request_body = FolderToCreate,
    responses((status = 201, body = FolderView), Problem))]
pub async fn add(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(account): PathOf<AccountId>,
    JsonBody(body): JsonBody<FolderToCreate>,
) -> Result<(StatusCode, [(axum::http::HeaderName, String); 1], Json<FolderView>), Problem> {
    let mut fields = Fields::default();
    let Some(new) = body.read("", &mut fields) else { return Err(fields.refusal()) };
    let folder = management.add_folder(&operator, account, new).await?;
    let location = (LOCATION, format!("/v1/accounts/{account}/folders/{}", folder.id));
    Ok((StatusCode::CREATED, [location], Json(folder.into())))
}

/// Reads a folder.
#[utoipa::path(get, path = "/v1/accounts/{account}/folders/{folder}", operation_id = "read_folder", tag = "folders",
    params(("account" = String, Path), ("folder" = String, Path)),
    responses((status = 200, body = FolderView), Problem))]
pub async fn read(
    State(management): Api,
    Acting(operator): Acting,
    PathOf((account, folder)): PathOf<(AccountId, FolderId)>,
) -> Result<Json<FolderView>, Problem> {
    Ok(Json(management.find_folder(&operator, account, folder).await?.into()))
}

/// Renames a folder, moves it with its files, or changes its rights or rules. After anything but a new name the
/// account's sessions end.
#[utoipa::path(patch, path = "/v1/accounts/{account}/folders/{folder}", operation_id = "change_folder", tag = "folders",
    params(("account" = String, Path), ("folder" = String, Path)), request_body = FolderChange,
    responses((status = 200, body = FolderView), Problem))]
pub async fn change(
    State(management): Api,
    Acting(operator): Acting,
    PathOf((account, folder)): PathOf<(AccountId, FolderId)>,
    JsonBody(body): JsonBody<FolderChange>,
) -> Result<Json<FolderView>, Problem> {
    let mut fields = Fields::default();
    let name = fields.changed("name", body.name);
    let path = fields.changed("path", body.path);
    let rights = fields.changed("rights", body.rights);
    let changes = FolderChanges {
        name: fields.optional("name", name.as_deref(), FolderName::parse),
        path: fields.optional("path", path.as_deref(), VirtualPath::parse),
        rights: rights.and_then(|rights| rights.read("rights", &mut fields)),
        rules: body.rules.read("rules.", &mut fields),
    };
    fields.finish()?;
    Ok(Json(management.change_folder(&operator, account, folder, changes).await?.into()))
}

/// Removes a folder; its files go to the trash and the account's sessions end.
#[utoipa::path(delete, path = "/v1/accounts/{account}/folders/{folder}", operation_id = "remove_folder", tag = "folders",
    params(("account" = String, Path), ("folder" = String, Path)), responses((status = 204), Problem))]
pub async fn remove(
    State(management): Api,
    Acting(operator): Acting,
    PathOf((account, folder)): PathOf<(AccountId, FolderId)>,
) -> Result<StatusCode, Problem> {
    management.remove_folder(&operator, account, folder).await?;
    Ok(StatusCode::NO_CONTENT)
}
