//! The feed of events over the API.

use std::time::Duration;

use super::*;
use crate::config::HistorySettings;
use crate::management::fixture::start;

const DAY: Duration = Duration::from_secs(24 * 3_600);

impl Client {
    /// Puts a file into an account's pick-up folder.
    async fn put_file(&self, account: &Value, name: &str) {
        let path = format!("{}/files/{name}", folder_of(account, "/import"));
        self.send(Method::PUT, &path, &[], "douze").await.expect(201);
        // The record follows the answer; whoever lists transfers waits for it.
        self.get(&format!("{}/transfers", path_of(account))).await.expect(200);
    }

    /// Reads the feed until the paths of so many files have come, from a cursor on.
    async fn uploaded(&self, query: &str, count: usize) -> (Vec<String>, String) {
        let (mut paths, mut after) = (Vec::new(), String::new());
        while paths.len() < count {
            let answer = self.get(&format!("/v1/events?kind=file.uploaded&wait=30{query}{after}")).await.expect(200);
            let feed = answer.json();
            let items = feed["items"].as_array().unwrap();
            assert!(!items.is_empty(), "nothing came in half a minute after {paths:?}");
            paths.extend(items.iter().map(|event| event["subject"].as_str().unwrap().to_owned()));
            after = format!("&after={}", feed["next_cursor"].as_str().unwrap());
        }
        (paths, after)
    }

    async fn forget_events(&self) {
        let settings = HistorySettings { transfers: DAY, sign_ins: DAY, events: DAY, audit: 30 * DAY };
        crate::events::forget_old(&self.bench.store, &settings, start().plus(2 * DAY)).await.unwrap();
    }
}

#[tokio::test]
async fn events_are_read_on_from_a_cursor_and_none_twice() {
    let client = Client::new().await;
    let account = client.account(&client.instance("acme").await).await;
    for name in ["a.csv", "b.csv", "c.csv"] {
        client.put_file(&account, name).await;
    }
    let (paths, after) = client.uploaded("&limit=2", 3).await;
    assert_eq!(paths, ["/import/a.csv", "/import/b.csv", "/import/c.csv"]);
    let none = client.get(&format!("/v1/events?kind=file.uploaded{after}")).await.expect(200).json();
    assert_eq!(none["items"], json!([]));
    client.put_file(&account, "d.csv").await;
    let after = format!("&after={}", none["next_cursor"].as_str().unwrap());
    assert_eq!(client.uploaded(&after, 1).await.0, ["/import/d.csv"]);
    let event = client.get("/v1/events?kind=file.uploaded&limit=1").await.expect(200).json()["items"][0].clone();
    assert_eq!((&event["specversion"], &event["type"]), (&json!("1.0"), &json!("file.uploaded")));
    assert_eq!((&event["account"], &event["data"]["bytes"]), (&account["id"], &json!(5)));
    let others = client.get("/v1/events?kind=sign_in.refused,%20transfer.failed").await.expect(200).json();
    assert_eq!(others["items"], json!([]));
}

#[tokio::test]
async fn whoever_waits_is_told_when_it_happens() {
    let client = Client::new().await;
    let account = client.account(&client.instance("acme").await).await;
    let waiting = client.get("/v1/events?after=latest&wait=60&kind=file.uploaded");
    let ((), told) = tokio::join!(client.put_file(&account, "a.csv"), waiting);
    // Whichever of the two began first, it is told then or by the next request.
    let told = told.expect(200).json();
    let cursor = told["next_cursor"].as_str().unwrap();
    let next = client.get(&format!("/v1/events?after={cursor}")).await.expect(200).json();
    assert_eq!(told["items"].as_array().unwrap().len() + next["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_gateway_that_stops_answers_whoever_waits() {
    let client = Client::new().await;
    let waiting = client.get("/v1/events?after=latest&wait=60");
    let stopping = async { client.bench.management.end_waits() };
    let waited = tokio::time::timeout(Duration::from_secs(30), async { tokio::join!(waiting, stopping).0 });
    let told = waited.await.unwrap().expect(200).json();
    assert_eq!(told["items"], json!([]));
    assert!(told["next_cursor"].is_string());
}

#[tokio::test]
async fn a_cursor_behind_which_events_were_forgotten_is_refused_and_the_beginning_is_what_is_kept() {
    let client = Client::new().await;
    let account = client.account(&client.instance("acme").await).await;
    let begin = client.get("/v1/events?after=latest").await.expect(200).json();
    let begin = begin["next_cursor"].as_str().unwrap().to_owned();
    client.put_file(&account, "a.csv").await;
    let (_, end) = client.uploaded("", 1).await;
    client.forget_events().await;
    let refused = client.get(&format!("/v1/events?after={begin}")).await.expect(410).json();
    assert_eq!(refused["type"], "/problems/gone");
    assert!(refused["detail"].as_str().unwrap().contains("history.events"));
    // Nothing is kept, and nothing was missed by who had read all.
    assert_eq!(client.get("/v1/events").await.expect(200).json()["items"], json!([]));
    client.get(&format!("/v1/events?{}", &end[1..])).await.expect(200);
    client.bench.clock.advance(3 * DAY);
    client.put_file(&account, "b.csv").await;
    assert_eq!(client.uploaded(&end, 1).await.0, ["/import/b.csv"]);
}

#[tokio::test]
async fn a_token_of_one_instance_is_told_of_that_one_alone() {
    let client = Client::new().await;
    let (acme, other) = (client.instance("acme").await, client.instance("other").await);
    let (own, foreign) = (client.account(&acme).await, client.account(&other).await);
    client.put_file(&foreign, "theirs.csv").await;
    client.put_file(&own, "ours.csv").await;
    client.uploaded("", 2).await;
    let id = |instance: &str| instance.rsplit('/').next().unwrap().to_owned();
    let scope = json!({"name": "ACME", "scope": {"instance": id(&acme), "read_only": true}});
    let token = client.post("/v1/tokens", scope).await.expect(201).json()["secret"].as_str().unwrap().to_owned();
    let bound = Client { token, ..client };
    let told = bound.get("/v1/events?kind=file.uploaded").await.expect(200).json();
    let subjects: Vec<&Value> = told["items"].as_array().unwrap().iter().map(|event| &event["subject"]).collect();
    assert_eq!(subjects, ["/import/ours.csv"]);
    bound.get(&format!("/v1/events?instance={}", id(&acme))).await.expect(200);
    bound.get(&format!("/v1/events?instance={}", id(&other))).await.expect(404);
}

#[tokio::test]
async fn what_the_feed_cannot_read_is_named() {
    let client = Client::new().await;
    let fields = |answer: Answer| answer.expect(422).fields().into_iter().map(|(field, _)| field).collect::<Vec<_>>();
    let wrong = client.get("/v1/events?limit=x&wait=soon&kind=file.uploaded,file.eaten&instance=acme").await;
    assert_eq!(fields(wrong), ["instance", "kind[1]", "limit", "wait"]);
    assert_eq!(fields(client.get("/v1/events?wait=61").await), ["wait"]);
    assert_eq!(fields(client.get("/v1/events?limit=0").await), ["limit"]);
    assert_eq!(fields(client.get("/v1/events?after=YWNtZQ").await), ["after"]);
    // Ahead of all: of another database.
    assert_eq!(fields(client.get("/v1/events?after=OTk5OTk5").await), ["after"]);
}
