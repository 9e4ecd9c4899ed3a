//! Where events are sent to, and how far that has come.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

use super::transfer::words;

/// The longest address that is taken, in bytes.
const MAX_BYTES: usize = 2_000;

words! {
    /// Whether an endpoint is sent events.
    WebhookState, "\"enabled\" or \"paused\"" {
        Enabled = "enabled",
        /// By an operator, or because it failed for too long or said that it is gone. Events wait meanwhile.
        Paused = "paused",
    }

    /// How far one event has come on its way to one endpoint.
    DeliveryState, "\"waiting\", \"delivered\" or \"failed\"" {
        /// For its turn, or to be tried again.
        Waiting = "waiting",
        Delivered = "delivered",
        /// Given up.
        Failed = "failed",
    }
}

/// An address to send events to: `https` or `http`, a host, without credentials and without a fragment.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

/// A text that is no address for events.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidWebhookUrl {
    #[error("not an address such as https://example.net/events")]
    Malformed,
    #[error("an address has at most {MAX_BYTES} bytes")]
    TooLong,
    #[error("an address is of https (or http, where the configuration allows it)")]
    Scheme,
    #[error("an address has no user name and password: it is shown to whoever lists endpoints")]
    Credentials,
    #[error("an address has no fragment (#…): it is never sent")]
    Fragment,
}

impl WebhookUrl {
    pub fn parse(text: &str) -> Result<Self, InvalidWebhookUrl> {
        if text.len() > MAX_BYTES {
            return Err(InvalidWebhookUrl::TooLong);
        }
        let url = Url::parse(text).map_err(|_| InvalidWebhookUrl::Malformed)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(InvalidWebhookUrl::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidWebhookUrl::Credentials);
        }
        if url.fragment().is_some() {
            return Err(InvalidWebhookUrl::Fragment);
        }
        // Of these schemes every address has a host; its length grows with percent-encoding.
        if url.host().is_none() || url.as_str().len() > 3 * MAX_BYTES {
            return Err(InvalidWebhookUrl::Malformed);
        }
        Ok(Self(url))
    }

    /// As it is written and shown.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it is of `https`.
    pub fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// A name or an address; an IPv6 address without its brackets.
    pub fn host(&self) -> String {
        match self.0.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => String::new(),
        }
    }

    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(443)
    }

    /// What the header `Host` says: the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        match self.0.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// What the request line says.
    pub fn path_and_query(&self) -> String {
        match self.0.query() {
            Some(query) => format!("{}?{query}", self.0.path()),
            None => self.0.path().to_owned(),
        }
    }
}

impl FromStr for WebhookUrl {
    type Err = InvalidWebhookUrl;

    fn from_str(text: &str) -> Result<Self, InvalidWebhookUrl> {
        Self::parse(text)
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_for_the_request() {
        let url = WebhookUrl::parse("https://Paie.Exemple.fr:8443/événements?source=a b").unwrap();
        assert_eq!((url.host().as_str(), url.port(), url.is_secure()), ("paie.exemple.fr", 8443, true));
        assert_eq!(url.authority(), "paie.exemple.fr:8443");
        assert_eq!(url.path_and_query(), "/%C3%A9v%C3%A9nements?source=a%20b");
        let url = WebhookUrl::parse("http://[::1]/").unwrap();
        assert_eq!((url.host().as_str(), url.port(), url.authority().as_str()), ("::1", 80, "[::1]"));
        // However an address is disguised, it is the address that is checked and dialled.
        assert_eq!(WebhookUrl::parse("https://0x7f.1/").unwrap().host(), "127.0.0.1");
    }

    #[test]
    fn what_is_no_address_for_events_is_told_why() {
        for (text, expected) in [
            ("", InvalidWebhookUrl::Malformed),
            ("example.net/events", InvalidWebhookUrl::Malformed),
            ("https://", InvalidWebhookUrl::Malformed),
            ("ftp://example.net/", InvalidWebhookUrl::Scheme),
            ("file:///etc/passwd", InvalidWebhookUrl::Scheme),
            ("https://user@example.net/", InvalidWebhookUrl::Credentials),
            ("https://:secret@example.net/", InvalidWebhookUrl::Credentials),
            ("https://example.net/#top", InvalidWebhookUrl::Fragment),
            (&format!("https://example.net/{}", "a".repeat(2_000)), InvalidWebhookUrl::TooLong),
        ] {
            assert_eq!(WebhookUrl::parse(text).err(), Some(expected), "{text}");
        }
    }
}
