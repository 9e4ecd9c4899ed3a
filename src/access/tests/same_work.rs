//! What a refusal must not tell: the work done, counted.

use super::world::{World, credential, password, validity};
use crate::access::accounts::SignInRecord;
use crate::access::records::Record;
use crate::access::{Connection, Outcome, RefusalReason};
use crate::domain::{AccountState, AuthenticationRule, ConnectionType, CredentialKind};

type Change = fn(&mut SignInRecord);

/// Everything that keeps the password `right` from opening `paie-acme`.
const OBSTACLES: [(RefusalReason, Change); 8] = [
    (RefusalReason::ConnectionTypeNotAllowed, |record| record.account.connection_types = Default::default()),
    (RefusalReason::AccountDisabled, |record| record.account.state = AccountState::Disabled),
    (RefusalReason::AccountExpired, |record| record.account.expires_at = Some(super::world::NOON)),
    (RefusalReason::AddressNotAllowed, |record| {
        record.account.allowed_addresses = vec!["203.0.113.0/24".parse().unwrap()];
    }),
    (RefusalReason::WrongPassword, |record| record.credentials.clear()),
    (RefusalReason::CredentialEnded, |record| record.credentials[0].validity = validity(None, Some(-1))),
    (RefusalReason::CredentialNotYetValid, |record| record.credentials[0].validity = validity(Some(1), None)),
    (RefusalReason::WrongPassword, |record| {
        record.credentials[0].kind = CredentialKind::Password { hash: "not a hash".to_owned() };
    }),
];

/// The parameters of the verifications of one refusal, and the refusal as the peer sees it.
async fn price(world: &World, login: &str, text: &str) -> (Vec<String>, bool) {
    let mut sign_in = world.connect();
    match sign_in.attempt(login, password(text)).await {
        Outcome::Refused(refusal) => (world.hasher.take(), refusal.end_connection),
        outcome => panic!("{outcome:?}"),
    }
}

#[tokio::test]
async fn every_refused_password_costs_what_one_of_an_unknown_login_costs() {
    let unknown = price(&World::new(), "nobody-here", "right").await;
    assert_eq!(unknown, (vec!["2".to_owned(), "2".to_owned()], false));
    assert_eq!(price(&World::new(), "not a login / at all", "right").await, unknown);
    assert_eq!(price(&World::new(), "paie-acme", "wrong").await, unknown);
    for (reason, obstacle) in OBSTACLES {
        for text in ["right", "wrong"] {
            let world = World::new();
            world.change(obstacle);
            assert_eq!(price(&world, "paie-acme", text).await, unknown, "{reason:?}, {text}");
        }
    }
}

#[tokio::test]
async fn operators_read_the_true_reason() {
    for (reason, obstacle) in OBSTACLES {
        let world = World::new();
        world.change(obstacle);
        assert_eq!(world.refusal("paie-acme", "right").await, Some(reason));
    }
    assert_eq!(World::new().refusal("nobody-here", "right").await, Some(RefusalReason::UnknownLogin));
    assert_eq!(World::new().refusal("paie-acme", "wrong").await, Some(RefusalReason::WrongPassword));
}

#[tokio::test]
async fn a_rotation_does_not_show_in_the_work() {
    for count in 0..4 {
        let world = World::new();
        world.change(|record| {
            let account = record.account.id;
            record.credentials = (0..count)
                .map(|number| credential(account, CredentialKind::Password { hash: format!("2:old{number}") }))
                .collect();
        });
        assert_eq!(price(&world, "paie-acme", "wrong").await.0.len(), 2, "{count} passwords");
    }
}

#[tokio::test]
async fn a_remembered_password_does_not_make_a_refusal_quicker() {
    let world = World::new();
    assert_eq!(world.refusal("paie-acme", "right").await, None);
    world.hasher.take();
    world.change(|record| record.account.state = AccountState::Disabled);
    assert_eq!(price(&world, "paie-acme", "right").await.0.len(), 2);
}

#[tokio::test]
async fn a_listener_of_another_preset_refuses_at_the_same_price() {
    let world = World::new();
    let mut connection = super::world::connection("192.0.2.7");
    connection.preset = Some("mprh".parse().unwrap());
    let mut sign_in = world.access.admit(connection.clone()).ok().unwrap();
    let outcome = sign_in.attempt("paie-acme", password("right")).await;
    assert_eq!(super::world::reason(&outcome), Some(RefusalReason::ListenerOfAnotherPreset));
    assert_eq!(world.hasher.take().len(), 2);
    connection.preset = Some("epaye".parse().unwrap());
    let mut sign_in = world.access.admit(connection).ok().unwrap();
    assert!(matches!(sign_in.attempt("paie-acme", password("right")).await, Outcome::Granted(_)));
}

#[tokio::test]
async fn where_no_key_can_be_shown_a_right_password_of_two_factors_is_refused_like_a_wrong_one() {
    for text in ["right", "wrong"] {
        let world = World::new();
        world.change(|record| {
            record.account.authentication = AuthenticationRule::KeyAndPassword;
            record.account.connection_types = [ConnectionType::Sftp, ConnectionType::Ftps].into_iter().collect();
        });
        let connection = Connection { connection_type: ConnectionType::Ftps, ..super::world::connection("192.0.2.7") };
        let mut sign_in = world.access.admit(connection).ok().unwrap();
        let outcome = sign_in.attempt("paie-acme", password(text)).await;
        let refused = matches!(outcome, Outcome::Refused(refusal) if !refusal.end_connection);
        assert!(refused, "{text}: {outcome:?}");
        assert_eq!(world.hasher.take().len(), 2, "{text}");
        // Operators read why their partner's FTP program cannot sign in.
        let recorded = world.written().await.into_iter().find_map(|record| match record {
            Record::Attempt(attempt) => Some(attempt.outcome),
            _ => None,
        });
        assert_eq!(recorded.as_deref(), Some(if text == "right" { "key_needed" } else { "wrong_password" }));
    }
}
