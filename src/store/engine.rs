//! The door to the database: connections for reading, transactions for writing, and the schema's migrations.

use std::time::Duration;

use futures_util::FutureExt as _;
use sqlx::any::AnyPoolOptions;
use sqlx::migrate::Migrate as _;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Connection as _, Transaction};

use super::{
    Accounts, Blocks, Credentials, Events, Folders, Instances, SignIns, StoreError, Tokens, Transfers, sqlite,
};
use crate::config::DatabaseSettings;

/// How long a caller waits for a connection, behind the others that wait.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);

/// Where sqlx records which migrations were applied.
const MIGRATIONS_TABLE: &str = "_sqlx_migrations";

/// Clone freely: it is a handle on the pools.
#[derive(Clone)]
pub struct Store {
    readers: AnyPool,
    /// Its queue is the writers' queue: fair, and bounded in time by [`QUEUE_TIMEOUT`].
    writers: AnyPool,
    /// Counts the transactions that were committed, for tests of what is grouped into one.
    #[cfg(test)]
    commits: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

/// A connection for reading; each statement sees what was committed before it. It cannot write.
pub struct Reader {
    connection: PoolConnection<Any>,
}

/// One transaction. Dropped without commit: nothing happened.
pub struct Unit {
    connection: Transaction<'static, Any>,
    #[cfg(test)]
    commits: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

/// One step of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    pub version: i64,
    pub description: String,
    pub applied: bool,
}

impl Store {
    /// Opens (SQLite: makes) the database, without migrating it.
    pub async fn open(settings: &DatabaseSettings) -> Result<Self, StoreError> {
        Self::open_with(settings, QUEUE_TIMEOUT).await
    }

    pub(super) async fn open_with(settings: &DatabaseSettings, queue_timeout: Duration) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let options = sqlite::prepare(&settings.url).await?;
        let writers = pool(1, sqlite::WRITER).acquire_timeout(queue_timeout).connect_with(options.clone()).await?;
        sqlite::use_write_ahead_log(&mut *writers.acquire().await?).await.map_err(|error| match error {
            StoreError::Opening { problem, .. } => StoreError::Opening { url: settings.url.clone(), problem },
            other => other,
        })?;
        Ok(Self {
            readers: pool(settings.connections.max(1), sqlite::READER)
                .acquire_timeout(queue_timeout)
                .connect_lazy_with(options),
            writers,
            #[cfg(test)]
            commits: std::sync::Arc::default(),
        })
    }

    /// Applies what is missing of the schema, all of it or nothing.
    ///
    /// The whole run is one transaction: it holds the write lock, so that of two programs which start at once the
    /// second finds the work done.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut transaction = self.writers.begin_with(sqlite::BEGIN).await?;
        // `run` itself is not `Send` on a borrowed connection ("implementation of `Acquire` is not general enough").
        sqlite::MIGRATIONS.run_direct(None, &mut *transaction, false).await?;
        Ok(transaction.commit().await?)
    }

    /// The schema's steps in their order.
    pub async fn migrations(&self) -> Result<Vec<Migration>, StoreError> {
        // A new database lacks the table that tells. It is made here, and forgotten with the transaction.
        let mut transaction = self.writers.begin_with(sqlite::BEGIN).await?;
        transaction.ensure_migrations_table(MIGRATIONS_TABLE).await?;
        let applied = transaction.list_applied_migrations(MIGRATIONS_TABLE).await?;
        transaction.rollback().await?;
        let step = |migration: &sqlx::migrate::Migration| Migration {
            version: migration.version,
            description: migration.description.to_string(),
            applied: applied.iter().any(|applied| applied.version == migration.version),
        };
        Ok(sqlite::MIGRATIONS.iter().map(step).collect())
    }

    /// A connection for reading, as soon as one is free.
    pub async fn read(&self) -> Result<Reader, StoreError> {
        Ok(Reader { connection: self.readers.acquire().await? })
    }

    /// A transaction, when it is this writer's turn. Keep it short: on SQLite every other writer waits for its end.
    pub async fn write(&self) -> Result<Unit, StoreError> {
        Ok(Unit {
            connection: self.writers.begin_with(sqlite::BEGIN).await?,
            #[cfg(test)]
            commits: std::sync::Arc::clone(&self.commits),
        })
    }

    /// Waits for what is under way, within reason, then closes; whoever still asks gets [`StoreError::Unavailable`].
    pub async fn close(&self) {
        let closed = async {
            self.readers.close().await;
            self.writers.close().await;
        };
        if tokio::time::timeout(QUEUE_TIMEOUT, closed).await.is_err() {
            tracing::warn!("The database is left while someone still works in it: what is not committed is undone");
        }
    }

    /// How many transactions were committed by [`Unit::commit`].
    #[cfg(test)]
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(std::sync::atomic::Ordering::SeqCst)
    }
}

impl Unit {
    /// Durable when this returns (SQLite: WAL with `synchronous = FULL`).
    pub async fn commit(self) -> Result<(), StoreError> {
        self.connection.commit().await?;
        #[cfg(test)]
        self.commits.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(())
    }

    /// Undoes everything, and is done with it when this returns; a dropped unit is undone as well, a little later.
    pub async fn roll_back(self) -> Result<(), StoreError> {
        Ok(self.connection.rollback().await?)
    }

    /// Runs a statement that no repository has, to bring the database into a state that this program avoids.
    #[cfg(test)]
    pub(crate) async fn run(&mut self, statement: &'static str) {
        sqlx::raw_sql(statement).execute(&mut *self.connection).await.unwrap();
    }

    /// What a pragma is set to.
    #[cfg(test)]
    pub(crate) async fn pragma(&mut self, pragma: &'static str) -> String {
        let row = sqlx::query(pragma).fetch_one(&mut *self.connection).await.unwrap();
        sqlx::Row::try_get::<String, _>(&row, 0)
            .or_else(|_| sqlx::Row::try_get::<i64, _>(&row, 0).map(|number| number.to_string()))
            .unwrap()
    }
}

/// A pool whose connections begin with `greeting`.
fn pool(connections: u32, greeting: &'static str) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(connections)
        // The database is a file: a connection neither ages nor breaks by itself.
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            async move { sqlx::raw_sql(greeting).execute(connection).await.map(drop) }.boxed()
        })
        .after_release(|connection, _| usable(connection).boxed())
}

/// Whether a connection may be used again. A commit that fails (the disk is full) may end the transaction behind
/// sqlx's back; the rollback then fails too, and the connection would refuse every later transaction.
async fn usable(connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    connection.ping().await?; // carries out the rollback of a dropped transaction
    Ok(!connection.is_in_transaction())
}

/// Both ways in hand out the same repositories, each borrowing the connection.
macro_rules! repositories {
    ($($access:ident),*) => {$(
        impl $access {
            /// Customers' tenants.
            pub fn instances(&mut self) -> Instances<'_> {
                Instances { connection: &mut self.connection }
            }

            /// Accesses on a server.
            pub fn accounts(&mut self) -> Accounts<'_> {
                Accounts { connection: &mut self.connection }
            }

            /// Passwords and keys of accounts.
            pub fn credentials(&mut self) -> Credentials<'_> {
                Credentials { connection: &mut self.connection }
            }

            /// Remote folders of accounts.
            pub fn folders(&mut self) -> Folders<'_> {
                Folders { connection: &mut self.connection }
            }

            /// Tokens of the management API.
            pub fn tokens(&mut self) -> Tokens<'_> {
                Tokens { connection: &mut self.connection }
            }

            /// Uploads and downloads that ended.
            pub fn transfers(&mut self) -> Transfers<'_> {
                Transfers { connection: &mut self.connection }
            }

            /// What other programs will be told.
            pub fn events(&mut self) -> Events<'_> {
                Events { connection: &mut self.connection }
            }

            /// Attempts to sign in, merged.
            pub fn sign_ins(&mut self) -> SignIns<'_> {
                SignIns { connection: &mut self.connection }
            }

            /// Temporary refusals of a login from an address.
            pub fn blocks(&mut self) -> Blocks<'_> {
                Blocks { connection: &mut self.connection }
            }
        }
    )*};
}

repositories!(Reader, Unit);
