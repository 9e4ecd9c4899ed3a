//! Transfers: uploads and downloads that ended. They outlive their account.

use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;
use sqlx::query::Query;

use super::connection::Connection;
use super::record::{ROWS_OF_A_STATEMENT, Record, descriptive, placeholders, signed};
use super::{Page, PageRequest, StoreError};
use crate::domain::{
    AccountId, ConnectionType, InstanceId, SessionId, Timestamp, TransferDirection, TransferId, TransferResult,
    VirtualPath,
};

/// Sorts behind every identifier, whose characters are 0 to 9, a to f and `-`.
const BEHIND_EVERY_ID: &str = "g";

const COLUMNS: &str = "id, instance, account, actor, session, connection_type, address, direction, path, bytes, \
                       started_at, ended_at, outcome, reason, client, algorithms, unproven_end";
/// Among how many of an account's newest transfers one that brought a file is looked for.
const NEWEST: i64 = 1_000;

/// One upload or download that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRow {
    pub id: TransferId,
    pub instance: InstanceId,
    pub account: AccountId,
    /// `login NAME` or `operator NAME`.
    pub actor: String,
    pub session: Option<SessionId>,
    pub connection_type: Option<ConnectionType>,
    pub address: Option<String>,
    /// The software that the client said it is; empty: it did not say. Operators have none.
    pub client: Option<String>,
    /// What protected the connection, where its edge told.
    pub algorithms: Option<String>,
    pub direction: TransferDirection,
    pub path: VirtualPath,
    pub bytes: u64,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    pub outcome: TransferResult,
    /// Why it failed.
    pub reason: Option<String>,
    /// It was published although nothing proves that its client sent all.
    pub unproven_end: bool,
}

/// Which transfers are wanted: those that fulfil all that is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransferFilter {
    pub direction: Option<TransferDirection>,
    pub outcome: Option<TransferResult>,
    /// Ended then or later.
    pub since: Option<Timestamp>,
}

/// The transfers.
pub struct Transfers<'a> {
    pub(super) connection: &'a mut Connection,
}

impl Transfers<'_> {
    /// Idempotent by id: a row that is there stays as it is.
    pub async fn record(&mut self, row: &TransferRow) -> Result<(), StoreError> {
        self.record_all(&[row]).await
    }

    /// Several in few statements; see [`Self::record`].
    pub async fn record_all(&mut self, rows: &[&TransferRow]) -> Result<(), StoreError> {
        for rows in rows.chunks(ROWS_OF_A_STATEMENT) {
            let statement = format!(
                "INSERT INTO transfers (id, instance, account, actor, session, connection_type, address, direction, \
                 path, bytes, started_at, ended_at, outcome, reason, client, algorithms, unproven_end) \
                 VALUES {} ON CONFLICT (id) DO NOTHING",
                placeholders(rows.len(), 17)
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for row in rows {
                query = query
                    .bind(row.id.to_string())
                    .bind(row.instance.to_string())
                    .bind(row.account.to_string())
                    .bind(descriptive(&row.actor))
                    .bind(row.session.map(|id| id.to_string()))
                    .bind(row.connection_type.map(ConnectionType::as_str))
                    .bind(row.address.as_deref())
                    .bind(row.direction.as_str())
                    .bind(row.path.as_str())
                    .bind(signed(row.bytes))
                    .bind(row.started_at.as_micros())
                    .bind(row.ended_at.as_micros())
                    .bind(row.outcome.as_str())
                    .bind(row.reason.as_deref().map(descriptive))
                    .bind(row.client.as_deref().map(descriptive))
                    .bind(row.algorithms.as_deref().map(descriptive))
                    .bind(i64::from(row.unproven_end));
            }
            query.execute(&mut *self.connection).await?;
        }
        Ok(())
    }

    /// The newest first, by id (that is, by their beginning).
    pub async fn of_account(
        &mut self,
        account: AccountId,
        filter: &TransferFilter,
        page: &PageRequest,
    ) -> Result<Page<TransferRow>, StoreError> {
        let after = page.position::<TransferId>()?;
        let mut statement =
            format!("SELECT {COLUMNS} FROM transfers WHERE account = $1 AND id < $2 AND ended_at >= $3");
        let mut words = Vec::new();
        if let Some(direction) = filter.direction {
            words.push(direction.as_str());
            statement += &format!(" AND direction = ${}", 3 + words.len());
        }
        if let Some(outcome) = filter.outcome {
            words.push(outcome.as_str());
            statement += &format!(" AND outcome = ${}", 3 + words.len());
        }
        statement += &format!(" ORDER BY id DESC LIMIT ${}", 4 + words.len());

        // Only numbers of placeholders were written into the text.
        let query = sqlx::query(AssertSqlSafe(statement))
            .bind(account.to_string())
            .bind(after.map_or_else(|| BEHIND_EVERY_ID.to_owned(), |id| id.to_string()))
            .bind(filter.since.map_or(i64::MIN, Timestamp::as_micros));
        let query = words.into_iter().fold(query, Query::bind).bind(page.rows());
        let rows = query.fetch_all(&mut *self.connection).await?;
        let transfers = rows.iter().map(transfer).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(transfers, page, |transfer| transfer.id.to_string()))
    }

    /// The last upload to a path that was published by `until`, among the account's newest transfers.
    pub async fn last_upload_to(
        &mut self,
        account: AccountId,
        path: &VirtualPath,
        until: Timestamp,
    ) -> Result<Option<TransferRow>, StoreError> {
        let row = sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM (SELECT {COLUMNS} FROM transfers WHERE account = $1 ORDER BY id DESC LIMIT $2) AS newest \
             WHERE direction = 'upload' AND outcome = 'completed' AND path = $3 AND ended_at <= $4 \
             ORDER BY ended_at DESC, id DESC LIMIT 1"
        )))
        .bind(account.to_string())
        .bind(NEWEST)
        .bind(path.as_str())
        .bind(until.as_micros())
        .fetch_optional(&mut *self.connection)
        .await?;
        row.as_ref().map(transfer).transpose()
    }

    /// Removes those that ended before; at most `most` at a time; says how many.
    pub async fn forget_before(&mut self, before: Timestamp, most: u32) -> Result<u64, StoreError> {
        let forgotten = sqlx::query(
            "DELETE FROM transfers WHERE id IN \
             (SELECT id FROM transfers WHERE ended_at < $1 ORDER BY ended_at LIMIT $2)",
        )
        .bind(before.as_micros())
        .bind(i64::from(most))
        .execute(&mut *self.connection)
        .await?;
        Ok(forgotten.rows_affected())
    }
}

fn transfer(row: &AnyRow) -> Result<TransferRow, StoreError> {
    let record = Record::new("transfers", row, "id");
    Ok(TransferRow {
        id: record.parsed("id")?,
        instance: record.parsed("instance")?,
        account: record.parsed("account")?,
        actor: record.text("actor")?,
        session: record.optional("session")?,
        connection_type: record.optional("connection_type")?,
        address: record.optional_text("address")?,
        client: record.optional_text("client")?,
        algorithms: record.optional_text("algorithms")?,
        direction: record.parsed("direction")?,
        path: record.parsed("path")?,
        bytes: record.count("bytes")?,
        started_at: record.time("started_at")?,
        ended_at: record.time("ended_at")?,
        outcome: record.parsed("outcome")?,
        reason: record.optional_text("reason")?,
        unproven_end: record.count::<u32>("unproven_end")? != 0,
    })
}
