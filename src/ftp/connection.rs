//! One connection, from its first byte to its last: clear (FTPES alone), private, signed in.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::authentication::Guest;
use super::below::{Door, Gate};
use super::control::{Input, Wire};
use super::facts::Wanted;
use super::passive::Ports;
use super::reply::Reply;
use super::session;
use super::spares::Spares;
use super::verbs::{self, Argument, Verb};
use crate::config::{FtpListener, FtpMode, FtpSettings};
use crate::domain::{Clock, NameEncoding, Random};
use crate::net::{TlsSession, TlsSessions, promptly, tls_details};
use crate::telemetry::Metrics;

/// What every connection of a listener works with.
pub(super) struct Shared {
    pub settings: FtpSettings,
    pub bound: FtpListener,
    pub gate: Arc<dyn Gate>,
    pub tls: Arc<TlsSessions>,
    pub ports: Arc<Ports>,
    pub metrics: Metrics,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    /// Tracks connections and transfers, so that a stop waits for them.
    pub tasks: TaskTracker,
    pub spares: Arc<Spares>,
    pub sign_in_timeout: Duration,
    pub idle: Duration,
    pub stall: Duration,
}

/// What is known of a client in every phase.
pub(super) struct Client {
    pub shared: Arc<Shared>,
    pub tls: Arc<TlsSession>,
    /// The other end, an IPv4 address as such.
    pub peer: SocketAddr,
    /// This end of the control connection.
    pub local: IpAddr,
    pub encoding: NameEncoding,
    pub wanted: Wanted,
    /// What CLNT said.
    pub software: Option<String>,
    pub is_private: bool,
    /// PBSZ was said; PROT comes after it (RFC 4217 §9).
    pub has_buffer_size: bool,
    pub phase: Phase,
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Clear,
    Private,
    SignedIn,
}

/// What the table of verbs asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub tls: bool,
    pub signed_in: bool,
    pub private_data: bool,
}

impl Client {
    pub(super) fn facts(&self) -> Facts {
        Facts {
            tls: self.phase != Phase::Clear,
            signed_in: self.phase == Phase::SignedIn,
            private_data: self.is_private,
        }
    }
}

/// Serves one connection to its end.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>, mut door: Box<dyn Door>) {
    let deadline = Instant::now() + shared.sign_in_timeout;
    let Ok(local) = stream.local_addr() else { return };
    let implicit = shared.bound.mode == FtpMode::Ftps;
    let client = Client {
        tls: Arc::new(shared.tls.session()),
        shared,
        peer: SocketAddr::new(peer.ip().to_canonical(), peer.port()),
        local: local.ip().to_canonical(),
        encoding: NameEncoding::default(),
        wanted: Wanted::default(),
        software: None,
        // FTPS never was anything but private (RFC 4217 does not know it; every client expects it).
        is_private: implicit,
        has_buffer_size: implicit,
        phase: Phase::Clear,
    };
    let clear = Clear { client, stream, commands: 0, deadline };
    let private = if implicit { clear.handshake().await } else { clear.upgrade().await };
    let Some(Private { mut client, stream, commands }) = private else { return };
    if let Some(algorithms) = tls_details(stream.get_ref().1) {
        door.set_protocol_details(&algorithms);
    }
    client.phase = Phase::Private;
    let mut wire = Wire::new(stream);
    if implicit && wire.say(&greeting(), NameEncoding::Utf8).await.is_err() {
        return;
    }
    if let Some(member) = Guest::new(client, door).sign_in(&mut wire, deadline, commands).await {
        Box::pin(session::serve(member, &mut wire)).await;
    }
    wire.close().await;
}

/// Gives no software and no version away.
fn greeting() -> Reply {
    Reply::new(220, "Ready")
}

/// A connection without TLS so far.
struct Clear {
    client: Client,
    stream: TcpStream,
    /// How many came so far.
    commands: usize,
    /// When someone must have signed in.
    deadline: Instant,
}

/// A connection with TLS.
struct Private {
    client: Client,
    stream: TlsStream<TcpStream>,
    commands: usize,
}

impl Clear {
    /// Talks until AUTH TLS, and changes over; `None` when the connection is over.
    async fn upgrade(self) -> Option<Private> {
        let until = self.handshake_until();
        let Self { mut client, stream, mut commands, deadline } = self;
        let mut wire = Wire::new(stream);
        wire.say(&greeting(), NameEncoding::Utf8).await.ok()?;
        while commands < client.shared.settings.commands_before_sign_in {
            let input = match timeout_at(until, wire.next()).await {
                Ok(Ok(input)) => input,
                Ok(Err(over)) => {
                    client.over(&mut wire, over).await;
                    return None;
                }
                Err(_) => {
                    let reply = Reply::new(421, "AUTH TLS did not come in time");
                    let _ = wire.say(&reply, NameEncoding::Utf8).await;
                    return None;
                }
            };
            commands += 1;
            let (verb, reply) = match input {
                Input::Bad(reply) => (Verb::Noop, reply),
                Input::Command(command) => {
                    let argument = Argument::new(command.argument);
                    let reply = match verbs::check(command.rule, &argument, client.facts()) {
                        Err(reply) => reply,
                        Ok(()) => verbs::anyone(command.rule.verb, &mut client, &argument),
                    };
                    (command.rule.verb, reply)
                }
            };
            wire.say(&reply, client.encoding).await.ok()?;
            match (verb, reply.code) {
                (Verb::Quit, 221) => return None,
                (Verb::Auth, 234) => {
                    // Commands behind AUTH were sent in the clear, by anyone on the way, and would be carried out as
                    // if they had come over TLS (CVE-2011-0411 and its kin).
                    let Some(stream) = wire.into_stream() else {
                        debug!(peer = %client.peer, "Ended an FTP connection: something came in the clear behind AUTH TLS");
                        return None;
                    };
                    return Self { client, stream, commands, deadline }.handshake().await;
                }
                _ => {}
            }
        }
        let _ = wire.say(&Reply::new(421, "Too many commands without AUTH TLS"), NameEncoding::Utf8).await;
        None
    }

    /// Until when a handshake, or AUTH before it, is waited for now: neither kind of listener waits longer than the other,
    /// nor than signing in may take.
    fn handshake_until(&self) -> Instant {
        self.deadline.min(Instant::now() + self.client.shared.settings.tls_handshake)
    }

    async fn handshake(self) -> Option<Private> {
        let until = self.handshake_until();
        let Self { client, stream, commands, .. } = self;
        let acceptor = TlsAcceptor::from(client.tls.control());
        let handshake = timeout_at(until, promptly(acceptor.accept(stream), |stream| stream)).await;
        match handshake {
            Ok(Ok(stream)) => Some(Private { client, stream, commands }),
            Ok(Err(problem)) => {
                // Port scans end here.
                debug!(peer = %client.peer, %problem, "A TLS handshake failed: {problem}");
                None
            }
            Err(_) => {
                debug!(peer = %client.peer, "A TLS handshake took too long");
                None
            }
        }
    }
}
