//! A PostgreSQL of the tests' own (`scripts/postgres`): one server for the whole run, one database for each test.
//!
//! The server ends with the program that tests, however that ends: then the pipe breaks from which it reads what to do.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// An empty database; gone when dropped.
pub(super) struct Database {
    name: String,
    pub(super) url: String,
}

struct Server {
    _process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Database {
    /// Makes one, and starts the server for the first.
    pub(super) fn fresh() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let name = format!("test_{}", MADE.fetch_add(1, Ordering::Relaxed));
        let mut server = server();
        server.ask(&name);
        let mut url = String::new();
        server.answers.read_line(&mut url).expect("a line of scripts/postgres");
        let url = url.trim_end().to_owned();
        assert!(url.starts_with("postgres://"), "no PostgreSQL for the tests: run scripts/install-postgres");
        Self { name, url }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        server().ask(&format!("drop {}", self.name));
    }
}

impl Server {
    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/postgres");
        let mut process = Command::new(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("scripts/postgres can be started");
        let requests = process.stdin.take().expect("its input is ours");
        let answers = BufReader::new(process.stdout.take().expect("its output is ours"));
        Self { _process: process, requests, answers }
    }

    /// A server that has ended says so by its silence.
    fn ask(&mut self, request: &str) {
        let _ = writeln!(self.requests, "{request}");
    }
}

fn server() -> MutexGuard<'static, Server> {
    static SERVER: OnceLock<Mutex<Server>> = OnceLock::new();
    // A test that failed while it held the server has not broken it for the others.
    SERVER.get_or_init(|| Mutex::new(Server::start())).lock().unwrap_or_else(PoisonError::into_inner)
}
