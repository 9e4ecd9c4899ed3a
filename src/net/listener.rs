//! A bound TCP listener. Accepting never fails for whoever serves: what the system cannot do now, it can do soon.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: u32 = 1024;
/// The first pause after the system had no descriptor or memory for a connection; doubled up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How often a trouble that goes on is told again.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// After how much silence the kernel asks whether the peer is there. Firewalls forget quiet connections, and a peer that
/// vanished without a word would hold its session: the protocols' own keepalives come first, this is the net below.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(120);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(30);
const KEEPALIVE_PROBES: u32 = 4;

/// An address that cannot be listened on, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}{}", advice(.source))]
pub struct BindError {
    pub address: SocketAddr,
    pub source: io::Error,
}

impl BindError {
    /// Whether another program (or listener) has the port.
    pub fn is_taken(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another program has this port: stop it, or configure another port",
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need the capability CAP_NET_BIND_SERVICE, or net.ipv4.ip_unprivileged_port_start lowered"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address: configure one of its own, or 0.0.0.0",
        _ => "",
    }
}

/// A bound TCP listener; the kernel queues connections from now on.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    trouble: Mutex<Trouble>,
}

/// Binds `address`; port 0 is one that the kernel chooses.
pub fn bind(address: SocketAddr) -> Result<Listener, BindError> {
    let listen = || {
        let socket = if address.is_ipv4() { tokio::net::TcpSocket::new_v4() } else { tokio::net::TcpSocket::new_v6() }?;
        // A restart need not wait for the connections of the run before to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let socket = socket.listen(BACKLOG)?;
        Ok(Listener { address: socket.local_addr()?, socket, trouble: Mutex::default() })
    };
    listen().map_err(|source| BindError { address, source })
}

impl Listener {
    /// Where it listens, with the port that the kernel chose.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection, without delay of small packets and with keepalive. Safe to cancel.
    pub async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.socket.accept().await {
                Ok((stream, peer)) => {
                    self.trouble().ended(self.address);
                    if let Err(error) = prepare(&stream) {
                        // The peer is gone already; serving it will find out.
                        debug!(%peer, %error, "Could not set the options of a connection");
                    }
                    return (stream, peer);
                }
                // The peer left before it was accepted.
                Err(error) if is_the_peers(&error) => debug!(%error, "A connection was gone before it was accepted"),
                Err(error) => {
                    let pause = self.trouble().happened(self.address, &error);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    fn trouble(&self) -> std::sync::MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets the options of a connection that was accepted, or made for a client: no delay of small packets, and keepalive.
pub fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_AFTER)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_EVERY)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES)?;
    Ok(())
}

fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// A row of failures to accept: descriptors or memory are used up (accept(2): EMFILE, ENFILE, ENOBUFS, ENOMEM).
#[derive(Default)]
struct Trouble {
    failures: u64,
    pause: Duration,
    told: Option<Instant>,
}

impl Trouble {
    /// Notes a failure; how long to wait before the next try.
    fn happened(&mut self, address: SocketAddr, error: &io::Error) -> Duration {
        self.failures += 1;
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        if self.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            self.told = Some(Instant::now());
            let failures = self.failures;
            warn!(%address, %error, failures, "Cannot accept connections on {address} ({failures} failures so far), trying on");
        }
        self.pause
    }

    fn ended(&mut self, address: SocketAddr) {
        if self.failures > 0 {
            let failures = self.failures;
            warn!(%address, failures, "Accepting connections on {address} again, after {failures} failures");
            // `told` stays: failures that come and go are told once a minute too.
            (self.failures, self.pause) = (0, Duration::ZERO);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn any_port() -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 0).into()
    }

    #[tokio::test]
    async fn a_connection_is_accepted_with_its_options_set() {
        let listener = bind(any_port()).unwrap();
        let client = TcpStream::connect(listener.local_address()).await.unwrap();
        let (stream, peer) = listener.accept().await;
        assert_eq!(peer, client.local_addr().unwrap());
        assert!(stream.nodelay().unwrap());
        assert!(sockopt::socket_keepalive(&stream).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&stream).unwrap(), KEEPALIVE_AFTER);
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_told_with_what_to_do() {
        let listener = bind(any_port()).unwrap();
        let Err(error) = bind(listener.local_address()) else { panic!("bound twice") };
        assert!(error.is_taken());
        let told = error.to_string();
        assert!(
            told.contains(&listener.local_address().to_string()) && told.contains("configure another port"),
            "{told}"
        );
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_told_apart() {
        let Err(error) = bind("192.0.2.1:0".parse().unwrap()) else { panic!("bound an address of documentation") };
        assert!(!error.is_taken());
        assert!(error.to_string().contains("no such address"), "{error}");
    }

    #[test]
    fn pauses_grow_to_a_bound_and_end_with_the_trouble() {
        let mut trouble = Trouble::default();
        let error = io::Error::from_raw_os_error(24);
        let pauses: Vec<Duration> = (0..20).map(|_| trouble.happened(any_port(), &error)).collect();
        assert_eq!(pauses[0], FIRST_PAUSE);
        assert_eq!(pauses[1], FIRST_PAUSE * 2);
        assert_eq!(pauses[19], LONGEST_PAUSE);
        trouble.ended(any_port());
        assert_eq!(trouble.happened(any_port(), &error), FIRST_PAUSE);
    }
}
