//! Accepts connections, and lets in those that `access` admits.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::FtpParts;
use super::authentication::AccessGate;
use super::connection::{self, Shared};
use crate::access::Connection as Arriving;
use crate::config::FtpListener;
use crate::net::Listener;

/// See [`super::serve`].
pub(super) async fn serve(listener: Listener, bound_to: FtpListener, parts: FtpParts, stop: CancellationToken) {
    let shared = Shared {
        settings: parts.settings,
        bound: bound_to,
        gate: Arc::new(AccessGate(parts.access)),
        tls: parts.tls,
        ports: parts.ports,
        metrics: parts.metrics,
        clock: parts.clock,
        random: parts.random,
        tasks: TaskTracker::new(),
        spares: Arc::default(),
        sign_in_timeout: parts.sign_in_timeout,
        idle: parts.idle,
        stall: parts.stall,
    };
    serve_with(listener, Arc::new(shared), stop).await;
}

pub(super) async fn serve_with(listener: Listener, shared: Arc<Shared>, stop: CancellationToken) {
    let kind = shared.bound.mode.connection_type();
    while let Some((stream, peer)) = stop.run_until_cancelled(listener.accept()).await {
        let preset = shared.bound.preset.clone();
        let arriving = Arriving { peer, connection_type: kind, preset, tls_resumption: shared.bound.tls_resumption() };
        match shared.gate.admit(arriving) {
            Ok(door) => {
                let connection = connection::serve(stream, peer, Arc::clone(&shared), door);
                let metrics = shared.metrics.clone();
                shared.tasks.spawn(async move {
                    metrics.connection_opened(kind);
                    connection.await;
                    metrics.connection_closed(kind);
                });
            }
            // Nothing was said yet: closing is the cheapest answer to a flood.
            Err(refusal) => {
                shared.metrics.sign_in(kind, refusal.reason.as_code());
                debug!(%peer, reason = ?refusal.reason, "Refused an FTP connection from {peer}");
            }
        }
    }
    // Ports are free from here on; the sessions end when the registry ends them.
    drop(listener);
    shared.tasks.close();
    shared.tasks.wait().await;
}
