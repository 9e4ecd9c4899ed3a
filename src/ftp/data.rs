//! Data connections (RFC 959 §3.2, RFC 4217 §12): the right peer's, private, in time.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use super::passive::Waiting;
use super::records::Records;
use super::reply::Reply;
use crate::net::{TlsSession, is_resumed, prepare, promptly};

/// A data connection, private.
pub(super) type DataStream = TlsStream<Records<BufReader<TcpStream>>>;

/// How much is encrypted before it is sent: rustls' own limit of 64 KiB makes small writes.
const SEND_BUFFER: usize = 512 * 1024;

/// Where a data connection comes from.
pub(super) enum Way {
    /// The client connects to this port.
    Passive(Waiting),
    /// The client waits at this address, its own.
    Active(SocketAddr),
}

/// What data connections of a session are held to.
pub(super) struct Terms {
    pub peer: IpAddr,
    pub local: IpAddr,
    pub connect: Duration,
    pub handshake: Duration,
    /// Take none that does not resume the control connection's TLS session.
    pub must_resume: bool,
    /// The read buffer below TLS, in bytes.
    pub read_buffer: usize,
}

/// Why there is no data connection; for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoData {
    NobodyCame,
    CannotConnect,
    Handshake,
    NotResumed,
}

impl From<NoData> for Reply {
    fn from(problem: NoData) -> Self {
        Self::new(
            425,
            match problem {
                NoData::NobodyCame => "No data connection came from your address in time",
                NoData::CannotConnect => "Cannot open the data connection",
                NoData::Handshake => "The TLS handshake of the data connection failed",
                NoData::NotResumed => {
                    "The data connection must resume the TLS session of its control connection; turn session reuse on"
                }
            },
        )
    }
}

/// Opens the data connection.
pub(super) async fn open(way: Way, terms: &Terms, tls: &TlsSession) -> Result<DataStream, NoData> {
    let stream = match way {
        Way::Passive(waiting) => {
            let accepted = timeout(terms.connect, waiting.connection(terms.peer)).await;
            accepted.map_err(|_| NoData::NobodyCame)?
        }
        Way::Active(address) => {
            let connected = timeout(terms.connect, connect(address, terms.local)).await;
            connected.ok().and_then(Result::ok).ok_or(NoData::CannotConnect)?
        }
    };
    if let Err(error) = prepare(&stream) {
        debug!(%error, "Could not set the options of a data connection");
    }
    let stream = Records::new(BufReader::with_capacity(terms.read_buffer, stream));
    let acceptor = TlsAcceptor::from(tls.data(terms.must_resume));
    let accepting = acceptor.accept_with(stream, |connection| connection.set_buffer_limit(Some(SEND_BUFFER)));
    let handshake = promptly(accepting, |stream| stream.get_ref().get_ref());
    let stream = match timeout(terms.handshake, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(problem)) => {
            debug!(%problem, "The TLS handshake of a data connection failed: {problem}");
            return Err(NoData::Handshake);
        }
        Err(_) => return Err(NoData::Handshake),
    };
    if terms.must_resume && !is_resumed(stream.get_ref().1) {
        debug!(peer = %terms.peer, "A data connection did not resume the TLS session of its control connection");
        return Err(NoData::NotResumed);
    }
    Ok(stream)
}

async fn connect(address: SocketAddr, local: IpAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // From where the client already is connected to: its firewall expects nobody else.
    socket.bind(SocketAddr::new(local, 0))?;
    socket.connect(address).await
}
