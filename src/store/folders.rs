//! Remote folders of accounts.

use sqlx::any::AnyRow;

use super::StoreError;
use super::connection::Connection;
use super::record::Record;
use crate::domain::{AccountId, FolderId, RemoteFolder};

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, account, name, path, rights, rules FROM remote_folders ", $rest)
    };
}

/// The remote folders.
pub struct Folders<'a> {
    pub(super) connection: &'a mut Connection,
}

impl Folders<'_> {
    /// Conflicts: [`FolderPath`](super::Conflict::FolderPath), [`FolderName`](super::Conflict::FolderName),
    /// [`Parent`](super::Conflict::Parent).
    pub async fn insert(&mut self, folder: &RemoteFolder) -> Result<(), StoreError> {
        let statement = sqlx::query(
            "INSERT INTO remote_folders (id, account, name, path, rights, rules) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(folder.id.to_string())
        .bind(folder.account.to_string())
        .bind(folder.name.as_str())
        .bind(folder.path.as_str())
        .bind(folder.rights.to_string())
        .bind(rules_text(folder));
        self.connection.attempt(statement).await?;
        Ok(())
    }

    /// Writes name, path, rights and rules. False: it was not there. Conflicts as [`Folders::insert`].
    pub async fn update(&mut self, folder: &RemoteFolder) -> Result<bool, StoreError> {
        let statement =
            sqlx::query("UPDATE remote_folders SET name = $2, path = $3, rights = $4, rules = $5 WHERE id = $1")
                .bind(folder.id.to_string())
                .bind(folder.name.as_str())
                .bind(folder.path.as_str())
                .bind(folder.rights.to_string())
                .bind(rules_text(folder));
        let updated = self.connection.attempt(statement).await?;
        Ok(updated.rows_affected() > 0)
    }

    /// `None`: it is not there.
    pub async fn find(&mut self, id: FolderId) -> Result<Option<RemoteFolder>, StoreError> {
        let found = sqlx::query(select!("WHERE id = $1")).bind(id.to_string());
        found.fetch_optional(&mut *self.connection).await?.as_ref().map(folder).transpose()
    }

    /// Ordered by path. At most a few dozen: the account's number is capped by management.
    pub async fn of_account(&mut self, account: AccountId) -> Result<Vec<RemoteFolder>, StoreError> {
        let rows = sqlx::query(select!("WHERE account = $1 ORDER BY path"))
            .bind(account.to_string())
            .fetch_all(&mut *self.connection)
            .await?;
        rows.iter().map(folder).collect()
    }

    /// The accounts that have a folder whose files have a term, those behind `after` first, at most so many; by id.
    pub async fn accounts_with_retention(
        &mut self,
        after: Option<AccountId>,
        most: u32,
    ) -> Result<Vec<AccountId>, StoreError> {
        // As serde writes it; what else the words might match costs its reader a look.
        let statement = "SELECT DISTINCT account FROM remote_folders WHERE account > $1 AND rules LIKE '%\"retention\":{%' \
                         ORDER BY account LIMIT $2";
        let rows = sqlx::query(statement)
            .bind(after.map(|id| id.to_string()).unwrap_or_default())
            .bind(i64::from(most))
            .fetch_all(&mut *self.connection)
            .await?;
        rows.iter().map(|row| Record::new("remote_folders", row, "account").parsed("account")).collect()
    }

    /// False: it was not there.
    pub async fn remove(&mut self, id: FolderId) -> Result<bool, StoreError> {
        let removed = sqlx::query("DELETE FROM remote_folders WHERE id = $1").bind(id.to_string());
        Ok(removed.execute(&mut *self.connection).await?.rows_affected() > 0)
    }
}

fn folder(row: &AnyRow) -> Result<RemoteFolder, StoreError> {
    let record = Record::new("remote_folders", row, "id");
    Ok(RemoteFolder {
        id: record.parsed("id")?,
        account: record.parsed("account")?,
        name: record.parsed("name")?,
        path: record.parsed("path")?,
        rights: record.parsed("rights")?,
        rules: record.json("rules")?,
    })
}

fn rules_text(folder: &RemoteFolder) -> String {
    serde_json::to_value(&folder.rules).unwrap_or_default().to_string()
}
