//! How much an account may hold, as the API shows and takes it; `/v1/accounts/{account}/usage`

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::quota::LARGEST_LIMIT;
use crate::domain::{AccountId, Quota, QuotaChange};
use crate::http::authentication::Acting;
use crate::http::body::PathOf;
use crate::http::fields::{Change, Fields, change as change_of};
use crate::http::problem::Problem;
use crate::management::AccountUsage;

use super::Api;

/// Limits; `null`: none (of a preset, or in force), or as the preset says (an account's own).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quota)]
pub struct QuotaView {
    /// Of all published files together.
    #[schema(required)]
    bytes: Option<u64>,
    /// How many published files.
    #[schema(required)]
    files: Option<u64>,
    /// Of one file, in bytes.
    #[schema(required)]
    largest_file: Option<u64>,
}

/// Limits to set; `null`: as the preset says. Those that are left out stay as they are.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = QuotaChange)]
pub struct QuotaInput {
    /// Of all published files together.
    #[serde(deserialize_with = "change_of")]
    #[schema(value_type = Option<u64>)]
    bytes: Change<u64>,
    /// How many published files.
    #[serde(deserialize_with = "change_of")]
    #[schema(value_type = Option<u64>)]
    files: Change<u64>,
    /// Of one file, in bytes.
    #[serde(deserialize_with = "change_of")]
    #[schema(value_type = Option<u64>)]
    largest_file: Change<u64>,
}

/// What an account holds, and may hold.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountUsage)]
pub struct UsageView {
    /// Of all published files together; `null`: the account has no quota, and is not counted.
    #[schema(required)]
    bytes: Option<u64>,
    /// How many published files.
    #[schema(required)]
    files: Option<u64>,
    /// When they were counted from the disk; kept exactly since.
    #[schema(required)]
    counted_at: Option<String>,
    /// What is in force: the account's own limits, else its preset's.
    limits: QuotaView,
}

impl From<Quota> for QuotaView {
    fn from(Quota { bytes, files, largest_file }: Quota) -> Self {
        Self { bytes, files, largest_file }
    }
}

impl QuotaInput {
    pub fn read(self, fields: &mut Fields) -> QuotaChange {
        let mut limit = |name: &str, change: Change<u64>| {
            if matches!(change, Some(Some(limit)) if limit > LARGEST_LIMIT) {
                fields.refuse(name, "out_of_range", &format!("A limit is at most {LARGEST_LIMIT}."));
            }
            change
        };
        QuotaChange {
            bytes: limit("quota.bytes", self.bytes),
            files: limit("quota.files", self.files),
            largest_file: limit("quota.largest_file", self.largest_file),
        }
    }
}

impl From<AccountUsage> for UsageView {
    fn from(AccountUsage { held, limits }: AccountUsage) -> Self {
        Self {
            bytes: held.map(|held| held.usage.bytes),
            files: held.map(|held| held.usage.files),
            counted_at: held.map(|held| held.counted_at.to_string()),
            limits: limits.into(),
        }
    }
}

/// Reads what an account with a quota holds.
#[utoipa::path(get, path = "/v1/accounts/{account}/usage", operation_id = "read_usage", tag = "accounts",
    params(("account" = String, Path)), responses((status = 200, body = UsageView), Problem))]
pub async fn read(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(id): PathOf<AccountId>,
) -> Result<Json<UsageView>, Problem> {
    Ok(Json(management.usage(&operator, id).await?.into()))
}

/// Counts an account's files from the disk again, while uploads go on.
#[utoipa::path(post, path = "/v1/accounts/{account}/usage/recount", operation_id = "recount_usage", tag = "accounts",
    params(("account" = String, Path)), responses((status = 200, body = UsageView), Problem))]
pub async fn recount(
    State(management): Api,
    Acting(operator): Acting,
    PathOf(id): PathOf<AccountId>,
) -> Result<Json<UsageView>, Problem> {
    Ok(Json(management.recount(&operator, id).await?.into()))
}
