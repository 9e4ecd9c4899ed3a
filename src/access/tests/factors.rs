//! Keys, rotations, and accounts that ask for a key and a password.

use super::world::{World, credential, key, other_key, password, reason, refusal, validity};
use crate::access::{Needed, Outcome, Proof, RefusalReason};
use crate::domain::{AuthenticationRule, CredentialKind};
use std::time::Duration;

const KEY_NEEDED: Needed = Needed { password: false, public_key: true };
const PASSWORD_NEEDED: Needed = Needed { password: true, public_key: false };

fn needed(outcome: &Outcome) -> Option<Needed> {
    match outcome {
        Outcome::MoreNeeded(needed) => Some(*needed),
        Outcome::Granted(_) | Outcome::Refused(_) => None,
    }
}

fn world_of_two_factors() -> World {
    let world = World::new();
    world.change(|record| record.account.authentication = AuthenticationRule::KeyAndPassword);
    world
}

#[tokio::test]
async fn a_key_opens_without_hashing_anything() {
    let world = World::new();
    let mut sign_in = world.connect();
    assert!(sign_in.key_is_welcome("Paie-Acme", &key()).await);
    assert!(matches!(sign_in.attempt("Paie-Acme", Proof::PublicKey(key())).await, Outcome::Granted(_)));
    assert!(world.hasher.take().is_empty());
}

#[tokio::test]
async fn another_key_is_neither_welcome_nor_right() {
    let world = World::new();
    let mut sign_in = world.connect();
    assert!(!sign_in.key_is_welcome("paie-acme", &other_key()).await);
    assert!(!sign_in.key_is_welcome("nobody-here", &key()).await);
    let outcome = sign_in.attempt("paie-acme", Proof::PublicKey(other_key())).await;
    assert_eq!(reason(&outcome), Some(RefusalReason::WrongKey));
    world.change(|record| record.credentials[1].validity = validity(None, Some(-1)));
    assert!(!sign_in.key_is_welcome("paie-acme", &key()).await);
    let outcome = sign_in.attempt("paie-acme", Proof::PublicKey(key())).await;
    assert_eq!(reason(&outcome), Some(RefusalReason::CredentialEnded));
}

#[tokio::test]
async fn a_key_among_many_is_found_but_a_list_of_keys_is_not_gone_through() {
    let world = World::new();
    let mut sign_in = world.connect();
    for _ in 0..19 {
        assert!(!sign_in.key_is_welcome("paie-acme", &other_key()).await);
    }
    assert!(sign_in.key_is_welcome("paie-acme", &key()).await);
    assert!(!sign_in.key_is_welcome("paie-acme", &key()).await, "the 21st is not looked at");
    assert_eq!(refusal(&mut sign_in, "paie-acme", "right").await, None, "a password still is");
}

#[tokio::test]
async fn two_passwords_overlap_during_a_rotation() {
    let world = World::new();
    world.change(|record| {
        record.credentials[0].validity = validity(None, Some(60));
        let mut new = credential(record.account.id, CredentialKind::Password { hash: "2:new".to_owned() });
        new.validity = validity(Some(30), None);
        record.credentials.push(new);
    });
    assert_eq!(world.refusal("paie-acme", "right").await, None);
    assert_eq!(world.refusal("paie-acme", "new").await, Some(RefusalReason::CredentialNotYetValid));
    world.clock.advance(Duration::from_secs(45 * 60));
    assert_eq!(world.refusal("paie-acme", "right").await, None);
    assert_eq!(world.refusal("paie-acme", "new").await, None);
    world.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(world.refusal("paie-acme", "right").await, Some(RefusalReason::CredentialEnded));
    assert_eq!(world.refusal("paie-acme", "new").await, None);
}

#[tokio::test]
async fn a_key_and_a_password_open_in_either_order() {
    let world = world_of_two_factors();
    let mut sign_in = world.connect();
    let first = sign_in.attempt("paie-acme", Proof::PublicKey(key())).await;
    assert_eq!(needed(&first), Some(PASSWORD_NEEDED));
    assert!(matches!(sign_in.attempt("paie-acme", password("right")).await, Outcome::Granted(_)));

    let mut sign_in = world.connect();
    let first = sign_in.attempt("paie-acme", password("right")).await;
    assert_eq!(needed(&first), Some(KEY_NEEDED));
    assert!(matches!(sign_in.attempt("paie-acme", Proof::PublicKey(key())).await, Outcome::Granted(_)));
}

#[tokio::test]
async fn two_passwords_are_not_a_key_and_a_password() {
    let world = world_of_two_factors();
    world.change(|record| {
        let second = credential(record.account.id, CredentialKind::Password { hash: "2:second".to_owned() });
        record.credentials.push(second);
    });
    let mut sign_in = world.connect();
    for text in ["right", "second", "right"] {
        assert_eq!(needed(&sign_in.attempt("paie-acme", password(text)).await), Some(KEY_NEEDED));
    }
}

#[tokio::test]
async fn factors_of_two_connections_or_around_another_login_do_not_add_up() {
    let world = world_of_two_factors();
    let mut first = world.connect();
    assert_eq!(needed(&first.attempt("paie-acme", Proof::PublicKey(key())).await), Some(PASSWORD_NEEDED));
    let mut second = world.connect();
    assert_eq!(needed(&second.attempt("paie-acme", password("right")).await), Some(KEY_NEEDED));
    assert!(reason(&first.attempt("someone-else", password("x")).await).is_some());
    assert_eq!(needed(&first.attempt("paie-acme", password("right")).await), Some(KEY_NEEDED));
}

#[tokio::test]
async fn a_factor_that_is_retired_meanwhile_counts_no_more() {
    let world = world_of_two_factors();
    let mut sign_in = world.connect();
    assert_eq!(needed(&sign_in.attempt("paie-acme", Proof::PublicKey(key())).await), Some(PASSWORD_NEEDED));
    world.change(|record| {
        record.credentials.remove(1);
    });
    assert_eq!(needed(&sign_in.attempt("paie-acme", password("right")).await), Some(KEY_NEEDED));
}

#[tokio::test]
async fn one_factor_of_two_does_not_tell_more_about_an_account_that_is_disabled() {
    let world = world_of_two_factors();
    world.change(|record| record.account.connection_types = Default::default());
    let outcome = world.connect().attempt("paie-acme", Proof::PublicKey(key())).await;
    assert_eq!(reason(&outcome), Some(RefusalReason::ConnectionTypeNotAllowed));
}
