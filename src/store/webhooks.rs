//! Webhooks: where events are sent to.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::connection::Connection;
use super::record::{Record, descriptive, micros};
use super::{Page, PageRequest, StoreError};
use crate::domain::{EventKind, InstanceId, Timestamp, WebhookId, WebhookState, WebhookUrl};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, instance, url, description, kinds, state, pause_reason, secret, previous_secret, \
             previous_until, position, created_at, failing_since, last_success_at FROM webhooks ",
            $rest
        )
    };
}

/// An endpoint that is sent events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookRow {
    pub id: WebhookId,
    /// Whose events alone; `None`: all.
    pub instance: Option<InstanceId>,
    pub url: WebhookUrl,
    pub description: String,
    /// `None`: every kind.
    pub kinds: Option<Vec<EventKind>>,
    pub state: WebhookState,
    /// Why it is paused.
    pub pause_reason: Option<String>,
    /// Sealed.
    pub secret: String,
    /// The one before, sealed, and until when it signs as well.
    pub previous_secret: Option<(String, Timestamp)>,
    /// Up to which position events were looked at for it.
    pub position: i64,
    pub created_at: Timestamp,
    /// Since when no delivery has succeeded though some were tried.
    pub failing_since: Option<Timestamp>,
    pub last_success_at: Option<Timestamp>,
}

/// The webhooks.
pub struct Webhooks<'a> {
    pub(super) connection: &'a mut Connection,
}

impl Webhooks<'_> {
    /// Conflicts: [`Parent`](super::Conflict::Parent), its instance is not there.
    pub async fn insert(&mut self, webhook: &WebhookRow) -> Result<(), StoreError> {
        let (previous_secret, previous_until) = previous(webhook);
        sqlx::query(
            "INSERT INTO webhooks (id, instance, url, description, kinds, state, pause_reason, secret, \
             previous_secret, previous_until, position, created_at, failing_since, last_success_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        )
        .bind(webhook.id.to_string())
        .bind(webhook.instance.map(|id| id.to_string()))
        .bind(webhook.url.as_str())
        .bind(webhook.description.as_str())
        .bind(kinds_text(webhook))
        .bind(webhook.state.as_str())
        .bind(webhook.pause_reason.as_deref().map(descriptive))
        .bind(webhook.secret.as_str())
        .bind(previous_secret)
        .bind(previous_until)
        .bind(webhook.position)
        .bind(webhook.created_at.as_micros())
        .bind(micros(webhook.failing_since))
        .bind(micros(webhook.last_success_at))
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Writes what operators change: address, description, kinds, state and secrets. Says whether it was there.
    pub async fn change(&mut self, webhook: &WebhookRow) -> Result<bool, StoreError> {
        let (previous_secret, previous_until) = previous(webhook);
        let changed = sqlx::query(
            "UPDATE webhooks SET url = $2, description = $3, kinds = $4, state = $5, pause_reason = $6, secret = $7, \
             previous_secret = $8, previous_until = $9, failing_since = $10 WHERE id = $1",
        )
        .bind(webhook.id.to_string())
        .bind(webhook.url.as_str())
        .bind(webhook.description.as_str())
        .bind(kinds_text(webhook))
        .bind(webhook.state.as_str())
        .bind(webhook.pause_reason.as_deref().map(descriptive))
        .bind(webhook.secret.as_str())
        .bind(previous_secret)
        .bind(previous_until)
        .bind(micros(webhook.failing_since))
        .execute(&mut *self.connection)
        .await?;
        Ok(changed.rows_affected() > 0)
    }

    pub async fn find(&mut self, id: WebhookId) -> Result<Option<WebhookRow>, StoreError> {
        let found = sqlx::query(select!("WHERE id = $1")).bind(id.to_string());
        found.fetch_optional(&mut *self.connection).await?.as_ref().map(webhook).transpose()
    }

    /// Those of one instance, or all, by their creation.
    pub async fn list(
        &mut self,
        instance: Option<InstanceId>,
        page: &PageRequest,
    ) -> Result<Page<WebhookRow>, StoreError> {
        let after = page.position::<WebhookId>()?.map(|id| id.to_string()).unwrap_or_default();
        let query = match instance {
            Some(instance) => sqlx::query(select!("WHERE id > $1 AND instance = $3 ORDER BY id LIMIT $2"))
                .bind(after)
                .bind(page.rows())
                .bind(instance.to_string()),
            None => sqlx::query(select!("WHERE id > $1 ORDER BY id LIMIT $2")).bind(after).bind(page.rows()),
        };
        let rows = query.fetch_all(&mut *self.connection).await?;
        let webhooks = rows.iter().map(webhook).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(webhooks, page, |webhook| webhook.id.to_string()))
    }

    /// All that are sent events at present.
    pub async fn enabled(&mut self) -> Result<Vec<WebhookRow>, StoreError> {
        let rows = sqlx::query(select!("WHERE state = 'enabled' ORDER BY id")).fetch_all(&mut *self.connection).await?;
        rows.iter().map(webhook).collect()
    }

    /// How many there are: in all, or of one instance.
    pub async fn count(&mut self, instance: Option<InstanceId>) -> Result<u64, StoreError> {
        let query = match instance {
            Some(instance) => {
                sqlx::query("SELECT COUNT(*) FROM webhooks WHERE instance = $1").bind(instance.to_string())
            }
            None => sqlx::query("SELECT COUNT(*) FROM webhooks"),
        };
        let count: i64 = query.fetch_one(&mut *self.connection).await?.try_get(0)?;
        Ok(count.unsigned_abs())
    }

    /// Every sealed secret, for the check at start that each can be opened.
    pub async fn sealed_secrets(&mut self) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query("SELECT secret, previous_secret FROM webhooks").fetch_all(&mut *self.connection).await?;
        let mut sealed = Vec::new();
        for row in &rows {
            sealed.push(row.try_get::<String, _>(0)?);
            sealed.extend(row.try_get::<Option<String>, _>(1)?);
        }
        Ok(sealed)
    }

    /// Notes up to which position events were looked at, if nobody did meanwhile and it is still enabled. False: someone
    /// did.
    pub async fn advance(&mut self, id: WebhookId, from: i64, to: i64) -> Result<bool, StoreError> {
        let advanced =
            sqlx::query("UPDATE webhooks SET position = $3 WHERE id = $1 AND position = $2 AND state = 'enabled'")
                .bind(id.to_string())
                .bind(from)
                .bind(to)
                .execute(&mut *self.connection)
                .await?;
        Ok(advanced.rows_affected() > 0)
    }

    /// A delivery succeeded.
    pub async fn note_success(&mut self, id: WebhookId, at: Timestamp) -> Result<(), StoreError> {
        sqlx::query("UPDATE webhooks SET failing_since = NULL, last_success_at = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(at.as_micros())
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    /// A delivery failed. Says since when all do.
    pub async fn note_failure(&mut self, id: WebhookId, at: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        sqlx::query("UPDATE webhooks SET failing_since = $2 WHERE id = $1 AND failing_since IS NULL")
            .bind(id.to_string())
            .bind(at.as_micros())
            .execute(&mut *self.connection)
            .await?;
        Ok(self.find(id).await?.and_then(|webhook| webhook.failing_since))
    }

    /// Pauses it, unless it is. False: it was, or is not there.
    pub async fn pause(&mut self, id: WebhookId, reason: &str) -> Result<bool, StoreError> {
        let paused =
            sqlx::query("UPDATE webhooks SET state = 'paused', pause_reason = $2 WHERE id = $1 AND state = 'enabled'")
                .bind(id.to_string())
                .bind(descriptive(reason))
                .execute(&mut *self.connection)
                .await?;
        Ok(paused.rows_affected() > 0)
    }

    /// With its deliveries. False: it was not there.
    pub async fn remove(&mut self, id: WebhookId) -> Result<bool, StoreError> {
        let removed = sqlx::query("DELETE FROM webhooks WHERE id = $1").bind(id.to_string());
        Ok(removed.execute(&mut *self.connection).await?.rows_affected() > 0)
    }
}

fn previous(webhook: &WebhookRow) -> (Option<&str>, Option<i64>) {
    webhook.previous_secret.as_ref().map(|(sealed, until)| (sealed.as_str(), until.as_micros())).unzip()
}

fn kinds_text(webhook: &WebhookRow) -> Option<String> {
    let words = |kinds: &Vec<EventKind>| kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>();
    webhook.kinds.as_ref().map(|kinds| serde_json::json!(words(kinds)).to_string())
}

fn webhook(row: &AnyRow) -> Result<WebhookRow, StoreError> {
    let record = Record::new("webhooks", row, "id");
    let kinds = match record.optional_text("kinds")? {
        None => None,
        Some(_) => {
            let words: Vec<String> = record.json("kinds")?;
            let parsed = words.iter().map(|word| word.parse().map_err(|problem| record.wrong("kinds", problem)));
            Some(parsed.collect::<Result<_, _>>()?)
        }
    };
    Ok(WebhookRow {
        id: record.parsed("id")?,
        instance: record.optional("instance")?,
        url: record.parsed("url")?,
        description: record.text("description")?,
        kinds,
        state: record.parsed("state")?,
        pause_reason: record.optional_text("pause_reason")?,
        secret: record.text("secret")?,
        previous_secret: record.optional_text("previous_secret")?.zip(record.optional_time("previous_until")?),
        position: record.count("position")?,
        created_at: record.time("created_at")?,
        failing_since: record.optional_time("failing_since")?,
        last_success_at: record.optional_time("last_success_at")?,
    })
}
