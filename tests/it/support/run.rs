//! Programs with a deadline, conditions with a deadline, folders that go away.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Asks until there is an answer; fails the test when `deadline` passes without one.
pub fn eventually<T>(deadline: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < deadline, "not within {deadline:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What a program did.
pub struct Finished {
    pub status: Option<ExitStatus>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    pub fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// All that it said, for the message of a failed test.
    pub fn said(&self) -> String {
        let ended = match self.status {
            Some(status) => status.to_string(),
            None => "killed: it ran out of time".to_owned(),
        };
        format!("{ended}\n{}\n{}", self.stdout.trim_end(), self.stderr.trim_end())
    }
}

/// Runs a program to its end, or kills it when `deadline` passes.
pub fn run(command: &mut Command, deadline: Duration) -> Finished {
    let program = command.get_program().to_string_lossy().into_owned();
    require(&program);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} cannot be started: {error}"));
    let stdout = collect(child.stdout.take().expect("piped"));
    let stderr = collect(child.stderr.take().expect("piped"));
    let start = Instant::now();
    let status = loop {
        match child.try_wait().expect("a child that can be waited for") {
            Some(status) => break Some(status),
            None if start.elapsed() > deadline => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    // A grandchild (lftp's ssh) may hold the pipes for a moment after its parent.
    let wait = Duration::from_secs(5);
    Finished {
        status,
        stdout: stdout.recv_timeout(wait).unwrap_or_default(),
        stderr: stderr.recv_timeout(wait).unwrap_or_default(),
    }
}

/// Reads to the end beside us, so that a full pipe cannot stall the program.
fn collect(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = send.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receive
}

/// Fails the test, with the command that helps, when a program is not installed. A missing client is never skipped.
pub fn require(program: &str) {
    let package = match program {
        "sftp" | "scp" | "ssh" | "ssh-keygen" | "ssh-keyscan" => "openssh-client",
        "psftp" | "puttygen" => "putty-tools",
        "/usr/bin/python3" => "python3-paramiko python3-asyncssh",
        "node" => "nodejs",
        "php" => "php-cli",
        other => other,
    };
    let is_there = Path::new(program).is_file()
        || std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .any(|folder| folder.join(program).is_file());
    assert!(is_there, "{program} is missing: apt-get install {package} (./check does it)");
}

/// A folder below `target/tmp` that goes with the test.
pub struct TestDir(tempfile::TempDir);

impl TestDir {
    pub fn new() -> Self {
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
        Self(tempfile::Builder::new().prefix("it-").tempdir_in(parent).expect("a temporary folder"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Makes a folder in it.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        path
    }

    /// Makes a file in it.
    pub fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        std::fs::write(&path, contents).expect("a file");
        path
    }

    /// Leaves it to somebody else to remove.
    pub fn leave(self) -> PathBuf {
        self.0.keep()
    }
}
