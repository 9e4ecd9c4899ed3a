//! The events of an account, as the database keeps them.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::{Account, Gateway, eventually, require, run};

const PATIENCE: Duration = Duration::from_secs(20);

/// One line an event, by position: its id, its kind, its data.
const BY_SQLITE: &str = "\
import sqlite3, sys
database = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True, timeout=10)
for row in database.execute('SELECT id, kind, data FROM events WHERE account = ? ORDER BY position', sys.argv[2:]):
    print('\\t'.join(row))
";

/// An event: its kind and its data.
pub type Event = (String, Value);

impl Account {
    /// What was told of it so far, in its order.
    pub fn events(&self, gateway: &Gateway) -> Vec<Event> {
        let url = gateway.database_url();
        let mut command = match url.strip_prefix("sqlite:") {
            Some(file) => {
                require("/usr/bin/python3");
                let mut command = Command::new("/usr/bin/python3");
                command.args(["-c", BY_SQLITE, file, &self.id]);
                command
            }
            None => {
                require("psql");
                let statement = format!(
                    "SELECT id || chr(9) || kind || chr(9) || data FROM events WHERE account = '{}' ORDER BY position",
                    self.id
                );
                let mut command = Command::new("psql");
                command.args(["--no-psqlrc", "--tuples-only", "--no-align", "--command", &statement, &url]);
                command
            }
        };
        let finished = run(&mut command, PATIENCE);
        assert!(finished.succeeded(), "{}", finished.said());
        let event = |line: &str| {
            let mut parts = line.splitn(3, '\t').skip(1);
            let mut part = || parts.next().expect("three parts").to_owned();
            let (kind, data) = (part(), part());
            (kind, serde_json::from_str(&data).expect("JSON"))
        };
        finished.stdout.lines().filter(|line| !line.is_empty()).map(event).collect()
    }

    /// What was told of its files, once there is as much: kind and path of each.
    pub fn file_events(&self, gateway: &Gateway, count: usize) -> Vec<(String, String)> {
        eventually(PATIENCE, "its events", || {
            let events = self.events(gateway).into_iter().filter(|(kind, _)| kind.starts_with("file."));
            let path = |data: &Value| data["path"].as_str().unwrap_or_default().to_owned();
            let told: Vec<_> = events.map(|(kind, data)| (kind, path(&data))).collect();
            (told.len() >= count).then_some(told)
        })
    }
}
