//! What can go wrong with the store, as callers treat it.

use sqlx::error::DatabaseError;

use super::page::InvalidCursor;
use super::sqlite;

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

/// "Not there" is `Option::None`; these are for someone to act on.
///
/// The text is for operators and logs: it holds the database's own words, and never what a row holds.
#[derive(Debug, thiserror::Error)]
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

/// The named unique constraints, and the columns by which SQLite, which keeps no names, tells of them.
const UNIQUE: [(&str, &str, Conflict); 5] = [
    ("instances_key", "instances.key", Conflict::InstanceKey),
    ("accounts_login", "accounts.login_folded", Conflict::Login),
    ("remote_folders_path", "remote_folders.account, remote_folders.path", Conflict::FolderPath),
    ("remote_folders_name", "remote_folders.account, remote_folders.name", Conflict::FolderName),
    ("credentials_key", "credentials.account, credentials.fingerprint", Conflict::PublicKey),
];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(refusal) => {
                if let Some(conflict) = conflict(refusal.as_ref()) {
                    Self::Conflict(conflict)
                } else if sqlite::may_pass(refusal.as_ref()) {
                    Self::Unavailable(error)
                } else {
                    Self::Database(error)
                }
            }
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
