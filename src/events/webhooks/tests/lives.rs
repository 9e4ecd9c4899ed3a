//! What becomes of endpoints and deliveries.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::store::Replay;
use crate::store::contract::on_every_engine;

on_every_engine! {
    an_endpoint_is_sent_what_it_asked_for_from_its_creation_on;
    an_endpoint_that_is_gone_is_paused_and_what_waited_comes_when_it_is_resumed;
    an_event_that_is_never_taken_is_given_up_and_its_folder_goes_on;
    an_endpoint_that_takes_nothing_is_paused_after_as_long_as_one_event_is_tried;
    a_replay_sends_the_same_event_once_more;
    both_secrets_sign_while_they_overlap;
    what_another_program_left_is_delivered_when_its_claim_ends;
    deliveries_are_forgotten_by_their_term;
}

async fn an_endpoint_is_sent_what_it_asked_for_from_its_creation_on(store: &Store) {
    let mut world = World::new(store);
    let receiver = Receiver::always(Manner::Answer(204));
    world.happens(folder(), "/before.csv").await;
    let other = InstanceId::new(START, &OsRandom);
    let make_instances = async {
        let mut unit = store.decide().await.unwrap();
        for (id, key) in [(world.instance, "acme"), (other, "other")] {
            let (key, name) = (key.parse().unwrap(), "N".parse().unwrap());
            let instance = crate::domain::Instance { id, key, name, created_at: START };
            unit.instances().insert(&instance).await.unwrap();
        }
        unit.commit().await.unwrap();
    };
    make_instances.await;
    let instance = world.instance;
    let (all, secret) = world.endpoint(&receiver.url).await;
    let (own, _) = world.endpoint_with(&receiver.url, |row| row.instance = Some(instance)).await;
    let deletions = |row: &mut WebhookRow| row.kinds = Some(vec![EventKind::FileDeleted]);
    let (deleted, _) = world.endpoint_with(&receiver.url, deletions).await;
    let (paused, _) = world.endpoint_with(&receiver.url, |row| row.state = WebhookState::Paused).await;
    world.happens(folder(), "/uploaded.csv").await;
    world.happens_with(folder(), "/deleted.csv", |event| event.kind = EventKind::FileDeleted).await;
    world.happens_with(folder(), "/foreign.csv", |event| event.instance = other).await;
    world.deliver().await;
    let counts = [all, own, deleted, paused];
    let mut delivered = Vec::new();
    for webhook in counts {
        delivered.push(world.states(webhook).await.len());
    }
    assert_eq!(delivered, [3, 2, 1, 0]);
    let received = receiver.received();
    assert_eq!(received.len(), 6);
    let mine = received.iter().filter(|one| verifies(one, &secret)).count();
    assert_eq!((mine, bytes_of(&secret)), (3, 32), "each is signed with its endpoint's secret alone");
    for one in &received {
        assert_eq!(one.header("content-type"), "application/cloudevents+json");
        assert_eq!(one.header("webhook-timestamp"), START.as_seconds().to_string());
    }
    world.resume(paused).await;
    world.deliver().await;
    assert_eq!(world.states(paused).await, [DeliveryState::Delivered; 3], "what came while it was paused");
}

async fn an_endpoint_that_is_gone_is_paused_and_what_waited_comes_when_it_is_resumed(store: &Store) {
    let mut world = World::new(store);
    let gone = Arc::new(AtomicBool::new(true));
    let is_gone = gone.clone();
    let manners = move |_: usize, _: &Received| Manner::Answer(if is_gone.load(Ordering::SeqCst) { 410 } else { 200 });
    let receiver = Receiver::with(manners);
    let (webhook, _) = world.endpoint(&receiver.url).await;
    let folder = folder();
    for name in ["/a.csv", "/b.csv"] {
        world.happens(folder, name).await;
    }
    world.pass(DAY).await;
    let row = world.webhook(webhook).await;
    assert_eq!((row.state, row.pause_reason.as_deref()), (WebhookState::Paused, Some("It answered 410: gone.")));
    assert_eq!(receiver.received().len(), 1);
    gone.store(false, Ordering::SeqCst);
    world.happens(folder, "/c.csv").await;
    world.resume(webhook).await;
    world.deliver().await;
    assert_eq!(paths(&receiver.received()), ["/a.csv", "/a.csv", "/b.csv", "/c.csv"]);
    assert_eq!(world.webhook(webhook).await.last_success_at, Some(world.clock.now()));
}

async fn an_event_that_is_never_taken_is_given_up_and_its_folder_goes_on(store: &Store) {
    let mut world = World::new(store);
    let manners = |_: usize, one: &Received| Manner::Answer(if one.body.contains("/poison.csv") { 500 } else { 200 });
    let receiver = Receiver::with(manners);
    let (webhook, _) = world.endpoint(&receiver.url).await;
    let (folder, other) = (folder(), folder());
    world.happens(folder, "/poison.csv").await;
    world.happens(folder, "/after.csv").await;
    world.pass(2 * DAY).await;
    world.happens(other, "/elsewhere.csv").await;
    world.pass(DAY / 2).await;
    let before = [DeliveryState::Waiting, DeliveryState::Waiting, DeliveryState::Delivered];
    assert_eq!(world.states(webhook).await, before, "another folder is not kept waiting");
    world.pass(DAY).await;
    let after = [DeliveryState::Failed, DeliveryState::Delivered, DeliveryState::Delivered];
    assert_eq!(world.states(webhook).await, after);
    assert_eq!(world.webhook(webhook).await.state, WebhookState::Enabled);
    let poison = world.deliveries(webhook).await.remove(0);
    assert_eq!((poison.last_status, poison.last_error.as_deref()), (Some(500), Some("it answered 500")));
    let mut reader = store.read().await.unwrap();
    let attempts = reader.deliveries().attempts(webhook, poison.event).await.unwrap();
    assert_eq!(attempts.len(), 20, "of {} the last are kept", poison.attempts);
    assert!(attempts.is_sorted_by(|one, next| one.at > next.at));
}

async fn an_endpoint_that_takes_nothing_is_paused_after_as_long_as_one_event_is_tried(store: &Store) {
    let mut world = World::new(store);
    let receiver = Receiver::always(Manner::Answer(500));
    let (webhook, _) = world.endpoint(&receiver.url).await;
    let folder = folder();
    for name in ["/a.csv", "/b.csv"] {
        world.happens(folder, name).await;
    }
    world.pass(5 * DAY).await;
    let row = world.webhook(webhook).await;
    assert_eq!(row.state, WebhookState::Paused);
    let reason = row.pause_reason.unwrap();
    assert!(reason.starts_with("No delivery has succeeded since 2026-11-23T18:00:00Z"), "{reason}");
    assert_eq!(world.states(webhook).await, [DeliveryState::Failed, DeliveryState::Waiting]);
    let received = receiver.received().len();
    assert!((70..100).contains(&received), "{received} attempts in three days");
}

async fn a_replay_sends_the_same_event_once_more(store: &Store) {
    let mut world = World::new(store);
    let receiver = Receiver::always(Manner::Answer(200));
    let (webhook, _) = world.endpoint(&receiver.url).await;
    let folder = folder();
    let mut events = Vec::new();
    for name in ["/a.csv", "/b.csv", "/c.csv"] {
        events.push(world.happens(folder, name).await);
        world.clock.advance(Duration::from_secs(60));
    }
    world.deliver().await;
    let first = receiver.received();
    let replay = async |which| {
        let mut unit = store.decide().await.unwrap();
        let replayed = unit.deliveries().replay(webhook, which, world.clock.now()).await.unwrap();
        unit.commit().await.unwrap();
        replayed
    };
    assert_eq!(replay(Replay::One(events[1].id)).await, 1);
    assert_eq!(replay(Replay::Failed).await, 0);
    assert_eq!(replay(Replay::Between(events[0].at, events[1].at)).await, 1);
    world.clock.advance(Duration::from_secs(600));
    world.deliver().await;
    let again = receiver.received().split_off(3);
    assert_eq!(paths(&again), ["/a.csv", "/b.csv"]);
    for (one, other) in again.iter().zip(&first) {
        assert_eq!((one.header("webhook-id"), &one.body), (other.header("webhook-id"), &other.body));
        assert_ne!(one.header("webhook-timestamp"), other.header("webhook-timestamp"));
    }
    assert_eq!(world.deliveries(webhook).await[0].attempts, 2);
}

async fn both_secrets_sign_while_they_overlap(store: &Store) {
    let mut world = World::new(store);
    let receiver = Receiver::always(Manner::Answer(200));
    let (webhook, old) = world.endpoint(&receiver.url).await;
    let (new, sealed) = world.webhooks.new_secret(webhook);
    let until = START.plus(DAY);
    let rotate = |row: &mut WebhookRow| {
        row.previous_secret = Some((std::mem::replace(&mut row.secret, sealed), until));
    };
    world.change(webhook, rotate).await;
    world.happens(folder(), "/a.csv").await;
    world.pass(DAY).await;
    world.happens(folder(), "/b.csv").await;
    world.deliver().await;
    let received = receiver.received();
    let verified = received.iter().map(|one| (verifies(one, &old), verifies(one, &new))).collect::<Vec<_>>();
    assert_eq!(verified, [(true, true), (false, true)]);
}

async fn what_another_program_left_is_delivered_when_its_claim_ends(store: &Store) {
    let mut world = World::new(store);
    let receiver = Receiver::always(Manner::Answer(200));
    let (webhook, _) = world.endpoint(&receiver.url).await;
    let folder = folder();
    world.happens(folder, "/a.csv").await;
    world.happens(folder, "/b.csv").await;
    // It was sent, and its sender vanished before it could say so.
    let mut lost = world.another(store);
    lost.courier.round().await.unwrap();
    lost.courier.all_ended().await;
    drop(lost);
    world.deliver().await;
    assert_eq!(paths(&receiver.received()), ["/a.csv"], "the claim holds, for what comes after it too");
    world.clock.advance(world.webhooks.lease());
    world.deliver().await;
    let received = receiver.received();
    assert_eq!(paths(&received), ["/a.csv", "/a.csv", "/b.csv"]);
    assert_eq!(received[0].header("webhook-id"), received[1].header("webhook-id"));
    // One that ends in order gives back what it has not finished.
    world.happens(folder, "/c.csv").await;
    let mut ending = world.another(store);
    ending.courier.round().await.unwrap();
    ending.courier.close().await.unwrap();
    world.deliver().await;
    assert_eq!(world.states(webhook).await, [DeliveryState::Delivered; 3]);
}

async fn deliveries_are_forgotten_by_their_term(store: &Store) {
    let mut world = World::new(store);
    let receiver = Receiver::always(Manner::Answer(200));
    let (webhook, _) = world.endpoint(&receiver.url).await;
    let folder = folder();
    world.happens(folder, "/a.csv").await;
    world.pass(2 * DAY).await;
    world.happens(folder, "/b.csv").await;
    world.deliver().await;
    // Delivered once more: it waits again, and its endpoint is paused.
    let mut unit = store.decide().await.unwrap();
    unit.deliveries()
        .replay(webhook, Replay::Between(world.clock.now(), world.clock.now().plus(DAY)), START)
        .await
        .unwrap();
    unit.commit().await.unwrap();
    let forget = async |ended, waiting| {
        let forgotten = super::super::forget_old_deliveries(store, ended, waiting, world.clock.now()).await.unwrap();
        (forgotten, world.states(webhook).await.len())
    };
    assert_eq!(forget(3 * DAY, 3 * DAY).await, (0, 2));
    assert_eq!(forget(DAY, DAY).await, (1, 1));
    world.clock.advance(2 * DAY);
    assert_eq!(forget(DAY, 3 * DAY).await, (0, 1));
    assert_eq!(forget(DAY, DAY).await, (1, 0));
}
