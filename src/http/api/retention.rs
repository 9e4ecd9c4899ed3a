//! `/v1/accounts/{account}/folders/{folder}/retention`

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::{AccountId, FolderId};
use crate::http::authentication::Acting;
use crate::http::body::{PathOf, QueryOf, page_request};
use crate::http::fields::Fields;
use crate::http::problem::Problem;
use crate::management::{AgingFile, RetentionPreview};

use super::Api;
use super::folder_rules::RetentionView;

/// What a round of retention would do now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RetentionPreview)]
pub struct RetentionPreviewView {
    /// The folder's rule, with `after_days` as asked; `null`: files stay, and none is listed.
    #[schema(required)]
    retention: Option<RetentionView>,
    /// How many files of the whole folder are past their term. A round removes a bounded number of them, and the next
    /// rounds the rest.
    due_files: u64,
    /// Their size together.
    due_bytes: u64,
    /// The files, in the order in which their terms end.
    items: Vec<AgingFileView>,
    /// Hand it back as `cursor` for the next page; `null`: this is the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// A file of a folder with a term.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgingFile)]
pub struct AgingFileView {
    /// As the login sees it.
    #[schema(example = "/export/absences.csv")]
    path: String,
    bytes: u64,
    /// RFC 3339, UTC: when it was published or last changed, whatever time its client gave it.
    since: String,
    /// When its term ends.
    due_at: String,
    /// Whether it has ended.
    due: bool,
}

/// What to look at.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RetentionQuery {
    /// As if this were the term, in days; the folder's own when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 36500)]
    after_days: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// 1 to 200 items; 50 when not told.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
}

impl From<AgingFile> for AgingFileView {
    fn from(file: AgingFile) -> Self {
        Self {
            path: file.path.to_string(),
            bytes: file.bytes,
            since: file.since.to_string(),
            due_at: file.due_at.to_string(),
            due: file.is_due,
        }
    }
}

impl From<RetentionPreview> for RetentionPreviewView {
    fn from(preview: RetentionPreview) -> Self {
        let files = preview.files.map(AgingFileView::from);
        Self {
            retention: preview.retention.map(RetentionView::from),
            due_files: preview.due_files,
            due_bytes: preview.due_bytes,
            items: files.items,
            next_cursor: files.next,
        }
    }
}

/// Shows what the folder's retention would remove now and what comes due next, and removes nothing.
#[utoipa::path(get, path = "/v1/accounts/{account}/folders/{folder}/retention", operation_id = "preview_retention",
    tag = "folders", params(("account" = String, Path), ("folder" = String, Path), RetentionQuery),
    responses((status = 200, body = RetentionPreviewView), Problem))]
pub async fn preview(
    State(management): Api,
    Acting(operator): Acting,
    PathOf((account, folder)): PathOf<(AccountId, FolderId)>,
    QueryOf(query): QueryOf<RetentionQuery>,
) -> Result<Json<RetentionPreviewView>, Problem> {
    let mut fields = Fields::default();
    let number = |text: &str| text.parse::<u32>().map_err(|_| "use a whole number");
    let after_days = fields.optional("after_days", query.after_days.as_deref(), number);
    let page = page_request(query.cursor.as_ref(), query.limit.as_deref(), &mut fields);
    fields.finish()?;
    Ok(Json(management.preview_retention(&operator, account, folder, after_days, &page).await?.into()))
}
