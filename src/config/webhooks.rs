//! `[webhooks]`: how events are sent to other programs, and where to.

use std::path::PathBuf;
use std::time::Duration;

use super::reader::{OptionValue, any, lasting, section, within};
use crate::domain::AddressRange;

/// Networks, each as in `10.0.0.0/8`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks(pub Vec<AddressRange>);

section! {
    /// How events are sent to other programs.
    WebhookSettings {
        /// Networks that are not public and to which events may be sent all the same. Who may make a webhook reaches what
        /// is there.
        allow_networks: Networks = "[]", any();
        /// Whether events may be sent without TLS. They name files, accounts and people's logins, readable on the way.
        allow_http: bool = "false", any();
        /// A file with certificates of authorities, in PEM, that are trusted besides the operating system's; "": none.
        ca: Option<PathBuf> = "\"\"", any();
        /// How long connecting to a receiver may take.
        connect_timeout: Duration = "10s", lasting("50ms", "1m");
        /// How long a receiver may take to answer.
        answer_timeout: Duration = "20s", lasting("50ms", "1m");
        /// Deliveries at a time, in all.
        concurrent: usize = "32", within(1, 1_000);
        /// Deliveries at a time to one endpoint.
        concurrent_per_endpoint: usize = "8", within(1, 1_000);
        /// For how long a delivery is tried before it is given up, and an endpoint at which none succeeds is paused.
        retry_for: Duration = "3d", lasting("1h", "30d");
        /// For how long the secret before the last signs as well, after a rotation.
        secret_overlap: Duration = "24h", lasting("0s", "30d");
        /// For how long deliveries that ended are remembered, and can be replayed.
        keep: Duration = "30d", lasting("1d", "3650d");
    }
}

impl OptionValue for Networks {
    const KIND: &'static str = "a list of networks";
    const EXAMPLE: &'static str = "[\"10.0.0.0/8\"]";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        let networks = value.as_array()?.iter().map(|network| network.as_str()?.parse().ok());
        networks.collect::<Option<_>>().map(Self)
    }
}

/// A path, or nothing: `""`.
impl OptionValue for Option<PathBuf> {
    const KIND: &'static str = "a path";
    const EXAMPLE: &'static str = "\"./certs/authority.pem\"";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        value.as_str().map(|path| (!path.is_empty()).then(|| PathBuf::from(path)))
    }
}
