//! Events sent to whoever asked for them: webhooks.
//!
//! Each endpoint has a position among the events. What lies behind it and is of its kinds becomes a *delivery*, a row that
//! carries the body, and moves the position in the same transaction (`queue`); so no event is lost to an endpoint and none
//! is queued twice, however many programs do this on one database. Deliveries of one folder are a lane, in which one is
//! tried at a time, in the order of the events (`round`). What failed is tried again after longer and longer pauses
//! (`schedule`); a receiver knows a repetition by its `webhook-id`, which is the event's.
//!
//! An endpoint that says it is gone, or at which nothing has succeeded for as long as one delivery is tried, is paused;
//! what is meant for it waits until an operator resumes it.

mod attempt;
mod forget;
mod queue;
mod round;
mod schedule;
mod signature;
#[cfg(test)]
mod tests;

pub use forget::forget_old as forget_old_deliveries;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::WebhookSettings;
use crate::credentials::{MasterKeys, Purpose};
use crate::domain::{Clock, EventId, Random, Secret, WebhookId};
use crate::net::HttpClient;
use crate::store::{DeliveryAttempt, Store, WebhookRow};
use crate::telemetry::Metrics;

use attempt::Outgoing;
use round::Courier;

/// How often due deliveries and other nodes' events are looked for when nothing rings.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long events are gathered when one was committed: uploads come many at a time, and each look costs some.
const GATHER: Duration = Duration::from_millis(50);
/// How long to wait after the store failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// How long what was tried may take to be recorded at the end.
const LAST_RECORDS: Duration = Duration::from_secs(3);
/// Test deliveries at a time.
const TESTS: usize = 4;

/// What deliveries are made with.
pub struct WebhookParts {
    pub settings: WebhookSettings,
    pub store: Store,
    pub keys: Arc<MasterKeys>,
    pub client: HttpClient,
    pub metrics: Metrics,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// Sends events to endpoints.
pub struct Webhooks {
    settings: WebhookSettings,
    store: Store,
    keys: Arc<MasterKeys>,
    client: HttpClient,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// Rung when an operator changed what there is to do.
    changed: Notify,
    tests: Semaphore,
}

/// Too many test deliveries run at a time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("too many test deliveries at a time")]
pub struct TooManyTests;

impl Webhooks {
    pub fn new(parts: WebhookParts) -> Arc<Self> {
        let WebhookParts { settings, store, keys, client, metrics, clock, random } = parts;
        let (changed, tests) = (Notify::new(), Semaphore::new(TESTS));
        Arc::new(Self { settings, store, keys, client, metrics, clock, random, changed, tests })
    }

    pub fn settings(&self) -> &WebhookSettings {
        &self.settings
    }

    /// Delivers until `stop`; then begins nothing new, and returns when what is under way has ended, or at `end`: what is
    /// cut then is tried again by whoever delivers next.
    pub async fn deliver(self: Arc<Self>, stop: CancellationToken, end: CancellationToken) {
        let mut committed = self.store.events_committed();
        let mut courier = Courier::new(self.clone());
        while !stop.is_cancelled() {
            // Whatever is committed from here on rings, and is looked for once more.
            committed.mark_unchanged();
            let pause = match courier.round().await {
                Ok(true) => continue,
                Ok(false) => LOOK_EVERY,
                Err(error) => {
                    tracing::error!(%error, "Webhooks stand still: {error}; trying again in {AFTER_FAILURE:?}");
                    AFTER_FAILURE
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                _ = committed.changed(), if pause == LOOK_EVERY => tokio::time::sleep(GATHER).await,
                () = self.changed.notified() => {}
                () = courier.one_ended() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        end.run_until_cancelled(courier.all_ended()).await;
        match timeout(LAST_RECORDS, courier.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "Some webhooks were delivered without a record: they will come once more");
            }
            Err(_) => tracing::warn!("Some webhooks were delivered without a record: they will come once more"),
        }
    }

    /// There may be something to do: an endpoint was made, changed or resumed, or something is to be delivered again.
    pub fn wake(&self) {
        self.changed.notify_one();
    }

    /// A new secret for an endpoint, and the same sealed.
    pub fn new_secret(&self, webhook: WebhookId) -> (Secret<String>, String) {
        let secret = signature::new_secret(&*self.random);
        let sealed = self.keys.seal(Purpose::WebhookSecret, &webhook.to_string(), &secret, &*self.random);
        (secret, sealed)
    }

    /// Sends an event of the kind `webhook.test` to an endpoint, once, whether it is enabled or not; nothing of it is
    /// kept.
    pub async fn test(&self, webhook: &WebhookRow) -> Result<DeliveryAttempt, TooManyTests> {
        let _running = self.tests.try_acquire().map_err(|_| TooManyTests)?;
        let now = self.clock.now();
        let id = EventId::new(now, &*self.random);
        let body = serde_json::json!({
            "specversion": "1.0",
            "id": id,
            "source": format!("/v1/webhooks/{}", webhook.id),
            "type": "webhook.test",
            "time": now,
            "subject": webhook.id,
            "datacontenttype": "application/json",
            "data": { "webhook": webhook.id },
        });
        Ok(self.send(&Outgoing { webhook: webhook.clone(), event: id, body: body.to_string() }).await)
    }
}
