//! Limits, records, what is remembered, and the way from a grant to a session.

use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;

use super::world::{World, connection, key, password, refusal};
use crate::access::grant::OpenError;
use crate::access::records::Record;
use crate::access::{Connection, Outcome, Refusal, RefusalReason};
use crate::domain::CloseNotify::{Guarded, Strict};
use crate::domain::TlsResumption::{Offered, Require};
use crate::domain::{AccountState, CredentialKind, FtpRules, Hosting};
use crate::sessions::{EndReason, Opening};

#[tokio::test]
async fn a_connection_has_so_many_attempts() {
    let world = World::with(|settings| settings.block_after = 100);
    let mut sign_in = world.connect();
    for _ in 0..6 {
        let Outcome::Refused(refused) = sign_in.attempt("paie-acme", password("wrong")).await else { panic!() };
        assert_eq!(refused, Refusal { reason: RefusalReason::WrongPassword, end_connection: false });
    }
    world.hasher.take();
    let Outcome::Refused(refused) = sign_in.attempt("paie-acme", password("right")).await else { panic!() };
    assert_eq!(refused, Refusal { reason: RefusalReason::TooManyAttempts, end_connection: true });
    assert!(world.hasher.take().is_empty());
}

#[tokio::test]
async fn connections_that_are_not_signed_in_are_capped_until_they_are() {
    let world = World::new();
    let mut first = world.connect();
    let second = world.connect();
    let refused = world.access.admit(connection("192.0.2.7")).err().unwrap();
    assert_eq!(refused, Refusal { reason: RefusalReason::Overloaded, end_connection: true });
    assert_eq!(refusal(&mut first, "paie-acme", "right").await, None);
    let third = world.connect();
    drop((second, third));
    drop((world.connect(), world.connect_from("192.0.2.8")));
}

#[tokio::test]
async fn a_password_that_was_just_right_costs_no_hashing() {
    let world = World::new();
    assert_eq!(world.refusal("paie-acme", "right").await, None);
    assert_eq!(world.hasher.take().len(), 1);
    assert_eq!(world.refusal("paie-acme", "right").await, None);
    assert!(world.hasher.take().is_empty());
    assert_eq!(world.refusal("paie-acme", "wrong").await, Some(RefusalReason::WrongPassword));
    assert_eq!(world.hasher.take().len(), 2);
    world.clock.advance(Duration::from_secs(300));
    assert_eq!(world.refusal("paie-acme", "right").await, None);
    assert_eq!(world.hasher.take().len(), 1, "the term is over");
}

#[tokio::test]
async fn a_changed_password_is_forgotten_at_once() {
    let world = World::new();
    assert_eq!(world.refusal("paie-acme", "right").await, None);
    world.change(|record| record.credentials[0].kind = CredentialKind::Password { hash: "2:changed".to_owned() });
    assert_eq!(world.refusal("paie-acme", "right").await, Some(RefusalReason::WrongPassword));
    world.change(|record| record.credentials[0].kind = CredentialKind::Password { hash: "2:right".to_owned() });
    let account = world.accounts.records.lock().unwrap()[0].account.id;
    world.access.account_changed(account);
    world.hasher.take();
    assert_eq!(world.refusal("paie-acme", "right").await, None);
    assert_eq!(world.hasher.take().len(), 1);
}

#[tokio::test]
async fn an_old_hash_is_upgraded_in_silence() {
    let world = World::new();
    world.change(|record| record.credentials[0].kind = CredentialKind::Password { hash: "1:right".to_owned() });
    assert_eq!(world.refusal("paie-acme", "right").await, None);
    world.written().await;
    let stored = world.accounts.records.lock().unwrap()[0].credentials[0].kind.clone();
    assert_eq!(stored, CredentialKind::Password { hash: "2:right".to_owned() });
    world.hasher.take();
    assert_eq!(world.refusal("paie-acme", "right").await, None);
    assert!(world.hasher.take().is_empty(), "it is remembered with the new hash");
}

#[tokio::test]
async fn a_poller_writes_its_last_use_once_a_minute() {
    let world = World::new();
    for _ in 0..8 {
        assert_eq!(world.refusal("paie-acme", "right").await, None);
        world.clock.advance(Duration::from_secs(20));
    }
    let uses = world.written().await.into_iter().filter(|record| matches!(record, Record::Use { .. }));
    assert_eq!(uses.count(), 3);
}

#[tokio::test]
async fn a_record_that_the_store_refuses_takes_no_other_with_it() {
    let world = World::new();
    world.accounts.refuses_uses.store(true, Ordering::SeqCst);
    assert_eq!(world.refusal("paie-acme", "right").await, None);
    assert_eq!(world.refusal("paie-acme", "wrong").await, Some(RefusalReason::WrongPassword));
    let written = world.written().await;
    assert_eq!((attempts(&written), written.len()), (2, 4), "each attempt with its event");
}

#[tokio::test]
async fn alike_attempts_are_merged_and_say_who_why_and_by_what() {
    let world = World::with(|settings| settings.block_after = 100);
    for _ in 0..5 {
        let mut sign_in = world.connect();
        sign_in.set_client("SSH-2.0-payroll\n1.0");
        assert!(refusal(&mut sign_in, "paie-acme", "wrong").await.is_some());
    }
    assert_eq!(world.refusal("no\nbody", "wrong").await, Some(RefusalReason::UnknownLogin));
    let (mut wrong, mut unknown) = (0, 0);
    for record in world.written().await {
        let Record::Attempt(attempt) = record else { continue };
        match attempt.outcome.as_str() {
            "wrong_password" => {
                wrong += attempt.count;
                assert_eq!(attempt.client, "SSH-2.0-payroll\\n1.0");
                assert!(attempt.account.is_some());
                assert_eq!(attempt.address, "192.0.2.7");
            }
            "unknown_login" => {
                unknown += attempt.count;
                assert_eq!((attempt.login.as_str(), attempt.account), ("no\\nbody", None));
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!((wrong, unknown), (5, 1));
}

#[tokio::test]
async fn a_refusal_is_held_back_to_a_fixed_step_of_time_and_a_grant_is_not() {
    let world = World::with(|settings| settings.refusal_delay = Duration::from_millis(40));
    let began = Instant::now();
    assert_eq!(world.refusal("nobody-here", "x").await, Some(RefusalReason::UnknownLogin));
    assert!(began.elapsed() >= Duration::from_millis(40));
    let slow = World::with(|settings| settings.refusal_delay = Duration::from_secs(3600));
    assert_eq!(slow.refusal("paie-acme", "right").await, None);
}

#[tokio::test]
async fn leaving_before_the_refusal_is_told_does_not_escape_the_count() {
    let world = World::with(|settings| settings.refusal_delay = Duration::from_secs(3600));
    for left in 1..=3 {
        let mut sign_in = world.connect();
        let mut attempt = std::pin::pin!(sign_in.attempt("paie-acme", password("wrong")));
        while attempts(&world.written().await) < left {
            assert!((&mut attempt).now_or_never().is_none(), "the answer is held back");
            tokio::task::yield_now().await;
        }
    }
    assert!(!world.connect().key_is_welcome("paie-acme", &key()).await, "the login is blocked");
}

fn attempts(written: &[Record]) -> u64 {
    written.iter().map(|record| if let Record::Attempt(attempt) = record { attempt.count } else { 0 }).sum()
}

#[tokio::test]
async fn a_flood_of_passwords_is_refused_at_once_beyond_what_may_wait() {
    let world = World::with(|settings| settings.unauthenticated_per_address = 4);
    let (closed, gate) = mpsc::channel();
    *world.hasher.gate.lock().unwrap() = Some(gate);
    let mut sign_ins = [world.connect(), world.connect(), world.connect()];
    let [first, second, third] = &mut sign_ins;
    let mut running = std::pin::pin!(first.attempt("paie-acme", password("right")));
    let mut waiting = std::pin::pin!(second.attempt("nobody-here", password("right")));
    assert!((&mut running).now_or_never().is_none());
    assert!((&mut waiting).now_or_never().is_none());
    let Outcome::Refused(refused) = third.attempt("nobody-here", password("right")).await else { panic!() };
    assert_eq!(refused, Refusal { reason: RefusalReason::Overloaded, end_connection: true });
    drop(closed);
    assert!(matches!(running.await, Outcome::Granted(_)));
    assert_eq!(super::world::reason(&waiting.await), Some(RefusalReason::UnknownLogin));
}

#[tokio::test]
async fn a_full_house_is_a_refusal_that_operators_can_read() {
    let world = World::new();
    let (account, instance, login) = {
        let account = &world.accounts.records.lock().unwrap()[0].account;
        (account.id, account.instance, account.login.clone())
    };
    let connection_type = crate::domain::ConnectionType::Sftp;
    let address = "192.0.2.9".parse().unwrap();
    let (client, as_of) = (crate::domain::ClientSoftware::default(), world.registry.moment());
    let (algorithms, ftp_rules) = (None, FtpRules::default());
    let opening = Opening { account, instance, login, connection_type, address, client, algorithms, ftp_rules, as_of };
    let session = world.registry.open(opening).unwrap();
    let Outcome::Refused(refused) = world.connect().attempt("paie-acme", password("right")).await else { panic!() };
    assert_eq!(refused, Refusal { reason: RefusalReason::TooManySessions, end_connection: true });
    drop(session);
    assert_eq!(world.refusal("paie-acme", "right").await, None);
}

#[tokio::test]
async fn what_holds_over_ftp_is_the_accounts_else_the_presets_and_never_less_than_the_listeners() {
    let world = World::new();
    let granted = async |tls_resumption| {
        let connection = Connection { tls_resumption, ..connection("192.0.2.7") };
        let mut sign_in = world.access.admit(connection).ok().unwrap();
        let Outcome::Granted(grant) = sign_in.attempt("paie-acme", password("right")).await else { panic!() };
        grant.ftp_rules()
    };
    let rules = |close_notify, tls_resumption| FtpRules { close_notify, tls_resumption };
    assert_eq!(granted(Offered).await, rules(Guarded, Offered), "as the preset says");
    assert_eq!(granted(Require).await, rules(Guarded, Require), "as the listener demands");
    world.change(|record| record.account.close_notify = Some(Strict));
    assert_eq!(granted(Offered).await, rules(Strict, Offered), "as the account says");
    world.change(|record| record.account.tls_resumption = Some(Require));
    assert_eq!(granted(Offered).await, rules(Strict, Require));
    world.change(|record| record.account.tls_resumption = Some(Offered));
    assert_eq!(granted(Require).await, rules(Strict, Require), "the listener's is the least");
    world.change(|record| {
        record.account.close_notify = None;
        record.account.hosting = Hosting::Hosted { preset: "gone".parse().unwrap(), version: 1 };
    });
    assert_eq!(granted(Offered).await, FtpRules::default(), "its preset is no longer configured");
}

#[tokio::test]
async fn a_grant_whose_files_cannot_be_mounted_leaves_no_session_behind() {
    let world = World::new();
    let mut sign_in = world.connect();
    sign_in.set_client("OpenSSH_9.9");
    let Outcome::Granted(grant) = sign_in.attempt("PAIE-acme", password("right")).await else { panic!() };
    assert_eq!((grant.login().as_str(), grant.client()), ("paie-acme", "OpenSSH_9.9"));
    assert!(matches!(grant.try_open().await, Err(OpenError::Tree(_))));
    assert!(world.registry.list().is_empty());
}

#[tokio::test]
async fn a_sign_in_that_looked_before_a_change_opens_no_session_after_it() {
    let world = World::new();
    let account = world.accounts.records.lock().unwrap()[0].account.id;
    let (closed, gate) = mpsc::channel();
    *world.hasher.gate.lock().unwrap() = Some(gate);
    let mut sign_in = world.connect();
    let mut running = std::pin::pin!(sign_in.attempt("paie-acme", password("right")));
    // It has looked at the account, and its password is being verified.
    assert!((&mut running).now_or_never().is_none());
    world.change(|record| record.account.state = AccountState::Disabled);
    world.access.account_changed(account);
    world.registry.disconnect_account(account, EndReason::AccountChanged);
    drop(closed);
    let Outcome::Granted(grant) = running.await else { panic!("it was right when it was looked at") };
    assert!(matches!(grant.try_open().await, Err(OpenError::AccountChanged)));
    assert!(world.registry.list().is_empty());
}

#[tokio::test]
async fn what_protects_a_connection_is_recorded_with_the_attempt() {
    let world = World::new();
    let mut sign_in = world.connect();
    sign_in.set_protocol_details("mlkem768x25519-sha256 ssh-ed25519 aes128-gcm@openssh.com\n");
    assert_eq!(refusal(&mut sign_in, "paie-acme", "right").await, None);
    let written = world.written().await;
    let told = written.iter().find_map(|record| match record {
        Record::Attempt(attempt) => attempt.algorithms.clone(),
        _ => None,
    });
    assert_eq!(told.as_deref(), Some("mlkem768x25519-sha256 ssh-ed25519 aes128-gcm@openssh.com\\n"));
}
