//! Instances, accounts, credentials, folders and tokens.

use super::*;
use crate::domain::credential::LastUse;
use crate::domain::{
    Credential, CredentialId, CredentialKind, PublicKey, Quota, TlsResumption, TokenId, TokenScope, Validity,
};
use crate::domain::{Retention, RetentionAction};
use crate::store::{AccountFilter, Conflict, Cursor, PageRequest, Token};

on_every_engine! {
    an_instance_is_read_back_as_it_was_written;
    an_instances_key_is_unique;
    instances_are_listed_by_key_a_page_at_a_time;
    pages_stay_right_while_rows_come_and_go;
    a_cursor_of_another_list_is_refused;
    an_account_is_read_back_as_it_was_written;
    a_login_is_unique_over_all_instances_and_without_case;
    an_account_needs_its_instance;
    accounts_are_found_by_instance_preset_and_part_of_a_name;
    an_account_takes_its_credentials_and_folders_with_it;
    credentials_are_read_back_as_they_were_written;
    a_key_is_kept_once_for_an_account;
    a_hash_is_replaced_only_while_it_is_the_old_one;
    the_latest_use_of_a_credential_is_kept;
    credentials_in_use_are_removed_without_waiting_in_a_circle;
    folders_are_unique_by_path_and_by_name_within_their_account;
    accounts_whose_files_have_a_term_are_found_a_page_at_a_time;
    text_is_ordered_by_its_bytes;
    tokens_are_found_by_their_hash;
    a_row_that_cannot_have_been_written_is_told_with_table_and_column;
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ paie@acme";

async fn an_instance_is_read_back_as_it_was_written(store: &Store) {
    let mut acme = instance("acme");
    let mut unit = store.write().await.unwrap();
    unit.instances().insert(&acme).await.unwrap();
    assert_eq!(unit.instances().find(acme.id).await.unwrap(), Some(acme.clone()));
    assert_eq!(unit.instances().find_by_key(&acme.key).await.unwrap(), Some(acme.clone()));

    acme.name = "Acme & Cie".parse().unwrap();
    assert!(unit.instances().rename(acme.id, &acme.name).await.unwrap());
    assert_eq!(unit.instances().find(acme.id).await.unwrap(), Some(acme.clone()));

    assert!(unit.instances().remove(acme.id).await.unwrap());
    assert_eq!(unit.instances().find(acme.id).await.unwrap(), None);
    assert!(!unit.instances().remove(acme.id).await.unwrap());
    assert!(!unit.instances().rename(acme.id, &acme.name).await.unwrap());
}

async fn an_instances_key_is_unique(store: &Store) {
    let mut unit = store.write().await.unwrap();
    unit.instances().insert(&instance("acme")).await.unwrap();
    assert_conflict(unit.instances().insert(&instance("acme")).await, Conflict::InstanceKey);
    // The unit goes on after a conflict.
    unit.instances().insert(&instance("other")).await.unwrap();
    unit.commit().await.unwrap();
}

async fn instances_are_listed_by_key_a_page_at_a_time(store: &Store) {
    let mut unit = store.write().await.unwrap();
    for key in ["delta", "alpha", "echo", "bravo", "charlie"] {
        unit.instances().insert(&instance(key)).await.unwrap();
    }
    unit.commit().await.unwrap();
    let mut reader = store.read().await.unwrap();
    let mut keys = Vec::new();
    let mut request = PageRequest::first(2);
    loop {
        let page = reader.instances().list(&request).await.unwrap();
        keys.push(page.items.iter().map(|instance| instance.key.to_string()).collect::<Vec<_>>().join(" "));
        // As a client carries it.
        let Some(next) = page.next else { break };
        request.after = Some(Cursor::parse(&next.encode()).unwrap());
    }
    assert_eq!(keys, ["alpha bravo", "charlie delta", "echo"]);
}

async fn pages_stay_right_while_rows_come_and_go(store: &Store) {
    let mut unit = store.write().await.unwrap();
    for key in ["bb", "dd", "ff", "hh"] {
        unit.instances().insert(&instance(key)).await.unwrap();
    }
    let first = unit.instances().list(&PageRequest::first(2)).await.unwrap();
    // The last row that was shown goes, one comes before it and one behind.
    unit.instances().remove(first.items[1].id).await.unwrap();
    unit.instances().insert(&instance("aa")).await.unwrap();
    unit.instances().insert(&instance("ee")).await.unwrap();
    let rest = unit.instances().list(&PageRequest { after: first.next, limit: 10 }).await.unwrap();
    let keys: Vec<_> = rest.items.iter().map(|instance| instance.key.as_str()).collect();
    assert_eq!(keys, ["ee", "ff", "hh"]);
    assert_eq!(rest.next, None);
}

async fn a_cursor_of_another_list_is_refused(store: &Store) {
    let request = PageRequest { after: Some(Cursor::after("acme")), limit: 10 };
    let mut reader = store.read().await.unwrap();
    let outcome = reader.accounts().list(&AccountFilter::default(), &request).await;
    assert!(matches!(outcome, Err(StoreError::InvalidCursor(_))), "{outcome:?}");
}

async fn an_account_is_read_back_as_it_was_written(store: &Store) {
    let (_, mut account) = written_account(store).await;
    let mut unit = store.write().await.unwrap();
    assert_eq!(unit.accounts().find(account.id).await.unwrap(), Some(account.clone()));

    account.name = "Paie 2027".parse().unwrap();
    account.login = "Paie.2027".parse().unwrap();
    account.hosting = Hosting::Hosted { preset: "lucca".parse().unwrap(), version: 1 };
    account.host = String::from("files.example.com");
    account.connection_types = ConnectionTypes::default();
    account.authentication = AuthenticationRule::AnyCredential;
    account.state = AccountState::Enabled;
    account.expires_at = None;
    account.allowed_addresses = Vec::new();
    account.close_notify = None;
    account.tls_resumption = Some(TlsResumption::Require);
    account.quota = Quota { bytes: None, files: Some(1 << 60), largest_file: None };
    account.updated_at = later(2);
    assert!(unit.accounts().update(&account).await.unwrap());
    let found = unit.accounts().find_by_login(&"PAIE.2027".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(found, account);
    assert_eq!(found.login.as_str(), "Paie.2027");

    account.id = AccountId::new(NOW, &OsRandom);
    assert!(!unit.accounts().update(&account).await.unwrap());
    assert_eq!(unit.accounts().find(account.id).await.unwrap(), None);
}

async fn a_login_is_unique_over_all_instances_and_without_case(store: &Store) {
    let (_, _) = written_account(store).await;
    let other = instance("other");
    let mut second = account(&other, "PAIE.acme");
    let mut unit = store.write().await.unwrap();
    unit.instances().insert(&other).await.unwrap();
    assert_conflict(unit.accounts().insert(&second).await, Conflict::Login);
    second.login = "autre".parse().unwrap();
    unit.accounts().insert(&second).await.unwrap();
    second.login = "Paie.Acme".parse().unwrap();
    assert_conflict(unit.accounts().update(&second).await.map(drop), Conflict::Login);
}

async fn an_account_needs_its_instance(store: &Store) {
    let (acme, _) = written_account(store).await;
    let mut unit = store.write().await.unwrap();
    let orphan = account(&instance("gone"), "orphan");
    assert_conflict(unit.accounts().insert(&orphan).await, Conflict::Parent);
    assert_conflict(unit.instances().remove(acme.id).await.map(drop), Conflict::Parent);
    assert_conflict(unit.folders().insert(&folder(&orphan, "Export", "/export")).await, Conflict::Parent);
}

async fn accounts_are_found_by_instance_preset_and_part_of_a_name(store: &Store) {
    let (acme, first) = written_account(store).await;
    let other = instance("other");
    let mut unit = store.write().await.unwrap();
    unit.instances().insert(&other).await.unwrap();
    let mut of_other = account(&other, "100_percent");
    of_other.name = "Reprise 100% À LA MAIN".parse().unwrap();
    of_other.hosting = Hosting::Hosted { preset: "mprh".parse().unwrap(), version: 1 };
    unit.accounts().insert(&of_other).await.unwrap();
    unit.commit().await.unwrap();

    let mut reader = store.read().await.unwrap();
    let search = |part: &str| AccountFilter { search: Some(part.to_owned()), ..AccountFilter::default() };
    let cases = [
        (AccountFilter::default(), 2),
        (AccountFilter { instance: Some(acme.id), ..AccountFilter::default() }, 1),
        (AccountFilter { preset: Some("mprh".parse().unwrap()), ..AccountFilter::default() }, 1),
        (AccountFilter { preset: Some("lucca".parse().unwrap()), ..AccountFilter::default() }, 0),
        (AccountFilter { instance: Some(acme.id), preset: Some("mprh".parse().unwrap()), search: None }, 0),
        (search("É"), 1),
        (search("éditeur"), 1),
        (search("à la main"), 1),
        (search("PAIE.AC"), 1),
        (search("0%"), 1),
        // What is a pattern in SQL is a text here.
        (search("%"), 1),
        (search("_"), 1),
        (search("\\"), 0),
        (search("'"), 0),
        (search(&"%".repeat(100_000)), 0),
        (
            AccountFilter {
                instance: Some(acme.id),
                preset: Some("epaye".parse().unwrap()),
                search: Some("paie".into()),
            },
            1,
        ),
    ];
    for (filter, expected) in cases {
        let found = reader.accounts().list(&filter, &PageRequest::first(10)).await.unwrap();
        assert_eq!(found.items.len(), expected, "{filter:?}");
    }
    assert_eq!(reader.accounts().count_of_instance(acme.id).await.unwrap(), 1);
    assert_eq!(reader.accounts().count_of_instance(InstanceId::new(NOW, &OsRandom)).await.unwrap(), 0);

    let all = AccountFilter { search: Some(String::from("e")), ..AccountFilter::default() };
    let page = reader.accounts().list(&all, &PageRequest::first(1)).await.unwrap();
    let rest = reader.accounts().list(&all, &PageRequest { after: page.next, limit: 1 }).await.unwrap();
    let mut seen = [page.items[0].id, rest.items[0].id];
    let mut expected = [first.id, of_other.id];
    expected.sort();
    assert_eq!(seen, expected, "ordered by id");
    seen.reverse();
    assert_eq!(rest.next, None);
}

async fn an_account_takes_its_credentials_and_folders_with_it(store: &Store) {
    let (acme, account) = written_account(store).await;
    let credential = password(&account, "a");
    let folder = folder(&account, "Export", "/export");
    let mut unit = store.write().await.unwrap();
    unit.credentials().insert(&credential).await.unwrap();
    unit.folders().insert(&folder).await.unwrap();
    assert!(unit.accounts().remove(account.id).await.unwrap());
    assert_eq!(unit.credentials().find(credential.id).await.unwrap(), None);
    assert_eq!(unit.folders().find(folder.id).await.unwrap(), None);
    assert!(!unit.accounts().remove(account.id).await.unwrap());
    assert!(unit.instances().remove(acme.id).await.unwrap());
}

fn password(account: &Account, hash: &str) -> Credential {
    Credential {
        id: CredentialId::new(NOW, &OsRandom),
        account: account.id,
        kind: CredentialKind::Password { hash: hash.to_owned() },
        label: String::from("rotation 2026"),
        validity: Validity::default(),
        created_at: NOW,
        last_use: None,
    }
}

fn key(account: &Account) -> Credential {
    Credential { kind: CredentialKind::PublicKey(KEY.parse().unwrap()), ..password(account, "") }
}

async fn credentials_are_read_back_as_they_were_written(store: &Store) {
    let (_, account) = written_account(store).await;
    let mut password = Credential { id: CredentialId::new(later(1), &OsRandom), ..password(&account, "$argon2id$x") };
    let used = LastUse { at: NOW, address: String::from("203.0.113.7"), client: String::from("WinSCP") };
    let key = Credential { last_use: Some(used), ..key(&account) };
    let mut unit = store.write().await.unwrap();
    unit.credentials().insert(&password).await.unwrap();
    unit.credentials().insert(&key).await.unwrap();
    assert_eq!(unit.credentials().of_account(account.id).await.unwrap(), [key.clone(), password.clone()]);
    let CredentialKind::PublicKey(read) = unit.credentials().find(key.id).await.unwrap().unwrap().kind else {
        panic!("a key was written");
    };
    assert_eq!(PublicKey::to_string(&read), KEY);

    password.validity = Validity::new(Some(NOW), Some(later(100))).unwrap();
    assert!(unit.credentials().set_validity(password.id, password.validity).await.unwrap());
    assert_eq!(unit.credentials().find(password.id).await.unwrap(), Some(password.clone()));
    assert!(unit.credentials().remove(password.id).await.unwrap());
    assert!(!unit.credentials().remove(password.id).await.unwrap());
    assert!(!unit.credentials().set_validity(password.id, password.validity).await.unwrap());
}

async fn a_key_is_kept_once_for_an_account(store: &Store) {
    let (acme, first) = written_account(store).await;
    let second = account(&acme, "autre");
    let mut unit = store.write().await.unwrap();
    unit.accounts().insert(&second).await.unwrap();
    unit.credentials().insert(&key(&first)).await.unwrap();
    assert_conflict(unit.credentials().insert(&key(&first)).await, Conflict::PublicKey);
    // Another account may have it, and passwords do not count as equal keys.
    unit.credentials().insert(&key(&second)).await.unwrap();
    unit.credentials().insert(&password(&first, "a")).await.unwrap();
    unit.credentials().insert(&password(&first, "a")).await.unwrap();
    assert_conflict(unit.credentials().insert(&password(&account(&acme, "gone"), "a")).await, Conflict::Parent);
}

async fn a_hash_is_replaced_only_while_it_is_the_old_one(store: &Store) {
    let (_, account) = written_account(store).await;
    let password = password(&account, "old");
    let mut unit = store.write().await.unwrap();
    unit.credentials().insert(&password).await.unwrap();
    assert!(unit.credentials().replace_hash(password.id, "old", "new").await.unwrap());
    assert!(!unit.credentials().replace_hash(password.id, "old", "newer").await.unwrap());
    let found = unit.credentials().find(password.id).await.unwrap().unwrap();
    assert_eq!(found.kind, CredentialKind::Password { hash: String::from("new") });
}

async fn the_latest_use_of_a_credential_is_kept(store: &Store) {
    let (_, account) = written_account(store).await;
    let password = password(&account, "a");
    let used = |at| LastUse { at, address: String::from("203.0.113.7"), client: String::from("OpenSSH_9.9") };
    let mut unit = store.write().await.unwrap();
    unit.credentials().insert(&password).await.unwrap();
    unit.credentials().record_use(password.id, &used(later(5))).await.unwrap();
    unit.credentials().record_use(password.id, &used(later(4))).await.unwrap();
    assert_eq!(unit.credentials().find(password.id).await.unwrap().unwrap().last_use, Some(used(later(5))));
}

async fn credentials_in_use_are_removed_without_waiting_in_a_circle(store: &Store) {
    let instance = instance("acme");
    let mut unit = store.write().await.unwrap();
    unit.instances().insert(&instance).await.unwrap();
    unit.commit().await.unwrap();
    for round in 0..20 {
        let account = account(&instance, &format!("paie-{round}"));
        let mut credentials = [password(&account, "a"), key(&account), password(&account, "b")];
        let mut unit = store.write().await.unwrap();
        unit.accounts().insert(&account).await.unwrap();
        for credential in &credentials {
            unit.credentials().insert(credential).await.unwrap();
        }
        unit.commit().await.unwrap();
        credentials.rotate_left(round % 3);
        let used = {
            let store = store.clone();
            tokio::spawn(async move {
                let last_use = LastUse { at: NOW, address: String::new(), client: String::new() };
                let mut unit = store.write().await?;
                for credential in credentials {
                    unit.credentials().record_use(credential.id, &last_use).await?;
                }
                unit.commit().await
            })
        };
        let mut unit = store.write().await.unwrap();
        assert!(unit.accounts().remove(account.id).await.unwrap());
        unit.commit().await.unwrap();
        used.await.unwrap().unwrap();
    }
}

async fn accounts_whose_files_have_a_term_are_found_a_page_at_a_time(store: &Store) {
    let (acme, first) = written_account(store).await;
    let mut accounts = vec![first.clone()];
    accounts.extend(["paie.b", "paie.c", "paie.d"].map(|login| account(&acme, login)));
    accounts.sort_by_key(|account| account.id);
    let retention = Some(Retention::new(30, RetentionAction::Trash).unwrap());
    let mut unit = store.write().await.unwrap();
    for (index, account) in accounts.iter().enumerate() {
        if account.id != first.id {
            unit.accounts().insert(account).await.unwrap();
        }
        let mut export = folder(account, "Export", "/retention");
        unit.folders().insert(&export).await.unwrap();
        // Of the second account neither folder has one.
        export = folder(account, "Import", "/import");
        export.rules.retention = retention.filter(|_| index != 1);
        unit.folders().insert(&export).await.unwrap();
        assert_eq!(unit.folders().find(export.id).await.unwrap(), Some(export));
    }
    let [one, _, three, four] = [0, 1, 2, 3].map(|index| accounts[index].id);
    assert_eq!(unit.folders().accounts_with_retention(None, 2).await.unwrap(), [one, three]);
    assert_eq!(unit.folders().accounts_with_retention(Some(three), 2).await.unwrap(), [four]);
    assert_eq!(unit.folders().accounts_with_retention(Some(four), 2).await.unwrap(), []);
}

async fn folders_are_unique_by_path_and_by_name_within_their_account(store: &Store) {
    let (acme, first) = written_account(store).await;
    let second = account(&acme, "autre");
    let mut export = folder(&first, "Export", "/export");
    let nested = folder(&first, "Absences", "/export/absences");
    let mut unit = store.write().await.unwrap();
    unit.accounts().insert(&second).await.unwrap();
    unit.folders().insert(&nested).await.unwrap();
    unit.folders().insert(&export).await.unwrap();
    unit.folders().insert(&folder(&second, "Export", "/export")).await.unwrap();
    assert_conflict(unit.folders().insert(&folder(&first, "Autre", "/export")).await, Conflict::FolderPath);
    assert_conflict(unit.folders().insert(&folder(&first, "Export", "/autre")).await, Conflict::FolderName);
    assert_eq!(unit.folders().of_account(first.id).await.unwrap(), [export.clone(), nested.clone()]);

    export.path = nested.path.clone();
    assert_conflict(unit.folders().update(&export).await.map(drop), Conflict::FolderPath);
    export.path = "/".parse().unwrap();
    export.name = "Tout".parse().unwrap();
    export.rights = Rights::none();
    assert!(unit.folders().update(&export).await.unwrap());
    assert_eq!(unit.folders().find(export.id).await.unwrap(), Some(export.clone()));
    assert!(unit.folders().remove(export.id).await.unwrap());
    assert!(!unit.folders().remove(export.id).await.unwrap());
    assert!(!unit.folders().update(&export).await.unwrap());
}

async fn text_is_ordered_by_its_bytes(store: &Store) {
    let (_, account) = written_account(store).await;
    let mut unit = store.write().await.unwrap();
    // A language would have them otherwise: a before É before Z.
    for path in ["/a", "/É", "/Z", "/Z-a", "/Z/b"] {
        unit.folders().insert(&folder(&account, &path[1..].replace('/', "."), path)).await.unwrap();
    }
    let folders = unit.folders().of_account(account.id).await.unwrap();
    let paths: Vec<_> = folders.iter().map(|folder| folder.path.as_str()).collect();
    assert_eq!(paths, ["/Z", "/Z-a", "/Z/b", "/a", "/É"]);
}

async fn tokens_are_found_by_their_hash(store: &Store) {
    let instance = instance("acme");
    let token = Token {
        id: TokenId::new(NOW, &OsRandom),
        name: String::from("hr-suite"),
        hash: "ab".repeat(32),
        scope: TokenScope { instance: Some(instance.id), read_only: true },
        created_at: NOW,
        expires_at: Some(later(10)),
        last_used_at: None,
    };
    let mut unit = store.write().await.unwrap();
    unit.instances().insert(&instance).await.unwrap();
    unit.tokens().insert(&token).await.unwrap();
    assert_eq!(unit.tokens().find_by_hash(&token.hash).await.unwrap(), Some(token.clone()));
    assert_eq!(unit.tokens().find_by_hash("cd").await.unwrap(), None);
    unit.tokens().touch(token.id, later(5)).await.unwrap();
    unit.tokens().touch(token.id, later(4)).await.unwrap();
    let used = Token { last_used_at: Some(later(5)), ..token.clone() };
    assert_eq!(unit.tokens().list().await.unwrap(), [used]);
    assert!(unit.tokens().remove(token.id).await.unwrap());
    assert!(!unit.tokens().remove(token.id).await.unwrap());
    // It ends with the instance that it is for.
    unit.tokens().insert(&token).await.unwrap();
    assert!(unit.instances().remove(instance.id).await.unwrap());
    assert_eq!(unit.tokens().list().await.unwrap(), []);
}

async fn a_row_that_cannot_have_been_written_is_told_with_table_and_column(store: &Store) {
    let (_, account) = written_account(store).await;
    let mut unit = store.write().await.unwrap();
    unit.credentials().insert(&password(&account, "$argon2id$very-secret")).await.unwrap();
    unit.run("UPDATE accounts SET connection_types = 'ftp'").await;
    unit.run("UPDATE credentials SET kind = 'public_key'").await;
    let outcome = unit.accounts().find(account.id).await;
    let Err(StoreError::Inconsistent { table, column, row, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!((table, column, row), ("accounts", "connection_types", account.id.to_string()));
    let error = unit.credentials().of_account(account.id).await.unwrap_err();
    assert!(matches!(error, StoreError::Inconsistent { table: "credentials", column: "secret", .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("very-secret"));
}
