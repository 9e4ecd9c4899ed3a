//! Wrong answers, and what becomes of who gives them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::world::{NOON, World, key, other_key, refusal};
use crate::access::records::Record;
use crate::access::{Proof, RefusalReason};
use crate::domain::{Account, AccountState, AuthenticationRule};
use crate::store::Block;

const WRONG: Option<RefusalReason> = Some(RefusalReason::WrongPassword);
const BLOCKED: Option<RefusalReason> = Some(RefusalReason::Blocked);

async fn fail(world: &World, times: u32) {
    for _ in 0..times {
        assert_eq!(world.refusal("paie-acme", "wrong").await, WRONG);
    }
}

#[tokio::test]
async fn too_many_wrong_answers_block_the_login_from_that_address_for_a_while() {
    let world = World::new();
    fail(&world, 3).await;
    world.hasher.take();
    assert_eq!(world.refusal("Paie-ACME", "right").await, BLOCKED);
    assert!(world.hasher.take().is_empty(), "a block is cheap");
    assert!(!world.connect().key_is_welcome("paie-acme", &key()).await);
    let elsewhere = refusal(&mut world.connect_from("192.0.2.8"), "paie-acme", "right").await;
    assert_eq!(elsewhere, None, "from another address it is nobody's fault");
    assert_eq!(world.refusal("nobody-here", "x").await, Some(RefusalReason::UnknownLogin), "nor for another login");
    world.clock.advance(Duration::from_secs(600));
    assert_eq!(world.refusal("paie-acme", "right").await, None);
}

#[tokio::test]
async fn a_login_that_nobody_has_is_blocked_alike() {
    let world = World::new();
    for _ in 0..3 {
        assert_eq!(world.refusal("nobody-here", "x").await, Some(RefusalReason::UnknownLogin));
    }
    assert_eq!(world.refusal("nobody-here", "x").await, BLOCKED);
}

#[tokio::test]
async fn wrong_answers_far_apart_block_nobody() {
    let world = World::new();
    for _ in 0..10 {
        fail(&world, 1).await;
        world.clock.advance(Duration::from_secs(301));
    }
}

#[tokio::test]
async fn a_right_answer_forgives_and_what_comes_during_a_block_does_not_prolong_it() {
    let world = World::new();
    for _ in 0..3 {
        fail(&world, 2).await;
        assert_eq!(world.refusal("paie-acme", "right").await, None);
    }
    fail(&world, 3).await;
    for _ in 0..5 {
        world.clock.advance(Duration::from_secs(120));
        let expected = if world.clock_is_past_the_block() { None } else { BLOCKED };
        assert_eq!(world.refusal("paie-acme", "right").await, expected);
    }
}

impl World {
    fn clock_is_past_the_block(&self) -> bool {
        use crate::domain::Clock as _;
        self.clock.now().since(NOON) >= Duration::from_secs(600)
    }
}

#[tokio::test]
async fn one_known_factor_does_not_let_the_other_be_guessed_for_ever() {
    let world = World::new();
    world.change(|record| record.account.authentication = AuthenticationRule::KeyAndPassword);
    for _ in 0..3 {
        let _ = world.connect().attempt("paie-acme", Proof::PublicKey(key())).await;
        fail(&world, 1).await;
    }
    assert_eq!(world.refusal("paie-acme", "right").await, BLOCKED);
}

#[tokio::test]
async fn keys_offered_and_connections_that_leave_count_for_nothing() {
    let world = World::new();
    for _ in 0..20 {
        drop(world.connect());
        let mut sign_in = world.connect();
        assert!(!sign_in.key_is_welcome("paie-acme", &other_key()).await);
        let _ = sign_in.attempt("paie-acme", Proof::PublicKey(other_key())).await;
    }
    assert_eq!(world.refusal("paie-acme", "right").await, None);
}

/// What an account's rules say of a right proof from 192.0.2.7 over SFTP on a listener for all.
fn forbid(account: &mut Account, how: RefusalReason) {
    match how {
        RefusalReason::AccountDisabled => account.state = AccountState::Disabled,
        RefusalReason::AccountExpired => account.expires_at = Some(NOON),
        RefusalReason::ConnectionTypeNotAllowed => account.connection_types = "ftps".parse().unwrap(),
        RefusalReason::AddressNotAllowed => account.allowed_addresses = vec!["198.51.100.0/24".parse().unwrap()],
        other => panic!("{other:?}"),
    }
}

const FORBIDDEN: [RefusalReason; 4] = [
    RefusalReason::AccountDisabled,
    RefusalReason::AccountExpired,
    RefusalReason::ConnectionTypeNotAllowed,
    RefusalReason::AddressNotAllowed,
];

#[tokio::test]
async fn who_shows_what_is_right_is_never_blocked_whatever_forbids_the_sign_in() {
    for reason in FORBIDDEN {
        let world = World::new();
        world.change(|record| forbid(&mut record.account, reason));
        for _ in 0..5 {
            assert_eq!(world.refusal("paie-acme", "right").await, Some(reason));
            let outcome = world.connect().attempt("paie-acme", Proof::PublicKey(key())).await;
            assert_eq!(super::world::reason(&outcome), Some(reason));
        }
        assert_eq!(blocks(&world).await, [], "{reason:?}");
        world.change(|record| record.account = super::world::paie().account);
        assert_eq!(world.refusal("paie-acme", "right").await, None, "{reason:?}");
    }
}

#[tokio::test]
async fn a_right_password_that_lets_nobody_in_forgives_no_wrong_ones() {
    for reason in FORBIDDEN {
        let world = World::new();
        world.change(|record| forbid(&mut record.account, reason));
        fail(&world, 2).await;
        assert_eq!(world.refusal("paie-acme", "right").await, Some(reason));
        fail(&world, 1).await;
        assert_eq!(world.refusal("paie-acme", "right").await, BLOCKED, "{reason:?}");
    }
}

async fn blocks(world: &World) -> Vec<Block> {
    let block = |record| match record {
        Record::Block(block) => Some(block),
        Record::Attempt(_) | Record::Use { .. } | Record::Upgrade { .. } | Record::Event(_) => None,
    };
    world.written().await.into_iter().filter_map(block).collect()
}

#[tokio::test]
async fn a_block_survives_a_restart_and_says_why_until_an_operator_lifts_it() {
    let mut world = World::new();
    fail(&world, 3).await;
    let [block] = blocks(&world).await.try_into().unwrap();
    assert_eq!((block.address.as_str(), block.login.as_str()), ("192.0.2.7", "paie-acme"));
    assert_eq!(block.reason, "3 wrong answers within 10 minutes");
    assert_eq!(block.until.since(block.since), Duration::from_secs(600));
    world.restart();
    assert_eq!(world.refusal("paie-acme", "right").await, BLOCKED);
    assert!(world.lift_block().await);
    assert_eq!(world.refusal("paie-acme", "right").await, None);
    assert!(!world.lift_block().await);
}

#[tokio::test]
async fn a_block_that_is_lifted_is_over_at_once_here_and_within_seconds_elsewhere() {
    let here = World::new();
    fail(&here, 3).await;
    assert_eq!(blocks(&here).await.len(), 1);
    // Another process on the same store, which has met the block as well.
    let elsewhere = here.another_process();
    assert_eq!(elsewhere.refusal("paie-acme", "right").await, BLOCKED);
    assert!(here.lift_block().await);
    assert_eq!(here.refusal("paie-acme", "right").await, None);
    assert!(here.connect().key_is_welcome("paie-acme", &key()).await);
    here.clock.advance(Duration::from_millis(4_999));
    assert_eq!(elsewhere.refusal("paie-acme", "right").await, BLOCKED);
    assert!(!elsewhere.connect().key_is_welcome("paie-acme", &key()).await);
    here.clock.advance(Duration::from_millis(1));
    assert!(elsewhere.connect().key_is_welcome("paie-acme", &key()).await);
    assert_eq!(elsewhere.refusal("paie-acme", "right").await, None);
    // It is over with all that led to it.
    fail(&elsewhere, 2).await;
    assert_eq!(elsewhere.refusal("paie-acme", "right").await, None);
}

#[tokio::test]
async fn the_process_that_made_a_block_notices_too_that_another_lifted_it() {
    let here = World::new();
    fail(&here, 3).await;
    assert_eq!(blocks(&here).await.len(), 1);
    assert!(here.another_process().lift_block().await);
    assert_eq!(here.refusal("paie-acme", "right").await, BLOCKED);
    here.clock.advance(Duration::from_secs(5));
    assert_eq!(here.refusal("paie-acme", "right").await, None);
}

#[tokio::test]
async fn a_block_that_could_not_be_written_holds_to_its_end() {
    let world = World::new();
    world.accounts.refuses_blocks.store(true, Ordering::SeqCst);
    fail(&world, 3).await;
    assert_eq!(blocks(&world).await, []);
    for _ in 0..10 {
        assert_eq!(world.refusal("paie-acme", "right").await, BLOCKED);
        world.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(world.refusal("paie-acme", "right").await, None);
}

#[tokio::test]
async fn when_the_store_fails_nobody_is_let_in() {
    let world = World::new();
    assert_eq!(world.refusal("paie-acme", "right").await, None);
    world.accounts.fails.store(true, Ordering::SeqCst);
    assert_eq!(world.refusal("paie-acme", "right").await, Some(RefusalReason::Unavailable));
    assert!(!world.connect().key_is_welcome("paie-acme", &key()).await);
    let outcome = world.connect().attempt("paie-acme", Proof::PublicKey(key())).await;
    assert_eq!(super::world::reason(&outcome), Some(RefusalReason::Unavailable));
    world.accounts.fails.store(false, Ordering::SeqCst);
    assert_eq!(world.refusal("paie-acme", "right").await, None);
}
