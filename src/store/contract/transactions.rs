//! Units, readers, many at a time, and the schema.

use super::*;
use crate::domain::{TokenId, TokenScope};
use crate::store::{AccountFilter, Conflict, PageRequest, Token};

on_every_engine! {
    a_unit_that_is_dropped_did_nothing;
    a_unit_that_is_rolled_back_did_nothing;
    a_reader_sees_what_is_committed_and_nothing_else;
    a_reader_cannot_write;
    a_unit_goes_on_after_a_conflict;
    a_hundred_writers_at_a_time_all_succeed;
    a_store_that_is_closed_does_not_answer;
    migrating_again_changes_nothing;
    units_that_decide_by_what_they_read_do_so_one_after_the_other;
    a_unit_in_which_a_statement_failed_is_not_committed;
    a_text_with_a_nul_character_is_refused_and_the_unit_goes_on;
}

pub(super) async fn keys(store: &Store) -> Vec<String> {
    let page = store.read().await.unwrap().instances().list(&PageRequest::first(200)).await.unwrap();
    page.items.iter().map(|instance| instance.key.to_string()).collect()
}

async fn a_unit_that_is_dropped_did_nothing(store: &Store) {
    let mut unit = store.write().await.unwrap();
    unit.instances().insert(&instance("acme")).await.unwrap();
    drop(unit);
    assert!(keys(store).await.is_empty());
    // The connection is as good as before.
    let mut unit = store.write().await.unwrap();
    unit.instances().insert(&instance("acme")).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(keys(store).await, ["acme"]);
}

async fn a_unit_that_is_rolled_back_did_nothing(store: &Store) {
    let mut unit = store.write().await.unwrap();
    unit.instances().insert(&instance("acme")).await.unwrap();
    unit.roll_back().await.unwrap();
    assert!(keys(store).await.is_empty());
}

async fn a_reader_sees_what_is_committed_and_nothing_else(store: &Store) {
    let mut unit = store.write().await.unwrap();
    unit.instances().insert(&instance("acme")).await.unwrap();
    assert!(keys(store).await.is_empty());
    unit.commit().await.unwrap();
    assert_eq!(keys(store).await, ["acme"]);
}

async fn a_reader_cannot_write(store: &Store) {
    let outcome = store.read().await.unwrap().instances().insert(&instance("acme")).await;
    assert!(matches!(outcome, Err(StoreError::Database(_))), "{outcome:?}");
}

async fn a_unit_goes_on_after_a_conflict(store: &Store) {
    let mut unit = store.write().await.unwrap();
    unit.instances().insert(&instance("acme")).await.unwrap();
    assert_conflict(unit.instances().insert(&instance("acme")).await, Conflict::InstanceKey);
    unit.instances().insert(&instance("other")).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(keys(store).await, ["acme", "other"]);
}

async fn a_hundred_writers_at_a_time_all_succeed(store: &Store) {
    let write = |number: u32| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut unit = store.write().await?;
            unit.instances().insert(&instance(&format!("acme-{number:03}"))).await?;
            unit.commit().await
        })
    };
    let writers: Vec<_> = (0..100).map(write).collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    assert_eq!(keys(store).await.len(), 100);
}

async fn a_store_that_is_closed_does_not_answer(store: &Store) {
    store.close().await;
    assert!(matches!(store.read().await.map(drop), Err(StoreError::Unavailable(_))));
    assert!(matches!(store.write().await.map(drop), Err(StoreError::Unavailable(_))));
}

async fn migrating_again_changes_nothing(store: &Store) {
    let (instance, _) = written_account(store).await;
    store.migrate().await.unwrap();
    let mut reader = store.read().await.unwrap();
    assert_eq!(reader.instances().find(instance.id).await.unwrap(), Some(instance));
    let migrations = store.migrations().await.unwrap();
    assert!(!migrations.is_empty() && migrations.iter().all(|step| step.applied), "{migrations:?}");
}

async fn units_that_decide_by_what_they_read_do_so_one_after_the_other(store: &Store) {
    let (_, account) = written_account(store).await;
    let mut unit = store.write().await.unwrap();
    unit.accounts().update(&Account { host: String::from("0"), ..account.clone() }).await.unwrap();
    unit.commit().await.unwrap();
    let count = || {
        let (store, id) = (store.clone(), account.id);
        tokio::spawn(async move {
            let mut unit = store.write().await?;
            let mut account = unit.accounts().find(id).await?.unwrap();
            account.host = (account.host.parse::<u32>().unwrap() + 1).to_string();
            tokio::task::yield_now().await;
            unit.accounts().update(&account).await?;
            unit.commit().await
        })
    };
    for counted in (0..20).map(|_| count()).collect::<Vec<_>>() {
        counted.await.unwrap().unwrap();
    }
    let counted = store.read().await.unwrap().accounts().find(account.id).await.unwrap().unwrap();
    assert_eq!(counted.host, "20");
}

async fn a_unit_in_which_a_statement_failed_is_not_committed(store: &Store) {
    let token = |name: &str| Token {
        id: TokenId::new(NOW, &OsRandom),
        name: name.to_owned(),
        hash: "ab".repeat(32),
        scope: TokenScope::default(),
        created_at: NOW,
        expires_at: None,
        last_used_at: None,
    };
    let mut unit = store.write().await.unwrap();
    unit.instances().insert(&instance("acme")).await.unwrap();
    unit.tokens().insert(&token("first")).await.unwrap();
    unit.tokens().insert(&token("second")).await.unwrap_err();
    assert!(unit.commit().await.is_err());
    assert!(keys(store).await.is_empty());
    // The connection is as good as before.
    let mut unit = store.write().await.unwrap();
    unit.instances().insert(&instance("acme")).await.unwrap();
    unit.commit().await.unwrap();
}

async fn a_text_with_a_nul_character_is_refused_and_the_unit_goes_on(store: &Store) {
    let (acme, _) = written_account(store).await;
    let mut bad = account(&acme, "autre");
    bad.host = String::from("sftp\0.example.com");
    let mut unit = store.write().await.unwrap();
    let outcome = unit.accounts().insert(&bad).await;
    assert!(matches!(outcome, Err(StoreError::NulCharacter(_))), "{outcome:?}");
    let outcome = unit.blocks().lift("203.0.113.7\0", "paie.acme").await;
    assert!(matches!(outcome, Err(StoreError::NulCharacter(_))), "{outcome:?}");
    let search = AccountFilter { search: Some(String::from("\0")), ..AccountFilter::default() };
    assert!(unit.accounts().list(&search, &PageRequest::first(10)).await.unwrap().items.is_empty());
    bad.host = String::from("sftp.example.com");
    unit.accounts().insert(&bad).await.unwrap();
    unit.commit().await.unwrap();
}

/// How SQLite's file behaves between programs; a server has no such file.
mod sqlite_file {
    use super::*;

    #[tokio::test]
    async fn a_new_database_lists_its_migrations_as_missing_and_stays_empty() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&sqlite_in(&directory)).await.unwrap();
        for _ in 0..2 {
            let migrations = store.migrations().await.unwrap();
            assert!(!migrations.is_empty() && migrations.iter().all(|step| !step.applied), "{migrations:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn programs_that_start_at_once_on_one_file_all_find_it_migrated() {
        let directory = tempfile::tempdir().unwrap();
        let settings = sqlite_in(&directory);
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
        let programs: Vec<_> = (0..4).map(start).collect();
        for program in programs {
            program.await.unwrap().unwrap();
        }
        let store = Store::open(&settings).await.unwrap();
        assert_eq!(keys(&store).await.len(), 4);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn programs_that_write_at_once_wait_for_each_other() {
        let directory = tempfile::tempdir().unwrap();
        let settings = sqlite_in(&directory);
        let first = Store::open(&settings).await.unwrap();
        first.migrate().await.unwrap();
        let second = Store::open(&settings).await.unwrap();
        let write = |number: u32| {
            let store = if number.is_multiple_of(2) { first.clone() } else { second.clone() };
            tokio::spawn(async move {
                let mut unit = store.write().await?;
                unit.instances().insert(&instance(&format!("acme-{number}"))).await?;
                unit.commit().await
            })
        };
        for writer in (0..40).map(write).collect::<Vec<_>>() {
            writer.await.unwrap().unwrap();
        }
        assert_eq!(keys(&first).await.len(), 40);
    }

    #[tokio::test]
    async fn a_newer_programs_database_is_not_touched() {
        let store = TestStore::sqlite().await;
        let mut unit = store.write().await.unwrap();
        unit.run(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9999, 'of the future', TRUE, x'00', 0)",
        )
        .await;
        unit.commit().await.unwrap();
        assert!(matches!(store.migrate().await, Err(StoreError::Migration(_))));
    }

    #[tokio::test]
    async fn a_writer_whose_turn_does_not_come_is_told_that_the_database_does_not_answer() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open_with(&sqlite_in(&directory), Duration::from_millis(50)).await.unwrap();
        let unit = store.write().await.unwrap();
        assert!(matches!(store.write().await.map(drop), Err(StoreError::Unavailable(_))));
        // Its reader has a connection of its own, and the next turn comes.
        store.read().await.unwrap();
        unit.roll_back().await.unwrap();
        store.write().await.unwrap();
    }

    #[tokio::test]
    async fn a_transaction_that_the_database_ended_by_itself_spoils_no_other() {
        let store = TestStore::sqlite().await;
        let mut unit = store.write().await.unwrap();
        unit.run(
            "CREATE TRIGGER ends_it BEFORE INSERT ON instances WHEN NEW.key = 'bad' \
             BEGIN SELECT RAISE(ROLLBACK, 'as when the disk is full'); END",
        )
        .await;
        unit.commit().await.unwrap();
        for _ in 0..3 {
            let mut unit = store.write().await.unwrap();
            unit.instances().insert(&instance("good")).await.unwrap();
            unit.instances().insert(&instance("bad")).await.unwrap_err();
            assert!(unit.commit().await.is_err());
        }
        assert!(keys(&store).await.is_empty());
        let mut unit = store.write().await.unwrap();
        unit.instances().insert(&instance("good")).await.unwrap();
        unit.commit().await.unwrap();
        assert_eq!(keys(&store).await, ["good"]);
    }

    #[tokio::test]
    async fn a_full_disk_is_told_as_something_that_passes() {
        let store = TestStore::sqlite().await;
        let mut unit = store.write().await.unwrap();
        let (acme, mut account) = (instance("acme"), account(&instance("acme"), "paie.acme"));
        unit.instances().insert(&acme).await.unwrap();
        unit.ask("PRAGMA max_page_count = 1").await;
        account.instance = acme.id;
        account.host = "x".repeat(1_000_000);
        let outcome = unit.accounts().insert(&account).await;
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    }

    #[tokio::test]
    async fn what_is_committed_is_synced_and_the_log_is_written_ahead() {
        let store = TestStore::sqlite().await;
        let mut unit = store.write().await.unwrap();
        assert_eq!(unit.ask("PRAGMA journal_mode").await, "wal");
        // 2 is FULL (https://sqlite.org/pragma.html#pragma_synchronous).
        assert_eq!(unit.ask("PRAGMA synchronous").await, "2");
        assert_eq!(unit.ask("PRAGMA foreign_keys").await, "1");
    }
}
