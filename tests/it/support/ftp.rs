//! FTP over TLS by its lines and bytes: what no client would say can be said, and connections end as no polite client
//! ends them.

mod data;
mod stream;

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use super::{Account, Gateway};
pub use data::{Cut, Data};
use stream::{Stream, secure};
pub use stream::{dial, reset};

/// How long a reply may take, and an end.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// Which of the two listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// TLS from the first byte.
    Ftps,
    /// `AUTH TLS`.
    Ftpes,
}

impl Mode {
    pub const BOTH: [Self; 2] = [Self::Ftps, Self::Ftpes];
}

/// A gateway's FTP as one client knows it.
#[derive(Clone)]
pub struct FtpServer {
    ftps: Option<SocketAddr>,
    ftpes: Option<SocketAddr>,
    /// Where the client connects from.
    source: Option<IpAddr>,
    tls: Arc<ClientConfig>,
}

impl FtpServer {
    pub fn of(gateway: &Gateway) -> Self {
        Self::with_versions(gateway, rustls::ALL_VERSIONS)
    }

    /// With one version of TLS alone.
    pub fn with_versions(gateway: &Gateway, versions: &[&'static SupportedProtocolVersion]) -> Self {
        let told = gateway.told();
        let endpoint = |kind: &str| {
            let address: IpAddr = told[kind]["host"].as_str()?.parse().expect("an address");
            let port = told[kind]["port"].as_u64().and_then(|port| u16::try_from(port).ok());
            Some(SocketAddr::new(address, port.expect("a port")))
        };
        let authority = told["tls_ca"].as_str().expect("tls_ca");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority).expect("a certificate")).expect("an authority");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions that there are")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { ftps: endpoint("ftps"), ftpes: endpoint("ftpes"), source: None, tls: Arc::new(tls) }
    }

    /// Both listeners by both versions of TLS.
    pub fn all_ways(gateway: &Gateway) -> Vec<(Mode, Self)> {
        let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
        let servers = versions.map(|version| Self::with_versions(gateway, &[version]));
        servers.into_iter().flat_map(|server| Mode::BOTH.map(|mode| (mode, server.clone()))).collect()
    }

    /// The same, connected to from another address of this machine.
    pub fn coming_from(&self, source: &str) -> Self {
        Self { source: Some(source.parse().expect("an address")), ..self.clone() }
    }

    pub fn address(&self, mode: Mode) -> SocketAddr {
        match mode {
            Mode::Ftps => self.ftps.expect("an FTPS listener"),
            Mode::Ftpes => self.ftpes.expect("an FTPES listener"),
        }
    }

    /// A TCP connection, and nothing said.
    pub fn dial(&self, mode: Mode) -> TcpStream {
        dial(self.address(mode), self.source).expect("a connection")
    }

    /// Connected and greeted; on FTPES in the clear. `None`: the gateway ended the connection at once.
    pub fn try_connect(&self, mode: Mode) -> Option<Ftp> {
        let mut ftp = Ftp { stream: Stream::Clear(self.dial(mode)), server: self.clone(), buffer: Vec::new() };
        if mode == Mode::Ftps {
            ftp.secure().ok()?;
        }
        assert_eq!(ftp.next_reply()?.code, 220);
        Some(ftp)
    }

    /// See [`Self::try_connect`]; the gateway has a place.
    pub fn connect(&self, mode: Mode) -> Ftp {
        self.try_connect(mode).expect("a connection that is greeted")
    }

    /// Connected, with TLS.
    pub fn private(&self, mode: Mode) -> Ftp {
        let mut ftp = self.connect(mode);
        if mode == Mode::Ftpes {
            ftp.upgrade();
        }
        ftp
    }

    /// Signed in, with private data connections.
    pub fn sign_in(&self, mode: Mode, account: &Account) -> Ftp {
        let mut ftp = self.private(mode);
        ftp.sign_in(account);
        ftp
    }

    /// The first message of a TLS handshake, as it goes over the wire.
    pub fn client_hello(&self) -> Vec<u8> {
        let mut hello = Vec::new();
        stream::client(&self.tls).write_tls(&mut hello).expect("memory takes it");
        hello
    }
}

/// What the gateway answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    /// All its lines, without codes.
    pub text: String,
}

/// A control connection.
pub struct Ftp {
    stream: Stream,
    server: FtpServer,
    /// Bytes of replies that are not taken yet.
    buffer: Vec<u8>,
}

impl Ftp {
    /// Begins TLS.
    pub fn secure(&mut self) -> io::Result<()> {
        let socket = self.stream.socket().try_clone()?;
        self.stream = Stream::Private(Box::new(secure(socket, &self.server.tls)?));
        Ok(())
    }

    /// AUTH TLS, and TLS.
    pub fn upgrade(&mut self) {
        self.expect("AUTH TLS", 234);
        self.secure().expect("a TLS handshake");
    }

    /// Signs in, and asks for private data connections.
    pub fn sign_in(&mut self, account: &Account) {
        self.expect(&format!("USER {}", account.login), 331);
        self.expect(&format!("PASS {}", account.password), 230);
        for (command, code) in [("PBSZ 0", 200), ("PROT P", 200), ("TYPE I", 200)] {
            self.expect(command, code);
        }
    }

    /// Sends bytes as they are.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    /// See [`Self::try_send`]; the gateway takes them.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("a connection that takes bytes");
    }

    /// The next reply; `None`: the connection is over.
    pub fn next_reply(&mut self) -> Option<Reply> {
        let mut text = String::new();
        loop {
            let line = self.next_line()?;
            let (code, rest) = line.split_at_checked(3).unwrap_or(("", &line));
            match (code.parse(), rest.strip_prefix(' ')) {
                (Ok(code), Some(rest)) => return Some(Reply { code, text: text + rest }),
                _ => text += &format!("{}\n", line.trim_start()),
            }
        }
    }

    fn next_line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(length @ 1..) => self.buffer.extend_from_slice(&bytes[..length]),
                // An end and a reset are an end.
                Err(error) if [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut].contains(&error.kind()) => {
                    panic!("neither a reply nor an end within {PATIENCE:?}")
                }
                Ok(0) | Err(_) => return None,
            }
        }
    }

    pub fn reply(&mut self) -> Reply {
        self.next_reply().expect("a reply, not the end of the connection")
    }

    /// The next reply, which has this code.
    pub fn expect_reply(&mut self, code: u16) -> Reply {
        let reply = self.reply();
        assert_eq!(reply.code, code, "{reply:?}");
        reply
    }

    /// A command's reply.
    pub fn say(&mut self, command: &str) -> Reply {
        self.send(format!("{command}\r\n"));
        self.reply()
    }

    /// A command's reply, which has this code.
    pub fn expect(&mut self, command: &str, code: u16) -> Reply {
        let reply = self.say(command);
        assert_eq!(reply.code, code, "{command}: {reply:?}");
        reply
    }

    /// Waits until the gateway has ended the connection; the replies that came before.
    pub fn last_words(&mut self) -> Vec<Reply> {
        std::iter::from_fn(|| self.next_reply()).collect()
    }

    /// Makes the gateway wait on a port.
    pub fn port(&mut self) -> u16 {
        let reply = self.expect("EPSV", 229);
        reply.text.split('|').nth(3).and_then(|port| port.parse().ok()).expect("a port")
    }

    /// Connects to a data port, and says nothing.
    pub fn dial_data(&self, port: u16) -> TcpStream {
        let here = self.stream.socket().peer_addr().expect("a connection");
        dial(SocketAddr::new(here.ip(), port), self.server.source).expect("a data connection")
    }

    /// Begins TLS on a data connection.
    pub fn secure_data(&self, socket: TcpStream) -> io::Result<Data> {
        secure(socket, &self.server.tls).map(Data::new)
    }

    /// Begins a transfer; its data connection.
    pub fn begin(&mut self, command: &str) -> Data {
        let port = self.port();
        self.expect(command, 150);
        self.secure_data(self.dial_data(port)).expect("a TLS handshake")
    }

    /// Sends a whole file by `STOR`, `APPE`, ….
    pub fn upload(&mut self, command: &str, contents: &[u8]) {
        let mut data = self.begin(command);
        data.send(contents);
        data.finish();
        self.expect_reply(226);
    }

    /// All that `RETR`, `LIST`, … gives.
    pub fn download(&mut self, command: &str) -> Vec<u8> {
        let contents = self.begin(command).read_all().expect("an orderly end");
        self.expect_reply(226);
        contents
    }

    /// What SIZE tells; `None`: no such file.
    pub fn size(&mut self, path: &str) -> Option<usize> {
        let reply = self.say(&format!("SIZE {path}"));
        match reply.code {
            213 => Some(reply.text.trim().parse().expect("a number")),
            550 => None,
            _ => panic!("SIZE {path}: {reply:?}"),
        }
    }

    /// The reply to a transfer that is not begun.
    pub fn refused(&mut self, command: &str) -> Reply {
        self.port();
        let reply = self.say(command);
        assert!(reply.code >= 400 && reply.code != 425, "{command}: {reply:?}");
        reply
    }

    /// Ends the connection as a program that ended does, or as one that crashed.
    pub fn cut(self, how: Cut) {
        let socket = self.stream.socket().try_clone().expect("a socket");
        drop(self);
        match how {
            Cut::End => drop(socket.shutdown(Shutdown::Both)),
            Cut::Reset => reset(socket),
        }
    }
}
