//! The whole edge on a real socket, with the clients that people have, against a plain folder of the test.

mod folder;
mod python;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use russh::client::AuthResult;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::{MethodKind, MethodSet};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::config::SftpSettings;
use crate::credentials::HostKeys;
use crate::domain::SystemClock;
use crate::telemetry::Metrics;

use super::algorithms::{methods, server_config};
use super::connection::Common;
use super::server::{Times, serve_connection};
use folder::{FolderDoor, Here};

/// A server on a free port, its files, and a client's files.
struct Server {
    port: u16,
    /// What the login sees as `/`.
    files: PathBuf,
    /// What is not published.
    staging: PathBuf,
    client: PathBuf,
    here: Arc<Here>,
    _directory: TempDir,
}

impl Server {
    async fn start() -> Self {
        Self::start_with(settings(), TIMES, None).await
    }

    async fn start_with(settings: SftpSettings, times: Times, rekey_bytes: Option<usize>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let [files, staging, client] = ["files", "staging", "client"].map(|name| {
            let path = directory.path().join(name);
            std::fs::create_dir(&path).unwrap();
            path
        });
        let user_key = PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]));
        let key_file = client.join("key");
        user_key.write_openssh_file(&key_file, LineEnding::LF).unwrap();
        let host_keys = HostKeys { keys: vec![PrivateKey::from(Ed25519Keypair::from_seed(&[9; 32]))] };
        let mut config = server_config(&settings, &host_keys);
        if let Some(rekey_bytes) = rekey_bytes {
            config.limits.rekey_read_limit = rekey_bytes;
            config.limits.rekey_write_limit = rekey_bytes;
        }
        let (config, here) = (Arc::new(config), Here::new("paie.acme"));
        let common = Common {
            settings,
            stall: Duration::from_secs(60),
            metrics: Metrics::default(),
            clock: Arc::new(SystemClock),
            tasks: TaskTracker::new(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let door = FolderDoor {
            files: files.clone(),
            staging: staging.clone(),
            here: Arc::clone(&here),
            key: user_key.public_key().to_bytes().unwrap(),
        };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(serve_connection(stream, door.clone(), Arc::clone(&config), common.clone(), times));
            }
        });
        Self { port, files, staging, client, here, _directory: directory }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.join(name)
    }

    fn client_file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.client.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn is_staging_empty(&self) -> bool {
        std::fs::read_dir(&self.staging).unwrap().next().is_none()
    }

    fn ssh(&self, program: &str) -> Command {
        let mut command = bounded(program);
        let options = [
            "-q",
            "-F",
            "none",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "BatchMode=yes",
            "-o",
            "IdentitiesOnly=yes",
        ];
        command.args(options).arg("-i").arg(self.client.join("key")).current_dir(&self.client);
        command
    }

    /// Runs lines of `sftp`; its output, both kinds.
    async fn sftp(&self, arguments: &[&str], lines: &str) -> (bool, String) {
        let batch = self.client_file("batch", lines.as_bytes());
        let mut command = self.ssh("sftp");
        command.args(arguments).arg("-P").arg(self.port.to_string()).arg("-b").arg(batch);
        command.arg("paie.acme@127.0.0.1");
        told(command).await
    }

    async fn scp(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = self.ssh("scp");
        command.arg("-P").arg(self.port.to_string()).args(arguments);
        told(command).await
    }

    /// Runs a Python program with the port, the folder and `paramiko` at hand.
    async fn python(&self, program: &str) -> (bool, String) {
        told(self.python_command(program)).await
    }

    fn python_command(&self, program: &str) -> Command {
        let mut command = bounded("/usr/bin/python3");
        command.arg("-c").arg(program).arg(self.port.to_string()).current_dir(&self.client);
        command
    }
}

/// A program that ends in time, or is ended.
fn bounded(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.arg("100").arg(program);
    command
}

async fn told(mut command: Command) -> (bool, String) {
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let Output { status, stdout, stderr } = output.expect("it is installed");
    (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

const TIMES: Times = Times { to_sign_in: Duration::from_secs(20), idle: Duration::from_secs(60) };

pub(super) fn settings() -> SftpSettings {
    SftpSettings {
        listeners: Vec::new(),
        keepalive: Duration::from_secs(60),
        channels: 10,
        handles: 128,
        rekey_mib: 1024,
        scp: true,
    }
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|index| u8::try_from((index * 7 + index / 251) % 251).unwrap()).collect()
}

fn is_same(left: &Path, right: &Path) -> bool {
    std::fs::read(left).unwrap() == std::fs::read(right).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn openssh_puts_lists_renames_and_gets() {
    let server = Server::start().await;
    server.client_file("small.csv", b"a;b\r\n");
    server.client_file("empty", b"");
    let large = server.client_file("large", &content(20_000_000));
    let lines = "mkdir in\ncd in\nput small.csv\nput empty\nput -p large\nls -l\nrename large big\nls\n\
                 get big back\ndf\nrm small.csv\nchmod 600 empty\npwd\n";
    let (fine, told) = server.sftp(&[], lines).await;
    assert!(fine, "{told}");
    assert!(told.contains("Remote working directory: /in"), "{told}");
    assert!(told.contains("paie.acme lucca    20000000 "), "{told}");
    assert!(is_same(&large, &server.file("in/big")));
    assert!(is_same(&large, &server.client.join("back")));
    assert_eq!(std::fs::read(server.file("in/empty")).unwrap(), b"");
    assert!(!server.file("in/small.csv").exists());
    assert!(server.is_staging_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_pipelines_neither_hang_nor_mix() {
    let server = Server::start().await;
    let large = server.client_file("large", &content(60_000_000));
    let (fine, told) = server.sftp(&["-R", "256", "-B", "32768"], "put large\nget large back\n").await;
    assert!(fine, "{told}");
    assert!(is_same(&large, &server.client.join("back")));
    let (fine, told) = server.sftp(&["-R", "128"], "put large again\nget again back2\n").await;
    assert!(fine, "{told}");
    assert!(is_same(&large, &server.client.join("back2")));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_exchanged_again_under_load_in_both_directions() {
    let server = Server::start_with(settings(), TIMES, Some(1_000_000)).await;
    let large = server.client_file("large", &content(30_000_000));
    for cipher in ["aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr"] {
        let (fine, told) = server.sftp(&["-c", cipher], "put large\nget large back\n").await;
        assert!(fine, "{cipher}: {told}");
        assert!(is_same(&large, &server.client.join("back")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scp_works_over_sftp_and_the_old_way() {
    let server = Server::start().await;
    let file = server.client_file("a 'b'.csv", &content(3_000_000));
    std::fs::create_dir_all(server.client.join("tree/below")).unwrap();
    server.client_file("tree/one", b"1");
    server.client_file("tree/below/two", b"22");
    for way in [&[][..], &["-O"][..]] {
        let put = [way, &["-p", "a 'b'.csv", "paie.acme@127.0.0.1:up.csv"]].concat();
        let (fine, told) = server.scp(&put).await;
        assert!(fine, "{way:?}: {told}");
        assert!(is_same(&file, &server.file("up.csv")));
        let modified = |path: &Path| std::fs::metadata(path).unwrap().modified().unwrap();
        let apart = modified(&file).duration_since(modified(&server.file("up.csv"))).unwrap();
        assert!(apart < Duration::from_secs(1));
        let get = [way, &["paie.acme@127.0.0.1:/up.csv", "down.csv"]].concat();
        let (fine, told) = server.scp(&get).await;
        assert!(fine, "{way:?}: {told}");
        assert!(is_same(&file, &server.client.join("down.csv")));
        let (fine, told) = server.scp(&[way, &["-r", "tree", "paie.acme@127.0.0.1:copy"]].concat()).await;
        assert!(fine, "{way:?}: {told}");
        assert_eq!(std::fs::read(server.file("copy/below/two")).unwrap(), b"22");
        let (fine, told) = server.scp(&[way, &["-r", "paie.acme@127.0.0.1:copy", "back"]].concat()).await;
        assert!(fine, "{way:?}: {told}");
        assert_eq!(std::fs::read(server.client.join("back/one")).unwrap(), b"1");
        std::fs::remove_dir_all(server.file("copy")).unwrap();
        std::fs::remove_dir_all(server.client.join("back")).unwrap();
        let (fine, told) = server.scp(&[way, &["paie.acme@127.0.0.1:missing", "x"]].concat()).await;
        assert!(!fine, "{told}");
    }
    assert!(server.is_staging_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_shells_are_refused() {
    let server = Server::start().await;
    for command in ["id", "scp -t a; id", "/usr/lib/sftp-server"] {
        let mut ssh = server.ssh("ssh");
        ssh.arg("-p").arg(server.port.to_string()).arg("paie.acme@127.0.0.1").arg(command);
        let (fine, told) = told(ssh).await;
        assert!(!fine, "{told}");
        assert!(!told.contains("uid="), "{told}");
    }
}

/// russh's own client: paramiko cannot try twice on one connection (docs/PROTOCOL.md).
struct Trusting;

impl russh::client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &russh::keys::PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_refused_and_the_next_one_may_be_right() {
    use russh::client::{KeyboardInteractiveAuthResponse, connect};

    let server = Server::start().await;
    let address = ("127.0.0.1", server.port);
    let mut client = connect(Arc::default(), address, Trusting).await.unwrap();
    let refused = AuthResult::Failure { remaining_methods: methods(), partial_success: false };
    assert_eq!(client.authenticate_none("paie.acme").await.unwrap(), refused);
    assert_eq!(client.authenticate_password("paie.acme", "wrong").await.unwrap(), refused);
    assert_eq!(client.authenticate_password("nobody", "right").await.unwrap(), refused);
    let asked = client.authenticate_keyboard_interactive_start("paie.acme", None).await.unwrap();
    let KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } = asked else { panic!("{asked:?}") };
    assert_eq!((prompts.len(), prompts[0].prompt.as_str(), prompts[0].echo), (1, "Password: ", false));
    let answer = client.authenticate_keyboard_interactive_respond(vec![String::from("right")]).await.unwrap();
    assert!(matches!(answer, KeyboardInteractiveAuthResponse::Success), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_may_end_the_connection() {
    let server = Server::start().await;
    let mut client = russh::client::connect(Arc::default(), ("127.0.0.1", server.port), Trusting).await.unwrap();
    // Refused first or ended first: both are told.
    drop(client.authenticate_password("end", "x").await);
    let ended = tokio::time::timeout(Duration::from_secs(20), client).await;
    assert!(ended.is_ok(), "the connection ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_factor_that_is_right_asks_for_the_second() {
    let server = Server::start().await;
    let mut client = russh::client::connect(Arc::default(), ("127.0.0.1", server.port), Trusting).await.unwrap();
    let key_is_left = MethodSet::from(&[MethodKind::PublicKey][..]);
    for (word, partial_success) in [("right", true), ("wrong", false)] {
        let answer = client.authenticate_password("both", word).await.unwrap();
        let expected = AuthResult::Failure { remaining_methods: key_is_left.clone(), partial_success };
        assert_eq!(answer, expected, "{word}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_sign_in_or_does_nothing_is_let_go() {
    let times = Times { to_sign_in: Duration::from_millis(300), idle: Duration::from_millis(100) };
    let server = Server::start_with(settings(), times, None).await;
    let silent = tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let halfway = russh::client::connect(Arc::default(), ("127.0.0.1", server.port), Trusting).await.unwrap();
    let mut idle = russh::client::connect(Arc::default(), ("127.0.0.1", server.port), Trusting).await.unwrap();
    *server.here.idle.lock().unwrap() = Duration::from_millis(100);
    assert!(idle.authenticate_password("paie.acme", "right").await.unwrap().success());
    let end = Duration::from_secs(20);
    assert!(tokio::time::timeout(end, idle).await.is_ok(), "an idle session is ended");
    assert!(tokio::time::timeout(end, halfway).await.is_ok(), "time to sign in is up");
    let rest = tokio::time::timeout(end, tokio::io::copy(&mut { silent }, &mut tokio::io::sink())).await;
    assert!(rest.is_ok(), "time to say anything is up");
}
