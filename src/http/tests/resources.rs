//! Instances, credentials, folders, presets and tokens over the API.

use std::time::Duration;

use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ paie@acme";

#[tokio::test]
async fn a_request_without_a_valid_token_is_refused_alike() {
    let client = Client::new().await;
    let unknown = client.post("/v1/tokens", json!({"name": "gone"})).await.expect(201).json();
    client.delete(&format!("/v1/tokens/{}", unknown["id"].as_str().unwrap())).await.expect(204);
    let unknown = unknown["secret"].as_str().unwrap();
    let values = ["", "Bearer", "Bearer lgw_nonsense", "Basic dGVzdA==", &format!("Bearer {unknown}")];
    for value in values {
        let request = Request::get("/v1/instances").header(AUTHORIZATION, value).body(Body::empty()).unwrap();
        let answer = send(&client.router, request).await.expect(401);
        assert_eq!(answer.json()["type"], "/problems/unauthenticated", "{value}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{value}");
    }
    let request = Request::get("/v1/openapi.json").body(Body::empty()).unwrap();
    assert_eq!(send(&client.router, request).await.expect(200).json()["openapi"], "3.1.0");
}

#[tokio::test]
async fn an_instance_is_created_read_changed_and_removed() {
    let client = Client::new().await;
    let path = client.instance("acme").await;
    let created = client.get(&path).await.expect(200).json();
    assert_eq!((&created["key"], &created["name"]), (&json!("acme"), &json!("acme")));
    let changed = client.patch(&path, json!({"name": "ACME SA"})).await.expect(200).json();
    assert_eq!(changed["name"], "ACME SA");
    assert_eq!(client.get(&path).await.expect(200).json(), changed);

    let answer = client.post("/v1/instances", json!({"key": "acme", "name": "Other"})).await.expect(409);
    assert_eq!(answer.fields(), [("key".into(), "conflict".into())]);
    let answer = client.post("/v1/instances", json!({"key": "A", "name": " "})).await.expect(422);
    assert_eq!(answer.fields(), [("key".into(), "malformed".into()), ("name".into(), "malformed".into())]);
    let answer = client.post("/v1/instances", json!({})).await.expect(422);
    assert_eq!(answer.fields(), [("key".into(), "required".into()), ("name".into(), "required".into())]);
    let answer = client.patch(&path, json!({"name": null})).await.expect(422);
    assert_eq!(answer.fields(), [("name".into(), "required".into())]);

    client.delete(&path).await.expect(204);
    for path in [path.as_str(), "/v1/instances/01937d0e-5f3c-7c3a-9d5e-2f4a1b6c8d7e", "/v1/instances/acme"] {
        assert_eq!(client.get(path).await.expect(404).json()["type"], "/problems/not-found", "{path}");
        client.delete(path).await.expect(404);
    }
}

#[tokio::test]
async fn a_list_comes_in_pages_that_hold_each_item_once() {
    let client = Client::new().await;
    for key in ["dd", "bb", "ee", "aa", "cc"] {
        client.instance(key).await;
    }
    let mut keys = Vec::new();
    let mut path = String::from("/v1/instances?limit=2");
    loop {
        let page = client.get(&path).await.expect(200).json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        keys.extend(items.iter().map(|item| item["key"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/instances?limit=2&cursor={cursor}");
    }
    assert_eq!(keys, ["aa", "bb", "cc", "dd", "ee"]);
    for (query, field) in [("limit=0", "limit"), ("limit=201", "limit"), ("limit=x", "limit"), ("cursor=%20", "cursor")]
    {
        let answer = client.get(&format!("/v1/instances?{query}")).await.expect(422);
        assert_eq!(answer.fields()[0].0, field);
    }
}

#[tokio::test]
async fn removing_an_instance_removes_its_accounts_and_no_others() {
    let client = Client::new().await;
    let (ours, others) = (client.instance("acme").await, client.instance("zeta").await);
    let (account, other) = (client.account(&ours).await, client.account(&others).await);
    client.delete(&ours).await.expect(204);
    client.get(&path_of(&account)).await.expect(404);
    client.get(&path_of(&other)).await.expect(200);
}

#[tokio::test]
async fn presets_say_what_they_bring() {
    let client = Client::new().await;
    let presets = client.get("/v1/presets").await.expect(200).json();
    let names: Vec<_> = presets["items"].as_array().unwrap().iter().map(|preset| &preset["name"]).collect();
    assert_eq!(names, ["epaye", "lucca", "mprh"]);
    let epaye = client.get("/v1/presets/epaye").await.expect(200).json();
    assert_eq!(epaye["connection_types"], json!(["sftp", "ftps"]));
    assert_eq!(epaye["login_prefix"], "epaye-");
    let export = &epaye["folders"][1];
    assert_eq!((&export["name"], &export["path"]), (&json!("Export"), &json!("/export")));
    assert_eq!((&export["rights"], &export["rules"]["publish_on_rename"]), (&json!(["write"]), &json!(false)));
    assert_eq!((&epaye["close_notify"], &epaye["tls_resumption"]), (&json!("strict"), &json!("offered")));
    client.get("/v1/presets/none").await.expect(404);
    client.get("/v1/presets/UPPER").await.expect(404);
}

#[tokio::test]
async fn a_token_works_until_it_ends_or_is_revoked() {
    let mut client = Client::new().await;
    let ends = client
        .post("/v1/tokens", json!({"name": "suite", "expires_at": "2026-11-23T09:00:00Z"}))
        .await
        .expect(201)
        .json();
    let revoked = client.post("/v1/tokens", json!({"name": "old"})).await.expect(201).json();
    let listed = client.get("/v1/tokens").await.expect(200);
    assert_eq!(listed.json()["items"].as_array().unwrap().len(), 3);
    let secret = |token: &Value| token["secret"].as_str().unwrap().to_owned();
    let shown = String::from_utf8_lossy(&listed.body).into_owned();
    assert!(!shown.contains(&secret(&ends)) && !shown.contains("hash"), "a secret is shown once");

    let first = std::mem::replace(&mut client.token, secret(&revoked));
    client.get("/v1/tokens").await.expect(200);
    client.delete(&format!("/v1/tokens/{}", revoked["id"].as_str().unwrap())).await.expect(204);
    client.get("/v1/tokens").await.expect(401);

    client.token = secret(&ends);
    let listed = client.get("/v1/tokens").await.expect(200).json();
    let used = listed["items"].as_array().unwrap().iter().find(|token| token["id"] == ends["id"]).unwrap();
    assert_eq!(used["last_used_at"], "2026-11-23T08:00:00Z");
    client.bench.clock.advance(Duration::from_secs(3600));
    client.get("/v1/tokens").await.expect(401);

    client.token = first;
    client.delete(&format!("/v1/tokens/{}", revoked["id"].as_str().unwrap())).await.expect(404);
    let answer =
        client.post("/v1/tokens", json!({"name": "late", "expires_at": "2026-11-23T08:30:00Z"})).await.expect(422);
    assert_eq!(answer.fields(), [("expires_at".into(), "in_the_past".into())]);
    let answer = client.post("/v1/tokens", json!({"expires_at": "soon"})).await.expect(422);
    assert_eq!(answer.fields(), [("expires_at".into(), "malformed".into()), ("name".into(), "required".into())]);
}

#[tokio::test]
async fn passwords_rotate_with_an_overlap_of_two() {
    let client = Client::new().await;
    let instance = client.instance("acme").await;
    let account = client.account(&instance).await;
    let path = format!("{}/credentials", path_of(&account));
    let first = client.get(&path).await.expect(200).json()["items"][0].clone();
    assert_eq!((&first["kind"], &first["last_use"]), (&json!("password"), &Value::Null));

    let second = client.post(&path, json!({"kind": "password", "label": "2027"})).await.expect(201).json();
    assert_eq!(second["password"].as_str().unwrap().len(), 24);
    let answer = client.post(&path, json!({"kind": "password"})).await.expect(409);
    assert_eq!(answer.fields(), [("password".into(), "conflict".into())]);

    // The old one gets its end; a third may begin there, and not before.
    let old = format!("{path}/{}", first["id"].as_str().unwrap());
    let retired = client.patch(&old, json!({"not_after": "2026-12-01T00:00:00+01:00"})).await.expect(200).json();
    assert_eq!(retired["not_after"], "2026-11-30T23:00:00Z");
    client.post(&path, json!({"kind": "password", "not_before": "2026-11-30T22:00:00Z"})).await.expect(409);
    client.post(&path, json!({"kind": "password", "not_before": "2026-11-30T23:00:00Z"})).await.expect(201);
    client.patch(&old, json!({"not_after": null})).await.expect(409);

    client.delete(&old).await.expect(204);
    client.delete(&old).await.expect(404);
    let listed = client.get(&path).await.expect(200);
    assert_eq!(listed.json()["items"].as_array().unwrap().len(), 2);
    let shown = String::from_utf8_lossy(&listed.body).into_owned();
    assert!(!shown.contains("argon2") && !shown.contains(second["password"].as_str().unwrap()), "{shown}");
}

#[tokio::test]
async fn a_password_that_someone_chose_is_checked_and_never_shown() {
    let client = Client::new().await;
    let instance = client.instance("acme").await;
    let account = client.account(&instance).await;
    let path = format!("{}/credentials", path_of(&account));
    let with_login = format!("x{}x", account["login"].as_str().unwrap());
    for (password, code) in [("short", "too_short"), (&"x".repeat(129), "too_long"), (&with_login, "contains_login")] {
        let answer = client.post(&path, json!({"kind": "password", "password": password})).await.expect(422);
        assert_eq!(answer.fields(), [("password".into(), code.into())]);
    }
    let created =
        client.post(&path, json!({"kind": "password", "password": "correct horse battery"})).await.expect(201);
    assert_eq!(created.json()["password"], Value::Null);
    let answer = client.post(&path, json!({"kind": "secret", "not_after": "x"})).await.expect(422);
    assert_eq!(answer.fields(), [("kind".into(), "malformed".into()), ("not_after".into(), "malformed".into())]);
    let dates = json!({"kind": "password", "not_before": "2027-01-02T00:00:00Z", "not_after": "2027-01-01T00:00:00Z"});
    let answer = client.post(&path, dates).await.expect(422);
    assert_eq!(answer.fields(), [("not_after".into(), "before_beginning".into())]);
}

#[tokio::test]
async fn a_key_is_added_once_and_told_by_its_fingerprint() {
    let client = Client::new().await;
    let instance = client.instance("acme").await;
    let account = client.account(&instance).await;
    let path = format!("{}/credentials", path_of(&account));
    let key = client.post(&path, json!({"kind": "public_key", "public_key": KEY})).await.expect(201).json();
    assert_eq!((&key["label"], &key["public_key"]), (&json!("paie@acme"), &json!(KEY)));
    assert!(key["fingerprint"].as_str().unwrap().starts_with("SHA256:"));
    let answer = client.post(&path, json!({"kind": "public_key", "public_key": KEY})).await.expect(409);
    assert_eq!(answer.fields(), [("public_key".into(), "conflict".into())]);
    let answer = client.post(&path, json!({"kind": "public_key", "public_key": "ssh-ed25519 x"})).await.expect(422);
    assert_eq!(answer.fields(), [("public_key".into(), "malformed".into())]);

    // Another account's credential is not there, even by its id.
    let other = client.account(&instance).await;
    let stray = format!("{}/credentials/{}", path_of(&other), key["id"].as_str().unwrap());
    client.patch(&stray, json!({"not_after": "2027-01-01T00:00:00Z"})).await.expect(404);
    client.delete(&stray).await.expect(404);
}

#[tokio::test]
async fn folders_are_added_changed_and_removed() {
    let client = Client::new().await;
    let instance = client.instance("acme").await;
    let account = client.account(&instance).await;
    let folders = format!("{}/folders", path_of(&account));
    let new = json!({"name": "Notes de frais", "path": "/import/ndf", "rights": "read-write"});
    let answer = client.post(&folders, new.clone()).await.expect(201);
    let (path, created) = (answer.header("location").to_owned(), answer.json());
    assert_eq!((&created["ready_set"], &created["path"]), (&json!("read-write"), &json!("/import/ndf")));
    assert_eq!(client.get(&path).await.expect(200).json(), created);

    let paths = |list: Value| -> Vec<String> {
        let items = list["items"].as_array().unwrap().clone();
        items.iter().map(|folder| folder["path"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(paths(client.get(&folders).await.expect(200).json()), ["/export", "/import", "/import/ndf"]);

    let answer =
        client.post(&folders, json!({"name": "Other", "path": "/import/ndf/", "rights": []})).await.expect(409);
    assert_eq!(answer.fields(), [("path".into(), "conflict".into())]);
    let answer = client.post(&folders, json!({"name": "", "path": "x", "rights": ["read", "fly"]})).await.expect(422);
    let expected = [("name", "malformed"), ("path", "malformed"), ("rights[1]", "malformed")];
    assert_eq!(answer.fields(), expected.map(|(field, code)| (field.to_owned(), code.to_owned())));

    let changed = client
        .patch(&path, json!({"name": "NDF", "rights": ["list", "read"], "rules": {"publish_on_rename": true}}))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&changed["name"], &changed["rights"], &changed["path"]),
        (&json!("NDF"), &json!(["list", "read"]), &json!("/import/ndf"))
    );
    client.delete(&path).await.expect(204);
    client.get(&path).await.expect(404);
    assert_eq!(paths(client.get(&folders).await.expect(200).json()), ["/export", "/import"]);
    // Another account's folder is not there, even by its id.
    let other = client.account(&instance).await;
    let stray = folder_of(&account, "/import").replace(&path_of(&account), &path_of(&other));
    client.get(&stray).await.expect(404);
    client.delete(&stray).await.expect(404);
}

#[tokio::test]
async fn a_condition_that_is_not_served_is_refused_before_anything_changes() {
    let client = Client::new().await;
    let path = client.instance("acme").await;
    for condition in [("if-match", "\"1\""), ("if-unmodified-since", "Tue, 14 Nov 2023 22:13:20 GMT")] {
        let json = ("content-type", "application/json");
        client.send(Method::PATCH, &path, &[json, condition], r#"{"name": "Other"}"#).await.expect(400);
        client.send(Method::DELETE, &path, &[condition], Body::empty()).await.expect(400);
    }
    assert_eq!(client.get(&path).await.expect(200).json()["name"], "acme");
}
