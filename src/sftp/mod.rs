//! The SFTP edge: SSH by russh, SFTP version 3 (draft-ietf-secsh-filexfer-02) by our own request loop. It translates
//! between the wire and the product's words and decides nothing: who may enter is `access`'s, what is seen and how a
//! file is published is `vfs`'s, who is connected is `sessions`'s.
//!
//! The way of a byte: `wire` (the socket) → russh → `connection` → `frames` and `packet` → a queue, bounded in bytes
//! by `budget` → the channel's worker (`subsystem`, `data`, `copy`, `requests`, `extensions`; or `scp`) → the tree;
//! replies go by the `outbox` back to russh.

mod algorithms;
mod attributes;
mod authentication;
mod budget;
mod connection;
mod copy;
mod data;
mod extensions;
mod frames;
mod handles;
mod outbox;
mod overheard;
mod packet;
mod replies;
mod requests;
mod scp;
mod server;
mod spares;
mod status;
mod subsystem;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::config::{SftpListener, SftpSettings};
use crate::credentials::HostKeys;
use crate::domain::Clock;
use crate::net::Listener;
use crate::sessions::Registry;
use crate::telemetry::Metrics;

/// What the edge works with.
#[derive(Clone)]
pub struct SftpParts {
    pub settings: SftpSettings,
    pub access: Arc<Access>,
    pub registry: Arc<Registry>,
    pub host_keys: Arc<HostKeys>,
    pub metrics: Metrics,
    pub clock: Arc<dyn Clock>,
    /// How long a connection may take to sign in: `access`'s setting.
    pub sign_in_timeout: Duration,
    /// How long nothing may happen on a session: `sessions`'s setting.
    pub idle: Duration,
    /// How long answers may wait for a client that takes none: `sessions`'s setting.
    pub stall: Duration,
}

/// Serves one listener until `stop` is cancelled (then: no new connections); returns when its last connection has
/// ended. Ending sessions is the registry's business.
pub async fn serve(listener: Listener, bound_to: SftpListener, parts: SftpParts, stop: CancellationToken) {
    server::serve(listener, bound_to, parts, stop).await;
}
