//! What operators read of the past and of the present: transfers, sign-ins, sessions; and tokens that see a part of it.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Account, Api, Gateway, NewAccount, Options, Proof, Session, TestDir, eventually, run};

const PATIENCE: Duration = Duration::from_secs(10);

fn account() -> Account {
    NewAccount::new().folder("/depot", "read-write").make(Gateway::shared())
}

fn items(api: &Api, path: &str) -> Vec<Value> {
    api.get(path).ok()["items"].as_array().expect("items").clone()
}

/// A list that is written behind what it tells of, once it has as many items.
fn eventually_items(api: &Api, path: &str, count: usize) -> Vec<Value> {
    eventually(PATIENCE, path, || Some(items(api, path)).filter(|items| items.len() == count))
}

#[test]
fn each_transfer_is_told_with_its_session_bytes_and_outcome() {
    let account = account();
    let mut session = account.session();
    assert!(session.upload("/depot/paie.csv", b"douze").is_done());
    assert_eq!(session.download("/depot/paie.csv"), Ok(b"douze".to_vec()));
    let path = format!("/accounts/{}/transfers", account.id);
    let told = eventually_items(&account.api, &path, 2);
    let open = items(&account.api, &format!("/sessions?account={}", account.id));
    for transfer in &told {
        assert_eq!(transfer["actor"], format!("login {}", account.login));
        assert_eq!(transfer["path"], "/depot/paie.csv");
        assert_eq!(transfer["bytes"], 5);
        assert_eq!(transfer["outcome"], "completed");
        assert_eq!((&transfer["connection_type"], &transfer["address"]), (&json!("sftp"), &json!("127.0.0.1")));
        assert_eq!(transfer["session"], open[0]["id"]);
    }
    assert_eq!((&told[0]["direction"], &told[1]["direction"]), (&json!("download"), &json!("upload")));
    assert_eq!(items(&account.api, &format!("{path}?direction=upload")), told[1..]);
    // A page at a time, each once.
    let first = account.api.get(&format!("{path}?limit=1")).ok();
    let cursor = first["next_cursor"].as_str().expect("a second page");
    let second = account.api.get(&format!("{path}?limit=1&cursor={cursor}")).ok();
    assert_eq!((&first["items"][0], &second["items"][0], &second["next_cursor"]), (&told[0], &told[1], &Value::Null));
}

#[test]
fn sign_ins_are_told_and_a_refused_one_with_its_reason() {
    let account = account();
    assert!(Session::open(&account.target_with(Proof::Password("autre mot de passe"))).is_err());
    drop(account.session());
    let path = format!("/accounts/{}/sign-ins", account.id);
    eventually_items(&account.api, &path, 2);
    let granted = items(&account.api, &format!("{path}?outcome=granted")).remove(0);
    assert_eq!((&granted["login"], &granted["reason"]), (&json!(account.login), &Value::Null));
    assert!(!granted["client"].as_str().expect("a client").is_empty());
    let refused = items(&account.api, &format!("{path}?outcome=refused")).remove(0);
    assert_eq!(refused["reason_code"], "wrong_password");
    assert_eq!(refused["reason"], "The password was wrong.");
    assert_eq!(refused["address"], "127.0.0.1");
}

#[test]
fn an_operator_ends_one_session_and_no_other() {
    let account = account();
    let (mut first, mut second) = (account.session(), account.session());
    let sessions = items(&account.api, &format!("/sessions?account={}", account.id));
    assert_eq!(sessions.len(), 2);
    let id = sessions[0]["id"].as_str().expect("an id");
    account.api.delete(&format!("/sessions/{id}")).ok();
    // Of two opened one after the other, the first is listed first.
    eventually(PATIENCE, "the session ends", || (!first.stat("/depot").is_done()).then_some(()));
    assert!(second.stat("/depot").is_done());
    let left = format!("/sessions?account={}", account.id);
    assert_eq!(eventually_items(&account.api, &left, 1)[0]["id"], sessions[1]["id"]);
    assert_eq!(account.api.delete(&format!("/sessions/{id}")).status, 404);
}

#[test]
fn a_token_for_one_instance_finds_nothing_of_another() {
    let (own, other) = (account(), account());
    let scope = json!({"name": "l'application d'un client", "scope": {"instance": own.instance}});
    let made = own.api.post("/tokens", &scope).ok();
    let api = own.api.with_token(made["secret"].as_str().expect("a secret"));
    assert_eq!(api.account(&own.id).status, 200);
    assert_eq!(items(&api, "/accounts").len(), 1);
    assert_eq!(api.account(&other.id).status, 404);
    assert_eq!(api.get(&format!("/accounts/{}/sign-ins", other.id)).status, 404);
    assert_eq!(api.make_account(&other.instance, &json!({"name": "N", "preset": "lucca"})).status, 404);
    assert_eq!(api.post("/tokens", &json!({"name": "all of it"})).status, 403);
    assert_eq!(api.post("/instances", &json!({"key": "une-autre", "name": "N"})).status, 403);
}

#[test]
fn a_token_that_reads_changes_nothing() {
    let account = account();
    account.api_put("/depot", "paie.csv", b"douze");
    let made = account.api.post("/tokens", &json!({"name": "surveillance", "scope": {"read_only": true}})).ok();
    let api = account.api.with_token(made["secret"].as_str().expect("a secret"));
    let folder = account.folders[0]["id"].as_str().expect("an id");
    assert_eq!(api.download(&account.id, folder, "paie.csv").body, b"douze");
    assert_eq!(api.upload(&account.id, folder, "paie.csv", b"treize").status, 403);
    let refused = api.remove_account(&account.id);
    assert_eq!((refused.status, &refused.json()["type"]), (403, &json!("/problems/forbidden")));
    assert_eq!(account.api_get("/depot", "paie.csv").as_deref(), Some(b"douze".as_slice()));
}

#[test]
fn the_command_line_makes_a_token_that_reads_one_instance() {
    let gateway = Gateway::start(&Options::default());
    let (own, other) = (NewAccount::new().make(&gateway), NewAccount::new().make(&gateway));
    let key = own.api.get(&format!("/instances/{}", own.instance)).ok()["key"].as_str().expect("a key").to_owned();
    let folder = TestDir::new();
    folder.file("gateway.toml", format!("[database]\nurl = {:?}\n", gateway.database_url()));
    let create = |key: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lucca-gateway"));
        command
            .args(["operator", "token", "create", "--name", "tableau de bord", "--instance", key, "--read-only"])
            .args(["--config", "gateway.toml"])
            .current_dir(folder.path());
        run(&mut command, Duration::from_secs(60))
    };
    let refused = create("celle-qui-manque");
    assert!(!refused.succeeded() && refused.stderr.contains("no instance"), "{}", refused.said());
    let made = create(&key);
    let api = own.api.with_token(made.stdout.trim());
    assert_eq!(api.account(&own.id).status, 200);
    assert_eq!(api.account(&other.id).status, 404);
    assert_eq!(api.remove_account(&own.id).status, 403);
}
