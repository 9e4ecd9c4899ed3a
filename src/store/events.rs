//! The outbox: what happened, for other programs to be told.

use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::connection::Connection;
use super::record::{ROWS_OF_A_STATEMENT, Record, placeholders};
use super::{Page, PageRequest, StoreError};
use crate::domain::{AccountId, EventId, FolderId, InstanceId, Timestamp};

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, kind, instance, account, folder, occurred_at, data FROM events ", $rest)
    };
}

/// One event of the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    pub id: EventId,
    /// `file.uploaded`, …
    pub kind: String,
    pub instance: InstanceId,
    pub account: Option<AccountId>,
    pub folder: Option<FolderId>,
    pub at: Timestamp,
    /// What happened in detail, as its receivers will read it.
    pub data: serde_json::Value,
}

/// The events.
pub struct Events<'a> {
    pub(super) connection: &'a mut Connection,
}

impl Events<'_> {
    /// Idempotent by id: a row that is there stays as it is.
    pub async fn record(&mut self, event: &EventRow) -> Result<(), StoreError> {
        self.record_all(&[event]).await
    }

    /// Several in few statements; see [`Self::record`].
    pub async fn record_all(&mut self, events: &[&EventRow]) -> Result<(), StoreError> {
        for events in events.chunks(ROWS_OF_A_STATEMENT) {
            let statement = format!(
                "INSERT INTO events (id, kind, instance, account, folder, occurred_at, data) VALUES {} \
                 ON CONFLICT (id) DO NOTHING",
                placeholders(events.len(), 7)
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for event in events {
                query = query
                    .bind(event.id.to_string())
                    .bind(event.kind.as_str())
                    .bind(event.instance.to_string())
                    .bind(event.account.map(|id| id.to_string()))
                    .bind(event.folder.map(|id| id.to_string()))
                    .bind(event.at.as_micros())
                    .bind(event.data.to_string());
            }
            query.execute(&mut *self.connection).await?;
        }
        Ok(())
    }

    /// Of one instance or of all, ordered by id.
    pub async fn list(
        &mut self,
        instance: Option<InstanceId>,
        page: &PageRequest,
    ) -> Result<Page<EventRow>, StoreError> {
        let after = page.position::<EventId>()?.map(|id| id.to_string()).unwrap_or_default();
        let query = match instance {
            Some(instance) => sqlx::query(select!("WHERE id > $1 AND instance = $3 ORDER BY id LIMIT $2"))
                .bind(after)
                .bind(page.rows())
                .bind(instance.to_string()),
            None => sqlx::query(select!("WHERE id > $1 ORDER BY id LIMIT $2")).bind(after).bind(page.rows()),
        };
        let rows = query.fetch_all(&mut *self.connection).await?;
        let events = rows.iter().map(event).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(events, page, |event| event.id.to_string()))
    }

    /// Removes those that occurred before; at most `most` at a time; says how many.
    pub async fn forget_before(&mut self, before: Timestamp, most: u32) -> Result<u64, StoreError> {
        let forgotten = sqlx::query(
            "DELETE FROM events WHERE id IN \
             (SELECT id FROM events WHERE occurred_at < $1 ORDER BY occurred_at LIMIT $2)",
        )
        .bind(before.as_micros())
        .bind(i64::from(most))
        .execute(&mut *self.connection)
        .await?;
        Ok(forgotten.rows_affected())
    }
}

fn event(row: &AnyRow) -> Result<EventRow, StoreError> {
    let record = Record::new("events", row, "id");
    Ok(EventRow {
        id: record.parsed("id")?,
        kind: record.text("kind")?,
        instance: record.parsed("instance")?,
        account: record.optional("account")?,
        folder: record.optional("folder")?,
        at: record.time("occurred_at")?,
        data: record.json("data")?,
    })
}
