//! The HTTP edge: the management API and the internal listener (health, metrics).
//!
//! The edge parses requests into the product's words, lets [`management`](crate::management) act, and renders what
//! came of it; it holds no rule of the product. `router` puts the layers together in the order in which a request
//! meets them, `api/` has one file per resource, `problem` says no in one form (RFC 9457), `server` owns sockets.

mod api;
mod authentication;
mod body;
mod content;
mod document;
mod fields;
mod guarded_io;
mod internal;
mod problem;
mod range;
mod request_id;
mod request_log;
mod router;
mod security_headers;
mod server;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::management::{Management, Readiness};
use crate::net::Listener;
use crate::telemetry::Metrics;

pub use document::openapi;

/// Serves the management API until `stop`, then lets running requests finish.
pub async fn serve_api(
    listener: Listener,
    tls: Option<Arc<rustls::ServerConfig>>,
    management: Arc<Management>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    server::serve(listener, tls, router::api(management, metrics), stop).await;
}

/// `/healthz`, `/readyz`, `/metrics`.
pub async fn serve_internal(
    listener: Listener,
    readiness: Arc<dyn Readiness>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    server::serve(listener, None, internal::router(readiness, metrics), stop).await;
}
