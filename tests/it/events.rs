//! What other programs are told of what happens to files and at the door, by every way in.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::ftp::Mode;
use crate::support::{Account, FtpServer, Gateway, NewAccount, Proof, Session, TestDir, eventually};

const PATIENCE: Duration = Duration::from_secs(20);

fn account() -> Account {
    let account = NewAccount::new().folder("/depot", "read-write").folder("/final", "read-write");
    account.make(Gateway::shared())
}

/// An account whose `/depot` publishes on rename.
fn careful_account() -> Account {
    let account = account();
    let folder = account.folders[0]["id"].as_str().expect("an id");
    let path = format!("/accounts/{}/folders/{folder}", account.id);
    account.api.patch(&path, &json!({"rules": {"publish_on_rename": true}})).ok();
    account
}

fn told(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(kind, path)| ((*kind).to_owned(), (*path).to_owned())).collect()
}

#[test]
fn sftp_tells_of_each_upload_download_rename_and_removal() {
    let (gateway, account) = (Gateway::shared(), account());
    let mut session = account.session();
    assert!(session.upload("/depot/a", b"douze").is_done());
    assert!(session.rename("/depot/a", "/depot/b").is_done());
    assert!(session.posix_rename("/depot/b", "/final/c").is_done());
    assert!(session.remove("/final/c").is_done());
    assert!(!session.remove("/final/c").is_done());
    let expected = [
        ("file.uploaded", "/depot/a"),
        ("file.renamed", "/depot/b"),
        ("file.renamed", "/final/c"),
        ("file.deleted", "/final/c"),
    ];
    assert_eq!(account.file_events(gateway, 4), told(&expected));

    assert!(session.upload("/depot/a", b"douze").is_done());
    assert!(session.download("/depot/a").is_ok());
    assert_eq!(account.file_events(gateway, 6).len(), 6);
    let events = account.events(gateway);
    let renamed = events.iter().rfind(|(kind, _)| kind == "file.renamed").expect("a rename");
    assert_eq!((&renamed.1["from_path"], &renamed.1["replaced"]), (&json!("/depot/b"), &json!(false)));
    assert_eq!(renamed.1["from_folder"], account.folders[0]["id"]);
    assert_eq!(renamed.1["actor"]["login"], json!(account.login));
    assert!(events.iter().any(|(kind, data)| kind == "file.downloaded" && data["bytes"] == 5));
}

#[test]
fn ftps_and_ftpes_tell_the_same() {
    let gateway = Gateway::shared();
    for (mode, server) in FtpServer::all_ways(gateway) {
        let account = account();
        let mut ftp = server.sign_in(mode, &account);
        ftp.upload("STOR /depot/a", b"douze");
        ftp.expect("RNFR /depot/a", 350);
        ftp.expect("RNTO /final/b", 250);
        ftp.expect("DELE /final/b", 250);
        let expected = [("file.uploaded", "/depot/a"), ("file.renamed", "/final/b"), ("file.deleted", "/final/b")];
        assert_eq!(account.file_events(gateway, 3), told(&expected), "{mode:?}");
    }
}

#[test]
fn the_api_tells_the_same_with_its_operator() {
    let (gateway, account) = (Gateway::shared(), account());
    account.api_put("/depot", "a.csv", b"douze");
    assert!(account.api_get("/depot", "a.csv").is_some());
    let folder = account.folders[0]["id"].as_str().expect("an id");
    account.api.delete(&format!("/accounts/{}/folders/{folder}/files/a.csv", account.id)).ok();
    account.file_events(gateway, 3);
    let events = account.events(gateway);
    let of = |kind: &str| events.iter().find(|(found, _)| found == kind).expect("an event").1.clone();
    for kind in ["file.uploaded", "file.downloaded", "file.deleted"] {
        assert!(of(kind)["actor"]["operator"].is_string(), "{kind}");
        assert_eq!((&of(kind)["bytes"], &of(kind)["folder"]), (&json!(5), &account.folders[0]["id"]), "{kind}");
    }
}

#[test]
fn an_upload_by_way_of_a_temporary_name_is_told_once_and_names_its_transfer() {
    let (gateway, account) = (Gateway::shared(), account());
    let files = TestDir::new();
    let local = files.file("paie.csv", b"douze");
    let script =
        format!("put {} /depot/paie.csv.filepart\nrename /depot/paie.csv.filepart /depot/paie.csv\n", local.display());
    let put = account.target().sftp(&script);
    assert!(put.succeeded(), "{}", put.said());
    let server = FtpServer::of(gateway);
    let mut ftp = server.sign_in(Mode::Ftpes, &account);
    ftp.upload("STOR /depot/x.tmp", b"x");
    ftp.expect("RNFR /depot/x.tmp", 350);
    ftp.expect("RNTO /depot/x.part", 250);
    ftp.expect("RNFR /depot/x.part", 350);
    ftp.expect("RNTO /final/x.csv", 250);
    ftp.upload("STOR /depot/y.tmp", b"y");
    ftp.expect("DELE /depot/y.tmp", 250);
    ftp.upload("STOR /depot/z.csv", b"z");
    let expected =
        [("file.uploaded", "/depot/paie.csv"), ("file.uploaded", "/final/x.csv"), ("file.uploaded", "/depot/z.csv")];
    assert_eq!(account.file_events(gateway, 3), told(&expected));
    let transfers = account.api.get(&format!("/accounts/{}/transfers", account.id)).ok();
    let transfers = transfers["items"].as_array().expect("items");
    assert_eq!(transfers.len(), 4, "each counts once");
    let brought = transfers.iter().find(|transfer| transfer["path"] == "/depot/paie.csv.filepart").expect("a transfer");
    assert_eq!(
        account.events(gateway).iter().find(|(kind, _)| kind == "file.uploaded").expect("one").1["transfer"],
        brought["id"]
    );
}

#[test]
fn in_a_careful_folder_openssh_publishes_by_renaming() {
    let (gateway, account) = (Gateway::shared(), careful_account());
    let files = TestDir::new();
    let local = files.file("paie.csv", b"douze");
    let put = account.target().sftp(&format!("put {} /depot/paie.new\nls -l /depot/paie.new\n", local.display()));
    assert!(put.succeeded() && put.stdout.contains(" 5 "), "{}", put.said());
    assert!(account.api_names("/depot").is_empty(), "nobody else sees it");
    // Another connection of the login ends it, over what Lucca put there meanwhile.
    account.api_put("/depot", "paie.csv", b"ancien");
    let mut session = account.session();
    assert!(!session.rename("/depot/paie.new", "/depot/paie.csv").is_done(), "it refuses what is there");
    assert!(session.posix_rename("/depot/paie.new", "/depot/paie.csv").is_done());
    assert_eq!(account.api_get("/depot", "paie.csv").as_deref(), Some(&b"douze"[..]));
    account.file_events(gateway, 3);
    let uploaded: Vec<Value> =
        account.events(gateway).into_iter().filter(|(kind, _)| kind == "file.uploaded").map(|one| one.1).collect();
    assert_eq!(uploaded.len(), 2);
    assert_eq!((&uploaded[1]["path"], &uploaded[1]["replaced"]), (&json!("/depot/paie.csv"), &json!(true)));
}

#[test]
fn in_a_careful_folder_ftp_publishes_by_renaming() {
    let gateway = Gateway::shared();
    for (mode, server) in FtpServer::all_ways(gateway) {
        let account = careful_account();
        let mut ftp = server.sign_in(mode, &account);
        ftp.upload("STOR /depot/paie.new", b"dou");
        assert_eq!(ftp.size("/depot/paie.new"), Some(3));
        ftp.upload("APPE /depot/paie.new", b"ze");
        assert_eq!(ftp.size("/depot/paie.new"), Some(5), "{mode:?}");
        assert!(account.api_names("/depot").is_empty());
        ftp.expect("RNFR /depot/paie.new", 350);
        ftp.expect("RNTO /depot/paie.csv", 250);
        assert_eq!(account.api_get("/depot", "paie.csv").as_deref(), Some(&b"douze"[..]));
        // Of the download of a moment ago, which waits for nothing, it may be told first.
        let uploaded = told(&[("file.uploaded", "/depot/paie.csv")]).remove(0);
        let events = account.file_events(gateway, 2);
        assert_eq!((events.len(), events.contains(&uploaded)), (2, true), "{mode:?}: {events:?}");
    }
}

#[test]
fn what_is_held_outlives_a_kill_of_the_gateway() {
    let options = crate::support::Options::default();
    let gateway = Gateway::start(&options);
    let mut account = NewAccount::new().folder("/depot", "read-write").make(&gateway);
    let folder = account.folders[0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/accounts/{}/folders/{folder}", account.id);
    account.api.patch(&path, &json!({"rules": {"publish_on_rename": true}})).ok();
    assert!(account.session().upload("/depot/paie.new", b"douze").is_done());
    let gateway = gateway.kill_and_restart(&options);
    account.move_to(&gateway);
    assert!(account.session().rename("/depot/paie.new", "/depot/paie.csv").is_done());
    assert_eq!(account.api_get("/depot", "paie.csv").as_deref(), Some(&b"douze"[..]));
}

#[test]
fn sign_ins_and_cut_transfers_are_told() {
    let (gateway, account) = (Gateway::shared(), account());
    for _ in 0..3 {
        assert!(Session::open(&account.target_with(Proof::Password("autre mot de passe"))).is_err());
    }
    let mut session = account.session();
    let handle = session.open_file("/depot/a", crate::support::flags::UPLOAD).value();
    assert!(session.write(&handle, 0, b"dou").is_done());
    session.vanish();
    let events = eventually(PATIENCE, "a cut upload is told", || {
        let events = account.events(gateway);
        events.iter().any(|(kind, _)| kind == "transfer.failed").then_some(events)
    });
    let of = |kind: &str| events.iter().filter(|(found, _)| found == kind).map(|one| one.1.clone()).collect::<Vec<_>>();
    let refused = of("sign_in.refused");
    assert_eq!(refused.len(), 1, "alike ones are told once a minute: {refused:?}");
    assert_eq!((&refused[0]["reason"], &refused[0]["login"]), (&json!("wrong_password"), &json!(account.login)));
    assert_eq!(of("sign_in.succeeded").len(), 1);
    let failed = of("transfer.failed");
    assert_eq!((&failed[0]["direction"], &failed[0]["path"]), (&json!("upload"), &json!("/depot/a")));
    assert_eq!(failed[0]["reason"], json!("the connection was lost"));
}
