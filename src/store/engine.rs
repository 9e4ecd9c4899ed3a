//! The door to the database: connections for reading, transactions for writing, and the schema's migrations.

use std::time::Duration;

use sqlx::migrate::{Migrate as _, Migrator};
use sqlx::{AnyConnection, AnyPool, Connection as _};
use tokio::sync::watch;
use tokio::time::timeout;

use super::connection::{Connection, Turn, bounded};
use super::{
    Accounts, Audit, Blocks, Burials, Credentials, Deliveries, Events, Folders, Instances, SignIns, StoreError, Tokens,
    Transfers, Webhooks, postgres, sqlite,
};
use crate::config::{DatabaseSettings, DatabaseUrl};

/// How long a caller waits for a connection, behind the others that wait.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection that is given back has to show that it is whole.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// Where sqlx records which migrations were applied.
const MIGRATIONS_TABLE: &str = "_sqlx_migrations";

/// What the database is: each has a file for what is peculiar to it, and this says which is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

/// Connections for reading, and for transactions.
pub(super) struct Pools {
    pub(super) readers: AnyPool,
    pub(super) writers: AnyPool,
}

/// Clone freely: it is a handle on the pools.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
    readers: AnyPool,
    /// Its queue is the writers' queue: fair, and bounded in time by [`QUEUE_TIMEOUT`].
    writers: AnyPool,
    /// Told of every commit that holds events.
    events: watch::Sender<u64>,
    /// Counts the transactions that were committed, for tests of what is grouped into one.
    #[cfg(test)]
    commits: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

/// A connection for reading; each statement sees what was committed before it. It cannot write.
pub struct Reader {
    connection: Connection,
}

/// One transaction. Dropped without commit: nothing happened.
///
/// A unit that reads is alone among those that read, until its end: what it decides by stays true. One that only writes
/// may run beside others, where the engine can do that.
pub struct Unit {
    connection: Connection,
    events: watch::Sender<u64>,
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

impl Engine {
    /// By the URL's scheme.
    fn of(url: &DatabaseUrl) -> Result<Self, StoreError> {
        match url.expose().split(':').next() {
            Some("sqlite") => Ok(Self::Sqlite),
            Some("postgres" | "postgresql") => Ok(Self::Postgres),
            _ => Err(StoreError::Opening {
                url: url.to_string(),
                problem: String::from("use sqlite:./data/gateway.db or postgres://USER:PASSWORD@HOST/DATABASE"),
            }),
        }
    }

    async fn open(self, settings: &DatabaseSettings, queue_timeout: Duration) -> Result<Pools, StoreError> {
        match self {
            Self::Sqlite => sqlite::open(settings, queue_timeout).await,
            Self::Postgres => postgres::open(settings, queue_timeout).await,
        }
    }

    fn migrations(self) -> &'static Migrator {
        match self {
            Self::Sqlite => &sqlite::MIGRATIONS,
            Self::Postgres => &postgres::MIGRATIONS,
        }
    }

    /// How a transaction begins.
    fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => sqlite::BEGIN,
            Self::Postgres => postgres::BEGIN,
        }
    }

    /// Keeps other programs from changing the schema, until the end of the transaction.
    async fn lock_schema(self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite => Ok(()), // a transaction has the whole file to itself
            Self::Postgres => sqlx::raw_sql(postgres::LOCK_SCHEMA).execute(connection).await.map(drop),
        }
    }

    /// Waits until no other unit has this turn, and keeps it until the end of the transaction.
    pub(super) async fn take_turn(self, connection: &mut AnyConnection, turn: Turn) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite => Ok(()), // a transaction has the whole file to itself
            Self::Postgres => postgres::take_turn(connection, turn).await,
        }
    }
}

impl Store {
    /// Opens (SQLite: makes) the database, without migrating it.
    pub async fn open(settings: &DatabaseSettings) -> Result<Self, StoreError> {
        Self::open_with(settings, QUEUE_TIMEOUT).await
    }

    pub(super) async fn open_with(settings: &DatabaseSettings, queue_timeout: Duration) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let engine = Engine::of(&settings.url)?;
        let Pools { readers, writers } = engine.open(settings, queue_timeout).await?;
        Ok(Self {
            engine,
            readers,
            writers,
            events: watch::Sender::new(0),
            #[cfg(test)]
            commits: std::sync::Arc::default(),
        })
    }

    /// Applies what is missing of the schema, all of it or nothing.
    ///
    /// The whole run is one transaction under a lock, so that of two programs which start at once the second finds the
    /// work done. It takes as long as it takes: nobody is served before it has ended.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut transaction = self.writers.begin_with(self.engine.begin()).await?;
        self.engine.lock_schema(&mut transaction).await?;
        // `run` itself is not `Send` on a borrowed connection ("implementation of `Acquire` is not general enough").
        self.engine.migrations().run_direct(None, &mut *transaction, false).await?;
        Ok(transaction.commit().await?)
    }

    /// The schema's steps in their order.
    pub async fn migrations(&self) -> Result<Vec<Migration>, StoreError> {
        // A new database lacks the table that tells. It is made here, and forgotten with the transaction.
        let mut transaction = self.writers.begin_with(self.engine.begin()).await?;
        self.engine.lock_schema(&mut transaction).await?;
        transaction.ensure_migrations_table(MIGRATIONS_TABLE).await?;
        let applied = transaction.list_applied_migrations(MIGRATIONS_TABLE).await?;
        transaction.rollback().await?;
        let step = |migration: &sqlx::migrate::Migration| Migration {
            version: migration.version,
            description: migration.description.to_string(),
            applied: applied.iter().any(|applied| applied.version == migration.version),
        };
        Ok(self.engine.migrations().iter().map(step).collect())
    }

    /// A connection for reading, as soon as one is free.
    pub async fn read(&self) -> Result<Reader, StoreError> {
        Ok(Reader { connection: Connection::reader(self.engine, self.readers.acquire().await?) })
    }

    /// A transaction, when it is this writer's turn; to write, or to read before anything is written ([`Store::decide`] is
    /// for all else). Keep it short: on SQLite every other writer waits for its end, and on PostgreSQL those that read.
    pub async fn write(&self) -> Result<Unit, StoreError> {
        let transaction = bounded(self.writers.begin_with(self.engine.begin())).await?;
        Ok(Unit {
            connection: Connection::unit(self.engine, transaction),
            events: self.events.clone(),
            #[cfg(test)]
            commits: std::sync::Arc::clone(&self.commits),
        })
    }

    /// A transaction that takes its turn before it does anything: for whoever reads and writes in it, in whatever order. A
    /// unit that wrote first would wait for its turn with rows locked that who has the turn waits for.
    pub async fn decide(&self) -> Result<Unit, StoreError> {
        let mut unit = self.write().await?;
        unit.connection.take_turn(Turn::Deciding).await?;
        Ok(unit)
    }

    /// Changes whenever this program has committed events. Those of another program on the same database do not show:
    /// whoever waits for events looks for them from time to time as well.
    pub fn events_committed(&self) -> watch::Receiver<u64> {
        self.events.subscribe()
    }

    /// Waits for what is under way, within reason, then closes; whoever still asks gets [`StoreError::Unavailable`].
    pub async fn close(&self) {
        let closed = async {
            self.readers.close().await;
            self.writers.close().await;
        };
        if timeout(QUEUE_TIMEOUT, closed).await.is_err() {
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
    /// Durable when this returns (SQLite: WAL with `synchronous = FULL`; PostgreSQL: `synchronous_commit = on`). When a
    /// statement failed in a way that the unit could not go on from, all of it is undone, and this is an error.
    pub async fn commit(self) -> Result<(), StoreError> {
        let tells = self.connection.tells();
        self.connection.commit().await?;
        if tells {
            self.events.send_modify(|commits| *commits = commits.wrapping_add(1));
        }
        #[cfg(test)]
        self.commits.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(())
    }

    /// Undoes everything, and is done with it when this returns; a dropped unit is undone as well, a little later.
    pub async fn roll_back(self) -> Result<(), StoreError> {
        self.connection.roll_back().await
    }

    /// Runs a statement that no repository has, to bring the database into a state that this program avoids.
    #[cfg(test)]
    pub(crate) async fn run(&mut self, statement: &'static str) {
        sqlx::Executor::execute(&mut self.connection, sqlx::raw_sql(statement)).await.unwrap();
    }

    /// What the engine answers to a question about itself.
    #[cfg(test)]
    pub(crate) async fn ask(&mut self, question: &'static str) -> String {
        let row = sqlx::query(question).fetch_one(&mut self.connection).await.unwrap();
        sqlx::Row::try_get::<String, _>(&row, 0)
            .or_else(|_| sqlx::Row::try_get::<i64, _>(&row, 0).map(|number| number.to_string()))
            .unwrap()
    }
}

/// Whether a connection may be used again. A commit that fails (the disk is full) may end the transaction behind
/// sqlx's back; the rollback then fails too, and the connection would refuse every later transaction. And one whose
/// other end vanished never answers again.
pub(super) async fn usable(connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    // The ping carries out the rollback of a dropped transaction.
    match timeout(RELEASE_TIMEOUT, connection.ping()).await {
        Ok(answer) => answer.map(|()| !connection.is_in_transaction()),
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
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

            /// Who changed what.
            pub fn audit(&mut self) -> Audit<'_> {
                Audit { connection: &mut self.connection }
            }

            /// Attempts to sign in, merged.
            pub fn sign_ins(&mut self) -> SignIns<'_> {
                SignIns { connection: &mut self.connection }
            }

            /// Removed accounts whose files are still to be put away.
            pub fn burials(&mut self) -> Burials<'_> {
                Burials { connection: &mut self.connection }
            }

            /// Where events are sent to.
            pub fn webhooks(&mut self) -> Webhooks<'_> {
                Webhooks { connection: &mut self.connection }
            }

            /// Events on their way there.
            pub fn deliveries(&mut self) -> Deliveries<'_> {
                Deliveries { connection: &mut self.connection }
            }

            /// Temporary refusals of a login from an address.
            pub fn blocks(&mut self) -> Blocks<'_> {
                Blocks { connection: &mut self.connection }
            }
        }
    )*};
}

repositories!(Reader, Unit);
