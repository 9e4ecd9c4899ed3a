//! Uploads that do not reach their end: cut by the client, by the network, by `kill -9` of the gateway. Nobody sees
//! them, and they resume.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{
    Account, Gateway, KeyPair, NewAccount, Options, Proof, Proxy, Session, Target, TestDir, eventually, flags, pattern,
    run,
};

const FOLDER: &str = "/depot";
const LENGTH: usize = 24 * 1024 * 1024;
/// Where the wire is held: past the sign-in, well before the end.
const HELD_AFTER: u64 = 6 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);

fn account(gateway: &Gateway) -> Account {
    NewAccount::new().folder(FOLDER, "read-write").make(gateway)
}

/// An upload by OpenSSH's sftp, caught in the middle.
struct HeldUpload {
    proxy: Proxy,
    client: std::process::Child,
    files: TestDir,
    contents: Vec<u8>,
    // Its home holds the client's script.
    _target: TargetHome,
}

/// Keeps a target's files while its client runs.
type TargetHome = Box<dyn std::any::Any>;

impl HeldUpload {
    fn begin(account: &Account, port: u16) -> Self {
        let files = TestDir::new();
        let contents = pattern(LENGTH);
        let local = files.file("gros.csv", &contents);
        let proxy = Proxy::holding_after(port, HELD_AFTER);
        let key = KeyPair::ed25519();
        account.api.add_public_key(&account.id, &key.public_text()).ok();
        let (login, port) = (account.login.clone(), proxy.port());
        let target = Target::new(port, &login, Proof::Key(&key));
        let client = target
            .sftp_command(&format!("put {} {FOLDER}/gros.csv\n", local.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sftp starts");
        proxy.wait_until_holding();
        // What has passed may still be under way inside the gateway.
        eventually(PATIENCE, "a part of it is staged", || {
            let size = account.session().stat(format!("{FOLDER}/gros.csv"));
            size.is_done()
                .then(|| size.value()["size"].as_u64().unwrap_or_default())
                .filter(|size| *size >= HELD_AFTER / 2)
        });
        let home = target.into_home();
        Self { proxy, client, files, contents, _target: Box::new((home, key)) }
    }

    /// Ends the client and waits until the gateway has noticed.
    fn end(mut self, account: &Account, how: impl FnOnce(&mut Self)) -> (TestDir, Vec<u8>) {
        how(&mut self);
        let _ = self.client.kill();
        let _ = self.client.wait();
        let size = eventually(PATIENCE, "the login sees its incomplete upload", || {
            let size = account.session().stat(format!("{FOLDER}/gros.csv"));
            size.is_done().then(|| size.value()["size"].as_u64().unwrap_or_default()).filter(|size| *size > 0)
        });
        assert!(size < LENGTH as u64, "{size} bytes: the upload was not caught in the middle");
        (self.files, self.contents)
    }
}

/// Nothing is there for Lucca's side.
fn assert_invisible(account: &Account) {
    assert_eq!(account.api_names(FOLDER), Vec::<String>::new());
    assert_eq!(account.api_get(FOLDER, "gros.csv"), None);
}

/// `reput` sends the rest, no more, and then the file is whole.
fn assert_resumes(account: &Account, port: u16, files: &TestDir, contents: &[u8]) {
    let wire = Proxy::to(port);
    let target = account.target_at(wire.port());
    let resumed = target.sftp(&format!("reput {} {FOLDER}/gros.csv\n", files.join("gros.csv").display()));
    assert!(resumed.succeeded(), "reput: {}", resumed.said());
    let sent = wire.passed();
    assert!(sent < (LENGTH as u64) - 1024 * 1024, "reput sent {sent} bytes: it began anew");
    assert!(account.api_get(FOLDER, "gros.csv").is_some_and(|found| found == contents), "the resumed file differs");
}

#[test]
fn an_upload_whose_client_is_killed_leaves_nothing_and_resumes() {
    let account = account(Gateway::shared());
    let upload = HeldUpload::begin(&account, Gateway::shared().port());
    assert_invisible(&account);
    let (files, contents) = upload.end(&account, |upload| {
        let _ = upload.client.kill();
        upload.proxy.release();
    });
    assert_invisible(&account);
    assert_resumes(&account, Gateway::shared().port(), &files, &contents);
}

#[test]
fn an_upload_cut_by_the_network_leaves_nothing_and_resumes() {
    let account = account(Gateway::shared());
    let upload = HeldUpload::begin(&account, Gateway::shared().port());
    let (files, contents) = upload.end(&account, |upload| upload.proxy.cut());
    assert_invisible(&account);
    assert_resumes(&account, Gateway::shared().port(), &files, &contents);
}

#[test]
fn an_upload_cut_by_a_killed_gateway_leaves_nothing_and_resumes() {
    let gateway = Gateway::start(&Options::default());
    let mut account = account(&gateway);
    let upload = HeldUpload::begin(&account, gateway.port());
    let gateway = gateway.kill_and_restart(&Options::default());
    account.move_to(&gateway);
    let (files, contents) = upload.end(&account, |_| {});
    assert_invisible(&account);
    assert_resumes(&account, gateway.port(), &files, &contents);
}

#[test]
fn an_acknowledged_upload_survives_a_killed_gateway() {
    let mut gateway = Gateway::start(&Options::default());
    let mut account = account(&gateway);
    for round in 0..3 {
        let name = format!("bulletins-{round}.csv");
        let contents = pattern(100_000 + round);
        let mut session = account.session();
        let handle = session.open_file(format!("{FOLDER}/{name}"), flags::UPLOAD).value();
        for (index, part) in contents.chunks(32 * 1024).enumerate() {
            assert!(session.write(&handle, index as u64 * 32 * 1024, part).is_done());
        }
        assert!(session.close(&handle).is_done());
        // The OK has come: from now on nothing may be lost.
        gateway = gateway.kill_and_restart(&Options::default());
        account.move_to(&gateway);
        assert!(account.api_get(FOLDER, &name).is_some_and(|found| found == contents), "{name} was lost");
    }
    assert_eq!(account.api_names(FOLDER).len(), 3);
}

#[test]
fn an_overwritten_file_keeps_its_old_content_until_the_new_one_is_whole() {
    let account = account(Gateway::shared());
    account.api_put(FOLDER, "gros.csv", b"ancien");
    let mut upload = HeldUpload::begin(&account, Gateway::shared().port());
    assert_eq!(account.api_get(FOLDER, "gros.csv").as_deref(), Some(b"ancien".as_slice()));
    assert_eq!(account.api_names(FOLDER), ["gros.csv"]);
    upload.proxy.release();
    let status = eventually(PATIENCE, "the upload ends", || upload.client.try_wait().expect("a client"));
    assert!(status.success(), "sftp: {status}");
    assert!(account.api_get(FOLDER, "gros.csv").is_some_and(|found| found == upload.contents), "not the new file");
}

#[test]
fn a_cut_overwrite_leaves_the_old_content_and_can_be_discarded() {
    let account = account(Gateway::shared());
    account.api_put(FOLDER, "gros.csv", b"ancien");
    let upload = HeldUpload::begin(&account, Gateway::shared().port());
    let name = format!("{FOLDER}/gros.csv");
    upload.proxy.cut();
    let mut session = account.session();
    eventually(PATIENCE, "the login sees its incomplete upload", || {
        let size = session.stat(&name).value()["size"].as_u64()?;
        (size > 6).then_some(())
    });
    assert_eq!(account.api_get(FOLDER, "gros.csv").as_deref(), Some(b"ancien".as_slice()));
    // To its login it is there, and busy.
    assert_eq!(session.download(&name), Err(4), "reading an incomplete upload");
    assert_eq!(session.rename(&name, format!("{FOLDER}/autre.csv")).code(), 4, "renaming an incomplete upload");
    assert!(session.remove(&name).is_done(), "discarding it");
    assert_eq!(session.download(&name), Ok(b"ancien".to_vec()), "the whole version is back");
    assert_eq!(account.api_get(FOLDER, "gros.csv").as_deref(), Some(b"ancien".as_slice()));
}

#[test]
fn a_handle_that_is_never_closed_publishes_nothing() {
    let account = account(Gateway::shared());
    let mut session = account.session();
    let handle = session.open_file("/depot/ouvert.csv", flags::UPLOAD).value();
    assert!(session.write(&handle, 0, b"une ligne").is_done());
    session.vanish();
    eventually(PATIENCE, "the gateway notices", || {
        let size = account.session().stat("/depot/ouvert.csv");
        (size.is_done() && size.value()["size"] == 9).then_some(())
    });
    assert_eq!(account.api_names(FOLDER), Vec::<String>::new());
}

#[test]
fn two_sessions_writing_one_name_never_mix() {
    let account = account(Gateway::shared());
    let (mut first, mut second) = (account.session(), account.session());
    let one = first.open_file("/depot/commun.csv", flags::UPLOAD).value();
    let other = second.open_file("/depot/commun.csv", flags::UPLOAD).value();
    for line in 0..8 {
        assert!(first.write(&one, line * 4, b"AAAA").is_done());
        assert!(second.write(&other, line * 4, b"BBBB").is_done());
    }
    assert!(second.close(&other).is_done());
    assert_eq!(account.api_get(FOLDER, "commun.csv"), Some(b"B".repeat(32)));
    assert!(first.close(&one).is_done());
    assert_eq!(account.api_get(FOLDER, "commun.csv"), Some(b"A".repeat(32)), "the last orderly end wins");
}

#[test]
fn a_reader_keeps_the_version_that_it_opened() {
    let account = account(Gateway::shared());
    account.api_put(FOLDER, "export.csv", b"ancien");
    let mut session = account.session();
    let handle = session.open_file("/depot/export.csv", flags::READ).value();
    account.api_put(FOLDER, "export.csv", b"nouveau");
    assert_eq!(session.read(&handle, 0, 100).value(), "616e6369656e", "hexadecimal of the old version");
    assert_eq!(session.download("/depot/export.csv"), Ok(b"nouveau".to_vec()));
}

#[test]
fn an_update_in_place_is_published_when_it_is_closed() {
    let account = account(Gateway::shared());
    account.api_put(FOLDER, "compteur.txt", b"0001;0002");
    let mut session = account.session();
    let handle = session.open_file("/depot/compteur.txt", flags::WRITE).value();
    assert!(session.write(&handle, 5, b"9999").is_done());
    assert_eq!(account.api_get(FOLDER, "compteur.txt").as_deref(), Some(b"0001;0002".as_slice()));
    assert!(session.close(&handle).is_done());
    assert_eq!(account.api_get(FOLDER, "compteur.txt").as_deref(), Some(b"0001;9999".as_slice()));
}

#[test]
fn an_append_is_published_when_it_is_closed() {
    let account = account(Gateway::shared());
    account.api_put(FOLDER, "journal.txt", b"un\n");
    let mut session = account.session();
    let appended = session.upload_with("/depot/journal.txt", flags::WRITE | flags::APPEND, b"deux\n");
    assert!(appended.is_done(), "{appended:?}");
    assert_eq!(account.api_get(FOLDER, "journal.txt").as_deref(), Some(b"un\ndeux\n".as_slice()));
}

#[test]
fn the_gateway_stops_politely_when_asked() {
    let gateway = Gateway::start(&Options::default());
    let pid = gateway.told()["pid"].as_u64().expect("a pid").to_string();
    let asked = run(Command::new("kill").args(["-TERM", &pid]), Duration::from_secs(5));
    assert!(asked.succeeded(), "{}", asked.said());
    let account_port = gateway.port();
    eventually(PATIENCE, "nobody listens any more", || {
        std::net::TcpStream::connect(("127.0.0.1", account_port)).is_err().then_some(())
    });
    let mut gateway = gateway;
    let status = eventually(PATIENCE, "the gateway ends", || gateway.ended());
    assert!(status.success(), "{status}");
}

#[test]
fn an_account_of_another_session_does_not_see_an_incomplete_upload() {
    let account = account(Gateway::shared());
    let other = self::account(Gateway::shared());
    let mut session = account.session();
    let handle = session.open_file("/depot/a-moi.csv", flags::UPLOAD).value();
    assert!(session.write(&handle, 0, b"secret").is_done());
    let mut stranger: Session = other.session();
    assert_eq!(stranger.stat("/depot/a-moi.csv").code(), 2);
    assert!(session.close(&handle).is_done());
    assert_eq!(stranger.stat("/depot/a-moi.csv").code(), 2);
}
