//! Accounts over the API.

use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ paie@acme";

fn paths(account: &Value) -> Vec<&str> {
    account["folders"].as_array().unwrap().iter().map(|folder| folder["path"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn each_preset_shows_its_difference() {
    let client = Client::new().await;
    let accounts = format!("{}/accounts", client.instance("acme").await);
    let create = |body: Value| client.post(&accounts, body);

    let lucca = create(json!({"name": "Paie", "preset": "lucca"})).await.expect(201).json();
    assert!(lucca["login"].as_str().unwrap().starts_with("acme-"), "{lucca}");
    assert_eq!((&lucca["host"], &lucca["connection_types"]), (&json!("sftp.lucca.example"), &json!(["sftp"])));
    assert_eq!(paths(&lucca), [""; 0]);

    let epaye = create(json!({"name": "Paie", "preset": "epaye"})).await.expect(201).json();
    assert!(epaye["login"].as_str().unwrap().starts_with("epaye-acme-"), "{epaye}");
    assert_eq!((&epaye["host"], &epaye["connection_types"]), (&json!("sftp.epaye.example"), &json!(["sftp", "ftps"])));
    assert_eq!((&epaye["preset"], &epaye["preset_version"]), (&json!("epaye"), &json!(3)));
    assert_eq!(paths(&epaye), ["/import", "/export"]);
    assert_eq!(epaye["folders"][0]["ready_set"], "pick-up");

    // Keys alone: a password is neither made nor taken.
    let answer = create(json!({"name": "RH", "preset": "mprh"})).await.expect(422);
    assert_eq!(answer.fields(), [("generate_password".into(), "not_offered".into())]);
    let mprh = create(json!({"name": "RH", "preset": "mprh", "public_keys": [KEY]})).await.expect(201).json();
    assert!(mprh["login"].as_str().unwrap().starts_with("mprh."), "{mprh}");
    assert_eq!(mprh["password"], Value::Null);
    assert_eq!(paths(&mprh), ["/mprh/archive"]);
    let answer =
        create(json!({"name": "RH", "preset": "mprh", "public_keys": [KEY], "connection_types": ["ftps"]})).await;
    assert_eq!(answer.expect(422).fields(), [("connection_types".into(), "not_offered".into())]);
}

#[tokio::test]
async fn a_generated_password_is_shown_once() {
    let client = Client::new().await;
    let account = client.account(&client.instance("acme").await).await;
    let password = account["password"].as_str().unwrap();
    assert_eq!(password.len(), 24);
    let path = path_of(&account);
    for path in [path.clone(), format!("{path}/credentials"), "/v1/accounts".into()] {
        let shown = client.get(&path).await.expect(200);
        assert!(!String::from_utf8_lossy(&shown.body).contains(password), "{path}");
    }
}

#[tokio::test]
async fn an_account_is_created_as_it_was_asked() {
    let client = Client::new().await;
    let instance = client.instance("acme").await;
    let new = json!({
        "name": "E-paye production", "preset": "epaye", "login": "Epaye-Paie.1", "password": "correct horse battery",
        "public_keys": [KEY], "connection_types": ["ftps"], "host": "paie.example.com",
        "authentication": "key_and_password", "state": "disabled", "expires_at": "2027-01-01T00:00:00Z",
        "allowed_addresses": ["203.0.113.7", "2001:db8::/32"], "close_notify": "guarded", "tls_resumption": "require",
        "folders": [{"name": "Été", "path": "/a/b/c", "rights": "read-write"}, {"name": "In", "path": "/a", "rights": ["list"]}],
    });
    let answer = client.post(&format!("{instance}/accounts"), new.clone()).await.expect(201);
    let created = answer.json();
    for field in [
        "name",
        "preset",
        "login",
        "connection_types",
        "host",
        "authentication",
        "state",
        "expires_at",
        "allowed_addresses",
        "close_notify",
        "tls_resumption",
    ] {
        assert_eq!(created[field], new[field], "{field}");
    }
    assert_eq!(created["password"], Value::Null, "a given password is not shown");
    let read = client.get(answer.header("location")).await.expect(200).json();
    assert_eq!(read["login"], "Epaye-Paie.1");
    assert_eq!(paths(&read), ["/a", "/a/b/c"]);
    let credentials = client.get(&format!("{}/credentials", path_of(&created))).await.expect(200).json();
    let mut kinds: Vec<_> =
        credentials["items"].as_array().unwrap().iter().map(|item| item["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["password", "public_key"]);
}

#[tokio::test]
async fn every_field_that_does_not_fit_is_named_at_once() {
    let client = Client::new().await;
    let accounts = format!("{}/accounts", client.instance("acme").await);
    let new = json!({
        "name": " x", "preset": "epaye", "login": "other-1", "password": "pa55w0rd", "generate_password": true,
        "public_keys": [KEY, "nonsense"], "connection_types": ["sftp", "ftpes"], "host": "sftp://x",
        "authentication": "both", "state": "asleep", "expires_at": "2020-01-01T00:00:00Z",
        "allowed_addresses": ["10.0.0.0/8", "10.0.0.0/80"],
        "folders": [{"name": "A", "path": "/a", "rights": "read-write"}, {"path": "b", "rights": "all"}],
    });
    let expected = [
        ("allowed_addresses[1]", "malformed"),
        ("authentication", "malformed"),
        ("connection_types", "not_offered"),
        ("expires_at", "in_the_past"),
        ("folders[1].name", "required"),
        ("folders[1].path", "malformed"),
        ("folders[1].rights", "malformed"),
        ("generate_password", "contradictory"),
        ("host", "malformed"),
        ("login", "prefix"),
        ("name", "malformed"),
        ("password", "too_short"),
        ("public_keys[1]", "malformed"),
        ("state", "malformed"),
    ];
    let answer = client.post(&accounts, new).await.expect(422);
    assert_eq!(answer.fields(), expected.map(|(field, code)| (field.to_owned(), code.to_owned())));
    let shown = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(!shown.contains("pa55w0rd"), "a password is not told back: {shown}");

    let folder = |name: &str, path: &str| json!({"name": name, "path": path, "rights": "pick-up"});
    let cases = [
        (json!({"name": "x", "preset": "none"}), vec![("preset", "unknown")]),
        (json!({"preset": "epaye"}), vec![("name", "required")]),
        (json!({"name": "x", "preset": "epaye", "folders": []}), vec![("folders", "too_few")]),
        (json!({"name": "x", "preset": "epaye", "connection_types": []}), vec![("connection_types", "too_few")]),
        (
            json!({"name": "x", "preset": "epaye", "folders": [folder("A", "/a"), folder("A", "/a/../a")]}),
            vec![("folders[1].name", "duplicate"), ("folders[1].path", "duplicate")],
        ),
        (json!({"name": "x", "preset": "epaye", "public_keys": [KEY, KEY]}), vec![("public_keys[1]", "duplicate")]),
    ];
    for (body, expected) in cases {
        let answer = client.post(&accounts, body.clone()).await.expect(422);
        let expected: Vec<_> = expected.into_iter().map(|(field, code)| (field.to_owned(), code.to_owned())).collect();
        assert_eq!(answer.fields(), expected, "{body}");
    }
    let unknown = client.post(&accounts, json!({"name": "x", "preset": "epaye", "folder": []})).await.expect(422);
    assert_eq!(unknown.fields(), [("folder".into(), "unknown".into())]);
    assert_eq!(client.get("/v1/accounts").await.json()["items"], json!([]), "nothing was created");
}

#[tokio::test]
async fn a_login_is_unique_over_all_instances_and_says_not_whose_it_is() {
    let client = Client::new().await;
    let (ours, others) = (client.instance("acme").await, client.instance("zeta").await);
    let new = |login: &str| json!({"name": "Secret name", "preset": "epaye", "login": login});
    client.post(&format!("{others}/accounts"), new("epaye-shared")).await.expect(201);
    let answer = client.post(&format!("{ours}/accounts"), new("EPAYE-Shared")).await.expect(409);
    assert_eq!(answer.fields(), [("login".into(), "conflict".into())]);
    let shown = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(!shown.contains("zeta") && !shown.contains("Secret name"), "{shown}");
    let account = client.account(&ours).await;
    client.patch(&path_of(&account), json!({"login": "epaye-SHARED"})).await.expect(409);
}

#[tokio::test]
async fn an_account_changes_and_keeps_its_files() {
    let client = Client::new().await;
    let account = client.account(&client.instance("acme").await).await;
    let path = path_of(&account);
    let file = format!("{}/files/a.csv", folder_of(&account, "/import"));
    client.send(Method::PUT, &file, &[], "content").await.expect(201);

    let changes = json!({"login": "epaye-new", "state": "disabled", "connection_types": ["sftp"], "expires_at": "2026-11-24T00:00:00Z"});
    let changed = client.patch(&path, changes.clone()).await.expect(200).json();
    for field in ["login", "state", "connection_types", "expires_at"] {
        assert_eq!(changed[field], changes[field], "{field}");
    }
    assert_eq!((&changed["name"], &changed["id"]), (&account["name"], &account["id"]));
    assert_eq!(client.patch(&path, json!({"expires_at": null})).await.expect(200).json()["expires_at"], Value::Null);
    assert_eq!(client.get(&file).await.expect(200).body, "content");

    for (field, value) in [("close_notify", "guarded"), ("tls_resumption", "require")] {
        assert_eq!(account[field], Value::Null, "as the preset says");
        let changed = client.patch(&path, json!({field: value})).await.expect(200).json();
        assert_eq!(changed[field], value);
        client.patch(&path, json!({"state": "enabled"})).await.expect(200);
        assert_eq!(client.get(&path).await.expect(200).json()[field], value, "it stays until it is changed");
        assert_eq!(client.patch(&path, json!({field: null})).await.expect(200).json()[field], Value::Null);
    }

    let cases = [
        (json!({"close_notify": "lax"}), "close_notify", "malformed"),
        (json!({"tls_resumption": "required"}), "tls_resumption", "malformed"),
        (json!({"login": "other"}), "login", "prefix"),
        (json!({"connection_types": ["ftpes"]}), "connection_types", "not_offered"),
        (json!({"state": null}), "state", "required"),
        (json!({"preset": "mprh"}), "preset", "unknown"),
        (json!({"host": "a b"}), "host", "malformed"),
    ];
    for (changes, field, code) in cases {
        let answer = client.patch(&path, changes).await.expect(422);
        assert_eq!(answer.fields(), [(field.to_owned(), code.to_owned())]);
    }
}

#[tokio::test]
async fn accounts_are_found_by_instance_preset_and_part_of_a_name() {
    let client = Client::new().await;
    let (acme, zeta) = (client.instance("acme").await, client.instance("zeta").await);
    for (instance, name, preset) in
        [(&acme, "Paie mensuelle", "epaye"), (&acme, "Absences", "lucca"), (&zeta, "PAIE", "lucca")]
    {
        client.post(&format!("{instance}/accounts"), json!({"name": name, "preset": preset})).await.expect(201);
        client.bench.clock.advance(std::time::Duration::from_secs(1));
    }
    let id = acme.rsplit('/').next().unwrap();
    let cases = [
        ("/v1/accounts".to_owned(), vec!["Paie mensuelle", "Absences", "PAIE"]),
        (format!("{acme}/accounts"), vec!["Paie mensuelle", "Absences"]),
        (format!("/v1/accounts?instance={id}&preset=epaye"), vec!["Paie mensuelle"]),
        ("/v1/accounts?search=paie&preset=lucca".to_owned(), vec!["PAIE"]),
        ("/v1/accounts?search=%25".to_owned(), vec![]),
    ];
    for (path, expected) in cases {
        let page = client.get(&path).await.expect(200).json();
        let names: Vec<_> =
            page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect();
        assert_eq!(names, expected, "{path}");
    }
    let answer = client.get("/v1/accounts?instance=acme&preset=X").await.expect(422);
    assert_eq!(answer.fields(), [("instance".into(), "malformed".into()), ("preset".into(), "malformed".into())]);
    client.get("/v1/instances/01937d0e-5f3c-7c3a-9d5e-2f4a1b6c8d7e/accounts").await.expect(404);
}

#[tokio::test]
async fn a_removed_account_leaves_its_files_in_the_trash() {
    let client = Client::new().await;
    let account = client.account(&client.instance("acme").await).await;
    let file = format!("{}/files/a.csv", folder_of(&account, "/import"));
    client.send(Method::PUT, &file, &[], "kept in the trash").await.expect(201);
    client.delete(&path_of(&account)).await.expect(204);
    client.get(&path_of(&account)).await.expect(404);
    client.get(&file).await.expect(404);
    assert!(super::files::is_on_disk(&client, "kept in the trash"));
    let login = account["login"].as_str().unwrap();
    let instance = client.instance("zeta").await;
    let again = json!({"name": "Paie", "preset": "epaye", "login": login});
    client.post(&format!("{instance}/accounts"), again).await.expect(201);
}
