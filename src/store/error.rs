//! What can go wrong with the store, as callers treat it.

use std::fmt;

use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

use super::page::InvalidCursor;
use super::{postgres, sqlite};

/// A rule of the database that a write would break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Another instance has this key.
    #[error("another instance has this key")]
    InstanceKey,
    /// Another account, of whatever instance, has this login.
    #[error("another account has this login")]
    Login,
    /// The account has a folder with this path.
    #[error("the account has a folder with this path")]
    FolderPath,
    /// The account has a folder with this name.
    #[error("the account has a folder with this name")]
    FolderName,
    /// The account has this public key already.
    #[error("the account has this public key already")]
    PublicKey,
    /// The row that this one belongs to is gone; or, on removing, others still belong to this one.
    #[error("what it belongs to is gone, or others still belong to it")]
    Parent,
}

/// A text that cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a text with a NUL character cannot be kept")]
pub struct NulCharacter;

/// "Not there" is `Option::None`; these are for someone to act on.
///
/// The text is for operators and logs: it holds the database's own words, and never what a row holds.
#[derive(thiserror::Error)]
pub enum StoreError {
    /// The settings name no database that can be opened: for the operator, at start.
    #[error("opening the database {url}: {problem}")]
    Opening { url: String, problem: String },
    /// A write that breaks a rule.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The caller's cursor belongs to another list.
    #[error(transparent)]
    InvalidCursor(#[from] InvalidCursor),
    /// A text that no engine keeps: for whoever sent it.
    #[error(transparent)]
    NulCharacter(#[from] NulCharacter),
    /// Another writer held the database for too long, or it cannot be reached: trying again may help.
    #[error("the database does not answer: {0}")]
    Unavailable(sqlx::Error),
    /// A row that this program cannot have written.
    #[error("table {table}, column {column}, row {row}: {problem}")]
    Inconsistent { table: &'static str, column: &'static str, row: String, problem: String },
    /// The schema cannot be brought up to date.
    #[error("migrating the database: {0}")]
    Migration(sqlx::migrate::MigrateError),
    /// Anything else: a fault of this program or of the database.
    #[error("the database refused a statement: {0}")]
    Database(sqlx::Error),
}

/// The unique constraints: PostgreSQL tells of them by name, SQLite, which keeps no names, by their columns.
const UNIQUE: [(&str, &str, Conflict); 5] = [
    ("instances_key", "instances.key", Conflict::InstanceKey),
    ("accounts_login", "accounts.login_folded", Conflict::Login),
    ("remote_folders_path", "remote_folders.account, remote_folders.path", Conflict::FolderPath),
    ("remote_folders_name", "remote_folders.account, remote_folders.name", Conflict::FolderName),
    ("credentials_key", "credentials.account, credentials.fingerprint", Conflict::PublicKey),
];

/// The same as the text: what PostgreSQL tells beside it shows the row, and a row may hold a password's hash.
impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreError({self})")
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(refusal) => {
                if let Some(conflict) = conflict(refusal.as_ref()) {
                    Self::Conflict(conflict)
                } else if may_pass(refusal.as_ref()) {
                    Self::Unavailable(error)
                } else {
                    Self::Database(error)
                }
            }
            sqlx::Error::Encode(problem) if problem.is::<NulCharacter>() => Self::NulCharacter(NulCharacter),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed
            | sqlx::Error::InvalidSavePointStatement => Self::Unavailable(error),
            _ => Self::Database(error),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::Execute(error) => error.into(),
            other => Self::Migration(other),
        }
    }
}

/// Whether trying again may help.
fn may_pass(refusal: &dyn DatabaseError) -> bool {
    match refusal.try_downcast_ref::<PgDatabaseError>() {
        Some(refusal) => postgres::may_pass(refusal),
        None => sqlite::may_pass(refusal),
    }
}

/// The rule that a statement would have broken, if it is one that callers know.
fn conflict(refusal: &dyn DatabaseError) -> Option<Conflict> {
    if refusal.is_foreign_key_violation() {
        return Some(Conflict::Parent);
    }
    if !refusal.is_unique_violation() {
        return None;
    }
    let columns = refusal.message().rsplit(": ").next().unwrap_or_default();
    let broken = |(name, its_columns, _): &&(&str, &str, Conflict)| match refusal.constraint() {
        Some(constraint) => constraint == *name,
        None => columns == *its_columns,
    };
    UNIQUE.iter().find(broken).map(|(_, _, conflict)| *conflict)
}
