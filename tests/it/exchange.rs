//! The job itself: files that Lucca's side puts in over the API are fetched over SFTP, files that payroll software
//! drops over SFTP are taken over the API, byte for byte.

use std::path::Path;
use std::time::Duration;

use crate::support::{
    Account, Client, Finished, Gateway, KeyPair, NewAccount, Proof, TestDir, Tree, difference, pattern,
    payroll_exchange, small_files,
};

pub const FOLDER: &str = "/paie/échanges";

fn account() -> Account {
    NewAccount::new().folder(FOLDER, "read-write").make(Gateway::shared())
}

/// Payroll software, `who`, drops `files`; Lucca's side takes them.
pub fn drop_and_take(account: &Account, who: &str, files: &Tree, put: impl FnOnce(&Path, &str) -> Finished) {
    let local = TestDir::new();
    let folder = local.folder("dépôt-août");
    files.write(&folder);
    let put = put(&folder, FOLDER);
    assert!(put.succeeded(), "{who} put: {}", put.said());
    let mut taken = account.api_tree(FOLDER);
    taken.0.retain(|path, _| path.starts_with("dépôt-août/"));
    if let Some(difference) = difference(&files.clone().below("dépôt-août"), &taken) {
        panic!("{who}, dropped by it, taken over the API: {difference:?}");
    }
}

/// Lucca's side puts `files`; payroll software, `who`, fetches them.
pub fn put_and_fetch(account: &Account, who: &str, files: &Tree, get: impl FnOnce(&str, &Path) -> Finished) {
    for (path, contents) in &files.0 {
        account.api_put(FOLDER, &format!("à-prendre/{path}"), contents);
    }
    let local = TestDir::new();
    let get = get(&format!("{FOLDER}/à-prendre"), local.path());
    assert!(get.succeeded(), "{who} get: {}", get.said());
    if let Some(difference) = difference(files, &Tree::read(&local.join("à-prendre"))) {
        panic!("{who}, put over the API, fetched by it: {difference:?}");
    }
}

/// One cell of the table of clients: the same files both ways, signed in with a password, or with `key`.
pub fn both_ways(client: Client, key: Option<&KeyPair>, files: &Tree) {
    let new = NewAccount::new().folder(FOLDER, "read-write");
    let account = match key {
        Some(key) => new.key(key).without_password().make(Gateway::shared()),
        None => new.make(Gateway::shared()),
    };
    let mut target = account.target_with(key.map_or(Proof::Password(&account.password), Proof::Key));
    target.deadline = Duration::from_secs(900);
    let who = format!("{client:?}");
    drop_and_take(&account, &who, files, |local, remote| client.put(&target, local, remote));
    put_and_fetch(&account, &who, files, |remote, local| client.get(&target, remote, local, files));
}

#[test]
fn a_payroll_exchange_arrives_byte_for_byte_both_ways() {
    both_ways(Client::OpenSshSftp, None, &payroll_exchange());
}

#[test]
fn two_thousand_small_files_arrive_both_ways() {
    both_ways(Client::OpenSshSftp, None, &small_files(2_000));
}

#[test]
fn a_quarter_of_a_gibibyte_arrives_both_ways() {
    both_ways(Client::OpenSshSftp, None, &Tree::default().with("gros.bin", pattern(256 * 1024 * 1024)));
}

#[test]
fn a_listing_of_many_files_is_complete_over_sftp_and_api() {
    let account = account();
    let files = small_files(450);
    for (path, contents) in &files.0 {
        account.api_put(FOLDER, path, contents);
    }
    let mut names: Vec<String> =
        account.session().list(FOLDER).unwrap().into_iter().map(|name| String::from_utf8(name).unwrap()).collect();
    names.retain(|name| name != "." && name != "..");
    names.sort();
    let expected: Vec<String> = files.0.into_keys().collect();
    assert_eq!(names, expected, "over SFTP");
    let mut listed = account.api_names(FOLDER);
    listed.sort();
    assert_eq!(listed, expected, "over the API, page by page");
}

#[test]
fn a_part_of_a_file_is_answered_over_the_api() {
    let account = account();
    account.api_put(FOLDER, "export.csv", b"matricule;net\r\n000001;1500\r\n");
    let folder = account.folders[0]["id"].as_str().unwrap();
    let part = account.api.download_range(&account.id, folder, "export.csv", "bytes=15-20");
    assert_eq!((part.status, part.body.as_slice()), (206, b"000001".as_slice()));
    let past = account.api.download_range(&account.id, folder, "export.csv", "bytes=900-");
    assert_eq!(past.status, 416);
}

#[test]
fn names_of_old_windows_clients_arrive_as_they_were_meant() {
    let account = account();
    let mut old_client = account.session();
    // "/paie/échanges/Congés.csv" as Windows-1252 says it.
    let name: Vec<u8> = b"/paie/\xe9changes/Cong\xe9s.csv".to_vec();
    assert!(old_client.upload(&name, b"x").is_done());
    assert_eq!(account.api_names(FOLDER), ["Congés.csv"]);
    account.api_put(FOLDER, "Été à €.csv", b"y");
    account.api_put(FOLDER, "Łódź.csv", b"z");
    let mut names = old_client.list(b"/paie/\xe9changes").unwrap();
    names.retain(|name| name != b"." && name != b"..");
    names.sort();
    let mut expected = [b"Cong\xe9s.csv".to_vec(), b"\xc9t\xe9 \xe0 \x80.csv".to_vec(), b"_\xf3d_.csv".to_vec()];
    expected.sort();
    assert_eq!(names, expected);
    assert_eq!(old_client.download(b"/paie/\xe9changes/\xc9t\xe9 \xe0 \x80.csv"), Ok(b"y".to_vec()));
}

#[test]
fn a_name_in_another_unicode_form_is_the_same_file() {
    let account = account();
    let mut session = account.session();
    // macOS says é as e and a combining accent.
    assert!(session.upload("/paie/e\u{301}changes/e\u{301}te\u{301}.csv", b"1").is_done());
    assert_eq!(account.api_names(FOLDER), ["été.csv"]);
    assert_eq!(session.download("/paie/échanges/été.csv"), Ok(b"1".to_vec()));
}
