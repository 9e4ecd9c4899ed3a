//! Blocks: temporary refusals of one login from one address.

use std::str::FromStr;

use sqlx::any::AnyRow;

use super::connection::{Connection, Turn};
use super::record::Record;
use super::{Page, PageRequest, StoreError};
use crate::domain::Timestamp;

/// The most blocks that are removed at a time.
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

    /// Those that have not ended, by address and login.
    pub async fn active(&mut self, now: Timestamp, page: &PageRequest) -> Result<Page<Block>, StoreError> {
        let after = page.position::<Position>()?.unwrap_or_default();
        let statement = select!(
            "WHERE ends_at > $1 AND (address > $2 OR (address = $2 AND login > $3)) ORDER BY address, login LIMIT $4"
        );
        let rows = sqlx::query(statement)
            .bind(now.as_micros())
            .bind(after.address)
            .bind(after.login)
            .bind(page.rows())
            .fetch_all(&mut *self.connection)
            .await?;
        let blocks = rows.iter().map(block).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(blocks, page, |block| format!("{} {}", block.address, block.login)))
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

/// Where a block stands in the list. No address has a space in it.
#[derive(Default)]
struct Position {
    address: String,
    login: String,
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, login) = text.split_once(' ').ok_or(())?;
        Ok(Self { address: address.to_owned(), login: login.to_owned() })
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
