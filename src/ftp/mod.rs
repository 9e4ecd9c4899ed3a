//! The FTP edge: FTPS (TLS from the first byte) and FTPES (`AUTH TLS`), by our own interpreter on tokio-rustls
//! (docs/decisions/0001-own-ftp-interpreter.md). It translates between the wire and the product's words and decides
//! nothing: who may enter is `access`'s, what is seen and how a file is published is `vfs`'s, who is connected is
//! `sessions`'s.
//!
//! A connection is a value that changes its type as it goes on: `connection::Clear` (FTPES before TLS), then
//! `authentication::Guest`, then `session::Member`. Each line of the client is cut by `control`, looked up in the one
//! table of verbs (`verbs`), which says what must be true before it, and answered by the file of its verb. A transfer is
//! a task of its own (`transfer`), so that the control connection stays awake: it opens the file, then the data
//! connection (`data`), and moves bytes straight between the two.

mod authentication;
mod below;
mod columns;
mod connection;
mod control;
mod data;
mod download;
mod facts;
mod listing;
mod passive;
mod pattern;
mod records;
mod reply;
mod server;
mod session;
mod spares;
mod status;
mod time;
mod transfer;
mod upload;
mod verbs;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::config::{FtpListener, FtpSettings};
use crate::domain::{Clock, Random};
use crate::net::{Listener, TlsSessions};
use crate::telemetry::Metrics;

pub use passive::Ports;

/// What the edge works with.
#[derive(Clone)]
pub struct FtpParts {
    pub settings: FtpSettings,
    pub access: Arc<Access>,
    /// Certificates and tickets, shared by all listeners.
    pub tls: Arc<TlsSessions>,
    /// The ports of data connections, shared by all listeners.
    pub ports: Arc<Ports>,
    pub metrics: Metrics,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    /// How long a connection may take to sign in: `access`'s setting.
    pub sign_in_timeout: Duration,
    /// How long nothing may happen on a session: `sessions`'s setting.
    pub idle: Duration,
    /// How long a transfer may stand still: `sessions`'s setting.
    pub stall: Duration,
}

/// Serves one listener until `stop` is cancelled (then: no new connections); returns when its last connection has
/// ended. Ending sessions is the registry's business.
pub async fn serve(listener: Listener, bound_to: FtpListener, parts: FtpParts, stop: CancellationToken) {
    server::serve(listener, bound_to, parts, stop).await;
}
