//! Sign-in attempts: evidence that whoever reaches the port can produce, and that stays bounded all the same.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::connection::{Connection, Turn};
use super::record::{Record, descriptive, signed};
use super::{Page, PageRequest, StoreError};
use crate::domain::{AccountId, ConnectionType, Timestamp};

/// The most rows that one record takes away to keep the cap: enough to catch up with a lowered one little by little.
const MOST_REMOVED: i64 = 1_000;

/// Sign-in attempts of one UTC day that were alike (same login, address, connection type, client,
/// algorithms, outcome), merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInAttempt {
    /// `None`: no account has this login.
    pub account: Option<AccountId>,
    /// As tried, escaped and cut to 64 characters.
    pub login: String,
    pub address: String,
    pub connection_type: ConnectionType,
    /// The software that the client said it is.
    pub client: String,
    /// What protected the connection, where its edge told.
    pub algorithms: Option<String>,
    /// `granted` or a refusal's code.
    pub outcome: String,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub count: u64,
}

/// What [`SignInAttempt::outcome`] is of an attempt that succeeded.
pub const GRANTED: &str = "granted";

/// Which attempts are wanted: those that fulfil all that is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SignInFilter {
    /// Those that succeeded, or those that were refused.
    pub granted: Option<bool>,
    /// Last seen then or later.
    pub since: Option<Timestamp>,
}

/// The sign-in attempts.
pub struct SignIns<'a> {
    pub(super) connection: &'a mut Connection,
}

impl SignIns<'_> {
    /// Merges into the row of alike attempts (within the same UTC day), or adds one. Keeps at most `cap` rows for an
    /// account (or for unknown logins together): the oldest go.
    pub async fn record(&mut self, attempt: &SignInAttempt, cap: u32) -> Result<(), StoreError> {
        self.connection.take_turn(Turn::SignIns).await?;
        let account = attempt.account.map(|id| id.to_string()).unwrap_or_default();
        sqlx::query(
            "INSERT INTO sign_in_attempts (id, account, login, address, connection_type, client, outcome, first_at, \
             last_at, attempts, algorithms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
             ON CONFLICT (id) DO UPDATE SET attempts = sign_in_attempts.attempts + excluded.attempts, \
             last_at = CASE WHEN excluded.last_at > sign_in_attempts.last_at THEN excluded.last_at \
             ELSE sign_in_attempts.last_at END",
        )
        .bind(likeness(&account, attempt))
        .bind(account.as_str())
        .bind(descriptive(&attempt.login))
        .bind(attempt.address.as_str())
        .bind(attempt.connection_type.as_str())
        .bind(descriptive(&attempt.client))
        .bind(attempt.outcome.as_str())
        .bind(attempt.first_at.as_micros())
        .bind(attempt.last_at.as_micros())
        .bind(signed(attempt.count))
        .bind(attempt.algorithms.as_deref().map(descriptive))
        .execute(&mut *self.connection)
        .await?;

        sqlx::query(
            "DELETE FROM sign_in_attempts WHERE id IN (SELECT id FROM sign_in_attempts WHERE account = $1 \
             ORDER BY last_at DESC, id DESC LIMIT $2 OFFSET $3)",
        )
        .bind(account)
        .bind(MOST_REMOVED)
        .bind(i64::from(cap))
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// The newest first, by when they were first seen: merging does not move a row, so paging stays right.
    pub async fn of_account(
        &mut self,
        account: AccountId,
        filter: &SignInFilter,
        page: &PageRequest,
    ) -> Result<Page<SignInAttempt>, StoreError> {
        let after = page.position::<Position>()?.unwrap_or(Position { first_at: i64::MAX, id: String::new() });
        let outcome = match filter.granted {
            Some(true) => " AND outcome = $5",
            Some(false) => " AND outcome <> $5",
            // Says nothing, and takes the same values.
            None => " AND $5 <> ''",
        };
        let statement = format!(
            "SELECT id, account, login, address, connection_type, client, algorithms, outcome, first_at, last_at, \
             attempts FROM sign_in_attempts WHERE account = $1 AND (first_at < $2 OR (first_at = $2 AND id < $3)) \
             AND last_at >= $4{outcome} ORDER BY first_at DESC, id DESC LIMIT $6"
        );
        let rows = sqlx::query(AssertSqlSafe(statement))
            .bind(account.to_string())
            .bind(after.first_at)
            .bind(after.id)
            .bind(filter.since.map_or(i64::MIN, Timestamp::as_micros))
            .bind(GRANTED)
            .bind(page.rows())
            .fetch_all(&mut *self.connection)
            .await?;
        let attempts = rows.iter().map(attempt).collect::<Result<Vec<_>, _>>()?;
        let page = Page::of(attempts, page, |(position, _)| position.to_string());
        Ok(Page { items: page.items.into_iter().map(|(_, attempt)| attempt).collect(), next: page.next })
    }

    /// Removes those last seen before; at most `most` at a time; says how many.
    pub async fn forget_before(&mut self, before: Timestamp, most: u32) -> Result<u64, StoreError> {
        self.connection.take_turn(Turn::SignIns).await?;
        let forgotten = sqlx::query(
            "DELETE FROM sign_in_attempts WHERE id IN \
             (SELECT id FROM sign_in_attempts WHERE last_at < $1 ORDER BY last_at LIMIT $2)",
        )
        .bind(before.as_micros())
        .bind(i64::from(most))
        .execute(&mut *self.connection)
        .await?;
        Ok(forgotten.rows_affected())
    }
}

/// What makes attempts alike, as one short key: a client may say more of itself than an index takes.
fn likeness(account: &str, attempt: &SignInAttempt) -> String {
    let day = attempt.last_at.as_seconds().div_euclid(24 * 60 * 60).to_string();
    let connection_type = attempt.connection_type.as_str();
    let algorithms = attempt.algorithms.as_deref().unwrap_or_default();
    let (client, outcome) = (attempt.client.as_str(), attempt.outcome.as_str());
    let parts = [account, &attempt.login, &attempt.address, connection_type, client, algorithms, outcome, &day];
    let mut digest = Sha256::new();
    for part in parts {
        // With its length before it, no part can pass for the end of one and the beginning of the next.
        digest.update(signed(part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where a row stands in the list.
struct Position {
    first_at: i64,
    id: String,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.first_at, self.id)
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (first_at, id) = text.split_once(' ').ok_or(())?;
        Ok(Self { first_at: first_at.parse().map_err(|_| ())?, id: id.to_owned() })
    }
}

fn attempt(row: &AnyRow) -> Result<(Position, SignInAttempt), StoreError> {
    let record = Record::new("sign_in_attempts", row, "id");
    let account = record.text("account")?;
    let attempt = SignInAttempt {
        account: if account.is_empty() { None } else { Some(record.parsed("account")?) },
        login: record.text("login")?,
        address: record.text("address")?,
        connection_type: record.parsed("connection_type")?,
        client: record.text("client")?,
        algorithms: record.optional_text("algorithms")?,
        outcome: record.text("outcome")?,
        first_at: record.time("first_at")?,
        last_at: record.time("last_at")?,
        count: record.count("attempts")?,
    };
    Ok((Position { first_at: attempt.first_at.as_micros(), id: record.text("id")? }, attempt))
}
