//! What operators change, and what it does to sessions, credentials and files.

use std::time::Duration;

use serde_json::json;

use crate::support::{Account, Gateway, KeyPair, NewAccount, Options, PASSWORD, Proof, Session, Target, eventually};

const PATIENCE: Duration = Duration::from_secs(10);

fn account() -> Account {
    NewAccount::new().folder("/depot", "read-write").make(Gateway::shared())
}

#[test]
fn a_changed_login_ends_its_sessions_and_keeps_every_file() {
    let account = account();
    let mut session = account.session();
    assert!(session.upload("/depot/paie.csv", b"douze").is_done());
    let renamed = format!("n-{}", account.login);
    account.api.change_account(&account.id, &json!({"login": renamed})).ok();
    eventually(PATIENCE, "the session of the old login ends", || (!session.stat("/depot").is_done()).then_some(()));
    let port = Gateway::shared().port();
    assert!(Session::open(&account.target()).is_err(), "the old login");
    let mut session = Session::open(&Target::new(port, &renamed, Proof::Password(PASSWORD))).expect("the new login");
    assert_eq!(session.download("/depot/paie.csv"), Ok(b"douze".to_vec()));
    assert_eq!(account.api_get("/depot", "paie.csv").as_deref(), Some(b"douze".as_slice()));
}

#[test]
fn a_removed_account_is_gone_and_its_files_are_in_the_trash() {
    let gateway = Gateway::start(&Options::default());
    let account = NewAccount::new().folder("/depot", "read-write").make(&gateway);
    let mut session = account.session();
    assert!(session.upload("/depot/paie.csv", b"a garder").is_done());
    let directory = account.on_disk(&gateway, "/depot");
    account.api.remove_account(&account.id).ok();
    eventually(PATIENCE, "its session ends", || (!session.stat("/depot").is_done()).then_some(()));
    assert!(Session::open(&account.target()).is_err());
    assert_eq!(account.api.account(&account.id).status, 404);
    eventually(PATIENCE, "its folder is gone", || (!directory.exists()).then_some(()));
    let storage = directory.ancestors().nth(3).expect("the storage folder");
    assert!(holds(storage, b"a garder"), "the file is kept");
}

/// Whether a file with these contents is somewhere below.
fn holds(folder: &std::path::Path, contents: &[u8]) -> bool {
    std::fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() { holds(&path, contents) } else { std::fs::read(path).is_ok_and(|found| found == contents) }
    })
}

#[test]
fn credentials_overlap_during_a_rotation() {
    let account = account();
    let id = &account.id;
    let added = account
        .api
        .add_credential(id, &json!({"kind": "password", "password": "Nouveau-mot-de-passe-2027", "label": "2027"}))
        .ok();
    let signs_in = |password: &str| Session::open(&account.target_with(Proof::Password(password))).is_ok();
    assert!(signs_in(PASSWORD) && signs_in("Nouveau-mot-de-passe-2027"), "both open");
    // The last use is written beside the sign-in, not before it.
    let credentials = eventually(PATIENCE, "both are listed with their last use", || {
        let listed = account.api.credentials(id).ok();
        assert!(!listed.to_string().contains("$argon2"), "no hash is shown");
        let credentials = listed["items"].as_array().expect("a list").clone();
        (credentials.len() == 2 && credentials.iter().all(|one| !one["last_use"].is_null())).then_some(credentials)
    });
    let old = credentials.iter().find(|credential| credential["id"] != added["id"]).expect("the old one");
    account.api.remove_credential(id, old["id"].as_str().expect("an id")).ok();
    assert!(!signs_in(PASSWORD), "the old one ends at once");
    assert!(signs_in("Nouveau-mot-de-passe-2027"));
}

#[test]
fn a_credential_holds_between_its_dates() {
    let account = account();
    let password = "Plus-tard-2090-entrant";
    account
        .api
        .add_credential(
            &account.id,
            &json!({"kind": "password", "password": password, "not_before": "2090-01-01T00:00:00Z"}),
        )
        .ok();
    assert!(Session::open(&account.target_with(Proof::Password(password))).is_err(), "not yet");
    let password = "Autrefois-2020-sortant";
    account
        .api
        .add_credential(
            &account.id,
            &json!({"kind": "password", "password": password, "not_after": "2020-01-01T00:00:00Z"}),
        )
        .ok();
    assert!(Session::open(&account.target_with(Proof::Password(password))).is_err(), "no more");
}

#[test]
fn keys_are_added_in_the_forms_that_people_have() {
    let (openssh, putty) = (KeyPair::ed25519(), KeyPair::rsa());
    let account = account();
    account.api.add_public_key(&account.id, &openssh.public_text()).ok();
    account.api.add_public_key(&account.id, &putty.rfc4716()).ok();
    for key in [&openssh, &putty] {
        assert!(Session::open(&account.target_with(Proof::Key(key))).is_ok());
    }
}

#[test]
fn a_generated_password_is_shown_once_and_works() {
    let account = NewAccount::new().without_password().with("generate_password", true).make(Gateway::shared());
    assert!(account.password.len() >= 16, "shown at creation");
    assert!(Session::open(&account.target()).is_ok());
    let told = account.api.account(&account.id).ok().to_string();
    assert!(!told.contains(&account.password), "and never again");
}

#[test]
fn a_moved_folder_takes_its_files_along() {
    let account = account();
    account.api_put("/depot", "paie.csv", b"x");
    let folder = account.folders[0]["id"].as_str().expect("an id");
    account.api.change_folder(&account.id, folder, &json!({"path": "/ailleurs/depot", "name": "Ailleurs"})).ok();
    let mut session = account.session();
    assert_eq!(session.download("/ailleurs/depot/paie.csv"), Ok(b"x".to_vec()));
    assert_eq!(session.stat("/depot").code(), 2);
}

#[test]
fn a_wrong_request_is_told_which_field_is_wrong() {
    let api = Gateway::shared().api();
    let wrong = api.post("/instances", &json!({"key": "Pas Une Clé", "name": ""}));
    assert_eq!(wrong.status, 422);
    assert_eq!(wrong.headers["content-type"], "application/problem+json");
    let told = wrong.json();
    let fields: Vec<&str> =
        told["errors"].as_array().expect("errors").iter().filter_map(|error| error["field"].as_str()).collect();
    assert!(fields.contains(&"key") && fields.contains(&"name"), "{told}");
}

#[test]
fn a_login_is_unique_over_the_gateway_without_case() {
    let first = account();
    let (_, answer) = NewAccount::new().with("login", first.login.to_uppercase()).ask(Gateway::shared());
    assert_eq!(answer.status, 409, "{}", String::from_utf8_lossy(&answer.body));
    assert!(!String::from_utf8_lossy(&answer.body).contains(&first.instance), "it names no other tenant");
}

#[test]
fn the_api_wants_a_token() {
    let api = Gateway::shared().api();
    for token in ["", "lgw_", "lgw_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let answer = api.with_token(token).get("/instances");
        assert_eq!(answer.status, 401, "{token:?}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
}
