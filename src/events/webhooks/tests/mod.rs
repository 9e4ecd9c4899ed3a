//! Deliveries to receivers over real sockets, by a clock that is moved.

mod lives;
mod receiver;
mod storm;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use super::round::Courier;
use super::{WebhookParts, Webhooks};
use crate::config::{Networks, WebhookSettings};
use crate::credentials::MasterKeys;
use crate::domain::{
    Clock as _, DeliveryState, EventId, EventKind, FolderId, InstanceId, ManualClock, OsRandom, Secret, Timestamp,
    WebhookId, WebhookState,
};
use crate::net::{AddressGuard, HttpClient, Patience};
use crate::store::{DeliveryRow, EventRow, PageRequest, Store, WebhookRow};
use crate::telemetry::Metrics;
use receiver::{Manner, Received, Receiver};

const DAY: Duration = Duration::from_secs(24 * 3_600);
const START: Timestamp = Timestamp::from_seconds(1_795_456_800);
/// How long a receiver is waited for that is expected to answer.
const PATIENT: Duration = Duration::from_secs(30);

/// A program that delivers, on a store that others may share.
struct World {
    store: Store,
    clock: Arc<ManualClock>,
    webhooks: Arc<Webhooks>,
    courier: Courier,
    instance: InstanceId,
}

impl World {
    fn new(store: &Store) -> Self {
        Self::waiting(store, PATIENT)
    }

    /// One that waits so long for each part of an answer.
    fn waiting(store: &Store, answer: Duration) -> Self {
        Self::with(store, Arc::new(ManualClock::at(START)), InstanceId::new(START, &OsRandom), answer)
    }

    /// Another program's, at the same time and in the same instance.
    fn another(&self, store: &Store) -> Self {
        let answer = self.webhooks.settings.answer_timeout;
        Self::with(store, self.clock.clone(), self.instance, answer)
    }

    fn with(store: &Store, clock: Arc<ManualClock>, instance: InstanceId, answer: Duration) -> Self {
        let allowed = vec!["127.0.0.0/8".parse().unwrap()];
        let settings = WebhookSettings {
            allow_networks: Networks(allowed.clone()),
            allow_http: true,
            ca: None,
            connect_timeout: PATIENT,
            answer_timeout: answer,
            concurrent: 16,
            concurrent_per_endpoint: 4,
            retry_for: 3 * DAY,
            secret_overlap: DAY,
            keep: 30 * DAY,
        };
        let patience = Patience { connect: PATIENT, handshake: PATIENT, answer, body: answer };
        let webhooks = Webhooks::new(WebhookParts {
            settings,
            store: store.clone(),
            keys: Arc::new(MasterKeys::of_a_test()),
            client: HttpClient::new(AddressGuard::allowing(allowed), None, patience).unwrap(),
            metrics: Metrics::default(),
            clock: clock.clone(),
            random: Arc::new(OsRandom),
        });
        let courier = Courier::new(webhooks.clone());
        Self { store: store.clone(), clock, webhooks, courier, instance }
    }

    /// An endpoint for everything from now on, and its secret.
    async fn endpoint(&self, url: &str) -> (WebhookId, Secret<String>) {
        self.endpoint_with(url, |_| {}).await
    }

    async fn endpoint_with(&self, url: &str, change: impl FnOnce(&mut WebhookRow)) -> (WebhookId, Secret<String>) {
        let id = WebhookId::new(self.clock.now(), &OsRandom);
        let (secret, sealed) = self.webhooks.new_secret(id);
        let mut unit = self.store.decide().await.unwrap();
        let mut row = WebhookRow {
            id,
            instance: None,
            url: url.parse().unwrap(),
            description: String::new(),
            kinds: None,
            state: WebhookState::Enabled,
            pause_reason: None,
            secret: sealed,
            previous_secret: None,
            position: unit.events().last_position().await.unwrap(),
            created_at: self.clock.now(),
            failing_since: None,
            last_success_at: None,
        };
        change(&mut row);
        unit.webhooks().insert(&row).await.unwrap();
        unit.commit().await.unwrap();
        (id, secret)
    }

    async fn webhook(&self, id: WebhookId) -> WebhookRow {
        self.store.read().await.unwrap().webhooks().find(id).await.unwrap().unwrap()
    }

    async fn change(&self, id: WebhookId, change: impl FnOnce(&mut WebhookRow)) {
        let mut row = self.webhook(id).await;
        change(&mut row);
        let mut unit = self.store.decide().await.unwrap();
        assert!(unit.webhooks().change(&row).await.unwrap());
        unit.commit().await.unwrap();
    }

    async fn resume(&self, id: WebhookId) {
        self.change(id, |row| (row.state, row.pause_reason, row.failing_since) = (WebhookState::Enabled, None, None))
            .await;
        let mut unit = self.store.decide().await.unwrap();
        unit.deliveries().hurry(id, self.clock.now()).await.unwrap();
        unit.commit().await.unwrap();
    }

    /// Something is uploaded into a folder.
    async fn happens(&self, folder: FolderId, path: &str) -> EventRow {
        self.happens_with(folder, path, |_| {}).await
    }

    async fn happens_with(&self, folder: FolderId, path: &str, change: impl FnOnce(&mut EventRow)) -> EventRow {
        let mut event = EventRow {
            id: EventId::new(self.clock.now(), &OsRandom),
            kind: EventKind::FileUploaded,
            instance: self.instance,
            account: None,
            folder: Some(folder),
            at: self.clock.now(),
            data: json!({ "path": path }),
        };
        change(&mut event);
        let mut unit = self.store.write().await.unwrap();
        unit.events().record(&event).await.unwrap();
        unit.commit().await.unwrap();
        event
    }

    /// Rounds until nothing is under way and nothing is due.
    async fn deliver(&mut self) {
        loop {
            let more = self.courier.round().await.unwrap();
            if !more && self.courier.under_way() == 0 {
                break;
            }
            self.courier.all_ended().await;
        }
    }

    /// Moves the clock by so long, from one thing that is due to the next.
    async fn pass(&mut self, time: Duration) {
        let end = self.clock.now().plus(time);
        loop {
            self.deliver().await;
            let next = self.next_due().await;
            let now = self.clock.now();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.clock.advance(next.since(now).max(Duration::from_millis(1)));
        }
        self.clock.advance(end.since(self.clock.now()));
    }

    /// When the next of those is due whose turn it is.
    async fn next_due(&self) -> Option<Timestamp> {
        let mut reader = self.store.read().await.unwrap();
        let mut next = None;
        for webhook in reader.webhooks().enabled().await.unwrap() {
            let (waiting, page) = (Some(DeliveryState::Waiting), PageRequest::first(200));
            let waiting = reader.deliveries().list(webhook.id, waiting, &page).await.unwrap().items;
            let mut lanes = std::collections::HashSet::new();
            let heads = waiting.iter().rev().filter(|delivery| lanes.insert(&delivery.lane));
            next = heads.map(|head| head.due_at).chain(next).min();
        }
        next
    }

    async fn deliveries(&self, webhook: WebhookId) -> Vec<DeliveryRow> {
        let page = PageRequest::first(200);
        let found = self.store.read().await.unwrap().deliveries().list(webhook, None, &page).await.unwrap();
        found.items.into_iter().rev().collect()
    }

    async fn states(&self, webhook: WebhookId) -> Vec<DeliveryState> {
        self.deliveries(webhook).await.into_iter().map(|delivery| delivery.state).collect()
    }
}

fn folder() -> FolderId {
    FolderId::new(START, &OsRandom)
}

/// What a receiver does to be sure: RFC 2104 by the secret over id, time and body.
fn verifies(received: &Received, secret: &Secret<String>) -> bool {
    let (id, seconds) = (received.header("webhook-id"), received.header("webhook-timestamp"));
    let expected =
        super::signature::signatures(std::slice::from_ref(secret), id, seconds.parse().unwrap(), &received.body);
    received.header("webhook-signature").split(' ').any(|signature| signature == expected)
}

fn paths(received: &[Received]) -> Vec<String> {
    received.iter().map(|one| one.json()["subject"].as_str().unwrap().to_owned()).collect()
}

/// As long as the answer does not name the secret, nobody can tell one from another: it is 32 bytes of chance.
fn bytes_of(secret: &Secret<String>) -> usize {
    BASE64.decode(secret.expose().strip_prefix("whsec_").unwrap()).unwrap().len()
}
