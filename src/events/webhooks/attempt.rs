//! One attempt to deliver an event.

use std::time::Duration;

use bytes::Bytes;

use super::Webhooks;
use super::signature::signatures;
use crate::credentials::{Purpose, UnsealError};
use crate::domain::{EventId, Secret, Timestamp};
use crate::events::CLOUD_EVENT_JSON;
use crate::store::{DeliveryAttempt, WebhookRow};

/// The longest text of an error that is kept, in characters.
const MOST_ERROR: usize = 300;

/// What is sent, and where.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) webhook: WebhookRow,
    pub(super) event: EventId,
    pub(super) body: String,
}

impl Webhooks {
    /// Sends it once. It succeeded if there is no error.
    pub(super) async fn send(&self, outgoing: &Outgoing) -> DeliveryAttempt {
        let Outgoing { webhook, event, body } = outgoing;
        let at = self.clock.now();
        let began = tokio::time::Instant::now();
        let (status, error) = match self.secrets(webhook, at) {
            Err(error) => (None, Some(format!("its secret cannot be opened: {error}"))),
            Ok(secrets) => {
                let (id, seconds) = (event.to_string(), at.as_seconds());
                let signature = signatures(&secrets, &id, seconds, body);
                let headers = [
                    ("content-type", CLOUD_EVENT_JSON.to_owned()),
                    ("webhook-id", id),
                    ("webhook-timestamp", seconds.to_string()),
                    ("webhook-signature", signature),
                ];
                match self.client.post(&webhook.url, &headers, Bytes::from(body.clone())).await {
                    Ok(status @ 200..=299) => (Some(status), None),
                    Ok(status) => (Some(status), Some(format!("it answered {status}{}", meaning(status)))),
                    Err(error) => (error.status(), Some(error.to_string())),
                }
            }
        };
        let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        DeliveryAttempt { at, milliseconds, status, error: error.map(|error| error.chars().take(MOST_ERROR).collect()) }
    }

    /// The secrets that sign for an endpoint: its own, and for a while after a rotation the one before.
    fn secrets(&self, webhook: &WebhookRow, now: Timestamp) -> Result<Vec<Secret<String>>, UnsealError> {
        let previous = webhook.previous_secret.as_ref().filter(|(_, until)| now < *until).map(|(sealed, _)| sealed);
        let row = webhook.id.to_string();
        let sealed = std::iter::once(&webhook.secret).chain(previous);
        sealed.map(|sealed| self.keys.open(Purpose::WebhookSecret, &row, sealed)).collect()
    }

    /// How long one attempt may take, with some time to record it.
    pub(super) fn lease(&self) -> Duration {
        self.client.longest() + Duration::from_secs(60)
    }
}

/// What an operator may not expect of a status.
fn meaning(status: u16) -> &'static str {
    match status {
        300..=399 => ", a redirect, which is not followed: give its target as the address",
        410 => ", which says that it is gone for good",
        _ => "",
    }
}
