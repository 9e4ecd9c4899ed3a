//! What each kind of token may do: every route of the API, asked with each.

use std::collections::BTreeSet;

use super::*;
use crate::domain::{DeliveryState, EventId, TokenScope};
use crate::http::api;
use crate::management::fixture::{Session, start};
use crate::store::DeliveryRow;

/// How a route answers to each kind of token: one for everything, one for the instance that is asked about, one for
/// another instance, one that reads everything.
pub(super) struct Row {
    /// The `operation_id` of the route.
    pub(super) operation: &'static str,
    pub(super) method: Method,
    path: &'static str,
    body: Sent,
    pub(super) all: u16,
    own: u16,
    foreign: u16,
    read_only: u16,
}

/// What is sent along.
enum Sent {
    None,
    Json(Value),
    Bytes,
}

impl Row {
    /// The same with another body.
    pub(super) fn with_body(&mut self, body: Value) {
        self.body = Sent::Json(body);
    }
}

/// The statuses, in the order of [`Row`]: all, own instance, foreign instance, read-only.
fn row(operation: &'static str, method: Method, path: &'static str, body: Sent, statuses: [u16; 4]) -> Row {
    let [all, own, foreign, read_only] = statuses;
    Row { operation, method, path, body, all, own, foreign, read_only }
}

/// Each row meets the same small world, made anew: the instance `acme` with one account, which is signed in, has a file
/// and another password; a block; and a token.
pub(super) fn rows() -> Vec<Row> {
    use Sent::{Bytes, Json, None};
    let (get, post, patch, put, delete) = (Method::GET, Method::POST, Method::PATCH, Method::PUT, Method::DELETE);
    let reads = [200, 200, 404, 200];
    let folder = || json!({"name": "Notes", "path": "/notes", "rights": "read-write"});
    vec![
        row("list_instances", get.clone(), "/v1/instances", None, [200, 200, 200, 200]),
        row(
            "create_instance",
            post.clone(),
            "/v1/instances",
            Json(json!({"key": "new", "name": "N"})),
            [201, 403, 403, 403],
        ),
        row("read_instance", get.clone(), "{instance}", None, reads),
        row("change_instance", patch.clone(), "{instance}", Json(json!({"name": "N"})), [200, 403, 404, 403]),
        row("remove_instance", delete.clone(), "{instance}", None, [204, 403, 404, 403]),
        row("list_accounts_of_instance", get.clone(), "{instance}/accounts", None, reads),
        row(
            "create_account",
            post.clone(),
            "{instance}/accounts",
            Json(json!({"name": "N", "preset": "epaye"})),
            [201, 201, 404, 403],
        ),
        row("list_accounts", get.clone(), "/v1/accounts", None, [200, 200, 200, 200]),
        row("read_account", get.clone(), "{account}", None, reads),
        row("change_account", patch.clone(), "{account}", Json(json!({"name": "N"})), [200, 200, 404, 403]),
        row("remove_account", delete.clone(), "{account}", None, [204, 204, 404, 403]),
        row("read_usage", get.clone(), "{account}/usage", None, reads),
        row("recount_usage", post.clone(), "{account}/usage/recount", None, [200, 200, 404, 403]),
        row("list_credentials", get.clone(), "{account}/credentials", None, reads),
        row(
            "add_credential",
            post.clone(),
            "{account}/credentials",
            Json(json!({"kind": "password"})),
            [201, 201, 404, 403],
        ),
        row("change_credential", patch.clone(), "{credential}", Json(json!({"not_after": null})), [200, 200, 404, 403]),
        row("remove_credential", delete.clone(), "{credential}", None, [204, 204, 404, 403]),
        row("list_folders", get.clone(), "{account}/folders", None, reads),
        row("create_folder", post.clone(), "{account}/folders", Json(folder()), [201, 201, 404, 403]),
        row("read_folder", get.clone(), "{folder}", None, reads),
        row("change_folder", patch.clone(), "{folder}", Json(json!({"name": "N"})), [200, 200, 404, 403]),
        row("remove_folder", delete.clone(), "{folder}", None, [204, 204, 404, 403]),
        row("preview_retention", get.clone(), "{folder}/retention", None, reads),
        row("list_files", get.clone(), "{folder}/files", None, reads),
        row("read_file", get.clone(), "{folder}/files/paie.csv", None, reads),
        row("store_file", put, "{folder}/files/new.csv", Bytes, [201, 201, 404, 403]),
        row("remove_file", delete.clone(), "{folder}/files/paie.csv", None, [204, 204, 404, 403]),
        row("list_transfers", get.clone(), "{account}/transfers", None, reads),
        row("list_sign_ins", get.clone(), "{account}/sign-ins", None, reads),
        row("list_sessions", get.clone(), "/v1/sessions", None, [200, 200, 200, 200]),
        row("disconnect_session", delete.clone(), "{session}", None, [204, 204, 404, 403]),
        row("list_sign_in_blocks", get.clone(), "/v1/sign-in-blocks", None, [200, 403, 403, 200]),
        row("lift_sign_in_block", delete.clone(), "{block}", None, [204, 403, 403, 403]),
        row("list_presets", get.clone(), "/v1/presets", None, [200, 200, 200, 200]),
        row("read_preset", get.clone(), "/v1/presets/epaye", None, [200, 200, 200, 200]),
        row("read_events", get.clone(), "/v1/events?instance={instance_id}", None, reads),
        row("list_webhooks", get.clone(), "/v1/webhooks?instance={instance_id}", None, reads),
        row(
            "create_webhook",
            post.clone(),
            "/v1/webhooks",
            Json(json!({"url": "https://example.net/"})),
            [201, 201, 201, 403],
        ),
        row("read_webhook", get.clone(), "{webhook}", None, reads),
        row("change_webhook", patch, "{webhook}", Json(json!({"description": "N"})), [200, 200, 404, 403]),
        row("remove_webhook", delete.clone(), "{webhook}", None, [204, 204, 404, 403]),
        row("rotate_webhook_secret", post.clone(), "{webhook}/rotate-secret", None, [200, 200, 404, 403]),
        row("pause_webhook", post.clone(), "{webhook}/pause", None, [200, 200, 404, 403]),
        row("resume_webhook", post.clone(), "{webhook}/resume", None, [200, 200, 404, 403]),
        row("test_webhook", post.clone(), "{webhook}/test", None, [200, 200, 404, 403]),
        row("list_deliveries", get.clone(), "{webhook}/deliveries", None, reads),
        row("read_delivery", get.clone(), "{delivery}", None, reads),
        row("replay_deliveries", post.clone(), "{webhook}/replay", Json(json!({"failed": true})), [200, 200, 404, 403]),
        row("list_tokens", get.clone(), "/v1/tokens", None, [200, 403, 403, 200]),
        row("create_token", post, "/v1/tokens", Json(json!({"name": "N"})), [201, 403, 403, 403]),
        row("revoke_token", delete, "{token}", None, [204, 403, 403, 403]),
        row("list_audit", get.clone(), "/v1/audit?instance={instance_id}", None, [200, 200, 200, 200]),
        row("export_audit", get, "/v1/audit/export?instance={instance_id}", None, [200, 200, 200, 200]),
    ]
}

/// The small world of a row.
pub(super) struct World {
    pub(super) client: Client,
    instance: String,
    pub(super) account: Value,
    credential: String,
    token: String,
    /// Of the instance, with one delivery.
    pub(super) webhook: String,
    delivery: String,
    /// Of the login, and open as long as this lives.
    session: Session,
}

/// Queues an event for an endpoint; its id.
async fn queue(client: &Client, webhook: &str, instance: &str) -> EventId {
    let event = EventId::new(start(), &OsRandom);
    let delivery = DeliveryRow {
        webhook: webhook.rsplit('/').next().unwrap().parse().unwrap(),
        event,
        position: 1,
        kind: String::from("file.uploaded"),
        instance: instance.parse().unwrap(),
        lane: String::from("a"),
        body: String::from("{}"),
        state: DeliveryState::Waiting,
        occurred_at: start(),
        due_at: start(),
        tried_since: None,
        tries: 0,
        attempts: 0,
        ended_at: None,
        last_status: None,
        last_error: None,
    };
    let mut unit = client.bench.store.decide().await.unwrap();
    unit.deliveries().queue(&[delivery]).await.unwrap();
    unit.commit().await.unwrap();
    event
}

impl World {
    pub(super) async fn new() -> Self {
        let client = Client::new().await;
        let instance = client.instance("acme").await;
        let account = client.account(&instance).await;
        let folder = folder_of(&account, "/import");
        client.send(Method::PUT, &format!("{folder}/files/paie.csv"), &[], "douze").await.expect(201);
        let credentials = client.get(&format!("{}/credentials", path_of(&account))).await.expect(200).json();
        let credential =
            format!("{}/credentials/{}", path_of(&account), credentials["items"][0]["id"].as_str().unwrap());
        let token = client.post("/v1/tokens", json!({"name": "other"})).await.expect(201).json();
        let token = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
        let instance_id = instance.rsplit('/').next().unwrap();
        // Nobody listens there: what is sent is refused at once.
        let webhook = json!({"url": "http://127.0.0.1:1/", "instance": instance_id});
        let webhook = client.post("/v1/webhooks", webhook).await.expect(201).header("location").to_owned();
        let delivery = format!("{webhook}/deliveries/{}", queue(&client, &webhook, instance_id).await);
        client.bench.block("198.51.100.9", "somebody").await;
        let (login, password) = (account["login"].as_str().unwrap(), account["password"].as_str().unwrap());
        let session = client.bench.sign_in(login, password).await.unwrap();
        Self { client, instance, account, credential, token, webhook, delivery, session }
    }

    fn path(&self, template: &str) -> String {
        template
            .replace("{instance}", &self.instance)
            .replace("{account}", &path_of(&self.account))
            .replace("{credential}", &self.credential)
            .replace("{folder}", &folder_of(&self.account, "/import"))
            .replace("{session}", &format!("/v1/sessions/{}", self.session.id()))
            .replace("{block}", "/v1/sign-in-blocks?address=198.51.100.9&login=somebody")
            .replace("{token}", &self.token)
            .replace("{instance_id}", self.instance_id())
            .replace("{webhook}", &self.webhook)
            .replace("{delivery}", &self.delivery)
    }

    pub(super) fn instance_id(&self) -> &str {
        self.instance.rsplit('/').next().unwrap()
    }

    /// The same client with another token.
    pub(super) async fn with_scope(&mut self, instance: Option<&str>, read_only: bool) {
        let scope = TokenScope { instance: instance.map(|id| id.parse().unwrap()), read_only };
        let new = NewToken { scope, ..NewToken::named("scoped") };
        let (store, clock) = (&self.client.bench.store, &*self.client.bench.clock);
        let (_, secret) = tokens::create(store, &Operator::named("bench"), &new, clock, &OsRandom).await.unwrap();
        self.client.token = secret.expose().to_owned();
    }

    pub(super) async fn ask(&self, row: &Row) -> Answer {
        let path = self.path(row.path);
        match &row.body {
            Sent::None => self.client.send(row.method.clone(), &path, &[], Body::empty()).await,
            Sent::Json(body) => self.client.json(row.method.clone(), &path, body).await,
            Sent::Bytes => self.client.send(row.method.clone(), &path, &[], "treize").await,
        }
    }
}

#[tokio::test]
async fn every_route_answers_each_kind_of_token_as_the_table_says() {
    let (_, document) = api::routes().split_for_parts();
    let document: Value = serde_json::from_str(&document.to_json().unwrap()).unwrap();
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let operations: BTreeSet<&str> = operations.filter_map(|operation| operation["operationId"].as_str()).collect();
    let rows = rows();
    assert_eq!(operations, rows.iter().map(|row| row.operation).collect(), "each route has its row");

    for row in &rows {
        let mut told = Vec::new();
        for scope in 0..4 {
            let mut world = World::new().await;
            let (own, other) = (world.instance_id().to_owned(), world.client.instance("other").await);
            match scope {
                0 => {}
                1 => world.with_scope(Some(&own), false).await,
                2 => world.with_scope(other.rsplit('/').next(), false).await,
                _ => world.with_scope(None, true).await,
            }
            told.push(world.ask(row).await.status);
        }
        assert_eq!(told, [row.all, row.own, row.foreign, row.read_only], "{}", row.operation);
    }
}

#[tokio::test]
async fn lists_show_a_token_its_own_instance_alone() {
    let mut world = World::new().await;
    let other = world.client.instance("other").await;
    world.client.account(&other).await;
    let all_instances = world.client.get("/v1/instances").await.expect(200).json();
    assert_eq!(all_instances["items"].as_array().unwrap().len(), 2);
    let (own, other) = (world.instance_id().to_owned(), other.rsplit('/').next().unwrap().to_owned());
    let counts = async |world: &World| {
        let mut counts = Vec::new();
        for list in ["instances", "accounts", "sessions"] {
            let list = world.client.get(&format!("/v1/{list}")).await.expect(200).json();
            counts.push(list["items"].as_array().unwrap().len());
        }
        counts
    };
    assert_eq!(counts(&world).await, [2, 2, 1]);
    world.with_scope(Some(&own), true).await;
    assert_eq!(counts(&world).await, [1, 1, 1]);
    // Another instance's filter is that of one that is not there.
    for list in ["accounts", "sessions"] {
        let listed = world.client.get(&format!("/v1/{list}?instance={other}")).await.expect(200).json();
        assert_eq!(listed["items"], json!([]), "{list}");
    }
    // Both limits at once.
    world.client.patch(&path_of(&world.account), json!({"name": "N"})).await.expect(403);
    world.with_scope(Some(&other), false).await;
    assert_eq!(counts(&world).await, [1, 1, 0]);
}

#[tokio::test]
async fn a_foreign_thing_is_told_in_the_words_of_one_that_is_not_there() {
    let mut world = World::new().await;
    let other = world.client.instance("other").await;
    let nobody = "/v1/accounts/01937d0e-5f3c-7c3a-9d5e-2f4a1b6c8d7e".to_owned();
    world.with_scope(other.rsplit('/').next(), false).await;
    for (foreign, unknown) in [
        (world.path("{account}"), nobody.clone()),
        (world.path("{account}/transfers"), format!("{nobody}/transfers")),
        (world.path("{account}/folders"), format!("{nobody}/folders")),
    ] {
        let (foreign, unknown) = (world.client.get(&foreign).await, world.client.get(&unknown).await);
        assert_eq!((foreign.status, foreign.json()), (404, unknown.json()));
    }
}

#[tokio::test]
async fn a_token_says_what_it_may_be_used_for_and_ends_with_its_instance() {
    let mut world = World::new().await;
    let id = world.instance_id().to_owned();
    let new = json!({"name": "consumer", "scope": {"instance": id, "read_only": true}});
    let created = world.client.post("/v1/tokens", new).await.expect(201).json();
    assert_eq!(created["scope"], json!({"instance": id, "read_only": true}));
    let all = world.client.post("/v1/tokens", json!({"name": "all"})).await.expect(201).json();
    assert_eq!(all["scope"], json!({"instance": null, "read_only": false}));
    for scope in [json!({"instance": "acme"}), json!({"instance": "01937d0e-5f3c-7c3a-9d5e-2f4a1b6c8d7e"})] {
        let answer = world.client.post("/v1/tokens", json!({"name": "x", "scope": scope})).await.expect(422);
        assert_eq!(answer.fields()[0].0, "scope.instance");
    }
    world.client.delete(&world.instance).await.expect(204);
    world.client.token = created["secret"].as_str().unwrap().to_owned();
    world.client.get("/v1/instances").await.expect(401);
}
