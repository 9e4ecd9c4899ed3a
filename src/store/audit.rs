//! The audit log: rows that are chained by their hashes, and where the chain begins and ends.
//!
//! Rows are appended one unit after the other ([`Turn::Deciding`]), so the chain is linear and its positions have no gap,
//! on every engine.

use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;
use sqlx::query::Query;

use super::accounts::{MAX_SEARCH_BYTES, containing};
use super::connection::{Connection, Turn};
use super::record::{ROWS_OF_A_STATEMENT, Record, placeholders};
use super::{Page, PageRequest, StoreError};
use crate::domain::{AccountId, AuditAction, AuditChain, AuditEntry, AuditResource, AuditRow, InstanceId, Timestamp};

const COLUMNS: &str = "position, id, happened_at, operator, token, request, action, resource, resource_id, instance, \
                       account, label, label_folded, state_before, state_after, previous_hash, hash";

/// Which rows to read; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    pub instance: Option<InstanceId>,
    /// The kind that is left out.
    pub without: Option<AuditResource>,
    /// An operator's name, or the identifier of a token.
    pub operator: Option<String>,
    pub action: Option<AuditAction>,
    pub resource: Option<AuditResource>,
    pub resource_id: Option<String>,
    pub account: Option<AccountId>,
    /// Then or later.
    pub since: Option<Timestamp>,
    /// Before then.
    pub until: Option<Timestamp>,
    /// A part of the label, without case.
    pub search: Option<String>,
}

/// The audit log.
pub struct Audit<'a> {
    pub(super) connection: &'a mut Connection,
}

impl Audit<'_> {
    /// Appends to the chain, in the order given. The unit has its turn to decide from here on; one that wrote before it had
    /// it ([`Store::write`](super::Store::write)) may stand in the way of another: begin with
    /// [`Store::decide`](super::Store::decide).
    pub async fn append(&mut self, entries: &[AuditEntry]) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        self.connection.take_turn(Turn::Deciding).await?;
        let AuditChain { head: mut position, head_hash: mut hash, .. } = self.chain().await?;
        let mut rows = Vec::with_capacity(entries.len());
        for entry in entries {
            position += 1;
            let row = AuditRow::chained(entry, position, &hash);
            hash.clone_from(&row.hash);
            rows.push(row);
        }
        for rows in rows.chunks(ROWS_OF_A_STATEMENT) {
            let statement = format!("INSERT INTO audit ({COLUMNS}) VALUES {}", placeholders(rows.len(), 17));
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for row in rows {
                query = query
                    .bind(row.position)
                    .bind(row.id.as_str())
                    .bind(row.at.as_micros())
                    .bind(row.operator.as_str())
                    .bind(row.token.as_deref())
                    .bind(row.request.as_deref())
                    .bind(row.action.as_str())
                    .bind(row.resource.as_str())
                    .bind(row.resource_id.as_str())
                    .bind(row.instance.as_deref())
                    .bind(row.account.as_deref())
                    .bind(row.label.as_str())
                    .bind(folded(&row.label))
                    .bind(row.before.as_deref())
                    .bind(row.after.as_deref())
                    .bind(row.previous.as_str())
                    .bind(row.hash.as_str());
            }
            query.execute(&mut *self.connection).await?;
        }
        sqlx::query("UPDATE audit_chain SET head = $1, head_hash = $2 WHERE one = 1")
            .bind(position)
            .bind(hash)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    /// Where the chain begins and ends. An error when somebody removed what tells it.
    pub async fn chain(&mut self) -> Result<AuditChain, StoreError> {
        let row = sqlx::query("SELECT forgotten, forgotten_hash, head, head_hash FROM audit_chain WHERE one = 1")
            .fetch_optional(&mut *self.connection)
            .await?;
        let row = row.ok_or_else(|| StoreError::Inconsistent {
            table: "audit_chain",
            column: "head",
            row: String::from("1"),
            problem: String::from("the row that tells the head of the audit log is not there"),
        })?;
        let record = Record::new("audit_chain", &row, "head_hash");
        Ok(AuditChain {
            forgotten: record.count("forgotten")?,
            forgotten_hash: record.text("forgotten_hash")?,
            head: record.count("head")?,
            head_hash: record.text("head_hash")?,
        })
    }

    /// The newest first.
    pub async fn list(&mut self, filter: &AuditFilter, page: &PageRequest) -> Result<Page<AuditRow>, StoreError> {
        let before = page.position::<i64>()?.unwrap_or(i64::MAX);
        let rows = self.select(filter, "position < $1", "DESC", before, page.rows()).await?;
        Ok(Page::of(rows, page, |row| row.position.to_string()))
    }

    /// In the order of the chain, those behind the position `after`; at most `most`.
    pub async fn walk(&mut self, filter: &AuditFilter, after: i64, most: u32) -> Result<Vec<AuditRow>, StoreError> {
        self.select(filter, "position > $1", "ASC", after, i64::from(most)).await
    }

    /// Removes rows from the beginning of the chain, as long as they were written before; at most `most` at a time; says how
    /// many. The chain then begins behind them.
    pub async fn forget_before(&mut self, before: Timestamp, most: u32) -> Result<u64, StoreError> {
        self.connection.take_turn(Turn::Deciding).await?;
        let rows = self.walk(&AuditFilter::default(), i64::MIN, most).await?;
        let Some(last) = rows.iter().take_while(|row| row.at < before).last() else { return Ok(0) };
        let forgotten = sqlx::query("DELETE FROM audit WHERE position <= $1")
            .bind(last.position)
            .execute(&mut *self.connection)
            .await?;
        sqlx::query("UPDATE audit_chain SET forgotten = $1, forgotten_hash = $2 WHERE one = 1")
            .bind(last.position)
            .bind(last.hash.as_str())
            .execute(&mut *self.connection)
            .await?;
        Ok(forgotten.rows_affected())
    }

    /// `place` is a condition on `$1`.
    async fn select(
        &mut self,
        filter: &AuditFilter,
        place: &'static str,
        order: &'static str,
        bound: i64,
        most: i64,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let AuditFilter { instance, without, operator, action, resource, resource_id, account, since, until, search } =
            filter;
        let texts = [operator, resource_id, search].into_iter().flatten();
        if texts.into_iter().any(|text| text.len() > MAX_SEARCH_BYTES || text.contains('\0')) {
            return Ok(Vec::new());
        }
        let mut statement =
            format!("SELECT {COLUMNS} FROM audit WHERE {place} AND happened_at >= $2 AND happened_at < $3");
        let mut values: Vec<String> = Vec::new();
        let mut and = |condition: &str, value: String| {
            values.push(value);
            statement += " AND ";
            statement += &condition.replace('?', &format!("${}", 3 + values.len()));
        };
        let conditions = [
            ("instance = ?", instance.map(|id| id.to_string())),
            ("resource <> ?", without.map(|kind| kind.to_string())),
            ("(operator = ? OR token = ?)", operator.clone()),
            ("action = ?", action.map(|action| action.to_string())),
            ("resource = ?", resource.map(|kind| kind.to_string())),
            ("resource_id = ?", resource_id.clone()),
            ("account = ?", account.map(|id| id.to_string())),
            ("label_folded LIKE ? ESCAPE '\\'", search.as_deref().map(containing)),
        ];
        for (condition, value) in conditions {
            if let Some(value) = value {
                and(condition, value);
            }
        }
        statement += &format!(" ORDER BY position {order} LIMIT ${}", 4 + values.len());

        // Only words of this file and numbers of placeholders were written into the text.
        let query = sqlx::query(AssertSqlSafe(statement))
            .bind(bound)
            .bind(since.map_or(i64::MIN, Timestamp::as_micros))
            .bind(until.map_or(i64::MAX, Timestamp::as_micros));
        let query = values.into_iter().fold(query, Query::bind).bind(most);
        query.fetch_all(&mut *self.connection).await?.iter().map(audit_row).collect()
    }
}

/// The form in which labels are searched.
fn folded(label: &str) -> String {
    label.to_lowercase()
}

fn audit_row(row: &AnyRow) -> Result<AuditRow, StoreError> {
    let record = Record::new("audit", row, "id");
    Ok(AuditRow {
        position: record.count("position")?,
        id: record.text("id")?,
        at: record.time("happened_at")?,
        operator: record.text("operator")?,
        token: record.optional_text("token")?,
        request: record.optional_text("request")?,
        action: record.text("action")?,
        resource: record.text("resource")?,
        resource_id: record.text("resource_id")?,
        instance: record.optional_text("instance")?,
        account: record.optional_text("account")?,
        label: record.text("label")?,
        before: record.optional_text("state_before")?,
        after: record.optional_text("state_after")?,
        previous: record.text("previous_hash")?,
        hash: record.text("hash")?,
    })
}
