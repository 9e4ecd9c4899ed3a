//! What operators' changes do to those who are connected.

use crate::domain::{
    AccountId, AccountName, AccountState, AuthenticationRule, CloseNotify, ConnectionType, FolderRules, InstanceId,
    InstanceKey, InstanceName, LoginName, PresetName, Quota, Rights, Secret, TlsResumption,
};
use crate::sessions::{EndReason, Session};

use super::fixture::Bench;
use super::{
    AccountChanges, CreatedAccount, FolderChanges, ManagementError, NewAccount, NewFolder, NewInstance, NewPassword,
    NewToken, Operator, ValidityChanges,
};
use crate::store::Store;
use crate::store::contract::on_every_engine;

fn operator() -> Operator {
    Operator::named("tests")
}

async fn account(bench: &Bench) -> CreatedAccount {
    let instance =
        NewInstance { key: InstanceKey::parse("acme").unwrap(), name: InstanceName::parse("ACME SA").unwrap() };
    let instance = bench.management.create_instance(&operator(), instance).await.unwrap();
    account_of(bench, instance.id).await
}

async fn account_of(bench: &Bench, instance: InstanceId) -> CreatedAccount {
    bench.management.create_account(&operator(), instance, new_account()).await.unwrap()
}

fn new_account() -> NewAccount {
    NewAccount {
        name: AccountName::parse("Paie").unwrap(),
        preset: PresetName::parse("epaye").unwrap(),
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
        folders: None,
    }
}

/// Signs in over SFTP; `None` when refused.
async fn sign_in(bench: &Bench, login: &LoginName, password: &Secret<String>) -> Option<Session> {
    bench.sign_in(login.as_str(), password.expose()).await
}

#[tokio::test]
async fn a_change_ends_the_sessions_that_it_forbids_and_no_others() {
    let login = || Some(LoginName::parse("epaye-other").unwrap());
    let address = |text: &str| Some(vec![text.parse().unwrap()]);
    let cases: [(&str, bool, AccountChanges); 9] = [
        ("name", false, AccountChanges { name: AccountName::parse("Other").ok(), ..AccountChanges::default() }),
        ("login", true, AccountChanges { login: login(), ..AccountChanges::default() }),
        ("state", true, AccountChanges { state: Some(AccountState::Disabled), ..AccountChanges::default() }),
        ("past", true, AccountChanges { expires_at: Some(Some(super::fixture::start())), ..AccountChanges::default() }),
        ("no expiry", false, AccountChanges { expires_at: Some(None), ..AccountChanges::default() }),
        ("their type", true, AccountChanges { connection_types: "ftps".parse().ok(), ..AccountChanges::default() }),
        ("another type", false, AccountChanges { connection_types: "sftp".parse().ok(), ..AccountChanges::default() }),
        ("address", true, AccountChanges { allowed_addresses: address("10.0.0.0/8"), ..AccountChanges::default() }),
        ("in", false, AccountChanges { allowed_addresses: address("203.0.113.0/24"), ..AccountChanges::default() }),
    ];
    for (what, ends, changes) in cases {
        let bench = Bench::new().await;
        let created = account(&bench).await;
        let password = created.password.unwrap();
        let session = sign_in(&bench, &created.account.login, &password).await.unwrap();
        let changed = bench.management.change_account(&operator(), created.account.id, changes).await.unwrap();
        assert_eq!(session.ended().is_cancelled(), ends, "{what}");
        let again = sign_in(&bench, &changed.login, &password).await;
        assert_eq!(again.is_some(), !ends || what == "login", "{what}");
    }
}

#[tokio::test]
async fn a_stricter_rule_for_ftp_ends_sessions_over_it_and_a_laxer_one_none() {
    let cases: [(&str, bool, AccountChanges); 5] = [
        ("as before", false, AccountChanges { close_notify: Some(Some(CloseNotify::Strict)), ..Default::default() }),
        ("laxer", false, AccountChanges { close_notify: Some(Some(CloseNotify::Guarded)), ..Default::default() }),
        ("stricter", true, AccountChanges { tls_resumption: Some(Some(TlsResumption::Require)), ..Default::default() }),
        ("laxer again", false, AccountChanges { tls_resumption: Some(None), ..Default::default() }),
        ("strict again", true, AccountChanges { close_notify: Some(None), ..Default::default() }),
    ];
    let bench = Bench::new().await;
    let created = account(&bench).await;
    let (login, password) = (created.account.login.as_str(), created.password.unwrap());
    for (what, ends, changes) in cases {
        let over_sftp = bench.sign_in(login, password.expose()).await.unwrap();
        let over_ftps = bench.sign_in_over(ConnectionType::Ftps, login, password.expose()).await.unwrap();
        bench.management.change_account(&operator(), created.account.id, changes).await.unwrap();
        assert_eq!(over_ftps.ended().is_cancelled(), ends, "{what}");
        assert!(!over_sftp.ended().is_cancelled(), "{what}");
    }
}

#[tokio::test]
async fn removing_an_account_ends_its_sessions() {
    let bench = Bench::new().await;
    let created = account(&bench).await;
    let session = sign_in(&bench, &created.account.login, created.password.as_ref().unwrap()).await.unwrap();
    bench.management.remove_account(&operator(), created.account.id).await.unwrap();
    assert_eq!(session.end_reason(), Some(EndReason::AccountRemoved));
    drop(session);
    assert!(bench.registry.list().is_empty());
}

#[tokio::test]
async fn a_changed_tree_is_seen_by_the_next_session() {
    let bench = Bench::new().await;
    let created = account(&bench).await;
    let (login, password) = (&created.account.login, created.password.as_ref().unwrap());
    let session = sign_in(&bench, login, password).await.unwrap();
    let (account, folder) = (created.account.id, created.folders[0].id);
    let rename = FolderChanges { name: "Autre".parse().ok(), ..FolderChanges::default() };
    bench.management.change_folder(&operator(), account, folder, rename).await.unwrap();
    assert!(!session.ended().is_cancelled(), "a folder's name is not in the tree");
    let moved = FolderChanges { path: "/ailleurs".parse().ok(), ..FolderChanges::default() };
    bench.management.change_folder(&operator(), account, folder, moved).await.unwrap();
    assert_eq!(session.end_reason(), Some(EndReason::AccountChanged));
}

#[tokio::test]
async fn a_password_works_until_it_is_retired_and_a_new_one_at_once() {
    let bench = Bench::new().await;
    let created = account(&bench).await;
    let (login, old) = (&created.account.login, created.password.as_ref().unwrap());
    bench.clock.advance(std::time::Duration::from_secs(1));
    let new = NewPassword { password: None, label: String::new(), validity: crate::domain::Validity::default() };
    let new = bench.management.add_password(&operator(), created.account.id, new).await.unwrap().password.unwrap();
    assert!(sign_in(&bench, login, old).await.is_some());
    assert!(sign_in(&bench, login, &new).await.is_some());
    let credentials = bench.management.list_credentials(&operator(), created.account.id).await.unwrap();
    let end = super::fixture::start().plus(std::time::Duration::from_secs(1));
    let now = ValidityChanges { not_before: None, not_after: Some(Some(end)) };
    bench.management.change_credential(&operator(), created.account.id, credentials[0].id, now).await.unwrap();
    assert!(sign_in(&bench, login, old).await.is_none());
    assert!(sign_in(&bench, login, &new).await.is_some());

    let only = Secret::new(String::from("one password alone"));
    bench.management.set_password(&operator(), created.account.id, only.clone()).await.unwrap();
    for (password, right) in [(old, false), (&new, false), (&only, true)] {
        assert_eq!(sign_in(&bench, login, password).await.is_some(), right);
    }
}

#[tokio::test]
async fn files_that_could_not_be_put_away_are_put_away_later() {
    let bench = Bench::new().await;
    let created = account(&bench).await;
    let (kept, account) = (account_of(&bench, created.account.instance).await.account.id, created.account.id);
    let files = bench.directory.path().join("files");
    let directory = |id: AccountId| files.join(created.account.instance.to_string()).join(id.to_string());
    std::fs::write(directory(account).join("import/paie.csv"), "douze").unwrap();
    // The trash cannot be entered: a file has its name.
    std::fs::rename(files.join(".trash"), files.join(".elsewhere")).unwrap();
    std::fs::write(files.join(".trash"), "").unwrap();
    bench.management.remove_account(&operator(), account).await.unwrap();
    assert!(directory(account).join("import/paie.csv").exists());
    assert_eq!(bench.management.bury_removed_accounts().await.unwrap(), 0);

    std::fs::remove_file(files.join(".trash")).unwrap();
    std::fs::rename(files.join(".elsewhere"), files.join(".trash")).unwrap();
    assert_eq!(bench.management.bury_removed_accounts().await.unwrap(), 1);
    assert!(!directory(account).exists() && directory(kept).exists());
    assert_eq!(std::fs::read_dir(files.join(".trash")).unwrap().count(), 1);
    assert_eq!(bench.management.bury_removed_accounts().await.unwrap(), 0, "it is done once");
}

#[tokio::test]
async fn a_delivery_to_a_folder_that_is_removed_meanwhile_is_refused() {
    let bench = Bench::new().await;
    let created = account(&bench).await;
    let (account, outer) = (created.account.id, created.folders[0].id);
    let inner = NewFolder {
        name: "Inside".parse().unwrap(),
        path: created.folders[0].path.resolve("inside").unwrap(),
        rights: Rights::all(),
        rules: FolderRules::default(),
    };
    bench.management.add_folder(&operator(), account, inner).await.unwrap();
    let mut late = bench.management.begin_file(&operator(), account, outer, "paie.csv", false).await.unwrap();
    late.write(b"douze").await.unwrap();
    // Its directory stays, because another folder lies in it; nobody sees what is beside that one any more.
    bench.management.remove_folder(&operator(), account, outer).await.unwrap();
    let acknowledged = late.publish().await.is_ok();
    let own = format!("files/{}/{account}{}", created.account.instance, created.folders[0].path);
    let is_there = bench.directory.path().join(own).join("paie.csv").exists();
    assert_eq!((acknowledged, is_there), (false, false), "acknowledged, and where nobody looks");
}

#[tokio::test]
async fn a_token_opens_the_api_also_when_its_use_cannot_be_noted() {
    let bench = Bench::new().await;
    let token = bench.management.create_token(&operator(), NewToken::named("tests")).await.unwrap();
    // As on a full disk: what is there can be read.
    let mut unit = bench.store.write().await.unwrap();
    unit.run("CREATE TRIGGER full BEFORE UPDATE ON api_tokens BEGIN SELECT RAISE(ABORT, 'no space'); END").await;
    unit.commit().await.unwrap();
    let known = bench.management.authenticate(token.secret.expose()).await.unwrap();
    assert_eq!(known.map(|operator| operator.name().to_owned()).as_deref(), Some("tests"));
}

on_every_engine! {
    renames_creations_and_a_removal_at_once_do_not_wait_for_each_other_in_a_circle;
    a_block_that_is_lifted_in_one_process_ends_in_another_within_seconds;
}

async fn renames_creations_and_a_removal_at_once_do_not_wait_for_each_other_in_a_circle(store: &Store) {
    let management = Bench::over(store).management;
    for round in 0..10 {
        let key = InstanceKey::parse(&format!("acme-{round}")).unwrap();
        let name = |number: u32| InstanceName::parse(&format!("ACME {number}")).unwrap();
        let id = management.create_instance(&operator(), NewInstance { key, name: name(0) }).await.unwrap().id;
        let rename = |number: u32| {
            let (management, name) = (management.clone(), name(number));
            tokio::spawn(async move { management.rename_instance(&operator(), id, &name).await.map(drop) })
        };
        let create = || {
            let management = management.clone();
            tokio::spawn(async move { management.create_account(&operator(), id, new_account()).await.map(drop) })
        };
        let remove = || {
            let management = management.clone();
            tokio::spawn(async move { management.remove_instance(&operator(), id).await })
        };
        let tasks = [rename(1), create(), rename(2), create(), remove(), rename(3), create(), rename(4)];
        let (mut removed, mut changed) = (false, 0);
        for (number, task) in tasks.into_iter().enumerate() {
            match task.await.unwrap() {
                Ok(()) if number == 4 => removed = true,
                Ok(()) => changed += 1,
                // It came after the removal.
                Err(ManagementError::NotFound { .. }) => {}
                Err(other) => panic!("{number} of round {round}: {other:?}"),
            }
        }
        assert!(removed && management.find_instance(&operator(), id).await.is_err(), "round {round}");
        assert!(changed > 0, "round {round}");
    }
}

async fn a_block_that_is_lifted_in_one_process_ends_in_another_within_seconds(store: &Store) {
    let (here, elsewhere) = (Bench::over(store), Bench::over(store));
    let created = account(&here).await;
    let (login, right) = (&created.account.login, created.password.as_ref().unwrap());
    let wrong = Secret::new(String::from("not the password"));
    for _ in 0..10 {
        assert!(sign_in(&elsewhere, login, &wrong).await.is_none());
    }
    elsewhere.access.flush().await;
    assert!(sign_in(&here, login, right).await.is_none(), "it is met in the store");
    here.management.lift_block(&operator(), "203.0.113.7", login.folded()).await.unwrap();
    assert!(sign_in(&here, login, right).await.is_some());
    assert!(sign_in(&elsewhere, login, right).await.is_none());
    elsewhere.clock.advance(std::time::Duration::from_secs(5));
    assert!(sign_in(&elsewhere, login, right).await.is_some());
}
