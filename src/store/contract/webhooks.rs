//! Where events are sent to, and events on their way.

use super::*;
use crate::domain::{DeliveryState, EventId, EventKind, WebhookId, WebhookState};
use crate::store::{Conflict, DeliveryAttempt, DeliveryEnd, DeliveryRow, PageRequest, Replay, WebhookRow};

on_every_engine! {
    an_endpoint_is_read_back_as_it_was_written_and_changed;
    endpoints_go_with_their_instance_and_deliveries_with_their_endpoint;
    a_position_moves_on_once;
    one_of_each_lane_is_due_and_nobody_has_two_of_one;
    a_delivery_is_claimed_by_one_of_many;
    an_attempt_is_recorded_by_who_has_the_claim_alone;
}

fn webhook(instance: Option<InstanceId>, seconds: u64) -> WebhookRow {
    WebhookRow {
        id: WebhookId::new(later(seconds), &OsRandom),
        instance,
        url: "https://example.net/été?a=b".parse().unwrap(),
        description: String::from("Été \"2026\""),
        kinds: Some(vec![EventKind::FileUploaded, EventKind::TransferFailed]),
        state: WebhookState::Enabled,
        pause_reason: None,
        secret: String::from("v1.0123abcd.AAAA"),
        previous_secret: None,
        position: 7,
        created_at: later(seconds),
        failing_since: None,
        last_success_at: None,
    }
}

fn delivery(webhook: &WebhookRow, position: i64, lane: &str) -> DeliveryRow {
    DeliveryRow {
        webhook: webhook.id,
        event: EventId::new(NOW, &OsRandom),
        position,
        kind: String::from("file.uploaded"),
        instance: InstanceId::new(NOW, &OsRandom),
        lane: lane.to_owned(),
        body: String::from("{\"été\":1}"),
        state: DeliveryState::Waiting,
        occurred_at: NOW,
        due_at: NOW,
        tried_since: None,
        tries: 0,
        attempts: 0,
        ended_at: None,
        last_status: None,
        last_error: None,
    }
}

/// An endpoint for every instance with these deliveries, which are told as lanes.
async fn queued(store: &Store, lanes: &[&str]) -> (WebhookRow, Vec<DeliveryRow>) {
    let webhook = webhook(None, 0);
    let deliveries: Vec<_> = (1..).zip(lanes).map(|(position, lane)| delivery(&webhook, position, lane)).collect();
    let mut unit = store.decide().await.unwrap();
    unit.webhooks().insert(&webhook).await.unwrap();
    unit.deliveries().queue(&deliveries).await.unwrap();
    unit.commit().await.unwrap();
    (webhook, deliveries)
}

async fn due(store: &Store, webhook: &WebhookRow, at: Timestamp) -> Vec<i64> {
    let found = store.read().await.unwrap().deliveries().due(webhook.id, at, 10).await.unwrap();
    found.into_iter().map(|delivery| delivery.position).collect()
}

async fn an_endpoint_is_read_back_as_it_was_written_and_changed(store: &Store) {
    let (one, all) = (webhook(None, 1), WebhookRow { kinds: None, ..webhook(None, 2) });
    let mut unit = store.decide().await.unwrap();
    unit.webhooks().insert(&one).await.unwrap();
    unit.webhooks().insert(&all).await.unwrap();
    let changed = WebhookRow {
        description: String::new(),
        kinds: Some(vec![EventKind::FileDeleted]),
        state: WebhookState::Paused,
        pause_reason: Some(String::from("Parce que")),
        secret: String::from("v1.0123abcd.BBBB"),
        previous_secret: Some((one.secret.clone(), later(5))),
        failing_since: Some(later(4)),
        ..one.clone()
    };
    assert_eq!(unit.webhooks().list(None, &PageRequest::first(1)).await.unwrap().items, [one]);
    assert!(unit.webhooks().change(&changed).await.unwrap());
    assert!(!unit.webhooks().change(&webhook(None, 3)).await.unwrap());
    assert_eq!(unit.webhooks().find(changed.id).await.unwrap().as_ref(), Some(&changed));
    assert_eq!(unit.webhooks().enabled().await.unwrap(), std::slice::from_ref(&all));
    let mut sealed = unit.webhooks().sealed_secrets().await.unwrap();
    sealed.sort();
    assert_eq!(sealed, ["v1.0123abcd.AAAA", "v1.0123abcd.AAAA", "v1.0123abcd.BBBB"]);
    // Failing has a beginning, and ends with a success.
    assert_eq!(unit.webhooks().note_failure(all.id, later(6)).await.unwrap(), Some(later(6)));
    assert_eq!(unit.webhooks().note_failure(all.id, later(7)).await.unwrap(), Some(later(6)));
    unit.webhooks().note_success(all.id, later(8)).await.unwrap();
    let found = unit.webhooks().find(all.id).await.unwrap().unwrap();
    assert_eq!((found.failing_since, found.last_success_at), (None, Some(later(8))));
    assert!(unit.webhooks().pause(all.id, "why").await.unwrap() && !unit.webhooks().pause(all.id, "x").await.unwrap());
}

async fn endpoints_go_with_their_instance_and_deliveries_with_their_endpoint(store: &Store) {
    let acme = instance("acme");
    let own = webhook(Some(acme.id), 1);
    let mut unit = store.decide().await.unwrap();
    let unknown = webhook(Some(InstanceId::new(NOW, &OsRandom)), 2);
    unit.instances().insert(&acme).await.unwrap();
    unit.webhooks().insert(&own).await.unwrap();
    let waiting = delivery(&own, 1, "a");
    unit.deliveries().queue(std::slice::from_ref(&waiting)).await.unwrap();
    assert_eq!(
        (unit.webhooks().count(None).await.unwrap(), unit.webhooks().count(Some(acme.id)).await.unwrap()),
        (1, 1)
    );
    unit.instances().remove(acme.id).await.unwrap();
    assert_eq!(unit.webhooks().count(None).await.unwrap(), 0);
    assert_eq!(unit.deliveries().find(own.id, waiting.event).await.unwrap(), None);
    unit.commit().await.unwrap();
    let mut unit = store.decide().await.unwrap();
    let refused = unit.webhooks().insert(&unknown).await;
    assert!(matches!(refused, Err(StoreError::Conflict(Conflict::Parent))), "{refused:?}");
}

async fn a_position_moves_on_once(store: &Store) {
    let (webhook, _) = queued(store, &[]).await;
    let mut unit = store.decide().await.unwrap();
    assert!(unit.webhooks().advance(webhook.id, 7, 9).await.unwrap());
    assert!(!unit.webhooks().advance(webhook.id, 7, 10).await.unwrap());
    unit.webhooks().pause(webhook.id, "x").await.unwrap();
    assert!(!unit.webhooks().advance(webhook.id, 9, 10).await.unwrap());
    assert_eq!(unit.webhooks().find(webhook.id).await.unwrap().unwrap().position, 9);
}

async fn one_of_each_lane_is_due_and_nobody_has_two_of_one(store: &Store) {
    let (webhook, deliveries) = queued(store, &["a", "a", "b", "a", "b"]).await;
    assert_eq!(due(store, &webhook, NOW).await, [1, 3]);
    let mut unit = store.decide().await.unwrap();
    assert!(unit.deliveries().claim(&deliveries[0], "x", NOW, later(60)).await.unwrap());
    unit.commit().await.unwrap();
    assert_eq!(due(store, &webhook, later(59)).await, [3]);
    assert_eq!(due(store, &webhook, later(60)).await, [1, 3], "the claim has ended");
    // Delivered once more, one comes before what waits, and after what is under way.
    let attempt = DeliveryAttempt { at: NOW, milliseconds: 5, status: Some(200), error: None };
    let mut unit = store.decide().await.unwrap();
    assert!(unit.deliveries().finish(&deliveries[0], "x", &attempt, DeliveryEnd::Delivered).await.unwrap());
    assert!(unit.deliveries().claim(&deliveries[1], "y", NOW, later(60)).await.unwrap());
    unit.deliveries().replay(webhook.id, Replay::One(deliveries[0].event), NOW).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(due(store, &webhook, NOW).await, [3]);
    let mut unit = store.decide().await.unwrap();
    unit.deliveries().release(webhook.id, deliveries[1].event, "y").await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(due(store, &webhook, NOW).await, [1, 3]);
    let mut unit = store.decide().await.unwrap();
    assert_eq!(unit.deliveries().due_webhooks(NOW).await.unwrap(), [webhook.id]);
    assert_eq!(unit.deliveries().oldest_waiting().await.unwrap(), Some(NOW));
    unit.webhooks().pause(webhook.id, "x").await.unwrap();
    assert_eq!(unit.deliveries().due_webhooks(NOW).await.unwrap(), []);
    assert_eq!(unit.deliveries().oldest_waiting().await.unwrap(), None);
}

async fn a_delivery_is_claimed_by_one_of_many(store: &Store) {
    let (_, deliveries) = queued(store, &["a"]).await;
    let claim = async |name: String| {
        let mut unit = store.decide().await.unwrap();
        let claimed = unit.deliveries().claim(&deliveries[0], &name, NOW, later(60)).await.unwrap();
        unit.commit().await.unwrap();
        claimed
    };
    let claims = (0..8).map(|number| claim(number.to_string()));
    let claimed = futures_util::future::join_all(claims).await;
    assert_eq!(claimed.iter().filter(|claimed| **claimed).count(), 1);
}

async fn an_attempt_is_recorded_by_who_has_the_claim_alone(store: &Store) {
    let (webhook, deliveries) = queued(store, &["a"]).await;
    let delivery = &deliveries[0];
    let failed = DeliveryAttempt { at: later(1), milliseconds: 5, status: None, error: Some(String::from("été\0")) };
    let mut unit = store.decide().await.unwrap();
    unit.deliveries().claim(delivery, "x", NOW, later(60)).await.unwrap();
    let again = DeliveryEnd::Again(later(9));
    assert!(!unit.deliveries().finish(delivery, "y", &failed, again).await.unwrap());
    assert_eq!(unit.deliveries().attempts(webhook.id, delivery.event).await.unwrap(), []);
    assert!(unit.deliveries().finish(delivery, "x", &failed, again).await.unwrap());
    let found = unit.deliveries().find(webhook.id, delivery.event).await.unwrap().unwrap();
    let expected = DeliveryRow {
        due_at: later(9),
        tried_since: Some(later(1)),
        tries: 1,
        attempts: 1,
        last_error: Some(String::from("été\u{fffd}")),
        ..delivery.clone()
    };
    assert_eq!(found, expected);
    assert!(unit.deliveries().claim(&found, "z", later(9), later(60)).await.unwrap());
    let refused = DeliveryAttempt { at: later(9), milliseconds: 5, status: Some(500), error: failed.error.clone() };
    assert!(unit.deliveries().finish(&found, "z", &refused, DeliveryEnd::Failed).await.unwrap());
    let ended = unit.deliveries().find(webhook.id, delivery.event).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.tried_since, ended.attempts), (DeliveryState::Failed, Some(later(1)), 2));
    let attempts = unit.deliveries().attempts(webhook.id, delivery.event).await.unwrap();
    assert_eq!(attempts.iter().map(|attempt| attempt.status).collect::<Vec<_>>(), [Some(500), None]);
    let failed = unit.deliveries().list(webhook.id, Some(DeliveryState::Failed), &PageRequest::first(5)).await.unwrap();
    assert_eq!(failed.items, [ended]);
    assert_eq!(unit.deliveries().replay(webhook.id, Replay::Failed, later(10)).await.unwrap(), 1);
    let again = unit.deliveries().find(webhook.id, delivery.event).await.unwrap().unwrap();
    assert_eq!((again.state, again.tried_since, again.tries), (DeliveryState::Waiting, None, 0));
    assert_eq!((again.attempts, again.ended_at, again.due_at), (2, None, later(10)));
}
