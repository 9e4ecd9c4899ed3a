//! How a PostgreSQL server is met: what the operator is told, how programs share it, what is said to it.

use super::transactions::keys;
use super::*;
use crate::domain::{Credential, CredentialId, CredentialKind, Validity};

async fn refusal(url: String) -> String {
    let error = Store::open(&DatabaseSettings { url: url.into(), connections: 2 }).await.map(drop).unwrap_err();
    assert!(matches!(error, StoreError::Opening { .. }), "{error:?}");
    format!("{error} {error:?}")
}

#[tokio::test]
async fn what_is_wrong_with_the_url_is_told_without_its_password() {
    let database = Database::fresh();
    let (who, place) = database.url.rsplit_once('@').unwrap();
    let (server, name) = place.rsplit_once('/').unwrap();
    let (_, password) = who.rsplit_once(':').unwrap();
    let cases = [
        (format!("postgres://gateway:wrong-one@{place}"), "pg_hba.conf"),
        (format!("{who}@{server}/nothing_there"), "create it"),
        (format!("{who}@%2Fnowhere/{name}"), "running there"),
        (format!("{}?sslmod=require", database.url), "sslmode"),
        (format!("{who}@127.0.0.1:port/{name}"), "postgres://USER"),
    ];
    for (url, advice) in cases {
        let told = refusal(url).await;
        assert!(told.contains(advice), "{told}");
        assert!(!told.contains(password) && !told.contains("wrong-one"), "{told}");
    }
    assert!(refusal(String::from("mysql://u:s3cret@h/d")).await.contains("mysql://u:***@h/d"));
}

#[tokio::test]
async fn a_new_database_lists_its_migrations_as_missing_and_stays_empty() {
    let database = Database::fresh();
    let store = Store::open(&postgres_at(&database)).await.unwrap();
    for _ in 0..2 {
        let migrations = store.migrations().await.unwrap();
        assert!(!migrations.is_empty() && migrations.iter().all(|step| !step.applied), "{migrations:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn programs_that_start_at_once_on_one_database_all_find_it_migrated() {
    let database = Database::fresh();
    let settings = postgres_at(&database);
    let start = |number: u32| {
        let settings = settings.clone();
        tokio::spawn(async move {
            let store = Store::open(&settings).await?;
            store.migrate().await?;
            let mut unit = store.write().await?;
            unit.instances().insert(&instance(&format!("acme-{number}"))).await?;
            unit.commit().await?;
            Ok::<_, StoreError>(store)
        })
    };
    for program in (0..4).map(start).collect::<Vec<_>>() {
        program.await.unwrap().unwrap();
    }
    let store = Store::open(&settings).await.unwrap();
    assert_eq!(keys(&store).await.len(), 4);
}

#[tokio::test]
async fn a_newer_programs_database_is_not_touched() {
    let store = TestStore::postgres().await;
    let mut unit = store.write().await.unwrap();
    unit.run(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'of the future', TRUE, '\\x00', 0)",
    )
    .await;
    unit.commit().await.unwrap();
    assert!(matches!(store.migrate().await, Err(StoreError::Migration(_))));
    // The lock went with the failed run.
    assert!(matches!(store.migrate().await, Err(StoreError::Migration(_))));
}

#[tokio::test]
async fn what_is_committed_is_synced_and_no_statement_lasts_for_ever() {
    let store = TestStore::postgres().await;
    let mut unit = store.write().await.unwrap();
    for (setting, value) in [
        ("SHOW synchronous_commit", "on"),
        ("SHOW transaction_isolation", "read committed"),
        ("SHOW statement_timeout", "20s"),
        ("SHOW lock_timeout", "10s"),
        ("SHOW application_name", "lucca-gateway"),
    ] {
        assert_eq!(unit.ask(setting).await, value, "{setting}");
    }
}

#[tokio::test]
async fn units_that_only_write_do_not_wait_for_each_other() {
    let store = TestStore::postgres().await;
    let mut first = store.write().await.unwrap();
    first.instances().insert(&instance("acme")).await.unwrap();
    let mut second = store.write().await.unwrap();
    second.instances().insert(&instance("other")).await.unwrap();
    second.commit().await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(keys(&store).await, ["acme", "other"]);
}

#[tokio::test]
async fn connections_that_the_server_ended_are_replaced() {
    let store = TestStore::postgres().await;
    let (_, account) = written_account(&store).await;
    let (reader, other_reader) = (store.read().await.unwrap(), store.read().await.unwrap());
    drop((reader, other_reader));
    let mut unit = store.write().await.unwrap();
    let others = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    assert_ne!(unit.ask(others).await, "0");
    unit.roll_back().await.unwrap();
    // Each connection fails at most once, in a way that tells to try again.
    let mut failures = 0;
    loop {
        match store.read().await.unwrap().accounts().find(account.id).await {
            Ok(found) => break assert_eq!(found, Some(account)),
            Err(StoreError::Unavailable(_)) => failures += 1,
            Err(other) => panic!("{other:?}"),
        }
        assert!(failures <= 4);
    }
}

#[tokio::test]
async fn what_the_server_tells_of_a_row_is_not_repeated() {
    let store = TestStore::postgres().await;
    let (_, account) = written_account(&store).await;
    let mut unit = store.write().await.unwrap();
    unit.run("ALTER TABLE credentials ADD CONSTRAINT odd CHECK (label <> 'odd')").await;
    let credential = Credential {
        id: CredentialId::new(NOW, &OsRandom),
        account: account.id,
        kind: CredentialKind::Password { hash: String::from("$argon2id$very-secret") },
        label: String::from("odd"),
        validity: Validity::default(),
        created_at: NOW,
        last_use: None,
    };
    let error = unit.credentials().insert(&credential).await.unwrap_err();
    assert!(matches!(error, StoreError::Database(_)));
    assert!(!format!("{error} {error:?} {error:#?}").contains("very-secret"), "{error:?}");
}
