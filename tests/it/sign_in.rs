//! Who is let in, who is not, and what the one at the door is told.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Account, Gateway, KeyPair, NewAccount, Options, PASSWORD, Proof, Session, eventually};

fn account() -> Account {
    NewAccount::new().folder("/depot", "read-write").make(Gateway::shared())
}

fn signs_in(account: &Account, proof: Proof) -> bool {
    Session::open(&account.target_with(proof)).is_ok()
}

#[test]
fn a_password_opens_and_a_wrong_one_does_not() {
    let account = account();
    assert!(signs_in(&account, Proof::Password(PASSWORD)));
    assert!(!signs_in(&account, Proof::Password("Bulletin-de-paie-2025")));
    assert!(!signs_in(&account, Proof::Password("")));
}

#[test]
fn a_login_is_compared_without_case() {
    let account = account();
    let upper = account.login.to_uppercase();
    let target = crate::support::Target::new(Gateway::shared().port(), &upper, Proof::Password(PASSWORD));
    assert!(Session::open(&target).is_ok());
}

#[test]
fn a_password_can_also_be_said_by_keyboard_interactive() {
    let account = account();
    assert!(Session::open_interactively(&account.target()).is_ok());
    let wrong = Session::open_interactively(&account.target_with(Proof::Password("autre mot de passe")));
    assert!(wrong.is_err());
}

#[test]
fn a_key_opens_and_a_strangers_does_not() {
    let (key, stranger) = (KeyPair::ed25519(), KeyPair::ed25519());
    let account = NewAccount::new().key(&key).without_password().folder("/depot", "read-write").make(Gateway::shared());
    assert!(signs_in(&account, Proof::Key(&key)));
    assert!(!signs_in(&account, Proof::Key(&stranger)));
    assert!(!signs_in(&account, Proof::Password(PASSWORD)));
}

#[test]
fn key_and_password_are_both_needed_where_it_is_demanded() {
    let key = KeyPair::ed25519();
    let account = NewAccount::new()
        .key(&key)
        .with("authentication", "key_and_password")
        .folder("/depot", "read-write")
        .make(Gateway::shared());
    assert!(!signs_in(&account, Proof::Key(&key)));
    assert!(!signs_in(&account, Proof::Password(PASSWORD)));
    assert!(!signs_in(&account, Proof::KeyAndPassword(&key, "autre mot de passe")));
    // OpenSSH follows the partial success by itself (RFC 4252 §5.1).
    let listed = account.target_with(Proof::KeyAndPassword(&key, PASSWORD)).sftp("ls /depot\n");
    assert!(listed.succeeded(), "{}", listed.said());
}

#[test]
fn paramiko_is_told_at_once_that_it_can_try_once_per_connection() {
    // docs/PROTOCOL.md, "Clients": it asks for the service again before its second attempt, and waits for the answer.
    let key = KeyPair::ed25519();
    let account = NewAccount::new()
        .key(&key)
        .with("authentication", "key_and_password")
        .folder("/depot", "read-write")
        .make(Gateway::shared());
    let began = Instant::now();
    assert!(!signs_in(&account, Proof::KeyAndPassword(&key, PASSWORD)));
    assert!(began.elapsed() < Duration::from_secs(10), "the client waited for {:?}", began.elapsed());
}

#[test]
fn a_disabled_account_is_refused_at_once_and_its_sessions_end() {
    let account = account();
    let mut session = account.session();
    assert!(session.stat("/depot").is_done());
    account.api.change_account(&account.id, &json!({"state": "disabled"})).ok();
    assert!(!signs_in(&account, Proof::Password(PASSWORD)));
    eventually(Duration::from_secs(10), "the open session ends", || (!session.stat("/depot").is_done()).then_some(()));
    account.api.change_account(&account.id, &json!({"state": "enabled"})).ok();
    assert!(signs_in(&account, Proof::Password(PASSWORD)));
}

#[test]
fn an_expired_account_is_refused() {
    let account = account();
    account.api.change_account(&account.id, &json!({"expires_at": "2020-01-01T00:00:00Z"})).ok();
    assert!(!signs_in(&account, Proof::Password(PASSWORD)));
    account.api.change_account(&account.id, &json!({"expires_at": null})).ok();
    assert!(signs_in(&account, Proof::Password(PASSWORD)));
}

#[test]
fn an_address_list_lets_in_its_own() {
    let account = account();
    account.api.change_account(&account.id, &json!({"allowed_addresses": ["192.0.2.0/24"]})).ok();
    assert!(!signs_in(&account, Proof::Password(PASSWORD)));
    account.api.change_account(&account.id, &json!({"allowed_addresses": ["192.0.2.0/24", "127.0.0.0/8"]})).ok();
    assert!(signs_in(&account, Proof::Password(PASSWORD)));
}

#[test]
fn every_refusal_sounds_the_same() {
    let account = account();
    account.api.change_account(&account.id, &json!({"state": "disabled"})).ok();
    let unknown = crate::support::Target::new(Gateway::shared().port(), "personne-ici", Proof::Password(PASSWORD));
    let said = |target: &crate::support::Target| Session::open(target).err().expect("a refusal");
    assert_eq!(said(&unknown), said(&account.target()), "a disabled account");
    assert_eq!(said(&unknown), said(&account.target_with(Proof::Password("autre mot de passe"))), "a wrong password");
}

#[test]
fn many_wrong_passwords_block_that_login_from_that_address_for_a_time() {
    let config = "[access]\nblock_after = 3\nblock_window = \"1m\"\nblock_for = \"5s\"\nrefusal_delay = \"0s\"\n";
    let gateway = Gateway::start(&Options { config: config.into(), ..Options::default() });
    let account = NewAccount::new().folder("/depot", "read-write").make(&gateway);
    let neighbour = NewAccount::new().folder("/depot", "read-write").make(&gateway);
    for _ in 0..3 {
        assert!(!signs_in(&account, Proof::Password("autre mot de passe")));
    }
    let blocked_at = Instant::now();
    assert!(!signs_in(&account, Proof::Password(PASSWORD)), "the right password during the block");
    assert!(signs_in(&neighbour, Proof::Password(PASSWORD)), "another login from the same address");
    eventually(Duration::from_secs(30), "the block ends", || {
        signs_in(&account, Proof::Password(PASSWORD)).then_some(())
    });
    assert!(blocked_at.elapsed() > Duration::from_secs(2), "the block was no block");
}

#[test]
fn attempts_of_one_connection_are_counted() {
    let gateway = Gateway::start(&Options {
        config: "[access]\nattempts_per_connection = 2\nrefusal_delay = \"0s\"\n".into(),
        ..Options::default()
    });
    let account = NewAccount::new().folder("/depot", "read-write").make(&gateway);
    let keys = [KeyPair::ed25519(), KeyPair::ed25519(), KeyPair::ed25519()];
    let mut target = account.target_with(Proof::KeyAndPassword(&keys[0], "autre mot de passe"));
    target.options = ["PreferredAuthentications=password", "NumberOfPasswordPrompts=6"].map(str::to_owned).to_vec();
    let asked = target.sftp("ls\n");
    assert!(!asked.succeeded());
    let lower = asked.stderr.to_lowercase();
    assert!(
        lower.contains("too many")
            || lower.contains("closed")
            || lower.contains("disconnect")
            || lower.contains("reset"),
        "the gateway ends the connection itself: {}",
        asked.said()
    );
}

#[test]
fn a_connection_that_does_not_sign_in_is_dropped() {
    let gateway =
        Gateway::start(&Options { config: "[access]\nsign_in_timeout = \"1s\"\n".into(), ..Options::default() });
    let mut silent = TcpStream::connect(("127.0.0.1", gateway.port())).expect("a connection");
    silent.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let start = Instant::now();
    let mut said = Vec::new();
    // It shows its banner, waits, and hangs up; a time-out of ours would be an error.
    silent.read_to_end(&mut said).expect("the gateway hangs up");
    assert!(said.starts_with(b"SSH-2.0-"), "{said:?}");
    assert!(start.elapsed() < Duration::from_secs(15));
}

#[test]
fn only_files_are_served() {
    let account = account();
    for command in [vec!["id"], vec!["sh", "-c", "id"], vec!["rsync", "--server", "."]] {
        let done = account.target().ssh(&command);
        assert!(!done.stdout.contains("uid="), "{command:?}: {}", done.said());
        assert!(!done.succeeded(), "{command:?}: {}", done.said());
    }
    // Forwarding and a shell are refused, and the same connection still serves files.
    let mut target = account.target();
    target.options = vec!["ExitOnForwardFailure=yes".into(), "RemoteForward=0 127.0.0.1:1".into()];
    assert!(!target.ssh(&["-N"]).succeeded(), "remote forwarding");
    let mut target = account.target();
    target.options = vec!["RemoteForward=0 127.0.0.1:1".into(), "ForwardAgent=yes".into()];
    let listed = target.sftp("ls /depot\n");
    assert!(listed.succeeded(), "{}", listed.said());
}
