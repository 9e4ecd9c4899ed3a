//! Quotas over the API: what is taken, what is refused, what is told.

use super::*;
use crate::domain::TokenScope;
use crate::management::Operator;

const LARGEST: u64 = 1 << 60;

async fn limited(quota: Value) -> (Client, Value) {
    let client = Client::new().await;
    let instance = client.instance("acme").await;
    let new = json!({"name": "Paie", "preset": "epaye", "quota": quota});
    let account = client.post(&format!("{instance}/accounts"), new).await.expect(201).json();
    (client, account)
}

async fn with_scope(client: &mut Client, instance: Option<&Value>, read_only: bool) {
    let scope = TokenScope { instance: instance.map(|id| id.as_str().unwrap().parse().unwrap()), read_only };
    let new = NewToken { scope, ..NewToken::named("scoped") };
    let (_, secret) =
        tokens::create(&client.bench.store, &Operator::named("bench"), &new, &*client.bench.clock, &OsRandom)
            .await
            .unwrap();
    client.token = secret.expose().to_owned();
}

#[tokio::test]
async fn each_limit_is_set_kept_and_given_back_to_the_preset() {
    let (client, account) = limited(json!({"bytes": 10, "files": 2})).await;
    let path = path_of(&account);
    assert_eq!(account["quota"], json!({"bytes": 10, "files": 2, "largest_file": null}));
    let changed = client.patch(&path, json!({"quota": {"files": null, "largest_file": LARGEST}})).await.expect(200);
    assert_eq!(changed.json()["quota"], json!({"bytes": 10, "files": null, "largest_file": LARGEST}));
    assert_eq!(client.get(&path).await.expect(200).json()["quota"], changed.json()["quota"]);
    // What is left out stays.
    let kept = client.patch(&path, json!({"name": "RH"})).await.expect(200).json();
    assert_eq!(kept["quota"], changed.json()["quota"]);
}

#[tokio::test]
async fn what_is_no_limit_is_refused_with_its_field() {
    let (client, account) = limited(json!({"files": 1})).await;
    let path = path_of(&account);
    for limit in ["bytes", "files", "largest_file"] {
        let answer = client.patch(&path, json!({"quota": {limit: LARGEST + 1}})).await.expect(422);
        assert_eq!(answer.fields(), [(format!("quota.{limit}"), "out_of_range".into())]);
    }
    let accounts = format!("{}/accounts", client.instance("other").await);
    let new = json!({"name": "N", "preset": "epaye", "quota": {"bytes": LARGEST + 1}});
    assert_eq!(client.post(&accounts, new).await.expect(422).fields(), [("quota.bytes".into(), "out_of_range".into())]);
    for quota in [json!({"bytes": -1}), json!({"bytes": "10"}), json!({"files": 1.5}), json!({"octets": 1}), json!(7)] {
        let answer = client.patch(&path, json!({"quota": quota})).await;
        assert!(matches!(answer.status, 400 | 422), "{quota}: {}", answer.status);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{quota}");
    }
    let quota = client.get(&path).await.expect(200).json()["quota"].clone();
    assert_eq!(quota, json!({"bytes": null, "files": 1, "largest_file": null}), "nothing of it was taken");
}

#[tokio::test]
async fn usage_is_told_and_what_is_over_it_is_refused_with_the_numbers() {
    let (client, account) = limited(json!({"bytes": 10})).await;
    let (usage, files) = (format!("{}/usage", path_of(&account)), format!("{}/files", folder_of(&account, "/import")));
    let put = |name: &str, body: &'static str| {
        let path = format!("{files}/{name}");
        let client = &client;
        async move { client.send(Method::PUT, &path, &[], body).await }
    };
    put("a", "123456").await.expect(201);
    let told = client.get(&usage).await.expect(200).json();
    assert_eq!((&told["bytes"], &told["files"]), (&json!(6), &json!(1)));
    assert_eq!(told["limits"], json!({"bytes": 10, "files": null, "largest_file": null}));
    assert!(told["counted_at"].is_string());
    let refused = put("b", "12345").await.expect(507).json();
    assert!(refused["type"].as_str().unwrap().ends_with("over-quota"), "{refused}");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("holds 6 bytes") && detail.contains("quota.bytes is 10"), "{detail}");
    // In the place of another, by the difference.
    put("a", "1234567890").await.expect(200);
    assert_eq!(client.get(&usage).await.expect(200).json()["bytes"], 10);
    client.delete(&format!("{files}/a")).await.expect(204);
    assert_eq!(client.get(&usage).await.expect(200).json()["bytes"], 0);
}

#[tokio::test]
async fn an_account_without_a_quota_is_not_counted() {
    let (client, account) = limited(json!({})).await;
    for answer in [
        client.get(&format!("{}/usage", path_of(&account))).await,
        client.post(&format!("{}/usage/recount", path_of(&account)), json!({})).await,
    ] {
        let told = answer.expect(200).json();
        assert_eq!((&told["bytes"], &told["files"], &told["counted_at"]), (&Value::Null, &Value::Null, &Value::Null));
    }
}

#[tokio::test]
async fn a_recount_finds_what_was_changed_by_hand_and_is_no_reading() {
    let (mut client, account) = limited(json!({"files": 1})).await;
    let path = path_of(&account);
    let file = format!("{}/files/a", folder_of(&account, "/import"));
    client.send(Method::PUT, &file, &[], "douze").await.expect(201);
    assert_eq!(client.get(&format!("{path}/usage")).await.expect(200).json()["files"], 1);
    files::remove_from_disk(&client, "douze");
    // Kept, not counted at every look.
    assert_eq!(client.get(&format!("{path}/usage")).await.expect(200).json()["files"], 1);

    with_scope(&mut client, Some(&account["instance"]), true).await;
    assert_eq!(client.get(&format!("{path}/usage")).await.expect(200).json()["files"], 1);
    client.post(&format!("{path}/usage/recount"), json!({})).await.expect(403);
    with_scope(&mut client, Some(&account["instance"]), false).await;
    let counted = client.post(&format!("{path}/usage/recount"), json!({})).await.expect(200).json();
    assert_eq!((&counted["files"], &counted["bytes"]), (&json!(0), &json!(0)));
    client.send(Method::PUT, &file, &[], "douze").await.expect(201);
}
