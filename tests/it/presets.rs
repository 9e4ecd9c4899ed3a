//! What an administrator sees of a preset: the difference between accounts made under each.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::{Gateway, NewAccount, Options};

fn preset(name: &str) -> Value {
    Gateway::shared().api().get(&format!("/presets/{name}")).ok()
}

/// Paths and rights, in order.
fn by_path(folders: &[Value]) -> BTreeMap<String, Value> {
    folders.iter().map(|folder| (folder["path"].as_str().unwrap().to_owned(), folder["rights"].clone())).collect()
}

/// Names that a session sees below `/`, all levels, folders alone.
fn folders_over_sftp(account: &crate::support::Account) -> Vec<String> {
    let mut session = account.session();
    let (mut found, mut left) = (Vec::new(), vec![String::new()]);
    while let Some(folder) = left.pop() {
        let path = if folder.is_empty() { "/" } else { folder.as_str() };
        for name in session.list(path).unwrap() {
            let name = String::from_utf8(name).unwrap();
            if name != "." && name != ".." {
                left.push(format!("{folder}/{name}"));
                found.push(format!("{folder}/{name}"));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_three_presets_are_there_and_differ() {
    let (lucca, epaye, mprh) = (preset("lucca"), preset("epaye"), preset("mprh"));
    let hosts: BTreeSet<&str> =
        [&lucca, &epaye, &mprh].map(|preset| preset["host"].as_str().expect("a host")).into_iter().collect();
    assert_eq!(hosts.len(), 3, "each has its own host name");
    assert_eq!(lucca["folders"], json!([]), "lucca brings no parameters beyond its host");
    assert_ne!(epaye["login_prefix"], mprh["login_prefix"]);
    for ours in [&epaye, &mprh] {
        assert_eq!(ours["neutral"], true, "marked as starting values");
        assert!(!ours["folders"].as_array().expect("folders").is_empty());
    }
}

#[test]
fn an_account_under_a_preset_has_its_host_login_and_folders() {
    for name in ["epaye", "mprh"] {
        let preset = preset(name);
        let account = NewAccount::under(name).make(Gateway::shared());
        let told = account.api.account(&account.id).ok();
        assert_eq!(told["host"], preset["host"], "{name}");
        assert_eq!(told["connection_types"], preset["default_connection_types"], "{name}");
        let prefix = preset["login_prefix"].as_str().expect("a prefix");
        assert!(!prefix.is_empty() && account.login.starts_with(prefix), "{name}: {}", account.login);

        assert_eq!(by_path(&account.folders), by_path(preset["folders"].as_array().unwrap()), "{name}");
        let seen = folders_over_sftp(&account);
        for (path, _) in by_path(&account.folders) {
            assert!(seen.contains(&path), "{name}: {path} is not in {seen:?}");
        }
    }
}

#[test]
fn the_rights_of_a_presets_folders_hold_over_sftp() {
    for name in ["epaye", "mprh"] {
        let account = NewAccount::under(name).make(Gateway::shared());
        let mut session = account.session();
        for folder in &account.folders {
            let path = folder["path"].as_str().unwrap();
            let may_write = folder["rights"].as_array().unwrap().iter().any(|right| right == "write");
            let uploaded = session.upload(format!("{path}/essai.csv"), b"x");
            assert_eq!(uploaded.is_done(), may_write, "{name} {path}: {uploaded:?}");
        }
    }
}

#[test]
fn an_account_under_lucca_has_no_folders_until_it_is_given_some() {
    let account = NewAccount::new().make(Gateway::shared());
    assert_eq!(folders_over_sftp(&account), Vec::<String>::new());
    account
        .api
        .add_folder(&account.id, &json!({"name": "Import", "path": "/lucca/import", "rights": "read-write"}))
        .ok();
    assert_eq!(folders_over_sftp(&account), ["/lucca", "/lucca/import"]);
}

#[test]
fn what_a_preset_does_not_offer_is_refused_by_field() {
    let (_, answer) = NewAccount::under("inconnu").ask(Gateway::shared());
    assert_eq!(answer.status, 422, "{}", String::from_utf8_lossy(&answer.body));
    assert!(String::from_utf8_lossy(&answer.body).contains("preset"));
    let (_, answer) = NewAccount::under("epaye").with("login", "sans-prefixe").ask(Gateway::shared());
    assert_eq!(answer.status, 422, "{}", String::from_utf8_lossy(&answer.body));
    assert!(String::from_utf8_lossy(&answer.body).contains("login"));
}

#[test]
fn an_operators_own_preset_is_used_like_any_other() {
    let config = r#"
[presets.banque]
version = 1
label = { fr = "Banque", en = "Bank" }
host = "banque.exemple.fr"
ports = { sftp = 2022, ftps = 990, ftpes = 21 }
connection_types = ["sftp"]
default_connection_types = ["sftp"]
credentials = ["password"]
login_prefix = "bq-"
login_pattern = "{prefix}{instance}-{random}"
folders = [{ name = "Virements", path = "/virements", rights = "drop-box" }]
"#;
    let gateway = Gateway::start(&Options { config: config.into(), ..Options::default() });
    let account = NewAccount::under("banque").make(&gateway);
    assert!(account.login.starts_with("bq-"), "{}", account.login);
    assert!(account.session().upload("/virements/salaires.xml", b"<xml/>").is_done());
    assert_eq!(account.api_names("/virements"), ["salaires.xml"]);
}
