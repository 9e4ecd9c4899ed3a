//! From events to deliveries: what lies behind an endpoint's position and is of its kinds is queued for it.

use std::collections::{BTreeMap, HashMap};

use super::round::Courier;
use crate::domain::{DeliveryState, Timestamp, WebhookId};
use crate::events::cloud_event::cloud_event_text;
use crate::store::{DeliveryRow, EventFilter, EventRow, PlacedEvent, StoreError, WebhookRow};

/// Events that are looked at in one step.
const STEP: u32 = 200;
/// How many deliveries may wait for one endpoint; more events stay where they are until there is room.
const MOST_WAITING: u64 = 5_000;
/// After how many positions without anything for an endpoint its position is written down.
const WRITE_EVERY: i64 = 1_000;

/// Up to where events were looked at for each endpoint, where that is further than what is written down: of most events
/// nothing is for a given endpoint, and a write for each would be wasted.
pub(super) type Looked = HashMap<WebhookId, i64>;

impl Courier {
    /// Queues what is new for every enabled endpoint, a step of each. Says whether there may be more.
    pub(super) async fn queue(&mut self) -> Result<bool, StoreError> {
        let mut reader = self.webhooks.store.read().await?;
        let enabled = reader.webhooks().enabled().await?;
        if enabled.is_empty() {
            self.looked.clear();
            return Ok(false);
        }
        let last = reader.events().last_position().await?;
        drop(reader);
        let known = std::mem::take(&mut self.looked);
        // Most endpoints are at the same place, and share one look at the events.
        let mut places: BTreeMap<i64, Vec<WebhookRow>> = BTreeMap::new();
        for webhook in enabled {
            let place = known.get(&webhook.id).copied().unwrap_or_default().max(webhook.position);
            self.looked.insert(webhook.id, place);
            places.entry(place).or_default().push(webhook);
        }
        let mut more = false;
        for (place, webhooks) in places.into_iter().filter(|(place, _)| *place < last) {
            let mut reader = self.webhooks.store.read().await?;
            let events = reader.events().between(place, last, &EventFilter::default(), STEP).await?;
            let forgotten = reader.events().forgotten().await?;
            drop(reader);
            let whole = events.len() < usize::try_from(STEP).unwrap_or(usize::MAX);
            let seen = if whole { last } else { events.last().map_or(last, |event| event.position) };
            for webhook in webhooks {
                if !self.queue_for(&webhook, &events, seen).await? {
                    continue;
                }
                self.looked.insert(webhook.id, seen);
                more |= !whole;
                if forgotten > place {
                    tracing::error!(
                        webhook = %webhook.id,
                        "Events were forgotten (history.events) before they could be sent to the endpoint {}: it was \
                         paused or overloaded for too long",
                        webhook.id
                    );
                }
            }
        }
        Ok(more)
    }

    /// Queues those of `events` that are for an endpoint. False: there is no room, or someone else did.
    async fn queue_for(&self, webhook: &WebhookRow, events: &[PlacedEvent], seen: i64) -> Result<bool, StoreError> {
        let now = self.webhooks.clock.now();
        let wanted = events.iter().filter(|placed| wants(webhook, &placed.event));
        let deliveries: Vec<DeliveryRow> = wanted.map(|placed| delivery(webhook, placed, now)).collect();
        if deliveries.is_empty() && seen - webhook.position < WRITE_EVERY {
            return Ok(true);
        }
        let mut unit = self.webhooks.store.decide().await?;
        if !deliveries.is_empty() && unit.deliveries().waiting(webhook.id).await? >= MOST_WAITING {
            return Ok(false);
        }
        // Of several programs that do the same, one finds the position where it was.
        if !unit.webhooks().advance(webhook.id, webhook.position, seen).await? {
            return Ok(false);
        }
        unit.deliveries().queue(&deliveries).await?;
        unit.commit().await?;
        Ok(true)
    }
}

/// Whether an endpoint is told of an event.
fn wants(webhook: &WebhookRow, event: &EventRow) -> bool {
    let of_instance = webhook.instance.is_none_or(|own| own == event.instance);
    of_instance && webhook.kinds.as_ref().is_none_or(|kinds| kinds.contains(&event.kind))
}

fn delivery(webhook: &WebhookRow, placed: &PlacedEvent, now: Timestamp) -> DeliveryRow {
    let event = &placed.event;
    let folder = event.folder.map(|id| id.to_string());
    let lane = folder.or_else(|| event.account.map(|id| id.to_string()));
    DeliveryRow {
        webhook: webhook.id,
        event: event.id,
        position: placed.position,
        kind: event.kind.to_string(),
        instance: event.instance,
        lane: lane.unwrap_or_else(|| event.instance.to_string()),
        body: cloud_event_text(event),
        state: DeliveryState::Waiting,
        occurred_at: event.at,
        due_at: now,
        tried_since: None,
        tries: 0,
        attempts: 0,
        ended_at: None,
        last_status: None,
        last_error: None,
    }
}
