//! Sockets and TLS: bind first, then serve, so that a port that is taken stops the start and nothing else does.

mod listener;
mod tls;

pub use listener::{BindError, Listener, bind};
pub use tls::{TlsError, server_config};
