//! Tokens of the management API.

use sqlx::any::AnyRow;

use super::StoreError;
use super::connection::Connection;
use super::record::{Record, micros};
use crate::domain::{Timestamp, TokenId, TokenScope};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, hash, instance, read_only, created_at, expires_at, last_used_at FROM api_tokens ",
            $rest
        )
    };
}

/// A token of the management API: all but the secret, of which only a hash is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub id: TokenId,
    /// Whose it is; also the actor's name in the history.
    pub name: String,
    /// SHA-256 of the whole token, in hexadecimal.
    pub hash: String,
    pub scope: TokenScope,
    pub created_at: Timestamp,
    /// From then on it opens nothing; never ends when `None`.
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

/// The tokens.
pub struct Tokens<'a> {
    pub(super) connection: &'a mut Connection,
}

impl Tokens<'_> {
    /// The hash must be of a token that was just made: two of them never agree. Conflicts:
    /// [`Parent`](super::Conflict::Parent), its instance is not there.
    pub async fn insert(&mut self, token: &Token) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO api_tokens (id, name, hash, created_at, expires_at, last_used_at, instance, read_only) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(token.id.to_string())
        .bind(token.name.as_str())
        .bind(token.hash.as_str())
        .bind(token.created_at.as_micros())
        .bind(micros(token.expires_at))
        .bind(micros(token.last_used_at))
        .bind(token.scope.instance.map(|id| id.to_string()))
        .bind(i64::from(token.scope.read_only))
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Also one that has expired: the caller says so.
    pub async fn find_by_hash(&mut self, hash: &str) -> Result<Option<Token>, StoreError> {
        let found = sqlx::query(select!("WHERE hash = $1")).bind(hash);
        found.fetch_optional(&mut *self.connection).await?.as_ref().map(token).transpose()
    }

    /// `None`: it is not there.
    pub async fn find(&mut self, id: TokenId) -> Result<Option<Token>, StoreError> {
        let found = sqlx::query(select!("WHERE id = $1")).bind(id.to_string());
        found.fetch_optional(&mut *self.connection).await?.as_ref().map(token).transpose()
    }

    /// All of them, ordered by creation: operators make them one by one.
    pub async fn list(&mut self) -> Result<Vec<Token>, StoreError> {
        let rows = sqlx::query(select!("ORDER BY id")).fetch_all(&mut *self.connection).await?;
        rows.iter().map(token).collect()
    }

    /// Notes that it was used. Keeps the latest use.
    pub async fn touch(&mut self, id: TokenId, at: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE api_tokens SET last_used_at = $2 \
             WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
        )
        .bind(id.to_string())
        .bind(at.as_micros())
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// False: it was not there.
    pub async fn remove(&mut self, id: TokenId) -> Result<bool, StoreError> {
        let removed = sqlx::query("DELETE FROM api_tokens WHERE id = $1").bind(id.to_string());
        Ok(removed.execute(&mut *self.connection).await?.rows_affected() > 0)
    }
}

fn token(row: &AnyRow) -> Result<Token, StoreError> {
    let record = Record::new("api_tokens", row, "id");
    Ok(Token {
        id: record.parsed("id")?,
        name: record.text("name")?,
        hash: record.text("hash")?,
        scope: TokenScope { instance: record.optional("instance")?, read_only: record.count::<u32>("read_only")? != 0 },
        created_at: record.time("created_at")?,
        expires_at: record.optional_time("expires_at")?,
        last_used_at: record.optional_time("last_used_at")?,
    })
}
