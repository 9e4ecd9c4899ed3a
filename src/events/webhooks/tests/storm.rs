//! Receivers that do everything wrong for most of an hour.

use std::collections::HashMap;

use super::*;
use crate::store::contract::{TestStore, on_every_engine};

on_every_engine! {
    every_event_arrives_in_the_end_in_order_and_under_one_id;
}

const HOUR: Duration = Duration::from_secs(3_600);
/// Until then receivers misbehave with every second request.
const BAD: Duration = Duration::from_secs(40 * 60);
/// How long a receiver may take. One that is good and slower is tried again: nothing depends on how fast this machine is.
const ANSWER: Duration = Duration::from_millis(250);
const FOLDERS: usize = 3;
const EVENTS: usize = 8;

/// Two programs deliver from one database to receivers that refuse, hang, answer after the time-out, reset, answer 200 and
/// die, fail, redirect to a private address, or are away for half an hour, while events come for most of an hour.
async fn every_event_arrives_in_the_end_in_order_and_under_one_id(store: &TestStore) {
    let mut first = World::waiting(store, ANSWER);
    let mut second = first.another(&store.another().await);
    // What a redirect names: a private address, at which nobody may ever knock.
    let trap = Receiver::always(Manner::Answer(200));
    let target: &'static str = Box::leak(trap.url.clone().into_boxed_str());
    let bad = [
        Manner::Hang,
        Manner::AnswerTooLate,
        Manner::Reset,
        Manner::DieAfter200,
        Manner::Answer(503),
        Manner::Redirect(target),
    ];
    let mut receivers = Vec::new();
    for manner in bad {
        let clock = first.clock.clone();
        let manners = move |number: usize, _: &Received| {
            let misbehaves = clock.now().since(START) < BAD && number.is_multiple_of(2);
            if misbehaves { manner } else { Manner::Answer(200) }
        };
        let receiver = Receiver::with(manners);
        let (webhook, secret) = first.endpoint(&receiver.url).await;
        receivers.push((receiver, webhook, secret));
    }
    // An address of this machine's own at which nobody listens until then.
    let away = format!("127.83.{}.{}:9", std::process::id() % 250 + 1, u32::from(store.is_postgres()) + 1);
    let (away_webhook, away_secret) = first.endpoint(&format!("http://{away}/events")).await;
    let mut came_back = None;

    let folders: Vec<FolderId> = (0..FOLDERS).map(|_| folder()).collect();
    for number in 0..EVENTS {
        for (index, folder) in folders.iter().enumerate() {
            first.happens(*folder, &format!("/{index}/{number}.csv")).await;
        }
        let until = first.clock.now().plus(Duration::from_secs(300));
        pass_together(&mut first, &mut second, until).await;
        if came_back.is_none() && first.clock.now().since(START) >= HOUR / 2 {
            came_back = Some(Receiver::at(&away, |_, _| Manner::Answer(204)));
        }
    }
    receivers.push((came_back.unwrap(), away_webhook, away_secret));
    pass_together(&mut first, &mut second, START.plus(HOUR + BAD)).await;

    assert_eq!(trap.received(), [], "nobody follows a redirect");
    let mut ids: HashMap<String, (String, String)> = HashMap::new();
    for (receiver, webhook, secret) in &receivers {
        let received = receiver.received();
        assert_eq!(first.states(*webhook).await, [DeliveryState::Delivered; FOLDERS * EVENTS], "{}", receiver.url);
        let mut arrived: HashMap<String, Vec<String>> = HashMap::new();
        for one in &received {
            assert!(verifies(one, secret), "{one:?}");
            let event = one.json();
            let id = one.header("webhook-id").to_owned();
            assert_eq!(event["id"], id);
            // One id, one event, the same bytes each time and to everyone.
            let path = event["subject"].as_str().unwrap().to_owned();
            let known = ids.entry(path.clone()).or_insert((id.clone(), one.body.clone()));
            assert_eq!(*known, (id, one.body.clone()));
            arrived.entry(event["folder"].as_str().unwrap().to_owned()).or_default().push(path);
        }
        assert_eq!(arrived.len(), FOLDERS);
        for (index, folder) in folders.iter().enumerate() {
            let mut paths = arrived.remove(&folder.to_string()).unwrap();
            // Repetitions of one come before the next.
            assert!(paths.is_sorted(), "{paths:?}");
            paths.dedup();
            assert_eq!(paths, (0..EVENTS).map(|number| format!("/{index}/{number}.csv")).collect::<Vec<_>>());
        }
    }
    let (_, hung, _) = &receivers[0];
    let tried = first.deliveries(*hung).await.iter().map(|delivery| delivery.attempts).max();
    assert!(tried > Some(1), "the receivers did misbehave");
}

/// Moves the clock up to `end`, while both deliver at the same time.
async fn pass_together(first: &mut World, second: &mut World, end: Timestamp) {
    loop {
        tokio::join!(first.deliver(), second.deliver());
        let next = first.next_due().await;
        let now = first.clock.now();
        match next.filter(|next| *next <= end) {
            Some(next) => first.clock.advance(next.since(now).max(Duration::from_millis(1))),
            None => break,
        }
    }
    first.clock.advance(end.since(first.clock.now()));
}
