//! The ports on which data connections are waited for: one range for all listeners, one port at a time for a session,
//! given back however its wait ends.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tracing::debug;

use crate::config::{FtpSettings, PassivePorts};
use crate::domain::Random;

/// Connections that wait at a port: the client's, and some of strangers that are to be dropped.
const BACKLOG: u32 = 16;
/// Ports that are tried when other programs hold some.
const TRIES: usize = 32;

/// The ports of the range, and which are in use.
pub struct Ports {
    range: PassivePorts,
    taken: Mutex<HashSet<u16>>,
    random: Arc<dyn Random>,
}

/// A port in use, given back when dropped.
struct Lease {
    ports: Arc<Ports>,
    port: u16,
}

/// A port that waits for a session's data connection; then the connection.
pub(super) struct Waiting {
    pub port: u16,
    place: Place,
}

enum Place {
    Listening(Listening),
    Here(TcpStream),
}

struct Listening {
    listener: TcpListener,
    _lease: Lease,
}

impl Waiting {
    /// Resolves when the connection of `peer` has come, once. Whoever else comes meanwhile is dropped, so that strangers
    /// cannot fill the queue of the port before the client comes. Safe to cancel.
    pub(super) async fn arrival(&mut self, peer: IpAddr) {
        match &self.place {
            Place::Here(_) => std::future::pending().await,
            // Nobody else is waited for: the port is free from here on.
            Place::Listening(Listening { listener, .. }) => self.place = Place::Here(accept(listener, peer).await),
        }
    }

    /// The connection of `peer`.
    pub(super) async fn connection(self, peer: IpAddr) -> TcpStream {
        match self.place {
            Place::Here(stream) => stream,
            Place::Listening(Listening { listener, _lease }) => accept(&listener, peer).await,
        }
    }
}

/// Waits for the control connection's peer. Whoever else comes is dropped (they could take the file, or give another),
/// and the port waits on: a stranger cannot cost the client its transfer either.
async fn accept(listener: &TcpListener, peer: IpAddr) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, from)) if from.ip().to_canonical() == peer => return stream,
            Ok((_, stranger)) => debug!(%stranger, %peer, "Dropped a data connection of another address"),
            Err(error) => {
                debug!(%error, "A data connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

impl Ports {
    pub fn new(range: PassivePorts, random: Arc<dyn Random>) -> Arc<Self> {
        Arc::new(Self { range, taken: Mutex::default(), random })
    }

    /// Starts to wait on a free port of `address`. A port that cannot be foretold is harder to steal.
    pub(super) fn open(self: &Arc<Self>, address: IpAddr) -> io::Result<Waiting> {
        let mut bytes = [0; 4];
        self.random.fill(&mut bytes);
        let start = u32::from_le_bytes(bytes) as usize % self.range.count();
        let mut tries = 0;
        for step in 0..self.range.count() {
            let offset = (start + step) % self.range.count();
            let port = self.range.first + u16::try_from(offset).unwrap_or(0);
            let Some(lease) = self.lease(port) else { continue };
            match listen(SocketAddr::new(address, port)) {
                Ok(listener) => {
                    let place = Place::Listening(Listening { listener, _lease: lease });
                    return Ok(Waiting { port, place });
                }
                Err(error) if tries >= TRIES || error.kind() != io::ErrorKind::AddrInUse => return Err(error),
                Err(_) => tries += 1,
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    fn lease(self: &Arc<Self>, port: u16) -> Option<Lease> {
        self.taken().insert(port).then(|| Lease { ports: self.clone(), port })
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, HashSet<u16>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are in use.
    #[cfg(test)]
    pub(super) fn in_use(&self) -> usize {
        self.taken().len()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.ports.taken().remove(&self.port);
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // The transfers before on this port are still being forgotten by the kernel.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Which address a client is told (RFC 959's PASV): one by its network, one for all, or the one it already reached.
pub(super) fn advertised(settings: &FtpSettings, peer: IpAddr, local: Ipv4Addr) -> Ipv4Addr {
    let by_network = settings.advertised_to.iter().find(|entry| entry.network.0.contains(&peer));
    by_network.map(|entry| entry.address).or(settings.advertised).unwrap_or(local)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::OsRandom;

    #[tokio::test]
    async fn a_port_is_given_back_when_the_wait_ends_and_never_twice() {
        // Ports that the kernel gives to nobody by itself, and no other test uses.
        let ports = Ports::new(PassivePorts { first: 21_470, last: 21_479 }, Arc::new(OsRandom));
        let address: IpAddr = "127.0.0.1".parse().unwrap();
        let mut waiting: Vec<Waiting> = Vec::new();
        while let Ok(port) = ports.open(address) {
            assert!(waiting.iter().all(|other| other.port != port.port));
            waiting.push(port);
        }
        assert!(!waiting.is_empty() && waiting.len() <= 10);
        waiting.pop();
        assert!(ports.open(address).is_ok());
        drop(waiting);
        assert_eq!(ports.in_use(), 0);
    }
}
