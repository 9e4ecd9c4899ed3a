//! What every engine must do alike: each test is written once, against a [`Store`], and run on each engine. Modules above
//! that work with a store borrow this for theirs.

mod audit;
mod history;
mod postgres;
mod postgres_server;
mod provisioning;
mod transactions;
mod webhooks;

use std::ops::Deref;
use std::time::Duration;

use postgres_server::Database;
use tempfile::TempDir;

use super::{Store, StoreError};
use crate::config::DatabaseSettings;
use crate::domain::{
    Account, AccountId, AccountState, AuthenticationRule, CloseNotify, ConnectionTypes, FolderId, FolderRules, Hosting,
    Instance, InstanceId, OsRandom, Quota, RemoteFolder, Rights, Timestamp,
};

/// Runs tests, each of which takes a [`TestStore`], on a fresh database of each engine.
macro_rules! on_every_engine {
    ($($contract:ident;)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $contract() {
                let store = crate::store::contract::TestStore::sqlite().await;
                super::$contract(&store).await;
            })*
        }

        mod postgres {
            $(#[tokio::test]
            async fn $contract() {
                let store = crate::store::contract::TestStore::postgres().await;
                super::$contract(&store).await;
            })*
        }
    };
}
pub(crate) use on_every_engine;

const NOW: Timestamp = Timestamp::from_seconds(1_795_456_800);

fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

fn sqlite_in(directory: &TempDir) -> DatabaseSettings {
    DatabaseSettings {
        url: format!("sqlite:{}", directory.path().join("data/gateway.db").display()).into(),
        connections: 2,
    }
}

fn postgres_at(database: &Database) -> DatabaseSettings {
    DatabaseSettings { url: database.url.clone().into(), connections: 4 }
}

/// A store on a new database, which is gone with it.
pub(crate) struct TestStore {
    store: Store,
    settings: DatabaseSettings,
    place: Place,
}

enum Place {
    Sqlite { _directory: TempDir },
    Postgres { _database: Database },
}

impl TestStore {
    pub(crate) async fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = sqlite_in(&directory);
        Self { store: migrated(&settings).await, settings, place: Place::Sqlite { _directory: directory } }
    }

    pub(crate) async fn postgres() -> Self {
        let database = Database::fresh();
        let settings = postgres_at(&database);
        Self { store: migrated(&settings).await, settings, place: Place::Postgres { _database: database } }
    }

    /// Another program's store on the same database.
    pub(crate) async fn another(&self) -> Store {
        migrated(&self.settings).await
    }

    /// On which engine it is.
    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.place, Place::Postgres { .. })
    }

    /// Runs a statement for which each engine has words of its own, to bring the database into a state that this program
    /// avoids.
    pub(crate) async fn run(&self, sqlite: &'static str, postgres: &'static str) {
        let mut unit = self.store.write().await.unwrap();
        unit.run(match self.place {
            Place::Sqlite { .. } => sqlite,
            Place::Postgres { .. } => postgres,
        })
        .await;
        unit.commit().await.unwrap();
    }
}

impl Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

async fn migrated(settings: &DatabaseSettings) -> Store {
    let store = Store::open(settings).await.unwrap();
    store.migrate().await.unwrap();
    store
}

fn instance(key: &str) -> Instance {
    Instance {
        id: InstanceId::new(NOW, &OsRandom),
        key: key.parse().unwrap(),
        name: "Société Acme".parse().unwrap(),
        created_at: NOW,
    }
}

fn account(instance: &Instance, login: &str) -> Account {
    Account {
        id: AccountId::new(NOW, &OsRandom),
        instance: instance.id,
        name: "Éditeur de paie".parse().unwrap(),
        login: login.parse().unwrap(),
        hosting: Hosting::Hosted { preset: "epaye".parse().unwrap(), version: 3 },
        host: String::from("sftp.example.com"),
        connection_types: ConnectionTypes::all(),
        authentication: AuthenticationRule::KeyAndPassword,
        state: AccountState::Disabled,
        expires_at: Some(later(1_000)),
        allowed_addresses: vec!["203.0.113.0/24".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        close_notify: Some(CloseNotify::Guarded),
        tls_resumption: None,
        quota: Quota { bytes: Some(1 << 40), files: None, largest_file: Some(0) },
        created_at: NOW,
        updated_at: later(1),
    }
}

fn folder(account: &Account, name: &str, path: &str) -> RemoteFolder {
    RemoteFolder {
        id: FolderId::new(NOW, &OsRandom),
        account: account.id,
        name: name.parse().unwrap(),
        path: path.parse().unwrap(),
        rights: "list,read,delete".parse::<Rights>().unwrap(),
        rules: FolderRules { publish_on_rename: true, ..FolderRules::default() },
    }
}

/// An instance and an account of it, written.
async fn written_account(store: &Store) -> (Instance, Account) {
    let instance = instance("acme");
    let account = account(&instance, "paie.acme");
    let mut unit = store.write().await.unwrap();
    unit.instances().insert(&instance).await.unwrap();
    unit.accounts().insert(&account).await.unwrap();
    unit.commit().await.unwrap();
    (instance, account)
}

#[track_caller]
fn assert_conflict(outcome: Result<(), StoreError>, expected: super::Conflict) {
    match outcome {
        Err(StoreError::Conflict(conflict)) => assert_eq!(conflict, expected),
        other => panic!("a conflict with {expected:?} was expected, not {other:?}"),
    }
}
