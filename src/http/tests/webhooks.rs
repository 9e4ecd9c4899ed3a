//! Endpoints and deliveries over the API.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::*;

/// A receiver that answers everything alike, and keeps what came.
struct Receiver {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
    _serving: AbortOnDropHandle<()>,
}

impl Receiver {
    async fn answering(status: &'static str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = requests.clone();
        let serving = async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (mut text, mut buffer) = (String::new(), [0; 8192]);
                while !text.ends_with("}") {
                    let read = stream.read(&mut buffer).await.unwrap();
                    assert!(read > 0, "cut: {text}");
                    text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
                }
                kept.lock().unwrap().push(text);
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        };
        Self { url, requests, _serving: AbortOnDropHandle::new(tokio::spawn(serving)) }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Client {
    async fn webhook(&self, body: Value) -> (String, Value) {
        let made = self.post("/v1/webhooks", body).await.expect(201);
        (made.header("location").to_owned(), made.json())
    }

    /// A client with a token for one instance.
    async fn bound(self, instance: &str, read_only: bool) -> Self {
        let scope = json!({"name": "bound", "scope": {"instance": id_of(instance), "read_only": read_only}});
        let token = self.post("/v1/tokens", scope).await.expect(201).json()["secret"].as_str().unwrap().to_owned();
        Self { token, ..self }
    }
}

fn id_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

#[tokio::test]
async fn an_endpoint_is_made_changed_paused_resumed_and_removed() {
    let client = Client::new().await;
    let new = json!({"url": "https://hr.example.net/events", "kinds": ["file.uploaded"], "description": "HR"});
    let (path, made) = client.webhook(new).await;
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    let read = client.get(&path).await.expect(200).json();
    assert_eq!((&read["state"], &read["kinds"]), (&json!("enabled"), &json!(["file.uploaded"])));
    assert_eq!((&read["failing_since"], &read["waiting"], &read["instance"]), (&json!(null), &json!(0), &json!(null)));
    let listed = client.get("/v1/webhooks").await.expect(200).json();
    assert_eq!(listed["items"], json!([read]));
    assert!(!listed.to_string().contains("secret\":"), "{listed}");

    let changed = client.patch(&path, json!({"kinds": null, "url": "https://hr.example.net/new"})).await.expect(200);
    let changed = changed.json();
    assert_eq!((&changed["kinds"], &changed["description"]), (&json!(null), &json!("HR")));
    let rotated = client.post(&format!("{path}/rotate-secret"), json!({})).await.expect(200).json();
    assert_ne!(rotated["secret"], secret);
    assert_eq!(rotated["previous_secret_until"], "2026-11-24T08:00:00Z");
    let paused = client.post(&format!("{path}/pause"), json!({})).await.expect(200).json();
    assert_eq!((&paused["state"], &paused["pause_reason"]), (&json!("paused"), &json!("tests paused it.")));
    let resumed = client.post(&format!("{path}/resume"), json!({})).await.expect(200).json();
    assert_eq!((&resumed["state"], &resumed["pause_reason"]), (&json!("enabled"), &json!(null)));
    client.delete(&path).await.expect(204);
    client.get(&path).await.expect(404);
    client.post(&format!("{path}/pause"), json!({})).await.expect(404);
}

#[tokio::test]
async fn what_is_wrong_with_an_endpoint_is_named() {
    let client = Client::new().await;
    let wrong = json!({
        "url": "ftp://user:pw@example.net/", "kinds": ["file.uploaded", "file.eaten"], "instance": "acme",
    });
    let fields = |answer: Answer| answer.expect(422).fields().into_iter().map(|(field, _)| field).collect::<Vec<_>>();
    assert_eq!(fields(client.post("/v1/webhooks", wrong).await), ["instance", "kinds[1]", "url"]);
    assert_eq!(fields(client.post("/v1/webhooks", json!({})).await), ["url"]);
    let wrong = json!({"url": "https://example.net/", "description": "two\nlines", "kinds": []});
    assert_eq!(fields(client.post("/v1/webhooks", wrong).await), ["description", "kinds"]);
    let gone = json!({"url": "https://example.net/", "instance": "01937d0e-5f3c-7c3a-9d5e-2f4a1b6c8d7e"});
    assert_eq!(fields(client.post("/v1/webhooks", gone).await), ["instance"]);
    let (path, _) = client.webhook(json!({"url": "https://example.net/"})).await;
    assert_eq!(fields(client.patch(&path, json!({"url": null, "kinds": ["x"]})).await), ["kinds[0]", "url"]);
    for wrong in [json!({}), json!({"failed": true, "from": "2026-11-23T08:00:00Z"})] {
        assert_eq!(fields(client.post(&format!("{path}/replay"), wrong).await), ["event"]);
    }
    let backwards = json!({"from": "2026-11-23T08:00:00Z", "to": "2026-11-23T07:00:00Z"});
    assert_eq!(fields(client.post(&format!("{path}/replay"), backwards).await), ["to"]);
    assert_eq!(fields(client.get(&format!("{path}/deliveries?state=lost")).await), ["state"]);
}

#[tokio::test]
async fn a_test_tells_what_came_of_it_also_of_a_paused_endpoint() {
    let client = Client::new().await;
    for (answer, status, error) in [("204 No Content", 204, json!(null)), ("500 Oops", 500, json!("it answered 500"))] {
        let receiver = Receiver::answering(answer).await;
        let (path, _) = client.webhook(json!({"url": receiver.url, "enabled": false})).await;
        let told = client.post(&format!("{path}/test"), json!({})).await.expect(200).json();
        assert_eq!((&told["status"], &told["error"]), (&json!(status), &error));
        let [request] = &receiver.requests()[..] else { panic!("one request") };
        assert!(
            request.contains("\"type\":\"webhook.test\"") && request.contains("webhook-signature: v1,"),
            "{request}"
        );
        // Nothing is left of it.
        let deliveries = client.get(&format!("{path}/deliveries")).await.expect(200).json();
        assert_eq!(deliveries["items"], json!([]));
    }
    let (path, _) = client.webhook(json!({"url": "https://10.0.0.1/"})).await;
    let told = client.post(&format!("{path}/test"), json!({})).await.expect(200).json();
    assert!(told["error"].as_str().unwrap().contains("webhooks.allow_networks"), "{told}");
}

#[tokio::test]
async fn an_event_is_delivered_told_and_delivered_once_more() {
    let client = Client::new().await;
    let account = client.account(&client.instance("acme").await).await;
    let receiver = Receiver::answering("200 OK").await;
    let (path, _) = client.webhook(json!({"url": receiver.url, "kinds": ["file.uploaded"]})).await;
    let (stop, end) = (CancellationToken::new(), CancellationToken::new());
    let delivering = tokio::spawn(client.bench.webhooks.clone().deliver(stop.clone(), end));
    let upload = format!("{}/files/a.csv", folder_of(&account, "/import"));
    client.send(Method::PUT, &upload, &[], "douze").await.expect(201);
    client.get(&format!("{}/transfers", path_of(&account))).await.expect(200);
    let deliveries = async |state: &str, attempts: u64| {
        let waiting = async {
            loop {
                let listed = client.get(&format!("{path}/deliveries?state={state}")).await.expect(200).json();
                let items = listed["items"].as_array().unwrap();
                if let Some(found) = items.iter().find(|item| item["attempts"] == attempts) {
                    break found.clone();
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), waiting).await.unwrap()
    };
    let delivery = deliveries("delivered", 1).await;
    assert_eq!((&delivery["kind"], &delivery["last_status"]), (&json!("file.uploaded"), &json!(200)));
    let event = delivery["event"].as_str().unwrap();
    let replayed = client.post(&format!("{path}/replay"), json!({"event": event})).await.expect(200).json();
    assert_eq!(replayed["deliveries"], 1);
    deliveries("delivered", 2).await;
    let [first, second] = &receiver.requests()[..] else { panic!("two requests") };
    let body = |request: &str| request.split_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!(body(first), body(second));
    let read = client.get(&format!("{path}/deliveries/{event}")).await.expect(200).json();
    assert_eq!((read["last_attempts"].as_array().unwrap().len(), &read["body"]["id"]), (2, &json!(event)));
    let feed = client.get("/v1/events?kind=file.uploaded").await.expect(200).json();
    assert_eq!(serde_json::from_str::<Value>(&body(first)).unwrap(), feed["items"][0], "both tell the same");
    assert!(first.contains(&format!("webhook-id: {event}")));
    stop.cancel();
    tokio::time::timeout(std::time::Duration::from_secs(60), delivering).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_token_of_one_instance_has_to_do_with_its_endpoints_alone() {
    let client = Client::new().await;
    let (acme, other) = (client.instance("acme").await, client.instance("other").await);
    let url = "https://example.net/";
    let (global, _) = client.webhook(json!({"url": url})).await;
    let (foreign, _) = client.webhook(json!({"url": url, "instance": id_of(&other)})).await;
    let bound = client.bound(&acme, false).await;
    let (own, made) = bound.webhook(json!({"url": url})).await;
    assert_eq!(made["instance"], id_of(&acme));
    assert_eq!(bound.get("/v1/webhooks").await.expect(200).json()["items"].as_array().unwrap().len(), 1);
    bound.get(&format!("/v1/webhooks?instance={}", id_of(&other))).await.expect(404);
    bound.post("/v1/webhooks", json!({"url": url, "instance": id_of(&other)})).await.expect(422);
    for path in [&global, &foreign] {
        bound.get(path).await.expect(404);
        bound.patch(path, json!({"description": "mine"})).await.expect(404);
        bound.delete(path).await.expect(404);
        bound.get(&format!("{path}/deliveries")).await.expect(404);
        for action in ["pause", "resume", "test", "rotate-secret"] {
            bound.post(&format!("{path}/{action}"), json!({})).await.expect(404);
        }
        bound.post(&format!("{path}/replay"), json!({"failed": true})).await.expect(404);
    }
    bound.patch(&own, json!({"description": "mine"})).await.expect(200);
}

#[tokio::test]
async fn a_token_that_reads_changes_no_endpoint() {
    let client = Client::new().await;
    let acme = client.instance("acme").await;
    let (path, _) = client.webhook(json!({"url": "https://example.net/", "instance": id_of(&acme)})).await;
    let reading = client.bound(&acme, true).await;
    reading.get(&path).await.expect(200);
    reading.get(&format!("{path}/deliveries")).await.expect(200);
    reading.post("/v1/webhooks", json!({"url": "https://example.net/"})).await.expect(403);
    reading.patch(&path, json!({"description": "mine"})).await.expect(403);
    reading.delete(&path).await.expect(403);
    for action in ["pause", "resume", "test", "rotate-secret"] {
        reading.post(&format!("{path}/{action}"), json!({})).await.expect(403);
    }
    reading.post(&format!("{path}/replay"), json!({"failed": true})).await.expect(403);
}

#[tokio::test]
async fn the_endpoints_of_an_instance_go_with_it_and_have_a_bound() {
    let client = Client::new().await;
    let acme = client.instance("acme").await;
    let new = json!({"url": "https://example.net/", "instance": id_of(&acme)});
    let (first, _) = client.webhook(new.clone()).await;
    for _ in 1..20 {
        client.webhook(new.clone()).await;
    }
    assert_eq!(client.post("/v1/webhooks", new).await.expect(409).fields()[0].0, "instance");
    client.delete(&acme).await.expect(204);
    client.get(&first).await.expect(404);
}
