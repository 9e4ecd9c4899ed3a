//! A PostgreSQL of the tests' own (`scripts/postgres`): one server for the whole run, one database for each gateway that
//! is told to use it, by `[database] url = …`.
//!
//! The server ends with the program that tests, however that ends: then the pipe breaks from which it reads what to do.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// An empty database; gone when dropped.
pub struct Database {
    name: String,
    pub url: String,
    server: Arc<Mutex<Server>>,
}

struct Server {
    _process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Database {
    /// Makes one, and starts the server for the first.
    pub fn fresh() -> Self {
        static SERVER: OnceLock<Arc<Mutex<Server>>> = OnceLock::new();
        Self::on(SERVER.get_or_init(|| Server::start(&[])))
    }

    /// One on a server of its own, which shows this certificate (PEM files) and takes no connection without TLS.
    pub fn over_tls(certificate: &Path, key: &Path) -> Self {
        Self::on(&Server::start(&[certificate, key]))
    }

    fn on(server: &Arc<Mutex<Server>>) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let name = format!("test_{}", MADE.fetch_add(1, Ordering::Relaxed));
        let mut url = String::new();
        {
            let mut server = lock(server);
            server.ask(&name);
            server.answers.read_line(&mut url).expect("a line of scripts/postgres");
        }
        let url = url.trim_end().to_owned();
        assert!(url.starts_with("postgres://"), "no PostgreSQL for the tests: run scripts/install-postgres");
        Self { name, url, server: Arc::clone(server) }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        lock(&self.server).ask(&format!("drop {}", self.name));
    }
}

impl Server {
    fn start(arguments: &[&Path]) -> Arc<Mutex<Self>> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/postgres");
        let mut process = Command::new(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("scripts/postgres can be started");
        let requests = process.stdin.take().expect("its input is ours");
        let answers = BufReader::new(process.stdout.take().expect("its output is ours"));
        Arc::new(Mutex::new(Self { _process: process, requests, answers }))
    }

    /// A server that has ended says so by its silence.
    fn ask(&mut self, request: &str) {
        let _ = writeln!(self.requests, "{request}");
    }
}

/// A test that failed while it held the server has not broken it for the others.
fn lock(server: &Mutex<Server>) -> MutexGuard<'_, Server> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}
