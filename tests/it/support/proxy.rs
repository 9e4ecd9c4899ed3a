//! A wire between client and gateway that a test can hold and cut.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

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
}

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
                let copy = |socket: &TcpStream| socket.try_clone().expect("a socket");
                shared.state().sockets.extend([copy(&client), copy(&server)]);
                let (from_client, from_server) = (copy(&client), copy(&server));
                let up = Arc::clone(&shared);
                std::thread::spawn(move || pass_up(from_client, server, &up));
                std::thread::spawn(move || pass_down(from_server, client));
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

fn pass_down(mut server: TcpStream, mut client: TcpStream) {
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
}
