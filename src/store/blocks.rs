//! Blocks: temporary refusals of one login from one address.

use sqlx::any::AnyRow;

use super::StoreError;
use super::connection::{Connection, Turn};
use super::record::Record;
use crate::domain::Timestamp;

/// The most blocks that are told, or removed, at a time.
const MOST: i64 = 10_000;

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT address, login, reason, began_at, ends_at FROM sign_in_blocks ", $rest)
    };
}

/// A temporary refusal of one login from one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub address: String,
    /// Folded: in lower case.
    pub login: String,
    pub reason: String,
    pub since: Timestamp,
    pub until: Timestamp,
}

/// The blocks.
pub struct Blocks<'a> {
    pub(super) connection: &'a mut Connection,
}

impl Blocks<'_> {
    /// Adds it, or replaces that of the same address and login.
    pub async fn put(&mut self, block: &Block) -> Result<(), StoreError> {
        self.connection.take_turn(Turn::SignIns).await?;
        sqlx::query(
            "INSERT INTO sign_in_blocks (address, login, reason, began_at, ends_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (address, login) DO UPDATE SET reason = excluded.reason, began_at = excluded.began_at, \
             ends_at = excluded.ends_at",
        )
        .bind(block.address.as_str())
        .bind(block.login.as_str())
        .bind(block.reason.as_str())
        .bind(block.since.as_micros())
        .bind(block.until.as_micros())
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// The block of this address and login that has not ended.
    pub async fn find(&mut self, address: &str, login: &str, now: Timestamp) -> Result<Option<Block>, StoreError> {
        let found = sqlx::query(select!("WHERE address = $1 AND login = $2 AND ends_at > $3"))
            .bind(address)
            .bind(login)
            .bind(now.as_micros());
        found.fetch_optional(&mut *self.connection).await?.as_ref().map(block).transpose()
    }

    /// Those that have not ended, the latest to end first; at most 10,000.
    pub async fn active(&mut self, now: Timestamp) -> Result<Vec<Block>, StoreError> {
        let rows = sqlx::query(select!("WHERE ends_at > $1 ORDER BY ends_at DESC, address, login LIMIT $2"))
            .bind(now.as_micros())
            .bind(MOST)
            .fetch_all(&mut *self.connection)
            .await?;
        rows.iter().map(block).collect()
    }

    /// Ends it at once. False: it was not there.
    pub async fn lift(&mut self, address: &str, login: &str) -> Result<bool, StoreError> {
        let lifted = sqlx::query("DELETE FROM sign_in_blocks WHERE address = $1 AND login = $2")
            .bind(address)
            .bind(login)
            .execute(&mut *self.connection)
            .await?;
        Ok(lifted.rows_affected() > 0)
    }

    /// Removes those that have ended, at most 10,000 at a time; says how many.
    pub async fn forget_ended(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        self.connection.take_turn(Turn::SignIns).await?;
        let forgotten = sqlx::query(
            "DELETE FROM sign_in_blocks WHERE (address, login) IN \
             (SELECT address, login FROM sign_in_blocks WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2)",
        )
        .bind(now.as_micros())
        .bind(MOST)
        .execute(&mut *self.connection)
        .await?;
        Ok(forgotten.rows_affected())
    }
}

fn block(row: &AnyRow) -> Result<Block, StoreError> {
    let record = Record::new("sign_in_blocks", row, "address");
    Ok(Block {
        address: record.text("address")?,
        login: record.text("login")?,
        reason: record.text("reason")?,
        since: record.time("began_at")?,
        until: record.time("ends_at")?,
    })
}
