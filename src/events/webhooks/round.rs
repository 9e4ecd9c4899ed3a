//! A round of deliveries: what was tried is recorded, what is new is queued, what is due is claimed and sent.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::Webhooks;
use super::attempt::Outgoing;
use super::queue::Looked;
use super::schedule::pause_after;
use crate::domain::{Timestamp, WebhookId};
use crate::store::{DeliveryAttempt, DeliveryEnd, DeliveryRow, StoreError, Unit, WebhookRow};

/// How often the age of what waits is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(10);

/// What carries deliveries out: one at a time in a program, and as many programs as there are.
pub(super) struct Courier {
    pub(super) webhooks: Arc<Webhooks>,
    pub(super) looked: Looked,
    /// What is being sent.
    sending: JoinSet<Sent>,
    /// Each with its claim, until its record is written.
    claimed: Vec<Claimed>,
    /// What came of those that ended, to be recorded.
    ended: Vec<Sent>,
    /// Numbers the claims of this program.
    claims: u64,
    /// Told apart from other programs' by chance.
    name: String,
    measured_at: Option<Timestamp>,
}

/// A delivery that is ours for a while.
#[derive(Debug, Clone)]
struct Claimed {
    webhook: WebhookRow,
    delivery: DeliveryRow,
    lease: String,
}

/// A delivery that was tried.
#[derive(Debug)]
struct Sent {
    claimed: Claimed,
    attempt: DeliveryAttempt,
}

/// What an attempt did to its endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Verdict {
    end: DeliveryEnd,
    /// Why the endpoint is paused now.
    paused: Option<String>,
}

impl Courier {
    pub(super) fn new(webhooks: Arc<Webhooks>) -> Self {
        let mut chance = [0; 8];
        webhooks.random.fill(&mut chance);
        Self {
            webhooks,
            looked: Looked::new(),
            sending: JoinSet::new(),
            claimed: Vec::new(),
            ended: Vec::new(),
            claims: 0,
            name: format!("{:016x}", u64::from_le_bytes(chance)),
            measured_at: None,
        }
    }

    /// Records, queues, claims and sends. Says whether there is more to queue at once.
    pub(super) async fn round(&mut self) -> Result<bool, StoreError> {
        self.record().await?;
        let more = self.queue().await?;
        self.claim().await?;
        self.measure().await?;
        Ok(more)
    }

    /// When something that is being sent has ended; never, if nothing is.
    pub(super) async fn one_ended(&mut self) {
        match self.sending.join_next().await {
            // An attempt does not panic; if one did, its claim would end by itself.
            Some(ended) => self.ended.extend(ended.ok()),
            None => std::future::pending().await,
        }
    }

    /// When everything that is being sent has ended.
    pub(super) async fn all_ended(&mut self) {
        while let Some(ended) = self.sending.join_next().await {
            self.ended.extend(ended.ok());
        }
    }

    /// Records what has ended, and gives back what has not: others may try it at once.
    pub(super) async fn close(mut self) -> Result<(), StoreError> {
        self.record().await?;
        self.sending.shutdown().await;
        if self.claimed.is_empty() {
            return Ok(());
        }
        let mut unit = self.webhooks.store.decide().await?;
        for Claimed { delivery, lease, .. } in &self.claimed {
            unit.deliveries().release(delivery.webhook, delivery.event, lease).await?;
        }
        unit.commit().await
    }

    /// How many are being sent.
    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        self.sending.len()
    }

    async fn record(&mut self) -> Result<(), StoreError> {
        while let Some(ended) = self.sending.try_join_next() {
            self.ended.extend(ended.ok());
        }
        if self.ended.is_empty() {
            return Ok(());
        }
        let mut unit = self.webhooks.store.decide().await?;
        let mut verdicts = Vec::new();
        for sent in &self.ended {
            verdicts.push(self.record_one(&mut unit, sent).await?);
        }
        unit.commit().await?;
        for (sent, verdict) in self.ended.drain(..).zip(verdicts) {
            self.claimed.retain(|claimed| claimed.lease != sent.claimed.lease);
            match verdict {
                Some(verdict) => self.webhooks.tell(&sent, &verdict),
                None => tracing::debug!(lease = sent.claimed.lease, "A delivery took longer than its claim"),
            }
        }
        Ok(())
    }

    /// `None`: someone else is at it by now, or it is gone.
    async fn record_one(&self, unit: &mut Unit, sent: &Sent) -> Result<Option<Verdict>, StoreError> {
        let Sent { claimed: Claimed { webhook, delivery, lease }, attempt } = sent;
        let verdict = self.webhooks.verdict(delivery, attempt);
        if !unit.deliveries().finish(delivery, lease, attempt, verdict.end).await? {
            return Ok(None);
        }
        if attempt.error.is_none() {
            unit.webhooks().note_success(webhook.id, attempt.at).await?;
            return Ok(Some(verdict));
        }
        let failing_since = unit.webhooks().note_failure(webhook.id, attempt.at).await?;
        let retry_for = self.webhooks.settings.retry_for;
        let too_long = failing_since.is_some_and(|since| attempt.at.since(since) >= retry_for);
        let reason = match verdict.paused {
            None if too_long => Some(format!("No delivery has succeeded since {}.", Shown(failing_since))),
            reason => reason,
        };
        let mut paused = None;
        if let Some(reason) = reason
            && unit.webhooks().pause(webhook.id, &reason).await?
        {
            paused = Some(reason);
        }
        Ok(Some(Verdict { end: verdict.end, paused }))
    }

    /// Claims what is due, as far as there is room, and sends it.
    async fn claim(&mut self) -> Result<(), StoreError> {
        let now = self.webhooks.clock.now();
        let mut room = self.webhooks.settings.concurrent.saturating_sub(self.claimed.len());
        // Most rounds find nothing, and need no transaction for that.
        if room == 0 || self.webhooks.store.read().await?.deliveries().due_webhooks(now).await?.is_empty() {
            return Ok(());
        }
        let mut at_work: HashMap<WebhookId, usize> = HashMap::new();
        for claimed in &self.claimed {
            *at_work.entry(claimed.webhook.id).or_default() += 1;
        }
        let until = now.plus(self.webhooks.lease());
        let mut new = Vec::new();
        let mut unit = self.webhooks.store.decide().await?;
        for id in unit.deliveries().due_webhooks(now).await? {
            let Some(webhook) = unit.webhooks().find(id).await? else { continue };
            // One that fails is asked one thing at a time, or a few that hang would keep all others waiting.
            let most = if webhook.failing_since.is_some() { 1 } else { self.webhooks.settings.concurrent_per_endpoint };
            let free = most.saturating_sub(at_work.get(&id).copied().unwrap_or_default()).min(room);
            if free == 0 {
                continue;
            }
            for delivery in unit.deliveries().due(id, now, free).await? {
                self.claims += 1;
                let lease = format!("{}-{}", self.name, self.claims);
                if unit.deliveries().claim(&delivery, &lease, now, until).await? {
                    new.push(Claimed { webhook: webhook.clone(), delivery, lease });
                    room -= 1;
                }
            }
        }
        unit.commit().await?;
        for claimed in new {
            self.claimed.push(claimed.clone());
            let webhooks = self.webhooks.clone();
            self.sending.spawn(async move {
                let Claimed { webhook, delivery, .. } = &claimed;
                let outgoing =
                    Outgoing { webhook: webhook.clone(), event: delivery.event, body: delivery.body.clone() };
                let attempt = webhooks.send(&outgoing).await;
                Sent { claimed, attempt }
            });
        }
        Ok(())
    }

    async fn measure(&mut self) -> Result<(), StoreError> {
        let now = self.webhooks.clock.now();
        if self.measured_at.is_some_and(|then| now.since(then) < MEASURE_EVERY && then <= now) {
            return Ok(());
        }
        let oldest = self.webhooks.store.read().await?.deliveries().oldest_waiting().await?;
        self.webhooks.metrics.webhooks_waiting(oldest.map_or(Duration::ZERO, |oldest| now.since(oldest)));
        self.measured_at = Some(now);
        Ok(())
    }
}

impl Webhooks {
    /// What becomes of a delivery after an attempt, and of its endpoint by this alone.
    fn verdict(&self, delivery: &DeliveryRow, attempt: &DeliveryAttempt) -> Verdict {
        if attempt.error.is_none() {
            return Verdict { end: DeliveryEnd::Delivered, paused: None };
        }
        let ended = attempt.at.plus(Duration::from_millis(attempt.milliseconds));
        if attempt.status == Some(410) {
            // It waits, at once due for when the endpoint is resumed.
            let paused = Some(String::from("It answered 410: gone."));
            return Verdict { end: DeliveryEnd::Again(ended), paused };
        }
        let first = delivery.tried_since.unwrap_or(attempt.at);
        if attempt.at.since(first) >= self.settings.retry_for {
            return Verdict { end: DeliveryEnd::Failed, paused: None };
        }
        let pause = pause_after(delivery.tries.saturating_add(1), &*self.random);
        Verdict { end: DeliveryEnd::Again(ended.plus(pause)), paused: None }
    }

    /// One line in the log, and the count.
    fn tell(&self, sent: &Sent, verdict: &Verdict) {
        let Sent { claimed: Claimed { webhook, delivery, .. }, attempt } = sent;
        let (webhook, event, kind) = (webhook.id, delivery.event, delivery.kind.as_str());
        let (attempts, milliseconds, status) = (delivery.attempts + 1, attempt.milliseconds, attempt.status);
        let error = attempt.error.as_deref().map(crate::telemetry::escaped);
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        match verdict.end {
            DeliveryEnd::Delivered => {
                self.metrics.webhook_attempt("delivered");
                tracing::info!(%webhook, %event, kind, attempts, milliseconds, status, "Delivered {kind} to {webhook}");
            }
            DeliveryEnd::Again(at) => {
                self.metrics.webhook_attempt("retried");
                tracing::warn!(
                    %webhook, %event, kind, attempts, milliseconds, status, error, again_at = %at,
                    "Could not deliver {kind} to {webhook}: {error}; trying again"
                );
            }
            DeliveryEnd::Failed => {
                self.metrics.webhook_attempt("failed");
                tracing::error!(
                    %webhook, %event, kind, attempts, milliseconds, status, error,
                    "Gave up delivering {kind} to {webhook}: {error}; what comes after it goes on"
                );
            }
        }
        if let Some(reason) = &verdict.paused {
            self.metrics.webhook_attempt("paused");
            tracing::error!(%webhook, reason, "Paused the endpoint {webhook}: {reason} Resume it when it works again");
        }
    }
}

/// A time that is there, for a sentence.
struct Shown(Option<Timestamp>);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(at) => write!(f, "{at}"),
            None => f.write_str("long ago"),
        }
    }
}
