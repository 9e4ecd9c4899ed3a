//! Who changed what: recorded with every change, read by whom it concerns.

use std::collections::{BTreeMap, BTreeSet};

use super::scopes::{World, rows};
use super::*;
use crate::domain::{AuditAction, EventKind};
use crate::events::{documented, keys};
use crate::management::audit::verify;
use crate::store::PageRequest;

/// What each operation that is no GET leaves in the audit log, the oldest first.
fn recorded() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("create_instance", ["instance.created"].as_slice()),
        ("change_instance", &["instance.changed"]),
        ("remove_instance", &["account.removed", "webhook.removed", "instance.removed"]),
        ("create_account", &["account.created"]),
        ("change_account", &["account.changed"]),
        ("remove_account", &["account.removed"]),
        ("add_credential", &["credential.created"]),
        ("change_credential", &["credential.changed"]),
        ("remove_credential", &["credential.removed"]),
        ("create_folder", &["folder.created"]),
        ("change_folder", &["folder.changed"]),
        ("remove_folder", &["folder.removed"]),
        ("disconnect_session", &["session.ended"]),
        ("lift_sign_in_block", &["sign_in_block.lifted"]),
        ("create_webhook", &["webhook.created"]),
        ("change_webhook", &["webhook.changed"]),
        ("remove_webhook", &["webhook.removed"]),
        ("rotate_webhook_secret", &["webhook.changed"]),
        ("pause_webhook", &["webhook.changed"]),
        ("resume_webhook", &["webhook.changed"]),
        ("replay_deliveries", &["webhook.replayed"]),
        ("create_token", &["token.created"]),
        ("revoke_token", &["token.revoked"]),
        // Transfers and events of files tell of these.
        ("store_file", &[]),
        ("remove_file", &[]),
        // They change nothing.
        ("test_webhook", &[]),
        ("recount_usage", &[]),
    ])
}

async fn audit(client: &Client, query: &str) -> Vec<Value> {
    client.get(&format!("/v1/audit{query}")).await.expect(200).json()["items"].as_array().unwrap().clone()
}

async fn events(client: &Client) -> Vec<crate::store::EventRow> {
    let mut reader = client.bench.store.read().await.unwrap();
    let page = reader.events().list(None, &PageRequest::first(200)).await.unwrap();
    page.items.into_iter().map(|placed| placed.event).collect()
}

fn actions(rows: &[Value]) -> Vec<&str> {
    rows.iter().rev().map(|row| row["action"].as_str().unwrap()).collect()
}

/// The event tells what the row tells, in the documented shape.
#[track_caller]
fn is_told(row: &Value, kind: EventKind, data: &Value) {
    assert_eq!(keys(data), keys(&documented(kind)), "{kind}");
    for side in ["before", "after"] {
        let (told, documented) = (&data[side], &documented(kind)[side]);
        assert_eq!((told, told.is_null()), (&row[side], documented.is_null()), "{kind} {side}");
        if !told.is_null() {
            assert_eq!(keys(told), keys(documented), "{kind} {side}");
        }
    }
    assert_eq!(data["actor"], json!({ "operator": "tests" }));
    assert_eq!((&data[kind.as_str().split('.').next().unwrap()], &data["label"]), (&row["resource_id"], &row["label"]));
}

#[tokio::test]
async fn every_operation_that_changes_something_is_recorded_and_told_with_it() {
    let expected = recorded();
    let changing: Vec<_> = rows().into_iter().filter(|row| row.method != Method::GET).collect();
    let operations: BTreeSet<_> = changing.iter().map(|row| row.operation).collect();
    assert_eq!(operations, expected.keys().copied().collect(), "each operation that is no GET is here");

    let mut kinds = BTreeSet::new();
    for mut row in changing {
        let world = World::new().await;
        let client = &world.client;
        match row.operation {
            "resume_webhook" => drop(client.post(&format!("{}/pause", world.webhook), json!({})).await.expect(200)),
            "change_credential" => row.with_body(json!({"not_after": "2030-01-01T00:00:00Z"})),
            _ => {}
        }
        let last = audit(client, "?limit=1").await[0]["position"].as_i64().unwrap();
        let events_before = events(client).await.len();
        let answer = world.ask(&row).await.expect(row.all);

        let mut left = audit(client, "").await;
        left.retain(|row| row["position"].as_i64().unwrap() > last);
        assert_eq!(actions(&left), expected[row.operation], "{}", row.operation);
        for row in &left {
            assert_eq!(row["operator"], "tests");
            assert!(row["token"].is_string() && row["request"].is_string() && row["label"] != "", "{row}");
        }
        // What is told besides: that a file came or went, and who signed in.
        let mut told = events(client).await.split_off(events_before);
        told.retain(|event| !["file.", "sign_in."].iter().any(|word| event.kind.as_str().starts_with(word)));
        let is_event = |row: &&Value| row["action"].as_str().unwrap().parse::<AuditAction>().unwrap().event().is_some();
        let to_tell: Vec<_> = left.iter().rev().filter(is_event).collect();
        assert_eq!(told.len(), to_tell.len(), "{}", row.operation);
        for (row, event) in to_tell.into_iter().zip(told) {
            assert_eq!(row["action"], event.kind.as_str());
            is_told(row, event.kind, &event.data);
            kinds.insert(event.kind.to_string());
        }
        let report = verify(&client.bench.store, None).await.unwrap();
        assert_eq!((report.faults, report.rows > 0), (Vec::new(), true));
        no_secret_is_in_it(&world, &answer).await;
    }
    let things = ["account", "credential", "folder", "instance"];
    let all = things.iter().flat_map(|thing| ["changed", "created", "removed"].map(|what| format!("{thing}.{what}")));
    assert_eq!(kinds, all.collect());
}

/// What was made or shown before and in the answer.
async fn no_secret_is_in_it(world: &World, answer: &Answer) {
    let mut reader = world.client.bench.store.read().await.unwrap();
    let rows = reader.audit().walk(&crate::store::AuditFilter::default(), 0, 1_000).await.unwrap();
    let told = format!("{rows:?}{:?}", events(&world.client).await);
    let mut secrets = vec![world.client.token.clone(), String::from("$argon2"), String::from("whsec_")];
    secrets.push(world.account["password"].as_str().unwrap().to_owned());
    if let Ok(answer) = serde_json::from_slice::<Value>(&answer.body) {
        secrets.extend(["password", "secret"].iter().filter_map(|field| answer[field].as_str().map(str::to_owned)));
    }
    for token in reader.tokens().list().await.unwrap() {
        secrets.push(token.hash);
    }
    for webhook in reader.webhooks().list(None, &PageRequest::first(10)).await.unwrap().items {
        secrets.push(webhook.secret);
    }
    for secret in secrets {
        assert!(!told.contains(&secret), "{secret}");
    }
}

#[tokio::test]
async fn a_row_tells_what_was_and_what_is() {
    let world = World::new().await;
    let client = &world.client;
    let account = path_of(&world.account);
    client.patch(&account, json!({"state": "disabled"})).await.expect(200);
    // What leaves everything as it was is no change.
    client.patch(&account, json!({"state": "disabled"})).await.expect(200);
    let rows = audit(client, "?action=account.changed").await;
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!((&row["before"]["state"], &row["after"]["state"]), (&json!("enabled"), &json!("disabled")));
    assert_eq!(row["label"], world.account["login"]);
    assert_eq!((&row["resource_id"], &row["account"]), (&world.account["id"], &world.account["id"]));
    assert_eq!((&row["instance"], &row["resource"]), (&json!(world.instance_id()), &json!("account")));
    assert_eq!((&row["operator"], &row["at"]), (&json!("tests"), &json!("2026-11-23T08:00:00Z")));
    let asked = [("x-request-id", "moved-to-mars"), ("content-type", "application/json")];
    client.send(Method::PATCH, &account, &asked, r#"{"name": "Mars"}"#).await.expect(200);
    assert_eq!(audit(client, "?limit=1").await[0]["request"], "moved-to-mars");

    // A key is told by its fingerprint.
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJY3n1mYcIXJW0Vt2b0nVNpT5Hk1kQF3pK3m8l6hQ9a1 paie@acme";
    let added = client.post(&format!("{account}/credentials"), json!({"kind": "public_key", "public_key": key})).await;
    let added = added.expect(201).json();
    let told = &audit(client, "?action=credential.created&limit=1").await[0]["after"];
    assert_eq!((&told["fingerprint"], &told["kind"]), (&added["fingerprint"], &json!("public_key")));
    assert!(!told.to_string().contains("AAAAC3Nza"), "{told}");
}

#[tokio::test]
async fn rows_are_listed_by_page_and_by_filter() {
    let world = World::new().await;
    let client = &world.client;
    let all = audit(client, "?limit=200").await;
    let mut paged = Vec::new();
    let mut query = String::from("?limit=2");
    loop {
        let page = client.get(&format!("/v1/audit{query}")).await.expect(200).json();
        paged.extend(page["items"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("?limit=2&cursor={cursor}");
    }
    assert_eq!(paged, all);
    let positions: Vec<_> = all.iter().map(|row| row["position"].as_i64().unwrap()).collect();
    assert_eq!(positions, (1..=i64::try_from(all.len()).unwrap()).rev().collect::<Vec<_>>());

    let instance = world.instance_id();
    let login = world.account["login"].as_str().unwrap().to_uppercase();
    for (query, expected) in [
        ("?operator=bench".to_owned(), vec!["token.created"]),
        ("?action=account.created".to_owned(), vec!["account.created"]),
        ("?resource=webhook".to_owned(), vec!["webhook.created"]),
        (format!("?resource_id={instance}"), vec!["instance.created"]),
        (format!("?instance={instance}&resource=account"), vec!["account.created"]),
        (format!("?account={}", world.account["id"].as_str().unwrap()), vec!["account.created"]),
        (format!("?search={login}"), vec!["account.created"]),
        ("?until=2026-11-23T08:00:00Z".to_owned(), vec![]),
        ("?since=2026-11-23T08:00:01Z".to_owned(), vec![]),
        ("?since=2026-11-23T08:00:00Z&operator=bench".to_owned(), vec!["token.created"]),
    ] {
        assert_eq!(actions(&audit(client, &query).await), expected, "{query}");
    }
    for (query, field) in [
        ("?action=account.moved", "action"),
        ("?resource=car", "resource"),
        ("?instance=acme", "instance"),
        ("?since=yesterday", "since"),
        ("?colour=red", "colour"),
        ("?limit=many", "limit"),
    ] {
        for path in ["/v1/audit", "/v1/audit/export"] {
            assert_eq!(client.get(&format!("{path}{query}")).await.expect(422).fields()[0].0, field, "{path}{query}");
        }
    }
}

#[tokio::test]
async fn the_export_is_the_chain_in_its_order() {
    let world = World::new().await;
    let client = &world.client;
    // More than are read at a time.
    for number in 0..1_100 {
        let name = format!("N{number}");
        let operator = crate::management::Operator::named("many");
        let (store, clock) = (&client.bench.store, &*client.bench.clock);
        tokens::create(store, &operator, &NewToken::named(&name), clock, &OsRandom).await.unwrap();
    }
    let export = async |query: &str| {
        let answer = client.get(&format!("/v1/audit/export{query}")).await.expect(200);
        assert_eq!(answer.header("content-type"), "application/x-ndjson");
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
    };
    let all = export("").await;
    assert!(all.len() > 1_100);
    assert_eq!(all[0]["previous"], crate::domain::audit::NO_ROW);
    for pair in all.windows(2) {
        assert_eq!(pair[0]["hash"], pair[1]["previous"]);
    }
    let mut newest = audit(client, "?limit=200").await;
    newest.reverse();
    assert_eq!(all[all.len() - 200..], newest);
    assert_eq!(export("?operator=many&search=n1099").await.len(), 1);
    assert_eq!(export("?operator=nobody").await, Vec::<Value>::new());
    client.get("/v1/audit/export?limit=3").await.expect(422);
}

#[tokio::test]
async fn a_token_of_one_instance_reads_what_concerns_it_and_no_tokens() {
    let mut world = World::new().await;
    let other = world.client.instance("other").await;
    let own = world.instance_id().to_owned();
    let scope = json!({"name": "of acme", "scope": {"instance": own}});
    world.client.post("/v1/tokens", scope).await.expect(201);
    world.with_scope(Some(&own), true).await;
    let client = &world.client;
    let rows = audit(client, "").await;
    assert_eq!(actions(&rows), ["instance.created", "account.created", "webhook.created"]);
    assert!(rows.iter().all(|row| row["instance"] == json!(own)));
    let other = other.rsplit('/').next().unwrap();
    for query in [format!("?instance={other}"), format!("?resource_id={other}"), "?resource=token".to_owned()] {
        assert_eq!(audit(client, &query).await, Vec::<Value>::new(), "{query}");
        assert!(client.get(&format!("/v1/audit/export{query}")).await.expect(200).body.is_empty(), "{query}");
    }
    let lines = client.get("/v1/audit/export").await.expect(200);
    assert_eq!(lines.body.iter().filter(|byte| **byte == b'\n').count(), 3);
}
