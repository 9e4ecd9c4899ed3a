//! `[internal]`: health and metrics, for those who run the gateway.

use std::net::SocketAddr;

use super::reader::{any, section};

section! {
    /// Health and metrics, in clear text and without sign-in: keep it on loopback or on a network of your own.
    InternalSettings {
        /// The address and port.
        address: SocketAddr = "127.0.0.1:9090", any();
    }
}
