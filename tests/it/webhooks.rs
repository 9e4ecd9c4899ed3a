//! Events as other programs get them: sent to a receiver over TLS that verifies signatures as docs/OPERATIONS.md shows, and
//! read from the feed.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lucca_gateway::domain::{Clock as _, SystemClock};
use lucca_gateway::net::certificates::{DemoCertificate, demo_ca};
use serde_json::{Value, json};

use crate::support::{Account, Gateway, NewAccount, Options, TestDir, eventually, require};

const PATIENCE: Duration = Duration::from_secs(60);
const OPERATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPERATIONS.md");

/// A program that receives webhooks; killed when dropped.
struct Receiver {
    folder: TestDir,
    certificate: DemoCertificate,
    child: Child,
}

impl Receiver {
    fn start() -> Self {
        require("python3");
        let folder = TestDir::new();
        let hosts = ["localhost".to_owned()];
        let certificate = demo_ca(folder.path(), &hosts, SystemClock.now()).expect("a certificate");
        let operations = std::fs::read_to_string(OPERATIONS).expect("docs/OPERATIONS.md");
        let documented = operations.split("```python\n").nth(1).and_then(|rest| rest.split("```").next());
        let program = format!("{}\n{}", documented.expect("an example"), include_str!("webhook_receiver.py"));
        let program = folder.file("receiver.py", program);
        folder.file("secret", "");
        folder.file("status", "200");
        let child = Command::new("python3")
            .arg(program)
            .args([folder.path(), &certificate.files.certificate, &certificate.files.key])
            .stdin(Stdio::null())
            .spawn()
            .expect("python3 starts");
        Self { folder, certificate, child }
    }

    fn url(&self) -> String {
        let port =
            eventually(PATIENCE, "the receiver listens", || std::fs::read_to_string(self.folder.join("port")).ok());
        format!("https://localhost:{port}/events")
    }

    /// What a gateway needs to reach it.
    fn options(&self) -> Options {
        let authority = &self.certificate.authority;
        let config = format!("[webhooks]\nallow_networks = [\"127.0.0.0/8\"]\nca = {authority:?}\n");
        Options { config, ..Options::default() }
    }

    /// Makes an endpoint for it; its path.
    fn subscribe(&self, account: &Account) -> String {
        let new = json!({"url": self.url(), "kinds": ["file.uploaded"], "instance": account.instance});
        let made = account.api.post("/webhooks", &new).ok();
        self.folder.file("secret", made["secret"].as_str().expect("a secret"));
        format!("/webhooks/{}", made["id"].as_str().expect("an id"))
    }

    fn answer(&self, status: u16) {
        self.folder.file("status", status.to_string());
    }

    fn requests(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.join("requests")).unwrap_or_default();
        // The last line may just be being written.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Once so many were answered with 200.
    fn accepted(&self, count: usize) -> Vec<Value> {
        eventually(PATIENCE, "the events arrive", || {
            let accepted: Vec<Value> = self.requests().into_iter().filter(|one| one["status"] == 200).collect();
            (accepted.len() >= count).then_some(accepted)
        })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn subjects(requests: &[Value]) -> Vec<&str> {
    let verified = |one: &'_ Value| assert!(one["problem"].is_null() && one["id"] == one["event"]["id"], "{one}");
    requests.iter().inspect(|one| verified(one)).map(|one| one["event"]["subject"].as_str().expect("a path")).collect()
}

#[test]
fn uploads_are_sent_signed_and_in_order_through_failures_and_a_killed_gateway() {
    let receiver = Receiver::start();
    let options = receiver.options();
    let gateway = Gateway::start(&options);
    let mut account = NewAccount::new().folder("/depot", "read-write").make(&gateway);
    let webhook = receiver.subscribe(&account);
    let mut session = account.session();
    for name in ["a", "b", "c"] {
        assert!(session.upload(format!("/depot/{name}.csv"), b"douze").is_done());
    }
    let accepted = receiver.accepted(3);
    assert_eq!(subjects(&accepted), ["/depot/a.csv", "/depot/b.csv", "/depot/c.csv"]);
    assert_eq!(accepted[0]["type"], "application/cloudevents+json");
    let feed = account.api.get(&format!("/events?kind=file.uploaded&instance={}", account.instance)).ok();
    let sent: Vec<&Value> = accepted.iter().map(|one| &one["event"]).collect();
    assert_eq!(feed["items"].as_array().expect("events").iter().collect::<Vec<_>>(), sent);

    // A new secret; the old one still verifies, beside it.
    account.api.post(&format!("{webhook}/rotate-secret"), &json!({})).ok();
    assert!(session.upload("/depot/d.csv", b"douze").is_done());
    let accepted = receiver.accepted(4);
    assert_eq!((subjects(&accepted)[3], &accepted[3]["signatures"]), ("/depot/d.csv", &json!(2)));

    // It fails, and the gateway is killed meanwhile.
    receiver.answer(503);
    for name in ["e", "f"] {
        assert!(session.upload(format!("/depot/{name}.csv"), b"douze").is_done());
    }
    drop(session);
    eventually(PATIENCE, "one was tried", || receiver.requests().iter().any(|one| one["status"] == 503).then_some(()));
    let gateway = gateway.kill_and_restart(&options);
    account.move_to(&gateway);
    receiver.answer(200);
    let accepted = receiver.accepted(6);
    assert_eq!(subjects(&accepted)[4..], ["/depot/e.csv", "/depot/f.csv"]);
    let state = eventually(PATIENCE, "all is delivered", || {
        let state = account.api.get(&webhook).ok();
        (state["waiting"] == 0 && state["failing_since"].is_null()).then_some(state)
    });
    assert_eq!(state["state"], "enabled");
    let listed = account.api.get(&format!("{webhook}/deliveries?state=delivered")).ok();
    assert_eq!(listed["items"].as_array().expect("deliveries").len(), 6);
}

#[test]
fn a_receiver_at_an_address_of_the_gateways_own_network_is_not_called() {
    let receiver = Receiver::start();
    let account = NewAccount::new().make(Gateway::shared());
    let webhook = receiver.subscribe(&account);
    let told = account.api.post(&format!("{webhook}/test"), &json!({})).ok();
    let error = told["error"].as_str().expect("an error");
    assert!(error.contains("webhooks.allow_networks"), "{error}");
    assert!(receiver.requests().is_empty());
    let clear = json!({"url": receiver.url().replace("https:", "http:")});
    assert_eq!(account.api.post("/webhooks", &clear).status, 422);
}

#[test]
fn whoever_waits_for_events_is_told_as_they_happen() {
    let account = NewAccount::new().folder("/depot", "read-write").make(Gateway::shared());
    let of_instance = format!("/events?instance={}&kind=file.uploaded", account.instance);
    let begin = account.api.get(&format!("{of_instance}&after=latest")).ok();
    let wait = format!("{of_instance}&wait=60&after={}", begin["next_cursor"].as_str().expect("a cursor"));
    let told = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| account.api.get(&wait).ok());
        assert!(account.session().upload("/depot/a.csv", b"douze").is_done());
        waiting.join().expect("an answer")
    });
    assert_eq!(told["items"][0]["subject"], "/depot/a.csv");
}
