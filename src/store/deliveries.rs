//! Deliveries: one event on its way to one endpoint, and what was tried.
//!
//! What must arrive in order is a *lane*: of the deliveries of a lane that wait, the one with the lowest position is tried,
//! and until it is delivered or given up no other is. Whoever tries one has claimed it with a lease before, by an update
//! under a condition, so that of several programs on one database one tries it.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::StoreError;
use super::connection::Connection;
use super::record::{ROWS_OF_A_STATEMENT, Record, descriptive, micros, placeholders, signed};
use crate::domain::{DeliveryState, EventId, InstanceId, Timestamp, WebhookId};

/// Attempts that are kept of a delivery: the last ones.
const ATTEMPTS_KEPT: i64 = 20;

macro_rules! columns {
    ($prefix:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            $prefix,
            "webhook, ",
            $prefix,
            "event, ",
            $prefix,
            "position, ",
            $prefix,
            "kind, ",
            $prefix,
            "instance, ",
            $prefix,
            "lane, ",
            $prefix,
            "body, ",
            $prefix,
            "state, ",
            $prefix,
            "occurred_at, ",
            $prefix,
            "due_at, ",
            $prefix,
            "tried_since, ",
            $prefix,
            "tries, ",
            $prefix,
            "attempts, ",
            $prefix,
            "ended_at, ",
            $prefix,
            "last_status, ",
            $prefix,
            "last_error ",
            "FROM webhook_deliveries ",
            $rest
        )
    };
}

pub(super) use columns;

/// One event for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    pub webhook: WebhookId,
    pub event: EventId,
    /// The event's.
    pub position: i64,
    /// The event's.
    pub kind: String,
    pub instance: InstanceId,
    pub lane: String,
    /// As it is sent.
    pub body: String,
    pub state: DeliveryState,
    /// When the event occurred.
    pub occurred_at: Timestamp,
    /// When it is tried next, while it waits.
    pub due_at: Timestamp,
    /// The first attempt since it was queued, replayed or its endpoint resumed.
    pub tried_since: Option<Timestamp>,
    /// Attempts since then.
    pub tries: u32,
    /// All that were ever made.
    pub attempts: u32,
    /// When it was delivered or given up.
    pub ended_at: Option<Timestamp>,
    /// The status of the last answer, if the last attempt had one.
    pub last_status: Option<u16>,
    /// What went wrong with the last attempt.
    pub last_error: Option<String>,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryAttempt {
    pub at: Timestamp,
    pub milliseconds: u64,
    /// Of the answer, if there was one.
    pub status: Option<u16>,
    /// `None`: it succeeded.
    pub error: Option<String>,
}

/// What an attempt leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryEnd {
    Delivered,
    /// To be tried again then.
    Again(Timestamp),
    Failed,
}

/// What to deliver once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    One(EventId),
    /// Those given up, all of them.
    Failed,
    /// Delivered or given up, whose events occurred from then to then, the second not included.
    Between(Timestamp, Timestamp),
}

/// The deliveries.
pub struct Deliveries<'a> {
    pub(super) connection: &'a mut Connection,
}

impl Deliveries<'_> {
    /// Queues new ones. One that is there stays as it is.
    pub async fn queue(&mut self, deliveries: &[DeliveryRow]) -> Result<(), StoreError> {
        for rows in deliveries.chunks(ROWS_OF_A_STATEMENT) {
            let statement = format!(
                "INSERT INTO webhook_deliveries (webhook, event, position, kind, instance, lane, body, state, \
                 occurred_at, due_at, tries, attempts, leased_until) VALUES {} ON CONFLICT (webhook, event) DO NOTHING",
                placeholders(rows.len(), 13)
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for row in rows {
                query = query
                    .bind(row.webhook.to_string())
                    .bind(row.event.to_string())
                    .bind(row.position)
                    .bind(row.kind.as_str())
                    .bind(row.instance.to_string())
                    .bind(row.lane.as_str())
                    .bind(row.body.as_str())
                    .bind(row.state.as_str())
                    .bind(row.occurred_at.as_micros())
                    .bind(row.due_at.as_micros())
                    .bind(i64::from(row.tries))
                    .bind(i64::from(row.attempts))
                    .bind(0_i64);
            }
            query.execute(&mut *self.connection).await?;
        }
        Ok(())
    }

    /// How many wait for an endpoint.
    pub async fn waiting(&mut self, webhook: WebhookId) -> Result<u64, StoreError> {
        let statement = "SELECT COUNT(*) FROM webhook_deliveries WHERE webhook = $1 AND state = 'waiting'";
        let row = sqlx::query(statement).bind(webhook.to_string()).fetch_one(&mut *self.connection).await?;
        Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
    }

    /// The enabled endpoints for which something is due, the one that has waited longest first.
    pub async fn due_webhooks(&mut self, now: Timestamp) -> Result<Vec<WebhookId>, StoreError> {
        let statement = "SELECT d.webhook AS webhook, MIN(d.due_at) AS due FROM webhook_deliveries d \
                         JOIN webhooks w ON w.id = d.webhook \
                         WHERE d.state = 'waiting' AND d.due_at <= $1 AND w.state = 'enabled' \
                         GROUP BY d.webhook ORDER BY due, d.webhook";
        let rows = sqlx::query(statement).bind(now.as_micros()).fetch_all(&mut *self.connection).await?;
        rows.iter().map(|row| Record::new("webhook_deliveries", row, "webhook").parsed("webhook")).collect()
    }

    /// Those of an endpoint whose turn it is: each is the first of its lane, due, and nobody is at any of its lane.
    pub async fn due(
        &mut self,
        webhook: WebhookId,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        let statement = columns!(
            "d.",
            "d JOIN (SELECT lane AS head_lane, MIN(position) AS head, MAX(leased_until) AS busy_until \
             FROM webhook_deliveries WHERE webhook = $1 AND state = 'waiting' GROUP BY lane) heads \
             ON d.lane = heads.head_lane AND d.position = heads.head \
             WHERE d.webhook = $1 AND d.state = 'waiting' AND heads.busy_until <= $2 AND d.due_at <= $2 \
             ORDER BY d.due_at, d.position LIMIT $3"
        );
        let rows = sqlx::query(statement)
            .bind(webhook.to_string())
            .bind(now.as_micros())
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.connection)
            .await?;
        rows.iter().map(delivery).collect()
    }

    /// Claims one until then, for the holder of `lease`. False: someone else is at it, or it does not wait any more.
    pub async fn claim(
        &mut self,
        delivery: &DeliveryRow,
        lease: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let claimed = sqlx::query(
            "UPDATE webhook_deliveries SET lease = $3, leased_until = $5 \
             WHERE webhook = $1 AND event = $2 AND state = 'waiting' AND leased_until <= $4 AND due_at <= $4",
        )
        .bind(delivery.webhook.to_string())
        .bind(delivery.event.to_string())
        .bind(lease)
        .bind(now.as_micros())
        .bind(until.as_micros())
        .execute(&mut *self.connection)
        .await?;
        Ok(claimed.rows_affected() > 0)
    }

    /// Gives a claim back without an attempt.
    pub async fn release(&mut self, webhook: WebhookId, event: EventId, lease: &str) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE webhook_deliveries SET lease = NULL, leased_until = 0 \
             WHERE webhook = $1 AND event = $2 AND lease = $3",
        )
        .bind(webhook.to_string())
        .bind(event.to_string())
        .bind(lease)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Records an attempt and what it leads to. False: the claim was lost meanwhile, and nothing is recorded.
    pub async fn finish(
        &mut self,
        delivery: &DeliveryRow,
        lease: &str,
        attempt: &DeliveryAttempt,
        end: DeliveryEnd,
    ) -> Result<bool, StoreError> {
        let ended_at = attempt.at.plus(std::time::Duration::from_millis(attempt.milliseconds));
        let (state, due_at, ended_at) = match end {
            DeliveryEnd::Delivered => (DeliveryState::Delivered, delivery.due_at, Some(ended_at)),
            DeliveryEnd::Again(due_at) => (DeliveryState::Waiting, due_at, None),
            DeliveryEnd::Failed => (DeliveryState::Failed, delivery.due_at, Some(ended_at)),
        };
        let (webhook, event) = (delivery.webhook.to_string(), delivery.event.to_string());
        let finished = sqlx::query(
            "UPDATE webhook_deliveries SET state = $4, due_at = $5, ended_at = $6, last_status = $7, last_error = $8, \
             tried_since = COALESCE(tried_since, $9), tries = tries + 1, attempts = attempts + 1, lease = NULL, \
             leased_until = 0 WHERE webhook = $1 AND event = $2 AND lease = $3",
        )
        .bind(webhook.as_str())
        .bind(event.as_str())
        .bind(lease)
        .bind(state.as_str())
        .bind(due_at.as_micros())
        .bind(micros(ended_at))
        .bind(attempt.status.map(i64::from))
        .bind(attempt.error.as_deref().map(descriptive))
        .bind(attempt.at.as_micros())
        .execute(&mut *self.connection)
        .await?;
        if finished.rows_affected() == 0 {
            return Ok(false);
        }
        let number = i64::from(delivery.attempts) + 1;
        sqlx::query(
            "INSERT INTO webhook_attempts (webhook, event, number, at, milliseconds, status, error) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (webhook, event, number) DO NOTHING",
        )
        .bind(webhook.as_str())
        .bind(event.as_str())
        .bind(number)
        .bind(attempt.at.as_micros())
        .bind(signed(attempt.milliseconds))
        .bind(attempt.status.map(i64::from))
        .bind(attempt.error.as_deref().map(descriptive))
        .execute(&mut *self.connection)
        .await?;
        if number > ATTEMPTS_KEPT {
            sqlx::query("DELETE FROM webhook_attempts WHERE webhook = $1 AND event = $2 AND number <= $3")
                .bind(webhook)
                .bind(event)
                .bind(number - ATTEMPTS_KEPT)
                .execute(&mut *self.connection)
                .await?;
        }
        Ok(true)
    }

    /// When the oldest event occurred that waits for an enabled endpoint.
    pub async fn oldest_waiting(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let statement = "SELECT MIN(d.occurred_at) FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook \
                         WHERE d.state = 'waiting' AND w.state = 'enabled'";
        let row = sqlx::query(statement).fetch_one(&mut *self.connection).await?;
        Ok(row.try_get::<Option<i64>, _>(0)?.map(Timestamp::from_micros))
    }
}

pub(super) fn delivery(row: &AnyRow) -> Result<DeliveryRow, StoreError> {
    let record = Record::new("webhook_deliveries", row, "event");
    Ok(DeliveryRow {
        webhook: record.parsed("webhook")?,
        event: record.parsed("event")?,
        position: record.count("position")?,
        kind: record.text("kind")?,
        instance: record.parsed("instance")?,
        lane: record.text("lane")?,
        body: record.text("body")?,
        state: record.parsed("state")?,
        occurred_at: record.time("occurred_at")?,
        due_at: record.time("due_at")?,
        tried_since: record.optional_time("tried_since")?,
        tries: record.count("tries")?,
        attempts: record.count("attempts")?,
        ended_at: record.optional_time("ended_at")?,
        last_status: record.optional_count("last_status")?,
        last_error: record.optional_text("last_error")?,
    })
}
