//! Terms of folders over the API, and what they would remove.

use std::time::Duration;

use super::*;
use crate::domain::{Clock, SystemClock};

#[tokio::test]
async fn a_folders_term_is_set_shown_and_taken_away() {
    let client = Client::new().await;
    let account = client.account(&client.instance("acme").await).await;
    let folder = folder_of(&account, "/export");
    assert_eq!(client.get(&folder).await.expect(200).json()["rules"]["retention"], Value::Null);
    let term = json!({"after_days": 90, "action": "trash"});
    let changed = client.patch(&folder, json!({"rules": {"retention": term}})).await.expect(200).json();
    assert_eq!(changed["rules"], json!({"publish_on_rename": false, "retention": term}));
    // Another rule leaves it as it is.
    let changed = client.patch(&folder, json!({"rules": {"publish_on_rename": true}})).await.expect(200).json();
    assert_eq!(changed["rules"]["retention"], term);
    let changed = client.patch(&folder, json!({"rules": {"retention": null}})).await.expect(200).json();
    assert_eq!(changed["rules"], json!({"publish_on_rename": true, "retention": null}));

    let new = json!({"name": "Notes", "path": "/notes", "rights": "read-write", "rules": {"retention": term}});
    let added = client.post(&format!("{}/folders", path_of(&account)), new).await.expect(201).json();
    assert_eq!(added["rules"]["retention"], term);
}

#[tokio::test]
async fn a_term_that_is_none_is_refused_by_its_field() {
    let client = Client::new().await;
    let account = client.account(&client.instance("acme").await).await;
    let folder = folder_of(&account, "/export");
    let (days, action) = ("rules.retention.after_days", "rules.retention.action");
    for (term, expected) in [
        (json!({"after_days": 0, "action": "trash"}), vec![(days, "out_of_range")]),
        (json!({"after_days": 36_501, "action": "trash"}), vec![(days, "out_of_range")]),
        (json!({"after_days": 0, "action": "burn"}), vec![(action, "malformed"), (days, "out_of_range")]),
        (json!({"after_days": -1, "action": "trash"}), vec![(days, "malformed")]),
        (json!({"after_days": 1.5, "action": "trash"}), vec![(days, "malformed")]),
        (json!({}), vec![(action, "required"), (days, "required")]),
        (json!({"after_days": 1, "action": "trash", "at": 3}), vec![("rules.retention.at", "unknown")]),
    ] {
        let answer = client.patch(&folder, json!({"rules": {"retention": term}})).await.expect(422);
        let expected: Vec<_> = expected.into_iter().map(|(field, code)| (field.into(), code.into())).collect();
        assert_eq!(answer.fields(), expected, "{term}");
    }
    assert_eq!(client.get(&folder).await.expect(200).json()["rules"]["retention"], Value::Null);
}

#[tokio::test]
async fn a_preview_says_what_would_go_and_when_and_leaves_it() {
    let client = Client::new().await;
    client.bench.clock.set(SystemClock.now());
    let account = client.account(&client.instance("acme").await).await;
    let folder = folder_of(&account, "/import");
    client.send(Method::PUT, &format!("{folder}/files/2026/a.csv"), &[], "douze").await.expect(201);
    let path = format!("{folder}/retention");
    let nothing = json!({"retention": null, "due_files": 0, "due_bytes": 0, "items": [], "next_cursor": null});
    assert_eq!(client.get(&path).await.expect(200).json(), nothing);

    let term = json!({"after_days": 30, "action": "delete"});
    client.patch(&folder, json!({"rules": {"retention": term}})).await.expect(200);
    client.bench.clock.advance(Duration::from_secs(10 * 24 * 3600));
    let preview = client.get(&path).await.expect(200).json();
    assert_eq!((&preview["retention"], &preview["due_files"]), (&term, &json!(0)));
    let file = &preview["items"][0];
    assert_eq!((&file["path"], &file["bytes"], &file["due"]), (&json!("/import/2026/a.csv"), &json!(5), &json!(false)));

    let preview = client.get(&format!("{path}?after_days=9&limit=1")).await.expect(200).json();
    assert_eq!((&preview["due_files"], &preview["due_bytes"]), (&json!(1), &json!(5)));
    assert_eq!((&preview["items"][0]["due"], &preview["next_cursor"]), (&json!(true), &Value::Null));
    assert_eq!(preview["retention"], json!({"after_days": 9, "action": "delete"}));
    client.get(&format!("{folder}/files/2026/a.csv")).await.expect(200);

    for (query, code) in [("after_days=0", "out_of_range"), ("after_days=x", "malformed")] {
        let answer = client.get(&format!("{path}?{query}")).await.expect(422);
        assert_eq!(answer.fields(), [("after_days".into(), code.into())]);
    }
    let answer = client.get(&format!("{path}?cursor=YQ")).await.expect(422);
    assert_eq!(answer.fields(), [("cursor".into(), "malformed".into())]);
}
