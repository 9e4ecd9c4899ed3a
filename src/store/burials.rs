//! Accounts that were removed and whose files are still to be moved to the trash.
//!
//! Removing an account enters it here in the same transaction, so that a disk that fails, or a crash between database
//! and disk, leaves behind what is still to be done. Files of an account that is in no table at all are nobody's to
//! touch: that may be the wrong database.

use sqlx::any::AnyRow;

use super::StoreError;
use super::connection::Connection;
use super::record::Record;
use crate::domain::{AccountId, InstanceId};

/// A removed account whose files are still in its directory, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burial {
    pub account: AccountId,
    pub instance: InstanceId,
}

/// The burials that are still to be done.
pub struct Burials<'a> {
    pub(super) connection: &'a mut Connection,
}

impl Burials<'_> {
    /// By the accounts' ids, those behind `after`; at most `most`.
    pub async fn list(&mut self, after: Option<AccountId>, most: u32) -> Result<Vec<Burial>, StoreError> {
        let rows = sqlx::query("SELECT account, instance FROM burials WHERE account > $1 ORDER BY account LIMIT $2")
            .bind(after.map(|id| id.to_string()).unwrap_or_default())
            .bind(i64::from(most))
            .fetch_all(&mut *self.connection)
            .await?;
        rows.iter().map(burial).collect()
    }

    /// The account's files are in the trash.
    pub async fn finish(&mut self, account: AccountId) -> Result<(), StoreError> {
        let finished = sqlx::query("DELETE FROM burials WHERE account = $1").bind(account.to_string());
        finished.execute(&mut *self.connection).await?;
        Ok(())
    }
}

fn burial(row: &AnyRow) -> Result<Burial, StoreError> {
    let record = Record::new("burials", row, "account");
    Ok(Burial { account: record.parsed("account")?, instance: record.parsed("instance")? })
}
