//! TLS for protocols that open several connections for one session, as FTP does (RFC 4217): a control connection, which
//! gives out tickets, and data connections, which resume it.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::{HandshakeKind, ServerConfig};
use tokio_util::sync::CancellationToken;

use super::tls::{TlsError, provider, wrong};
use super::tls_names::{self, NamedCertificates, Names};
use super::tls_session_ids::{ControlSession, DataSession, OneSession};
use super::tls_tickets::{self, ControlTickets, DataTickets, Mark};
use crate::domain::Random;

/// Tickets that a control connection gives under TLS 1.3, where careful clients use each once.
const TICKETS: usize = 4;
/// How often certificates are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What all sessions of all listeners share.
pub struct TlsSessions {
    provider: Arc<CryptoProvider>,
    names: Arc<Names>,
    keys: Arc<dyn ProducesTickets>,
    base: ServerConfig,
    random: Arc<dyn Random>,
}

impl TlsSessions {
    /// Reads the certificates. Blocking.
    pub fn new(certificates: NamedCertificates, random: Arc<dyn Random>) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(provider());
        let about = certificates.default.certificate.clone();
        let names = Arc::new(Names::read(certificates, &provider)?);
        let keys = tls_tickets::keys().map_err(|error| wrong(&about, format!("no keys for tickets: {error}")))?;
        let mut base = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("the provider has suites for both versions")
            .with_no_client_auth()
            .with_cert_resolver(names.clone());
        // Nothing is kept for all, so nothing can be evicted by a crowd: each control connection has its own (see `session`).
        base.session_storage = Arc::new(NoServerSessionStorage {});
        base.send_tls13_tickets = 0;
        base.ignore_client_order = true;
        Ok(Arc::new(Self { provider, names, keys, base, random }))
    }

    /// Takes changed certificates until `stop`.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        tls_names::watch(self.names.clone(), self.provider.clone(), LOOK_EVERY, stop).await;
    }

    /// The TLS of a new session.
    pub fn session(self: &Arc<Self>) -> TlsSession {
        let mut mark = Mark::default();
        self.random.fill(&mut mark);
        TlsSession { shared: self.clone(), mark, kept: Arc::default() }
    }
}

/// The TLS of one control connection and its data connections.
pub struct TlsSession {
    shared: Arc<TlsSessions>,
    mark: Mark,
    /// For clients that resume without tickets.
    kept: Arc<OneSession>,
}

impl TlsSession {
    /// For the control connection.
    pub fn control(&self) -> Arc<ServerConfig> {
        let mut config = self.shared.base.clone();
        config.send_tls13_tickets = TICKETS;
        config.session_storage = Arc::new(ControlSession(self.kept.clone()));
        config.ticketer = Arc::new(ControlTickets { keys: self.shared.keys.clone(), mark: self.mark });
        Arc::new(config)
    }

    /// For a data connection. `bound`: only this session's own tickets are taken, so that a resumed connection
    /// ([`is_resumed`]) is of the client that holds the control connection.
    pub fn data(&self, bound: bool) -> Arc<ServerConfig> {
        let mut config = self.shared.base.clone();
        let tickets = Arc::new(DataTickets { keys: self.shared.keys.clone(), only: bound.then_some(self.mark) });
        config.session_storage = Arc::new(DataSession { kept: self.kept.clone(), tickets: tickets.clone() });
        config.ticketer = tickets;
        Arc::new(config)
    }
}

/// What protects a connection whose handshake is done: TLS's version and its suite, as IANA names it, parted by a space.
/// `None` before.
pub fn tls_details(connection: &rustls::ServerConnection) -> Option<String> {
    let version = match connection.protocol_version()? {
        rustls::ProtocolVersion::TLSv1_3 => "TLSv1.3",
        rustls::ProtocolVersion::TLSv1_2 => "TLSv1.2",
        // Not negotiated here.
        other => other.as_str()?,
    };
    let suite = connection.negotiated_cipher_suite()?.suite();
    // rustls marks the suites of TLS 1.3, whose names say no version.
    let suite = suite.as_str()?.replacen("TLS13_", "TLS_", 1);
    Some(format!("{version} {suite}"))
}

/// Whether a connection whose handshake is done took up an earlier session.
pub fn is_resumed(connection: &rustls::ServerConnection) -> bool {
    connection.handshake_kind() == Some(HandshakeKind::Resumed)
}
