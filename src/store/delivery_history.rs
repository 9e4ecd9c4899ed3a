//! What is asked of deliveries afterwards: lists, attempts, once more, and forgetting.

use sqlx::any::AnyRow;
use sqlx::query::Query;

use super::deliveries::{columns, delivery};
use super::record::Record;
use super::{Deliveries, DeliveryAttempt, DeliveryRow, Page, PageRequest, Replay, StoreError};
use crate::domain::{DeliveryState, EventId, Timestamp, WebhookId};

impl Deliveries<'_> {
    /// Tries everything that waits for an endpoint at once, as if it had never been tried: the endpoint was resumed.
    pub async fn hurry(&mut self, webhook: WebhookId, now: Timestamp) -> Result<u64, StoreError> {
        let hurried = sqlx::query(
            "UPDATE webhook_deliveries SET due_at = $2, tried_since = NULL, tries = 0 \
             WHERE webhook = $1 AND state = 'waiting'",
        )
        .bind(webhook.to_string())
        .bind(now.as_micros())
        .execute(&mut *self.connection)
        .await?;
        Ok(hurried.rows_affected())
    }

    /// Lets those that ended wait again. Says how many.
    pub async fn replay(&mut self, webhook: WebhookId, which: Replay, now: Timestamp) -> Result<u64, StoreError> {
        macro_rules! replay {
            ($condition:literal) => {
                sqlx::query(concat!(
                    "UPDATE webhook_deliveries SET state = 'waiting', due_at = $2, tried_since = NULL, tries = 0, \
                     ended_at = NULL WHERE webhook = $1 AND ",
                    $condition
                ))
                .bind(webhook.to_string())
                .bind(now.as_micros())
            };
        }
        let query = match which {
            Replay::One(event) => replay!("state <> 'waiting' AND event = $3").bind(event.to_string()),
            Replay::Failed => replay!("state = 'failed'"),
            Replay::Between(from, to) => replay!("state <> 'waiting' AND occurred_at >= $3 AND occurred_at < $4")
                .bind(from.as_micros())
                .bind(to.as_micros()),
        };
        Ok(query.execute(&mut *self.connection).await?.rows_affected())
    }

    /// Of an endpoint, those with the newest events first.
    pub async fn list(
        &mut self,
        webhook: WebhookId,
        state: Option<DeliveryState>,
        page: &PageRequest,
    ) -> Result<Page<DeliveryRow>, StoreError> {
        let before: i64 = page.position()?.unwrap_or(i64::MAX);
        let query = match state {
            Some(state) => sqlx::query(columns!(
                "",
                "WHERE webhook = $1 AND position < $2 AND state = $4 ORDER BY position DESC LIMIT $3"
            ))
            .bind(webhook.to_string())
            .bind(before)
            .bind(page.rows())
            .bind(state.as_str()),
            None => sqlx::query(columns!("", "WHERE webhook = $1 AND position < $2 ORDER BY position DESC LIMIT $3"))
                .bind(webhook.to_string())
                .bind(before)
                .bind(page.rows()),
        };
        let rows = query.fetch_all(&mut *self.connection).await?;
        let deliveries = rows.iter().map(delivery).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(deliveries, page, |delivery| delivery.position.to_string()))
    }

    pub async fn find(&mut self, webhook: WebhookId, event: EventId) -> Result<Option<DeliveryRow>, StoreError> {
        let query = sqlx::query(columns!("", "WHERE webhook = $1 AND event = $2"));
        let found = query.bind(webhook.to_string()).bind(event.to_string()).fetch_optional(&mut *self.connection);
        found.await?.as_ref().map(delivery).transpose()
    }

    /// The last attempts of one, the newest first.
    pub async fn attempts(&mut self, webhook: WebhookId, event: EventId) -> Result<Vec<DeliveryAttempt>, StoreError> {
        let rows = sqlx::query(
            "SELECT event, at, milliseconds, status, error FROM webhook_attempts WHERE webhook = $1 AND event = $2 \
             ORDER BY number DESC",
        )
        .bind(webhook.to_string())
        .bind(event.to_string())
        .fetch_all(&mut *self.connection)
        .await?;
        rows.iter().map(attempt).collect()
    }

    /// Removes those that ended before; at most `most` at a time; says how many.
    pub async fn forget_ended(&mut self, before: Timestamp, most: u32) -> Result<u64, StoreError> {
        let statement = "DELETE FROM webhook_deliveries WHERE (webhook, event) IN \
             (SELECT webhook, event FROM webhook_deliveries WHERE ended_at < $1 ORDER BY ended_at LIMIT $2)";
        self.forget(sqlx::query(statement), before, most).await
    }

    /// Removes those that still wait although their events occurred before: their endpoint was paused all the time.
    pub async fn forget_waiting(&mut self, before: Timestamp, most: u32) -> Result<u64, StoreError> {
        let statement = "DELETE FROM webhook_deliveries WHERE (webhook, event) IN \
             (SELECT webhook, event FROM webhook_deliveries WHERE state = 'waiting' AND occurred_at < $1 LIMIT $2)";
        self.forget(sqlx::query(statement), before, most).await
    }

    async fn forget(
        &mut self,
        query: Query<'_, sqlx::Any, sqlx::any::AnyArguments>,
        before: Timestamp,
        most: u32,
    ) -> Result<u64, StoreError> {
        let query = query.bind(before.as_micros()).bind(i64::from(most));
        Ok(query.execute(&mut *self.connection).await?.rows_affected())
    }
}

fn attempt(row: &AnyRow) -> Result<DeliveryAttempt, StoreError> {
    let record = Record::new("webhook_attempts", row, "event");
    Ok(DeliveryAttempt {
        at: record.time("at")?,
        milliseconds: record.count("milliseconds")?,
        status: record.optional_count("status")?,
        error: record.optional_text("error")?,
    })
}
