//! The outbox: what happened, for other programs to be told.
//!
//! Events have positions: each that is recorded has a higher one than all that were committed before it, on every engine,
//! so that whoever reads up to one and later asks for what is behind it misses none.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::connection::{Connection, Turn};
use super::record::{ROWS_OF_A_STATEMENT, Record, placeholders};
use super::{Page, PageRequest, StoreError};
use crate::domain::{AccountId, EventId, EventKind, FolderId, InstanceId, Timestamp};

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT position, id, kind, instance, account, folder, occurred_at, data FROM events ", $rest)
    };
}

/// One event of the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    pub id: EventId,
    pub kind: EventKind,
    pub instance: InstanceId,
    pub account: Option<AccountId>,
    pub folder: Option<FolderId>,
    pub at: Timestamp,
    /// What happened in detail, as its receivers will read it.
    pub data: serde_json::Value,
}

/// An event at its place among all.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedEvent {
    /// 1 and more; some are never used.
    pub position: i64,
    pub event: EventRow,
}

/// Which events are wanted: those that fulfil all that is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    pub instance: Option<InstanceId>,
    /// Empty: every kind.
    pub kinds: Vec<EventKind>,
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

    /// Several in few statements; see [`Self::record`]. They get their positions in the order given. To be the last thing
    /// that a unit does: on PostgreSQL others that record events wait for its end from here on.
    pub async fn record_all(&mut self, events: &[&EventRow]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        self.connection.take_turn(Turn::Telling).await?;
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

    /// Of one instance or of all, by position.
    pub async fn list(
        &mut self,
        instance: Option<InstanceId>,
        page: &PageRequest,
    ) -> Result<Page<PlacedEvent>, StoreError> {
        let after: i64 = page.position()?.unwrap_or_default();
        let query = match instance {
            Some(instance) => sqlx::query(select!("WHERE position > $1 AND instance = $3 ORDER BY position LIMIT $2"))
                .bind(after)
                .bind(page.rows())
                .bind(instance.to_string()),
            None => {
                sqlx::query(select!("WHERE position > $1 ORDER BY position LIMIT $2")).bind(after).bind(page.rows())
            }
        };
        let rows = query.fetch_all(&mut *self.connection).await?;
        let events = rows.iter().map(event).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(events, page, |placed| placed.position.to_string()))
    }

    /// Those behind `after`, up to `up_to` and at most `most`, by position.
    pub async fn between(
        &mut self,
        after: i64,
        up_to: i64,
        filter: &EventFilter,
        most: u32,
    ) -> Result<Vec<PlacedEvent>, StoreError> {
        let mut statement = String::from(select!("WHERE position > $1 AND position <= $2"));
        let mut words = Vec::new();
        if let Some(instance) = filter.instance {
            words.push(instance.to_string());
            statement += " AND instance = $4";
        }
        if !filter.kinds.is_empty() {
            let first = words.len() + 4;
            let places: Vec<String> = (first..first + filter.kinds.len()).map(|place| format!("${place}")).collect();
            statement += &format!(" AND kind IN ({})", places.join(", "));
            words.extend(filter.kinds.iter().map(ToString::to_string));
        }
        statement += " ORDER BY position LIMIT $3";

        // Only numbers of placeholders were written into the text.
        let query = sqlx::query(AssertSqlSafe(statement)).bind(after).bind(up_to).bind(i64::from(most));
        let rows = words.into_iter().fold(query, sqlx::query::Query::bind).fetch_all(&mut *self.connection).await?;
        rows.iter().map(event).collect()
    }

    /// The position of the last event, kept or forgotten, of which others may follow at any time; 0 when there was never
    /// one.
    pub async fn last_position(&mut self) -> Result<i64, StoreError> {
        let statement = "SELECT COALESCE(MAX(position), 0) FROM events";
        let row = sqlx::query(statement).fetch_one(&mut *self.connection).await?;
        let kept: i64 = row.try_get(0)?;
        Ok(kept.max(self.forgotten().await?))
    }

    /// The highest position of the events that were forgotten: whoever asks for what is behind a lower one has missed
    /// some. To be read after the events themselves.
    pub async fn forgotten(&mut self) -> Result<i64, StoreError> {
        let statement = "SELECT position FROM event_marks WHERE name = 'forgotten'";
        let row = sqlx::query(statement).fetch_one(&mut *self.connection).await?;
        Ok(row.try_get(0)?)
    }

    /// Removes those that occurred before, in the order of their positions, up to the first that did not; at most `most`
    /// at a time. Says how many.
    pub async fn forget_before(&mut self, before: Timestamp, most: u32) -> Result<u64, StoreError> {
        let rows = sqlx::query("SELECT position, occurred_at FROM events ORDER BY position LIMIT $1")
            .bind(i64::from(most))
            .fetch_all(&mut *self.connection)
            .await?;
        let mut last = None;
        for row in &rows {
            if row.try_get::<i64, _>(1)? >= before.as_micros() {
                break;
            }
            last = Some(row.try_get::<i64, _>(0)?);
        }
        let Some(last) = last else { return Ok(0) };
        sqlx::query("UPDATE event_marks SET position = $1 WHERE name = 'forgotten' AND position < $1")
            .bind(last)
            .execute(&mut *self.connection)
            .await?;
        let forgotten = sqlx::query("DELETE FROM events WHERE position <= $1").bind(last);
        Ok(forgotten.execute(&mut *self.connection).await?.rows_affected())
    }
}

fn event(row: &AnyRow) -> Result<PlacedEvent, StoreError> {
    let record = Record::new("events", row, "id");
    let event = EventRow {
        id: record.parsed("id")?,
        kind: record.parsed("kind")?,
        instance: record.parsed("instance")?,
        account: record.optional("account")?,
        folder: record.optional("folder")?,
        at: record.time("occurred_at")?,
        data: record.json("data")?,
    };
    Ok(PlacedEvent { position: record.count("position")?, event })
}
