//! The audit log, checked by the command on real databases, and its export, by the program of docs/OPERATIONS.md.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{Database, Finished, Gateway, NewAccount, Options, TestDir, require, run};

const PATIENCE: Duration = Duration::from_secs(60);
const PYTHON: &str = "/usr/bin/python3";
const OPERATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPERATIONS.md");
const BY_SQLITE: &str = "\
import sqlite3, sys
with sqlite3.connect(sys.argv[1], timeout=10) as database:
    for statement in sys.argv[2:]:
        database.execute(statement)
";

/// A database, and commands that work on it.
struct Place {
    folder: TestDir,
    url: String,
}

impl Place {
    fn at(url: impl Fn(&TestDir) -> String) -> Self {
        let folder = TestDir::new();
        let url = url(&folder);
        folder.file("gateway.toml", format!("[database]\nurl = {url:?}\n"));
        Self { folder, url }
    }

    fn command(&self, arguments: &[&str]) -> Finished {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lucca-gateway"));
        command.args(arguments).args(["--config", "gateway.toml"]);
        command.current_dir(self.folder.path()).env_remove("RUST_LOG");
        run(&mut command, PATIENCE)
    }

    /// A row of the log.
    fn make_token(&self, name: &str) {
        let made = self.command(&["operator", "token", "create", "--name", name]);
        assert!(made.succeeded(), "{}", made.said());
    }

    /// Does to the database what the gateway would not.
    fn tamper(&self, statement: &str) {
        let mut command = match self.url.strip_prefix("sqlite:") {
            Some(file) => {
                require(PYTHON);
                let mut command = Command::new(PYTHON);
                command.args(["-c", BY_SQLITE, file, statement]);
                command
            }
            None => {
                require("psql");
                let mut command = Command::new("psql");
                command.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--command", statement, &self.url]);
                command
            }
        };
        let done = run(&mut command, PATIENCE);
        assert!(done.succeeded(), "{}", done.said());
    }

    /// What it prints when all is well; its last line is the head's hash.
    fn verified(&self) -> String {
        let verified = self.command(&["audit", "verify"]);
        assert!(verified.succeeded(), "{}", verified.said());
        verified.stdout
    }

    #[track_caller]
    fn expect_fault(&self, arguments: &[&str], told: &str) {
        let verified = self.command(&[&["audit", "verify"], arguments].concat());
        assert_eq!(verified.status.and_then(|status| status.code()), Some(1), "{}", verified.said());
        assert!(verified.stderr.contains(told), "no {told:?}: {}", verified.said());
    }
}

fn head_of(told: &str) -> &str {
    told.lines().last().expect("a last line")
}

fn every_tampering_is_found(place: &Place) {
    for number in 1..=6 {
        place.make_token(&format!("token {number}"));
    }
    let told = place.verified();
    assert!(told.starts_with("6 rows, the first of 2") && told.contains("head: row 6\n"), "{told}");
    let noted = head_of(&told).to_owned();
    for (change, fault, back) in [
        ("label = 'x' WHERE position = 1", "row 1 (", "label = 'token 1' WHERE position = 1"),
        ("operator = 'x' WHERE position = 3", "row 3 (", "operator = 'command line' WHERE position = 3"),
        ("label = 'x' WHERE position = 6", "row 6 (", "label = 'token 6' WHERE position = 6"),
    ] {
        place.tamper(&format!("UPDATE audit SET {change}"));
        place.expect_fault(&[], fault);
        place.expect_fault(&[], ") was changed");
        place.tamper(&format!("UPDATE audit SET {back}"));
        place.verified();
    }
    // The chain goes on, and the head that was noted is still in it.
    place.make_token("token 7");
    let again = place.command(&["audit", "verify", "--expect-head", &noted]);
    assert!(again.succeeded() && again.stdout.contains("row 6 has the hash that was expected"), "{}", again.said());
    let noted = head_of(&again.stdout).to_owned();

    for (removed, fault) in [
        (4, "row 4 is missing, between row 3 and row 5"),
        (1, "row 1 is missing, between row 0 and row 2"),
        (7, "row 7 is missing, between row 6 and row 8"),
    ] {
        place.tamper(&format!("DELETE FROM audit WHERE position = {removed}"));
        place.expect_fault(&[], fault);
    }
    // Everything made anew, with its head: only what was noted elsewhere tells.
    place.tamper("DELETE FROM audit");
    place.tamper("UPDATE audit_chain SET head = 0, head_hash = forgotten_hash");
    place.verified();
    place.expect_fault(&["--expect-head", &noted], &format!("no row has the hash {noted}"));
}

#[test]
fn every_tampering_is_found_on_sqlite() {
    every_tampering_is_found(&Place::at(|folder| format!("sqlite:{}", folder.join("gateway.db").display())));
}

#[test]
fn every_tampering_is_found_on_postgres() {
    let database = Database::fresh();
    every_tampering_is_found(&Place::at(|_| database.url.clone()));
}

#[test]
fn an_export_is_proven_by_the_documented_program_and_has_the_commands_head() {
    let gateway = Gateway::start(&Options::default());
    let account = NewAccount::new().folder("/dépôt", "read-write").with("name", "Paie \"été\"").make(&gateway);
    account.api.remove_account(&account.id).ok();
    let api = gateway.api();
    let export = String::from_utf8(api.get("/audit/export").body).expect("text");
    let rows: Vec<serde_json::Value> =
        export.lines().map(|line| serde_json::from_str(line).expect("JSON on each line")).collect();
    let of_account: Vec<_> = rows.iter().filter(|row| row["account"] == account.id.as_str()).collect();
    assert_eq!(of_account.iter().map(|row| &row["action"]).collect::<Vec<_>>(), ["account.created", "account.removed"]);
    assert_eq!(of_account[1]["before"]["name"], "Paie \"été\"");
    assert!(rows.iter().any(|row| row["operator"] == "try"), "what `try` made is recorded as well");
    let listed = api.get(&format!("/audit?account={}", account.id)).ok();
    assert_eq!(listed["items"][0], *of_account[1]);

    let (proven, last) = check(&export);
    assert!(proven, "{last}");
    let place = Place::at(|_| gateway.database_url());
    assert_eq!(last.trim(), head_of(&place.verified()));
    // The program notices what it is for.
    let (proven, _) = check(&export.replacen("été", "hiver", 1));
    assert!(!proven);
    let (proven, _) = check(&export.lines().take(1).chain(export.lines().skip(2)).collect::<Vec<_>>().join("\n"));
    assert!(!proven);
}

/// What the documented program says of an export: whether it proves it, and what it prints.
fn check(export: &str) -> (bool, String) {
    require(PYTHON);
    let operations = std::fs::read_to_string(OPERATIONS).expect("docs/OPERATIONS.md");
    let program = operations.split("```python\n").nth(2).and_then(|rest| rest.split("```").next());
    let mut child = Command::new(PYTHON)
        .args(["-c", program.expect("a second program")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut input = child.stdin.take().expect("its input is ours");
    // One that has seen enough reads no more.
    let _ = input.write_all(export.as_bytes());
    drop(input);
    let done = child.wait_with_output().expect("python3 ends");
    (done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned())
}
