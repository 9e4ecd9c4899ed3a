//! Sockets: accepts, bounds, TLS, HTTP/1.1 and HTTP/2, and an orderly end.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::net::Listener;

use super::guarded_io::GuardedIo;

/// Connections at a time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 512;
/// How long a TLS handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How long the head of a request may take.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a peer may leave what we send unread.
const UNREAD_TIME: Duration = Duration::from_secs(60);
/// HTTP/2: how often a silent peer is asked whether it is there, and how long it has to answer.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIME: Duration = Duration::from_secs(20);

/// Serves until `stop`; then accepts no more and returns when the last request has been answered. Dropped before
/// that: all connections end.
pub async fn serve(
    listener: Listener,
    tls: Option<Arc<rustls::ServerConfig>>,
    router: Router,
    stop: CancellationToken,
) {
    let tls = tls.map(TlsAcceptor::from);
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let slot = slots.clone().acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, (stream, peer)) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accepted => accepted,
        };
        while connections.try_join_next().is_some() {}
        let (tls, router, stop) = (tls.clone(), router.clone(), stop.clone());
        connections.spawn(async move {
            let _slot = slot;
            match tls {
                None => converse(stream, peer, router, stop).await,
                Some(tls) => match tokio::time::timeout(HANDSHAKE_TIME, tls.accept(stream)).await {
                    Ok(Ok(stream)) => converse(stream, peer, router, stop).await,
                    Ok(Err(problem)) => tracing::debug!(%peer, %problem, "A TLS handshake failed"),
                    Err(_) => tracing::debug!(%peer, "A TLS handshake took too long"),
                },
            }
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// The requests of one connection.
async fn converse<T>(stream: T, peer: SocketAddr, router: Router, stop: CancellationToken)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIME)
        .max_concurrent_streams(64)
        .max_header_list_size(16 * 1024);
    let io = TokioIo::new(GuardedIo::new(stream, HEAD_TIME, UNREAD_TIME));
    let mut connection = pin!(builder.serve_connection(io, TowerToHyperService::new(router)));
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(problem) = outcome {
        tracing::debug!(%peer, %problem, "A connection ended in the middle");
    }
}
