//! Rounds of retention, and what they say they would do, over real files whose age is real: the clock moves instead.

use std::path::PathBuf;

use super::*;
use crate::domain::{
    AccountState, AuthenticationRule, Clock, FolderRules, InstanceId, Quota, ReadySet, Retention, SystemClock,
};
use crate::management::fixture::Bench;
use crate::management::{FolderChanges, NewAccount, NewFolder, NewInstance};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A bench whose clock tells the time of the disk's files.
async fn bench() -> (Bench, InstanceId) {
    let bench = Bench::new().await;
    bench.clock.set(SystemClock.now());
    let instance = NewInstance { key: "acme".parse().unwrap(), name: "ACME".parse().unwrap() };
    let instance = bench.management.create_instance(&operator(), instance).await.unwrap().id;
    (bench, instance)
}

fn operator() -> Operator {
    Operator::named("tests")
}

fn kept(days: u32, action: RetentionAction) -> FolderRules {
    FolderRules { retention: Some(Retention::new(days, action).unwrap()), ..FolderRules::default() }
}

/// An account with these folders: path and rules.
async fn account(bench: &Bench, instance: InstanceId, folders: &[(&str, FolderRules)]) -> (AccountId, Vec<FolderId>) {
    let folder = |(path, rules): &(&str, FolderRules)| NewFolder {
        name: path.trim_start_matches('/').replace('/', " ").parse().unwrap(),
        path: path.parse().unwrap(),
        rights: ReadySet::ReadWrite.rights(),
        rules: rules.clone(),
    };
    let new = NewAccount {
        name: "Paie".parse().unwrap(),
        preset: "lucca".parse().unwrap(),
        login: None,
        password: None,
        generate_password: true,
        public_keys: Vec::new(),
        connection_types: None,
        host: None,
        authentication: AuthenticationRule::default(),
        state: AccountState::Enabled,
        expires_at: None,
        allowed_addresses: Vec::new(),
        close_notify: None,
        tls_resumption: None,
        quota: Quota::default(),
        folders: Some(folders.iter().map(folder).collect()),
    };
    let created = bench.management.create_account(&operator(), instance, new).await.unwrap();
    let id = |path: &str| created.folders.iter().find(|folder| folder.path.as_str() == path).unwrap().id;
    (created.account.id, folders.iter().map(|(path, _)| id(path)).collect())
}

async fn put(bench: &Bench, account: AccountId, folder: FolderId, below: &str) {
    let mut file = bench.management.begin_file(&operator(), account, folder, below, false).await.unwrap();
    file.write(b"douze").await.unwrap();
    file.publish().await.unwrap();
}

fn on_disk(bench: &Bench, instance: InstanceId, account: AccountId, path: &str) -> PathBuf {
    bench.directory.path().join("files").join(format!("{instance}/{account}{path}"))
}

async fn round(bench: &Bench, limits: RetentionLimits, resume: Option<AccountId>) -> RetentionRound {
    let now = bench.clock.now();
    bench.management.apply_retention(now, &limits, resume, &CancellationToken::new()).await.unwrap()
}

/// The data of the removals that are recorded, in their order.
async fn removals(bench: &Bench) -> Vec<serde_json::Value> {
    bench.management.storage.settle().await;
    let page = store::PageRequest::first(200);
    let events = bench.store.read().await.unwrap().events().list(None, &page).await.unwrap().items;
    let deleted = events.into_iter().filter(|placed| placed.event.kind.as_str() == "file.deleted");
    deleted.map(|placed| placed.event.data).collect()
}

#[tokio::test]
async fn each_folder_has_its_own_term_and_the_deepest_decides() {
    use RetentionAction::{Delete, Trash};
    let (bench, instance) = bench().await;
    let folders = [
        ("/in", kept(30, Trash)),
        ("/in/own", FolderRules::default()),
        ("/in/soon", kept(10, Delete)),
        ("/in/x/late", kept(60, Delete)),
    ];
    let (account, ids) = account(&bench, instance, &folders).await;
    put(&bench, account, ids[0], "x/a.csv").await;
    for (folder, name) in ids.iter().zip(["in.csv", "own.csv", "soon.csv", "late.csv"]) {
        put(&bench, account, *folder, name).await;
    }
    let left = |paths: &[&str]| -> Vec<String> {
        let is_there = |path: &&&str| on_disk(&bench, instance, account, path).is_file();
        paths.iter().filter(is_there).map(|path| (*path).to_owned()).collect()
    };
    let all = ["/in/x/a.csv", "/in/in.csv", "/in/own/own.csv", "/in/soon/soon.csv", "/in/x/late/late.csv"];
    bench.clock.advance(9 * DAY);
    assert_eq!(round(&bench, RetentionLimits::default(), None).await, RetentionRound::default());
    assert_eq!(left(&all), all);

    bench.clock.advance(2 * DAY);
    let expected = RetentionRound { deleted: 1, bytes: 5, ..RetentionRound::default() };
    assert_eq!(round(&bench, RetentionLimits::default(), None).await, expected);
    bench.clock.advance(20 * DAY);
    let expected = RetentionRound { trashed: 2, bytes: 10, ..RetentionRound::default() };
    assert_eq!(round(&bench, RetentionLimits::default(), None).await, expected);
    assert_eq!(left(&all), ["/in/own/own.csv", "/in/x/late/late.csv"]);
    assert!(on_disk(&bench, instance, account, "/in/x").is_dir(), "folders stay");
    assert_eq!(round(&bench, RetentionLimits::default(), None).await, RetentionRound::default());

    let told = removals(&bench).await;
    assert_eq!(told.len(), 3);
    assert_eq!((&told[0]["path"], &told[0]["trash"]), (&"/in/soon/soon.csv".into(), &serde_json::Value::Null));
    for event in &told {
        assert_eq!((&event["reason"], &event["actor"]["gateway"]), (&"retention".into(), &"retention".into()));
    }
    for event in &told[1..] {
        let (entry, path) = (event["trash"].as_str().unwrap(), event["path"].as_str().unwrap());
        let trash = bench.directory.path().join("files/.trash").join(entry);
        let content = std::fs::read_to_string(trash.join(format!("{instance}/{account}{path}"))).unwrap();
        assert_eq!((content.as_str(), &event["folder"]), ("douze", &ids[0].to_string().into()));
    }
}

#[tokio::test]
async fn a_round_is_bounded_by_account_and_in_all_and_the_next_goes_on_behind_it() {
    let (bench, instance) = bench().await;
    let mut accounts = Vec::new();
    for _ in 0..3 {
        let (account, ids) = account(&bench, instance, &[("/in", kept(1, RetentionAction::Delete))]).await;
        for number in 0..3 {
            put(&bench, account, ids[0], &format!("{number}.csv")).await;
        }
        accounts.push(account);
    }
    accounts.sort();
    bench.clock.advance(2 * DAY);
    let limits = RetentionLimits { of_an_account: 2, of_a_round: 3 };
    let mut resume = None;
    let mut rounds = Vec::new();
    for _ in 0..5 {
        let done = round(&bench, limits, resume).await;
        resume = done.resume;
        rounds.push((done.deleted, resume));
    }
    let second = Some(accounts[1]);
    // Two of each account; then the one of each that was left over.
    assert_eq!(rounds, [(4, second), (2, None), (3, None), (0, None), (0, None)]);
    assert_eq!(removals(&bench).await.len(), 9);
}

#[tokio::test]
async fn one_account_that_fails_keeps_no_other_waiting() {
    let (bench, instance) = bench().await;
    let rules = [("/in", kept(1, RetentionAction::Trash))];
    let mut accounts = [account(&bench, instance, &rules).await, account(&bench, instance, &rules).await];
    accounts.sort();
    for (account, ids) in &accounts {
        put(&bench, *account, ids[0], "a.csv").await;
    }
    let broken = on_disk(&bench, instance, accounts[0].0, "/in");
    std::fs::remove_dir_all(&broken).unwrap();
    std::fs::write(&broken, "a file where a folder was").unwrap();
    bench.clock.advance(2 * DAY);
    let expected = RetentionRound { trashed: 1, bytes: 5, failed_accounts: 1, ..RetentionRound::default() };
    assert_eq!(round(&bench, RetentionLimits::default(), None).await, expected);
}

#[tokio::test]
async fn a_round_stops_when_it_is_told_to_and_goes_on_from_there() {
    let (bench, instance) = bench().await;
    let (account, ids) = account(&bench, instance, &[("/in", kept(1, RetentionAction::Delete))]).await;
    put(&bench, account, ids[0], "a.csv").await;
    bench.clock.advance(2 * DAY);
    let end = CancellationToken::new();
    end.cancel();
    let (now, limits) = (bench.clock.now(), RetentionLimits::default());
    let stopped = bench.management.apply_retention(now, &limits, None, &end).await.unwrap();
    assert_eq!(stopped, RetentionRound::default());
    assert!(on_disk(&bench, instance, account, "/in/a.csv").is_file());
    assert_eq!(round(&bench, limits, stopped.resume).await.deleted, 1);
}

#[tokio::test]
async fn a_rule_that_is_taken_away_holds_no_more_and_an_empty_folder_is_nothing_to_do() {
    let (bench, instance) = bench().await;
    let (account, ids) = account(&bench, instance, &[("/in", kept(1, RetentionAction::Delete))]).await;
    bench.clock.advance(2 * DAY);
    assert_eq!(round(&bench, RetentionLimits::default(), None).await, RetentionRound::default());
    put(&bench, account, ids[0], "a.csv").await;
    let mut changes = FolderChanges::default();
    changes.rules.retention = Some(None);
    bench.management.change_folder(&operator(), account, ids[0], changes).await.unwrap();
    bench.clock.advance(20 * DAY);
    assert_eq!(round(&bench, RetentionLimits::default(), None).await, RetentionRound::default());
    assert!(on_disk(&bench, instance, account, "/in/a.csv").is_file());
}

#[tokio::test]
async fn a_preview_lists_what_is_due_first_a_page_at_a_time_and_removes_nothing() {
    let (bench, instance) = bench().await;
    let (account, ids) = account(&bench, instance, &[("/in", kept(30, RetentionAction::Trash))]).await;
    for number in 0..5 {
        put(&bench, account, ids[0], &format!("sub/{number}.csv")).await;
    }
    let preview = async |after_days, cursor, limit| {
        let page = PageRequest { cursor, limit: Some(limit) };
        bench.management.preview_retention(&operator(), account, ids[0], after_days, &page).await.unwrap()
    };
    let now = preview(None, None, 50).await;
    assert_eq!((now.due_files, now.due_bytes, now.files.items.len(), now.files.next), (0, 0, 5, None));
    let ages: Vec<_> = now.files.items.iter().map(|file| file.since).collect();
    assert!(ages.is_sorted());
    assert!(now.files.items.iter().all(|file| !file.is_due && file.due_at == file.since.plus(30 * DAY)));

    bench.clock.advance(31 * DAY);
    let (mut cursor, mut paths) = (None, Vec::new());
    loop {
        let page = preview(None, cursor, 2).await;
        assert_eq!((page.due_files, page.due_bytes), (5, 25), "of the whole folder");
        assert!(page.files.items.iter().all(|file| file.is_due));
        paths.extend(page.files.items.into_iter().map(|file| file.path));
        cursor = page.files.next;
        if cursor.is_none() {
            break;
        }
    }
    let expected: Vec<_> = now.files.items.into_iter().map(|file| file.path).collect();
    assert_eq!(paths, expected);
    assert_eq!(preview(Some(60), None, 50).await.due_files, 0);
    assert!(on_disk(&bench, instance, account, "/in/sub/0.csv").is_file());
}
