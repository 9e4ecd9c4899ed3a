//! Credentials: the passwords and keys of accounts.

use sqlx::any::AnyRow;

use super::StoreError;
use super::connection::{Connection, Turn};
use super::record::{Record, descriptive, micros};
use crate::domain::credential::LastUse;
use crate::domain::{AccountId, Credential, CredentialId, CredentialKind, Validity};

/// What the kinds are called in the database.
const PASSWORD: &str = "password";
const PUBLIC_KEY: &str = "public_key";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, account, kind, secret, label, not_before, not_after, created_at, last_used_at, ",
            "last_used_address, last_used_client FROM credentials ",
            $rest
        )
    };
}

/// The credentials.
pub struct Credentials<'a> {
    pub(super) connection: &'a mut Connection,
}

impl Credentials<'_> {
    /// Conflicts: [`PublicKey`](super::Conflict::PublicKey), [`Parent`](super::Conflict::Parent).
    pub async fn insert(&mut self, credential: &Credential) -> Result<(), StoreError> {
        let (kind, secret, fingerprint) = match &credential.kind {
            CredentialKind::Password { hash } => (PASSWORD, hash.clone(), None),
            CredentialKind::PublicKey(key) => (PUBLIC_KEY, key.to_string(), Some(key.fingerprint())),
        };
        let last_use = credential.last_use.as_ref();
        let statement = sqlx::query(
            "INSERT INTO credentials (id, account, kind, secret, fingerprint, label, not_before, not_after, \
             created_at, last_used_at, last_used_address, last_used_client) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(credential.id.to_string())
        .bind(credential.account.to_string())
        .bind(kind)
        .bind(secret)
        .bind(fingerprint)
        .bind(credential.label.as_str())
        .bind(micros(credential.validity.not_before))
        .bind(micros(credential.validity.not_after))
        .bind(credential.created_at.as_micros())
        .bind(micros(last_use.map(|last| last.at)))
        .bind(last_use.map(|last| last.address.as_str()))
        .bind(last_use.map(|last| descriptive(&last.client)));
        self.connection.attempt(statement).await?;
        Ok(())
    }

    /// `None`: it is not there.
    pub async fn find(&mut self, id: CredentialId) -> Result<Option<Credential>, StoreError> {
        let found = sqlx::query(select!("WHERE id = $1")).bind(id.to_string());
        found.fetch_optional(&mut *self.connection).await?.as_ref().map(credential).transpose()
    }

    /// Ordered by creation. At most a few dozen: the account's number is capped by management.
    pub async fn of_account(&mut self, account: AccountId) -> Result<Vec<Credential>, StoreError> {
        let rows = sqlx::query(select!("WHERE account = $1 ORDER BY id"))
            .bind(account.to_string())
            .fetch_all(&mut *self.connection)
            .await?;
        rows.iter().map(credential).collect()
    }

    /// False: it was not there.
    pub async fn set_validity(&mut self, id: CredentialId, validity: Validity) -> Result<bool, StoreError> {
        let changed = sqlx::query("UPDATE credentials SET not_before = $2, not_after = $3 WHERE id = $1")
            .bind(id.to_string())
            .bind(micros(validity.not_before))
            .bind(micros(validity.not_after))
            .execute(&mut *self.connection)
            .await?;
        Ok(changed.rows_affected() > 0)
    }

    /// The silent upgrade on sign-in: only if the hash is still `old`.
    pub async fn replace_hash(&mut self, id: CredentialId, old: &str, new: &str) -> Result<bool, StoreError> {
        self.connection.take_turn(Turn::SignIns).await?;
        let replaced = sqlx::query("UPDATE credentials SET secret = $3 WHERE id = $1 AND kind = $4 AND secret = $2")
            .bind(id.to_string())
            .bind(old)
            .bind(new)
            .bind(PASSWORD)
            .execute(&mut *self.connection)
            .await?;
        Ok(replaced.rows_affected() > 0)
    }

    /// Keeps the latest use: one that is told late does not hide a later one.
    pub async fn record_use(&mut self, id: CredentialId, last_use: &LastUse) -> Result<(), StoreError> {
        // Uses are recorded many at a time, in whatever order, among the sign-ins that they belong to.
        self.connection.take_turn(Turn::SignIns).await?;
        sqlx::query(
            "UPDATE credentials SET last_used_at = $2, last_used_address = $3, last_used_client = $4 \
             WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $2)",
        )
        .bind(id.to_string())
        .bind(last_use.at.as_micros())
        .bind(last_use.address.as_str())
        .bind(descriptive(&last_use.client))
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// False: it was not there.
    pub async fn remove(&mut self, id: CredentialId) -> Result<bool, StoreError> {
        self.connection.take_turn(Turn::SignIns).await?;
        let removed = sqlx::query("DELETE FROM credentials WHERE id = $1").bind(id.to_string());
        Ok(removed.execute(&mut *self.connection).await?.rows_affected() > 0)
    }
}

fn credential(row: &AnyRow) -> Result<Credential, StoreError> {
    let record = Record::new("credentials", row, "id");
    let kind = match record.text("kind")?.as_str() {
        PASSWORD => CredentialKind::Password { hash: record.text("secret")? },
        PUBLIC_KEY => CredentialKind::PublicKey(record.parsed("secret")?),
        _ => return Err(record.wrong("kind", "no kind of credential that is known")),
    };
    let last_use = match record.optional_time("last_used_at")? {
        Some(at) => {
            Some(LastUse { at, address: record.text("last_used_address")?, client: record.text("last_used_client")? })
        }
        None => None,
    };
    Ok(Credential {
        id: record.parsed("id")?,
        account: record.parsed("account")?,
        kind,
        label: record.text("label")?,
        validity: Validity::new(record.optional_time("not_before")?, record.optional_time("not_after")?)
            .map_err(|problem| record.wrong("not_after", problem))?,
        created_at: record.time("created_at")?,
        last_use,
    })
}
