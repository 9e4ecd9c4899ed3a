//! `/v1/instances`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{Instance, InstanceId, InstanceKey, InstanceName};
use crate::http::authentication::Acting;
use crate::http::body::{JsonBody, PageQuery, PathOf, QueryOf};
use crate::http::fields::{Change, Fields, change as change_of};
use crate::http::problem::Problem;
use crate::management::NewInstance;

use super::{Api, page};

/// A customer's tenant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Instance)]
pub struct InstanceView {
    id: String,
    /// The short text in generated logins.
    #[schema(example = "acme")]
    key: String,
    #[schema(example = "ACME SA")]
    name: String,
    /// RFC 3339, UTC.
    created_at: String,
}

page! {
    /// Instances, by key.
    InstancePage of InstanceView
}

/// An instance to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstanceToCreate {
    /// 2 to 24 lower-case letters, digits or `-`; unique; never changes.
    #[schema(value_type = String, required, nullable = false, example = "acme")]
    key: Option<String>,
    /// 1 to 100 characters.
    #[schema(value_type = String, required, nullable = false, example = "ACME SA")]
    name: Option<String>,
}

/// What to change of an instance.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstanceChange {
    #[serde(default, deserialize_with = "change_of")]
    #[schema(value_type = String, required = false, nullable = false)]
    name: Change<String>,
}

impl From<Instance> for InstanceView {
    fn from(instance: Instance) -> Self {
        let Instance { id, key, name, created_at } = instance;
        Self { id: id.to_string(), key: key.to_string(), name: name.to_string(), created_at: created_at.to_string() }
    }
}

/// Lists instances.
#[utoipa::path(get, path = "/v1/instances", operation_id = "list_instances", tag = "instances", params(PageQuery),
    responses((status = 200, body = InstancePage), Problem))]
pub async fn list(
    State(management): Api,
    Acting(operator): Acting,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<InstancePage>, Problem> {
    Ok(Json(management.list_instances(&operator, &query.request()?).await?.into()))
}

/// Creates an instance.
#[utoipa::path(post, path = "/v1/instances", operation_id = "create_instance", tag = "instances",
    request_body = InstanceToCreate, responses((status = 201, body = InstanceView), Problem))]
pub async fn create(
    State(management): Api,
    Acting(operator): Acting,
    JsonBody(body): JsonBody<InstanceToCreate>,
) -> Result<(StatusCode, [(axum::http::HeaderName, String); 1], Json<InstanceView>), Problem> {
    let mut fields = Fields::default();
    let key = fields.required("key", body.key.as_deref(), InstanceKey::parse);
    let name = fields.required("name", body.name.as_deref(), InstanceName::parse);
    let (Some(key), Some(name)) = (key, name) else { return Err(fields.refusal()) };
    let instance = management.create_instance(&operator, NewInstance { key, name }).await?;
    let location = (LOCATION, format!("/v1/instances/{}", instance.id));
    Ok((StatusCode::CREATED, [location], Json(instance.into())))
}

/// Reads an instance.
#[utoipa::path(get, path = "/v1/instances/{instance}", operation_id = "read_instance", tag = "instances",
    params(("instance" = String, Path)), responses((status = 200, body = InstanceView), Problem))]
pub async fn read(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(id): PathOf<InstanceId>,
) -> Result<Json<InstanceView>, Problem> {
    Ok(Json(management.find_instance(&operator, id).await?.into()))
}

/// Renames an instance.
#[utoipa::path(patch, path = "/v1/instances/{instance}", operation_id = "change_instance", tag = "instances",
    params(("instance" = String, Path)), request_body = InstanceChange,
    responses((status = 200, body = InstanceView), Problem))]
pub async fn change(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(id): PathOf<InstanceId>,
    JsonBody(body): JsonBody<InstanceChange>,
) -> Result<Json<InstanceView>, Problem> {
    let mut fields = Fields::default();
    let name = fields.changed("name", body.name);
    let name = fields.optional("name", name.as_deref(), InstanceName::parse);
    fields.finish()?;
    let instance = match name {
        Some(name) => management.rename_instance(&operator, id, &name).await?,
        None => management.find_instance(&operator, id).await?,
    };
    Ok(Json(instance.into()))
}

/// Removes an instance with all its accounts; their files go to the trash.
#[utoipa::path(delete, path = "/v1/instances/{instance}", operation_id = "remove_instance", tag = "instances",
    params(("instance" = String, Path)), responses((status = 204), Problem))]
pub async fn remove(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(id): PathOf<InstanceId>,
) -> Result<StatusCode, Problem> {
    management.remove_instance(&operator, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
