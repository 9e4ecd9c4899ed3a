//! A wire between client and gateway that a test can hold and cut.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::TlsVersion;
use super::tls_witness::agreed_version;

/// Passes connections on to a port of this machine. What clients send is held back after so many bytes, until the test
/// lets it go or cuts the wire: so an upload is caught in the middle however fast both ends are.
pub struct Proxy {
    port: u16,
    wire: Arc<Wire>,
}

#[derive(Default)]
struct Wire {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Bytes that clients sent and that were passed on.
    passed: u64,
    /// `None`: nothing is held back.
    hold_after: Option<u64>,
    is_holding: bool,
    is_cut: bool,
    sockets: Vec<TcpStream>,
    /// What the server said first, by connection.
    heard: Vec<Vec<u8>>,
}

/// How much of a connection's beginning is kept.
const KEPT: usize = 8 * 1024;

impl Wire {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under the lock")
    }

    /// Waits while the wire is held; how much to pass on next, at most. 0: it was cut.
    fn allowance(&self) -> u64 {
        let mut state = self.state();
        loop {
            let left = state.hold_after.map_or(u64::MAX, |limit| limit.saturating_sub(state.passed));
            if state.is_cut {
                return 0;
            }
            if left > 0 {
                return left;
            }
            state.is_holding = true;
            self.changed.notify_all();
            state = self.changed.wait(state).expect("no panic under the lock");
        }
    }
}

impl Proxy {
    /// Passes everything, and counts.
    pub fn to(target: u16) -> Self {
        Self::start(target, None)
    }

    /// Holds what clients send after so many bytes.
    pub fn holding_after(target: u16, bytes: u64) -> Self {
        Self::start(target, Some(bytes))
    }

    fn start(target: u16, hold_after: Option<u64>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let wire = Arc::new(Wire::default());
        wire.state().hold_after = hold_after;
        let shared = Arc::clone(&wire);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                // A wire does not hold small pieces back.
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let copy = |socket: &TcpStream| socket.try_clone().expect("a socket");
                shared.state().sockets.extend([copy(&client), copy(&server)]);
                let (from_client, from_server) = (copy(&client), copy(&server));
                let number = {
                    let mut state = shared.state();
                    state.heard.push(Vec::new());
                    state.heard.len() - 1
                };
                let (up, down) = (Arc::clone(&shared), Arc::clone(&shared));
                std::thread::spawn(move || pass_up(from_client, server, &up));
                std::thread::spawn(move || pass_down(from_server, client, &down, number));
            }
        });
        Self { port, wire }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Bytes of clients that were passed on.
    pub fn passed(&self) -> u64 {
        self.wire.state().passed
    }

    /// The version of TLS that each connection so far agreed on.
    pub fn tls_versions(&self) -> Vec<Option<TlsVersion>> {
        self.wire.state().heard.iter().map(|heard| agreed_version(heard)).collect()
    }

    /// Returns when a client has sent enough to be held.
    pub fn wait_until_holding(&self) {
        let state = self.wire.state();
        let within = Duration::from_secs(60);
        let (_state, timeout) =
            self.wire.changed.wait_timeout_while(state, within, |state| !state.is_holding).expect("no panic under it");
        assert!(!timeout.timed_out(), "no client sent enough to be held");
    }

    /// Lets everything pass from now on.
    pub fn release(&self) {
        self.wire.state().hold_after = None;
        self.wire.changed.notify_all();
    }

    /// The network is gone.
    pub fn cut(&self) {
        let mut state = self.wire.state();
        state.is_cut = true;
        for socket in state.sockets.drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.wire.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

fn pass_up(mut client: TcpStream, mut server: TcpStream, wire: &Wire) {
    let mut buffer = vec![0; 64 * 1024];
    'passing: while let Ok(length @ 1..) = client.read(&mut buffer) {
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let allowance = usize::try_from(wire.allowance()).unwrap_or(usize::MAX);
            let (now, later) = rest.split_at(allowance.min(rest.len()));
            if now.is_empty() || server.write_all(now).is_err() {
                break 'passing;
            }
            wire.state().passed += now.len() as u64;
            rest = later;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}

fn pass_down(mut server: TcpStream, mut client: TcpStream, wire: &Wire, number: usize) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = server.read(&mut buffer) {
        {
            let heard = &mut wire.state().heard[number];
            let wanted = KEPT.saturating_sub(heard.len()).min(length);
            heard.extend_from_slice(&buffer[..wanted]);
        }
        if client.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
}
