//! `/v1/accounts/{account}/folders/{folder}/files`

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::{AccountId, FolderId};
use crate::http::authentication::Acting;
use crate::http::body::{PathOf, QueryOf, page_request};
use crate::http::content;
use crate::http::fields::Fields;
use crate::http::problem::Problem;
use crate::management::{EntryKind, FileInfo};

use super::{Api, page};

/// A file or folder inside a remote folder.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = File)]
pub struct FileView {
    #[schema(example = "absences.csv")]
    name: String,
    /// `file` or `folder`.
    kind: &'static str,
    /// In bytes; 0 for a folder.
    size: u64,
    /// RFC 3339, UTC.
    modified: String,
    /// As in the header `ETag`; `null` for a folder.
    #[schema(required)]
    etag: Option<String>,
}

page! {
    /// The entries of a folder, by name.
    FilePage of FileView
}

/// Which entries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FileQuery {
    /// A folder inside the remote folder; the remote folder itself when left out.
    path: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// 1 to 200 items; 50 when not told.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
}

impl From<FileInfo> for FileView {
    fn from(file: FileInfo) -> Self {
        let (kind, etag) = match file.kind {
            EntryKind::File => ("file", Some(content::etag(&file))),
            EntryKind::Folder => ("folder", None),
        };
        Self { name: file.name.to_string(), kind, size: file.size, modified: file.modified.to_string(), etag }
    }
}

/// Lists the published files of a remote folder, and the folders in it.
#[utoipa::path(get, path = "/v1/accounts/{account}/folders/{folder}/files", operation_id = "list_files", tag = "files",
    params(("account" = String, Path), ("folder" = String, Path), FileQuery),
    responses((status = 200, body = FilePage), Problem))]
pub async fn list(
    State(management): Api,
    Acting(operator): Acting,
    PathOf((account, folder)): PathOf<(AccountId, FolderId)>,
    QueryOf(query): QueryOf<FileQuery>,
) -> Result<Json<FilePage>, Problem> {
    let mut fields = Fields::default();
    let page = page_request(query.cursor.as_ref(), query.limit.as_deref(), &mut fields);
    fields.finish()?;
    let below = query.path.as_deref().unwrap_or_default();
    Ok(Json(management.list_files(&operator, account, folder, below, &page).await?.into()))
}

/// Downloads a file, or one range of its bytes.
#[utoipa::path(get, path = "/v1/accounts/{account}/folders/{folder}/files/{*path}", operation_id = "read_file",
    tag = "files",
    params(
        ("account" = String, Path), ("folder" = String, Path),
        ("path" = String, Path, description = "Inside the remote folder; may hold `/`"),
        ("Range" = Option<String>, Header, description = "One range, as in `bytes=0-99`"),
        ("If-None-Match" = Option<String>, Header, description = "Answers 304 when the file is still this one")
    ),
    responses(
        (status = 200, content_type = "application/octet-stream", description = "The file"),
        (status = 206, content_type = "application/octet-stream", description = "The range that was asked for"),
        (status = 304, description = "The file is still the one of If-None-Match"),
        Problem
    ))]
pub async fn read(
    State(management): Api,
    Acting(operator): Acting,
    PathOf((account, folder, path)): PathOf<(AccountId, FolderId, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if method == Method::HEAD || content::is_conditional(&headers) {
        let file = management.find_file(&operator, account, folder, &path).await?;
        if method == Method::HEAD {
            return Ok(content::describe_only(&file, &headers));
        }
        if let Some(answer) = content::without_bytes(&file, &headers) {
            return Ok(answer);
        }
    }
    let download = management.open_file(&operator, account, folder, &path).await?;
    Ok(content::send(download, &headers))
}

/// Stores a file: it appears whole when all of it has arrived, or not at all. Missing folders on the way are made.
#[utoipa::path(put, path = "/v1/accounts/{account}/folders/{folder}/files/{*path}", operation_id = "store_file",
    tag = "files",
    params(
        ("account" = String, Path), ("folder" = String, Path),
        ("path" = String, Path, description = "Inside the remote folder; may hold `/`"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: do not replace a file (412)")
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The file"),
    responses(
        (status = 200, body = FileView, description = "It replaced another"),
        (status = 201, body = FileView, description = "It is new"),
        Problem
    ))]
pub async fn store(
    State(management): Api,
    Acting(operator): Acting,
    PathOf((account, folder, path)): PathOf<(AccountId, FolderId, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<FileView>), Problem> {
    content::check_form(&headers)?;
    let exclusive = content::is_exclusive(&headers)?;
    let file = management.begin_file(&operator, account, folder, &path, exclusive).await?;
    let stored = content::receive(file, &headers, body).await?;
    let status = if stored.replaced { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, [(header::ETAG, content::etag(&stored.file))], Json(stored.file.into())))
}

/// Removes a file.
#[utoipa::path(delete, path = "/v1/accounts/{account}/folders/{folder}/files/{*path}", operation_id = "remove_file",
    tag = "files",
    params(
        ("account" = String, Path), ("folder" = String, Path),
        ("path" = String, Path, description = "Inside the remote folder; may hold `/`")
    ),
    responses((status = 204), Problem))]
pub async fn remove(
    State(management): Api,
    Acting(operator): Acting,
    PathOf((account, folder, path)): PathOf<(AccountId, FolderId, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    // The same conditions are refused as for a PUT: ignoring one could remove what it was to protect.
    content::is_exclusive(&headers)?;
    management.remove_file(&operator, account, folder, &path).await?;
    Ok(StatusCode::NO_CONTENT)
}
