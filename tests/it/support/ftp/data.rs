//! Data connections, and how they end.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

use super::stream::{Private, reset};

/// How a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// By FIN: everything sent before arrives.
    End,
    /// By RST.
    Reset,
}

impl Cut {
    pub const BOTH: [Self; 2] = [Self::End, Self::Reset];
}

/// A data connection with TLS.
pub struct Data(Private);

impl Data {
    pub(super) fn new(stream: Private) -> Self {
        Self(stream)
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }

    /// See [`Self::try_send`]; the gateway takes them.
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("a data connection that takes bytes");
    }

    /// Some bytes, at most; none at the orderly end. An end without TLS's goodbye is an error.
    pub fn read_some(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; most];
        let length = self.0.read(&mut bytes)?;
        bytes.truncate(length);
        Ok(bytes)
    }

    /// All until the orderly end.
    pub fn read_all(mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes)?;
        self.say_goodbye()?;
        Ok(bytes)
    }

    /// The orderly end of an upload: TLS's close_notify, then FIN.
    pub fn finish(mut self) {
        self.say_goodbye().expect("a data connection that takes a goodbye");
        let _ = self.0.sock.shutdown(Shutdown::Write);
        // The gateway's own goodbye.
        let _ = self.0.read_to_end(&mut Vec::new());
    }

    fn say_goodbye(&mut self) -> io::Result<()> {
        self.0.conn.send_close_notify();
        while self.0.conn.wants_write() {
            self.0.conn.write_tls(&mut self.0.sock)?;
        }
        Ok(())
    }

    /// Ends it without a goodbye. What is answered keeps it, so that nothing else ends it.
    #[must_use]
    pub fn cut(self, how: Cut) -> Option<TcpStream> {
        let socket = self.0.sock;
        match how {
            Cut::End => {
                socket.shutdown(Shutdown::Write).expect("an open socket");
                Some(socket)
            }
            Cut::Reset => {
                reset(socket);
                None
            }
        }
    }

    /// Waits until the gateway has ended it.
    pub fn wait_for_end(mut self) {
        let mut rest = [0; 64 * 1024];
        loop {
            match self.0.sock.read(&mut rest) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("the data connection goes on"),
                Ok(0) | Err(_) => return,
            }
        }
    }
}
