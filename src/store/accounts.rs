//! Accounts: accesses on a server.

use sqlx::any::AnyRow;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Row as _};

use super::connection::{Connection, Turn};
use super::record::{Record, micros, signed};
use super::{Page, PageRequest, StoreError};
use crate::domain::{
    Account, AccountId, CloseNotify, Hosting, InstanceId, LoginName, PresetName, Quota, TlsResumption,
};

/// The longest text that is searched for: longer than any name, and well below what `LIKE` takes as a pattern.
pub(super) const MAX_SEARCH_BYTES: usize = 1_000;

/// What [`Hosting::Hosted`] is called in the database.
const HOSTED: &str = "hosted";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, instance, name, login, hosting, preset, preset_version, host, connection_types, ",
            "authentication, state, expires_at, allowed_addresses, close_notify, tls_resumption, quota_bytes, quota_files, ",
            "quota_largest_file, created_at, updated_at ",
            "FROM accounts ",
            $rest
        )
    };
}

/// Which accounts are wanted: those that fulfil all that is said.
#[derive(Debug, Clone, Default)]
pub struct AccountFilter {
    pub instance: Option<InstanceId>,
    pub preset: Option<PresetName>,
    /// A part of name or login, without case.
    pub search: Option<String>,
}

/// The accounts.
pub struct Accounts<'a> {
    pub(super) connection: &'a mut Connection,
}

impl Accounts<'_> {
    /// Conflicts: [`Login`](super::Conflict::Login), [`Parent`](super::Conflict::Parent).
    pub async fn insert(&mut self, account: &Account) -> Result<(), StoreError> {
        let Hosting::Hosted { preset, version } = &account.hosting;
        let statement = sqlx::query(
            "INSERT INTO accounts (id, instance, created_at, name, name_folded, login, login_folded, hosting, preset, \
             preset_version, host, connection_types, authentication, state, expires_at, allowed_addresses, updated_at, \
             close_notify, tls_resumption, quota_bytes, quota_files, quota_largest_file) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, \
             $22)",
        )
        .bind(account.id.to_string())
        .bind(account.instance.to_string())
        .bind(account.created_at.as_micros())
        .bind(account.name.as_str())
        .bind(account.name.as_str().to_lowercase())
        .bind(account.login.as_str())
        .bind(account.login.folded())
        .bind(HOSTED)
        .bind(preset.as_str())
        .bind(i64::from(*version))
        .bind(account.host.as_str())
        .bind(account.connection_types.to_string())
        .bind(account.authentication.as_str())
        .bind(account.state.as_str())
        .bind(micros(account.expires_at))
        .bind(serde_json::json!(account.allowed_addresses).to_string())
        .bind(account.updated_at.as_micros())
        .bind(account.close_notify.map(CloseNotify::as_str))
        .bind(account.tls_resumption.map(TlsResumption::as_str))
        .bind(account.quota.bytes.map(signed))
        .bind(account.quota.files.map(signed))
        .bind(account.quota.largest_file.map(signed));
        self.connection.attempt(statement).await?;
        Ok(())
    }

    /// Writes every field but id, instance and `created_at`. False: it was not there.
    ///
    /// Conflicts: [`Login`](super::Conflict::Login).
    pub async fn update(&mut self, account: &Account) -> Result<bool, StoreError> {
        let Hosting::Hosted { preset, version } = &account.hosting;
        let statement = sqlx::query(
            "UPDATE accounts SET name = $2, name_folded = $3, login = $4, login_folded = $5, hosting = $6, \
             preset = $7, preset_version = $8, host = $9, connection_types = $10, authentication = $11, state = $12, \
             expires_at = $13, allowed_addresses = $14, updated_at = $15, close_notify = $16, tls_resumption = $17, \
             quota_bytes = $18, quota_files = $19, quota_largest_file = $20 \
             WHERE id = $1",
        )
        .bind(account.id.to_string())
        .bind(account.name.as_str())
        .bind(account.name.as_str().to_lowercase())
        .bind(account.login.as_str())
        .bind(account.login.folded())
        .bind(HOSTED)
        .bind(preset.as_str())
        .bind(i64::from(*version))
        .bind(account.host.as_str())
        .bind(account.connection_types.to_string())
        .bind(account.authentication.as_str())
        .bind(account.state.as_str())
        .bind(micros(account.expires_at))
        .bind(serde_json::json!(account.allowed_addresses).to_string())
        .bind(account.updated_at.as_micros())
        .bind(account.close_notify.map(CloseNotify::as_str))
        .bind(account.tls_resumption.map(TlsResumption::as_str))
        .bind(account.quota.bytes.map(signed))
        .bind(account.quota.files.map(signed))
        .bind(account.quota.largest_file.map(signed));
        let updated = self.connection.attempt(statement).await?;
        Ok(updated.rows_affected() > 0)
    }

    /// `None`: it is not there.
    pub async fn find(&mut self, id: AccountId) -> Result<Option<Account>, StoreError> {
        let found = sqlx::query(select!("WHERE id = $1")).bind(id.to_string());
        found.fetch_optional(&mut *self.connection).await?.as_ref().map(account).transpose()
    }

    /// The account with this login, written in whatever case.
    pub async fn find_by_login(&mut self, login: &LoginName) -> Result<Option<Account>, StoreError> {
        let found = sqlx::query(select!("WHERE login_folded = $1")).bind(login.folded());
        found.fetch_optional(&mut *self.connection).await?.as_ref().map(account).transpose()
    }

    /// Ordered by id (that is, by creation).
    pub async fn list(&mut self, filter: &AccountFilter, page: &PageRequest) -> Result<Page<Account>, StoreError> {
        let after = page.position::<AccountId>()?;
        if filter.search.as_ref().is_some_and(|part| part.len() > MAX_SEARCH_BYTES || part.contains('\0')) {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let mut statement = String::from(select!("WHERE id > $1"));
        let mut values = vec![after.map(|id| id.to_string()).unwrap_or_default()];
        if let Some(instance) = filter.instance {
            values.push(instance.to_string());
            statement += &format!(" AND instance = ${}", values.len());
        }
        if let Some(preset) = &filter.preset {
            values.push(preset.to_string());
            statement += &format!(" AND preset = ${}", values.len());
        }
        if let Some(part) = &filter.search {
            values.push(containing(part));
            let it = values.len();
            statement += &format!(" AND (name_folded LIKE ${it} ESCAPE '\\' OR login_folded LIKE ${it} ESCAPE '\\')");
        }
        statement += &format!(" ORDER BY id LIMIT ${}", values.len() + 1);

        // Only numbers of placeholders were written into the text; what callers gave is bound.
        let query = sqlx::query(AssertSqlSafe(statement));
        let query = values.into_iter().fold(query, Query::bind).bind(page.rows());
        let rows = query.fetch_all(&mut *self.connection).await?;
        let accounts = rows.iter().map(account).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(accounts, page, |account| account.id.to_string()))
    }

    /// How many accounts an instance has.
    pub async fn count_of_instance(&mut self, instance: InstanceId) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query("SELECT COUNT(*) FROM accounts WHERE instance = $1")
            .bind(instance.to_string())
            .fetch_one(&mut *self.connection)
            .await?
            .try_get(0)?;
        Ok(count.unsigned_abs())
    }

    /// Its credentials and folders go with it; its transfers and events stay, and its files are noted as still to be put
    /// away ([`Burials`](super::Burials)). False: it was not there.
    pub async fn remove(&mut self, id: AccountId) -> Result<bool, StoreError> {
        self.connection.take_turn(Turn::SignIns).await?;
        sqlx::query("INSERT INTO burials (account, instance) SELECT id, instance FROM accounts WHERE id = $1")
            .bind(id.to_string())
            .execute(&mut *self.connection)
            .await?;
        let removed = sqlx::query("DELETE FROM accounts WHERE id = $1").bind(id.to_string());
        Ok(removed.execute(&mut *self.connection).await?.rows_affected() > 0)
    }
}

/// The `LIKE` pattern of texts that contain `part`, in which `%` and `_` stand for themselves.
pub(super) fn containing(part: &str) -> String {
    let escaped = part.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

fn account(row: &AnyRow) -> Result<Account, StoreError> {
    let record = Record::new("accounts", row, "id");
    let hosting = match record.text("hosting")?.as_str() {
        HOSTED => Hosting::Hosted { preset: record.parsed("preset")?, version: record.count("preset_version")? },
        _ => return Err(record.wrong("hosting", "no kind of hosting that is known")),
    };
    Ok(Account {
        id: record.parsed("id")?,
        instance: record.parsed("instance")?,
        name: record.parsed("name")?,
        login: record.parsed("login")?,
        hosting,
        host: record.text("host")?,
        connection_types: record.parsed("connection_types")?,
        authentication: record.parsed("authentication")?,
        state: record.parsed("state")?,
        expires_at: record.optional_time("expires_at")?,
        allowed_addresses: record.json("allowed_addresses")?,
        close_notify: record.optional("close_notify")?,
        tls_resumption: record.optional("tls_resumption")?,
        quota: Quota {
            bytes: record.optional_count("quota_bytes")?,
            files: record.optional_count("quota_files")?,
            largest_file: record.optional_count("quota_largest_file")?,
        },
        created_at: record.time("created_at")?,
        updated_at: record.time("updated_at")?,
    })
}
