//! What the server asks of the kernel, and when: nothing is acknowledged before it lasts. Seen from outside, in a trace
//! of the real program's system calls.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Outcome, Proof, Session, Target, TestDir, eventually, flags, require};

const PATIENCE: Duration = Duration::from_secs(60);
/// Whatever makes something last or tells somebody.
const CALLS: &str = "trace=fdatasync,fsync,renameat2,unlinkat,mkdirat,pwrite64,write,writev,sendto,sendmsg";

/// A gateway under strace.
struct Traced {
    folder: TestDir,
    strace: Child,
    watchdog: Child,
    told: Value,
}

/// A system call: its line of the trace where it began, and where it ended.
#[derive(Debug)]
struct Call {
    text: String,
    began: usize,
    ended: usize,
}

impl Call {
    /// Whether it has this name, and this in its line.
    fn is(&self, (name, what): (&str, &str)) -> bool {
        self.text.starts_with(&format!("{name}(")) && self.text.contains(what)
    }

    /// What it answered stands behind the last sign of equality, with more or fewer spaces before it.
    fn succeeded(&self) -> bool {
        let answer = self.text.rsplit_once("= ");
        answer.is_some_and(|(call, answer)| call.trim_end().ends_with(')') && !answer.starts_with("-1"))
    }
}

impl Traced {
    fn start() -> Self {
        require("strace");
        let folder = TestDir::new();
        let json = folder.join("try.json");
        let mut strace = Command::new("strace")
            .args(["-f", "--seccomp-bpf", "-yy", "-qq", "-s", "64", "-e", CALLS, "-o"])
            .arg(folder.join("trace"))
            .arg(env!("CARGO_BIN_EXE_lucca-gateway"))
            .args(["try", "--sftp", "127.0.0.1:0", "--api", "127.0.0.1:0", "--internal", "127.0.0.1:0", "--json"])
            .arg(&json)
            .arg("--data")
            .arg(folder.join("data"))
            .env_remove("RUST_LOG")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("log")).expect("a file for its log"))
            .spawn()
            .expect("strace starts");
        let told: Value = eventually(PATIENCE, "the traced gateway writes its JSON", || {
            if let Some(status) = strace.try_wait().expect("a child that can be waited for") {
                panic!("{status}: {}", std::fs::read_to_string(folder.join("log")).unwrap_or_default());
            }
            serde_json::from_slice(&std::fs::read(&json).ok()?).ok()
        });
        // strace alone would be survived by what it traces; however this test ends, the pipe to this one breaks.
        let watchdog = Command::new("sh")
            .args(["-c", "trap '' INT TERM; read -r _; kill -9 \"$1\"", "watchdog"])
            .arg(told["pid"].to_string())
            .stdin(Stdio::piped())
            .spawn()
            .expect("a watchdog");
        Self { folder, strace, watchdog, told }
    }

    fn port(&self) -> u16 {
        u16::try_from(self.told["sftp"]["port"].as_u64().expect("sftp.port")).expect("a port")
    }

    fn session(&self) -> Session {
        let account = &self.told["accounts"][0];
        let text = |key: &str| account[key].as_str().expect("a text").to_owned();
        let password = text("password");
        Session::open(&Target::new(self.port(), &text("login"), Proof::Password(&password))).expect("a session")
    }

    /// Where the demo account's `/inbox` is on the disk.
    fn inbox(&self) -> PathBuf {
        PathBuf::from(self.told["accounts"][0]["folders"][0]["directory"].as_str().expect("a directory"))
    }

    /// Everything so far, in the order in which it began.
    fn calls(&self) -> Vec<Call> {
        let trace = std::fs::read(self.folder.join("trace")).expect("a trace");
        let trace = String::from_utf8_lossy(&trace);
        let mut calls: Vec<Call> = Vec::new();
        let mut unfinished: std::collections::HashMap<&str, usize> = std::collections::HashMap::new();
        for (line, text) in trace.lines().enumerate() {
            let (thread, text) = text.split_once(' ').unwrap_or_default();
            if text.contains(" resumed>") {
                if let Some(call) = unfinished.remove(thread) {
                    calls[call].ended = line;
                    calls[call].text.push_str(text);
                }
                continue;
            }
            let is_unfinished = text.ends_with("<unfinished ...>");
            if is_unfinished {
                unfinished.insert(thread, calls.len());
            }
            let ended = if is_unfinished { usize::MAX } else { line };
            calls.push(Call { text: text.trim_start().to_owned(), began: line, ended });
        }
        calls
    }

    /// How much of the trace there is.
    fn mark(&self) -> usize {
        self.calls().len()
    }

    /// Asserts that after `mark` these calls happened one after the other, each ended before the next began, and that
    /// the client heard nothing before the last had ended, and then something. Each is a name and what its line holds.
    fn assert_order(&self, mark: usize, steps: &[(&str, &str)]) {
        let peer = format!("TCP:[127.0.0.1:{}->", self.port());
        // The trace may still be about to tell of the reply before this one; nothing was asked before it was heard.
        let reply_in = |calls: &[Call]| {
            let first = calls.iter().position(|call| call.is(steps[0]))?;
            calls[first..].iter().find(|call| call.text.contains(&peer)).map(|call| call.began)
        };
        let reply = eventually(PATIENCE, "the trace tells of the first step and then of a reply", || {
            reply_in(&self.calls()[mark..])
        });
        let calls = &self.calls()[mark..];
        let told: String = calls.iter().map(|call| format!("{}..{} {}\n", call.began, call.ended, call.text)).collect();
        let mut after = 0;
        for (name, what) in steps {
            let call = calls.iter().find(|call| call.is((name, what)) && call.began >= after);
            let call = call.unwrap_or_else(|| panic!("no {name} of {what} in its place:\n{told}"));
            assert!(call.ended < reply, "{name} of {what} had not ended when the client was answered:\n{told}");
            assert!(call.succeeded(), "it failed: {}", call.text);
            after = call.ended;
        }
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        // Breaks the pipe; the gateway ends, and strace with it.
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
        let _ = self.strace.wait();
    }
}

#[test]
fn an_upload_is_answered_when_it_lasts() {
    let gateway = Traced::start();
    let inbox = gateway.inbox().display().to_string();
    let mut session = gateway.session();
    for (round, contents) in [b"premier".as_slice(), b"second, plus long", b""].into_iter().enumerate() {
        let handle = session.open_file("/inbox/bulletins.csv", flags::UPLOAD).value();
        if !contents.is_empty() {
            assert!(session.write(&handle, 0, contents).is_done());
        }
        let mark = gateway.mark();
        assert!(session.close(&handle).is_done(), "round {round}");
        let folder = format!("{inbox}>");
        gateway.assert_order(
            mark,
            &[
                ("fdatasync", ".data>"),
                ("fsync", "/.staging/"),
                ("pwrite64", ".json>"),
                ("fdatasync", ".json>"),
                ("renameat2", "bulletins.csv"),
                ("fsync", &folder),
            ],
        );
    }
}

#[test]
fn what_is_made_renamed_or_removed_is_answered_when_it_lasts() {
    let gateway = Traced::start();
    let inbox = gateway.inbox().display().to_string();
    let (inbox_folder, other_folder) = (format!("{inbox}>"), format!("{inbox}/autre>"));
    let mut session = gateway.session();
    assert!(session.upload("/inbox/a.csv", b"un").is_done());
    let mut answered_after = |ask: &dyn Fn(&mut Session) -> Outcome, steps: &[(&str, &str)]| {
        let mark = gateway.mark();
        let outcome = ask(&mut session);
        assert!(outcome.is_done(), "{outcome:?}");
        gateway.assert_order(mark, steps);
    };
    answered_after(&|session| session.make_folder("/inbox/autre"), &[("mkdirat", "autre"), ("fsync", &inbox_folder)]);
    let moved = ("renameat2", "a.csv");
    answered_after(
        &|session| session.rename("/inbox/a.csv", "/inbox/autre/b.csv"),
        &[moved, ("fsync", &other_folder), ("fsync", &inbox_folder)],
    );
    answered_after(&|session| session.remove("/inbox/autre/b.csv"), &[("unlinkat", "b.csv"), ("fsync", &other_folder)]);
    answered_after(
        &|session| session.remove_folder("/inbox/autre"),
        &[("unlinkat", "autre"), ("fsync", &inbox_folder)],
    );
}
