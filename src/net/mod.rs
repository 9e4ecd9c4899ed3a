//! Sockets and TLS: bind first, then serve, so that a port that is taken stops the start and nothing else does.

mod address_guard;
pub mod certificates;
mod handshake;
mod http_client;
mod listener;
mod tls;
mod tls_names;
mod tls_session_ids;
mod tls_sessions;
mod tls_tickets;

pub use address_guard::AddressGuard;
pub use handshake::promptly;
pub use http_client::{HttpClient, HttpClientError, Patience};
pub use listener::{BindError, Listener, bind, prepare};
pub use tls::{TlsError, server_config};
pub use tls_names::NamedCertificates;
pub use tls_sessions::{TlsSession, TlsSessions, is_resumed, tls_details};
