//! One SFTP session, request by request: what a client's command line hides (flags, status codes, bytes of names).

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Proof, Target, TestDir};

/// What a request came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Done(Value),
    /// The SFTP status code and its text.
    Refused(u32, String),
}

impl Outcome {
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }

    /// The status code; 0 when it was done.
    pub fn code(&self) -> u32 {
        match self {
            Self::Done(_) => 0,
            Self::Refused(code, _) => *code,
        }
    }

    pub fn value(self) -> Value {
        match self {
            Self::Done(value) => value,
            Self::Refused(code, text) => panic!("refused with {code}: {text}"),
        }
    }
}

/// A connection by paramiko, its requests written one by one.
pub struct Session {
    child: Child,
    requests: ChildStdin,
    answers: mpsc::Receiver<String>,
    _home: TestDir,
}

/// Flags of SSH_FXP_OPEN (draft-ietf-secsh-filexfer-02 §6.3).
pub mod flags {
    pub const READ: u32 = 1;
    pub const WRITE: u32 = 2;
    pub const APPEND: u32 = 4;
    pub const CREATE: u32 = 8;
    pub const TRUNCATE: u32 = 16;
    /// What clients send for an upload.
    pub const UPLOAD: u32 = WRITE | CREATE | TRUNCATE;
}

impl Session {
    /// Signs in; the error is what paramiko says.
    pub fn open(target: &Target) -> Result<Self, String> {
        Self::start(target, "sftp")
    }

    /// Signs in by keyboard-interactive.
    pub fn open_interactively(target: &Target) -> Result<Self, String> {
        Self::start(target, "interactive")
    }

    fn start(target: &Target, how: &str) -> Result<Self, String> {
        super::require("/usr/bin/python3");
        let home = TestDir::new();
        let script = home.file("session.py", include_str!("python/session.py"));
        let (password, key) = match target.proof {
            Proof::Password(password) => (password, String::new()),
            Proof::Key(key) => ("", key.private().display().to_string()),
            Proof::KeyAndPassword(key, password) => (password, key.private().display().to_string()),
        };
        let mut child = Command::new("/usr/bin/python3")
            .args(["-W", "ignore"])
            .arg(script)
            .args([how, &target.port.to_string(), &target.login, password, &key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("python3 starts");
        let requests = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (send, answers) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let session = Self { child, requests, answers, _home: home };
        match session.answer() {
            Outcome::Done(_) => Ok(session),
            Outcome::Refused(_, text) => Err(text),
        }
    }

    fn answer(&self) -> Outcome {
        let line = self.answers.recv_timeout(Duration::from_secs(60)).expect("an answer within a minute");
        let answer: Value = serde_json::from_str(&line).expect("an answer in JSON");
        match answer["error"].as_str() {
            None => Outcome::Done(answer["value"].clone()),
            Some(text) => {
                let code = answer["code"].as_u64().and_then(|code| u32::try_from(code).ok());
                Outcome::Refused(code.unwrap_or(u32::MAX), text.to_owned())
            }
        }
    }

    fn ask(&mut self, operation: &str, arguments: &Value) -> Outcome {
        let request = json!({"operation": operation, "arguments": arguments});
        writeln!(self.requests, "{request}").expect("a session that listens");
        self.answer()
    }

    /// Opens a file; the value is the handle.
    pub fn open_file(&mut self, path: impl AsRef<[u8]>, flags: u32) -> Outcome {
        self.ask("open", &json!([hex(path), flags]))
    }

    pub fn write(&mut self, handle: &Value, offset: u64, data: &[u8]) -> Outcome {
        self.ask("write", &json!([handle, offset, hex(data)]))
    }

    /// The value is the data in hexadecimal; code 1 is the end of the file.
    pub fn read(&mut self, handle: &Value, offset: u64, length: u32) -> Outcome {
        self.ask("read", &json!([handle, offset, length]))
    }

    pub fn close(&mut self, handle: &Value) -> Outcome {
        self.ask("close", &json!([handle]))
    }

    /// Opens, writes and closes: a whole upload.
    pub fn upload(&mut self, path: impl AsRef<[u8]>, contents: &[u8]) -> Outcome {
        self.upload_with(path, flags::UPLOAD, contents)
    }

    pub fn upload_with(&mut self, path: impl AsRef<[u8]>, flags: u32, contents: &[u8]) -> Outcome {
        let handle = match self.open_file(path, flags) {
            Outcome::Done(handle) => handle,
            refused @ Outcome::Refused(..) => return refused,
        };
        let written = self.write(&handle, 0, contents);
        let closed = self.close(&handle);
        if written.is_done() { closed } else { written }
    }

    /// Opens and reads a whole small file.
    pub fn download(&mut self, path: impl AsRef<[u8]>) -> Result<Vec<u8>, u32> {
        let handle = match self.open_file(path, flags::READ) {
            Outcome::Done(handle) => handle,
            Outcome::Refused(code, _) => return Err(code),
        };
        let read = self.read(&handle, 0, 32 * 1024);
        self.close(&handle);
        match read {
            Outcome::Done(data) => Ok(unhex(data.as_str().expect("hexadecimal"))),
            Outcome::Refused(1, _) => Ok(Vec::new()),
            Outcome::Refused(code, _) => Err(code),
        }
    }

    /// The names in a folder, as bytes.
    pub fn list(&mut self, path: impl AsRef<[u8]>) -> Result<Vec<Vec<u8>>, u32> {
        match self.ask("list", &json!([hex(path)])) {
            Outcome::Done(names) => {
                let names = names.as_array().expect("names").iter();
                Ok(names.map(|name| unhex(name.as_str().expect("hexadecimal"))).collect())
            }
            Outcome::Refused(code, _) => Err(code),
        }
    }

    /// Size, permissions, modified; `null` where not told.
    pub fn stat(&mut self, path: impl AsRef<[u8]>) -> Outcome {
        self.ask("stat", &json!([hex(path)]))
    }

    pub fn make_folder(&mut self, path: impl AsRef<[u8]>) -> Outcome {
        self.ask("mkdir", &json!([hex(path)]))
    }

    pub fn remove_folder(&mut self, path: impl AsRef<[u8]>) -> Outcome {
        self.ask("rmdir", &json!([hex(path)]))
    }

    pub fn remove(&mut self, path: impl AsRef<[u8]>) -> Outcome {
        self.ask("remove", &json!([hex(path)]))
    }

    pub fn rename(&mut self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Outcome {
        self.ask("rename", &json!([hex(from), hex(to)]))
    }

    /// posix-rename@openssh.com: replaces what is there.
    pub fn posix_rename(&mut self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Outcome {
        self.ask("posix_rename", &json!([hex(from), hex(to)]))
    }

    pub fn set_size(&mut self, path: impl AsRef<[u8]>, size: u64) -> Outcome {
        self.ask("set_size", &json!([hex(path), size]))
    }

    pub fn set_times(&mut self, path: impl AsRef<[u8]>, seconds: u32) -> Outcome {
        self.ask("set_times", &json!([hex(path), seconds]))
    }

    pub fn symlink(&mut self, target: impl AsRef<[u8]>, link: impl AsRef<[u8]>) -> Outcome {
        self.ask("symlink", &json!([hex(target), hex(link)]))
    }

    pub fn hardlink(&mut self, target: impl AsRef<[u8]>, link: impl AsRef<[u8]>) -> Outcome {
        self.ask("hardlink", &json!([hex(target), hex(link)]))
    }

    pub fn readlink(&mut self, path: impl AsRef<[u8]>) -> Outcome {
        self.ask("readlink", &json!([hex(path)]))
    }

    /// The value is the path in hexadecimal.
    pub fn realpath(&mut self, path: impl AsRef<[u8]>) -> Result<String, u32> {
        match self.ask("realpath", &json!([hex(path)])) {
            Outcome::Done(path) => {
                Ok(String::from_utf8_lossy(&unhex(path.as_str().expect("hexadecimal"))).into_owned())
            }
            Outcome::Refused(code, _) => Err(code),
        }
    }

    /// Vanishes as a crashed client does: nothing is closed.
    pub fn vanish(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |index: usize| u8::from_str_radix(&text[index..index + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(digit).collect()
}
