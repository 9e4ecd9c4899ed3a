//! Instances: customers' tenants.

use sqlx::any::AnyRow;

use super::connection::Connection;
use super::record::Record;
use super::{Page, PageRequest, StoreError};
use crate::domain::{Instance, InstanceId, InstanceKey, InstanceName};

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, key, name, created_at FROM instances ", $rest)
    };
}

/// The instances.
pub struct Instances<'a> {
    pub(super) connection: &'a mut Connection,
}

impl Instances<'_> {
    /// Conflicts: [`InstanceKey`](super::Conflict::InstanceKey).
    pub async fn insert(&mut self, instance: &Instance) -> Result<(), StoreError> {
        let statement = sqlx::query("INSERT INTO instances (id, key, name, created_at) VALUES ($1, $2, $3, $4)")
            .bind(instance.id.to_string())
            .bind(instance.key.as_str())
            .bind(instance.name.as_str())
            .bind(instance.created_at.as_micros());
        self.connection.attempt(statement).await?;
        Ok(())
    }

    /// `None`: it is not there.
    pub async fn find(&mut self, id: InstanceId) -> Result<Option<Instance>, StoreError> {
        let found = sqlx::query(select!("WHERE id = $1")).bind(id.to_string());
        found.fetch_optional(&mut *self.connection).await?.as_ref().map(instance).transpose()
    }

    /// The instance with this key.
    pub async fn find_by_key(&mut self, key: &InstanceKey) -> Result<Option<Instance>, StoreError> {
        let found = sqlx::query(select!("WHERE key = $1")).bind(key.as_str());
        found.fetch_optional(&mut *self.connection).await?.as_ref().map(instance).transpose()
    }

    /// Ordered by key.
    pub async fn list(&mut self, page: &PageRequest) -> Result<Page<Instance>, StoreError> {
        let after = page.position::<InstanceKey>()?;
        let rows = sqlx::query(select!("WHERE key > $1 ORDER BY key LIMIT $2"))
            .bind(after.as_ref().map_or("", InstanceKey::as_str))
            .bind(page.rows())
            .fetch_all(&mut *self.connection)
            .await?;
        let instances = rows.iter().map(instance).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(instances, page, |instance| instance.key.to_string()))
    }

    /// False: it was not there.
    pub async fn rename(&mut self, id: InstanceId, name: &InstanceName) -> Result<bool, StoreError> {
        let renamed = sqlx::query("UPDATE instances SET name = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(name.as_str())
            .execute(&mut *self.connection)
            .await?;
        Ok(renamed.rows_affected() > 0)
    }

    /// Its accounts must have been removed, or this is a conflict with them ([`Parent`](super::Conflict::Parent)).
    /// False: it was not there.
    pub async fn remove(&mut self, id: InstanceId) -> Result<bool, StoreError> {
        let removal = sqlx::query("DELETE FROM instances WHERE id = $1").bind(id.to_string());
        Ok(self.connection.attempt(removal).await?.rows_affected() > 0)
    }
}

fn instance(row: &AnyRow) -> Result<Instance, StoreError> {
    let record = Record::new("instances", row, "id");
    Ok(Instance {
        id: record.parsed("id")?,
        key: record.parsed("key")?,
        name: record.parsed("name")?,
        created_at: record.time("created_at")?,
    })
}
