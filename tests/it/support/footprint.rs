//! What a gateway holds of the system: to see that nothing is left of what is over.

use std::collections::HashMap;
use std::fmt;
use std::time::Instant;

use super::Gateway;
use super::ftp::PATIENCE;

/// Descriptors that may come and go beside the test: the pools of the database and of the API's clients.
const OTHERS: usize = 12;
/// Tasks that may come and go beside the test, for the same reasons.
const OTHER_TASKS: usize = 12;

/// What one gateway holds at one moment.
#[derive(Clone)]
pub struct Footprint {
    /// All descriptors.
    descriptors: usize,
    /// Sockets of FTP's listeners and data ports, by their port and whether they listen; those of listeners too.
    sockets: Vec<(u16, bool)>,
    /// Files of logins, and staged ones.
    files: usize,
    /// Tasks of its runtime.
    tasks: usize,
    /// Connections of all types, as its metrics count them.
    connections: usize,
}

impl Footprint {
    pub fn of(gateway: &Gateway) -> Self {
        let table = Table::read(gateway.pid());
        let mut footprint = Self {
            descriptors: 0,
            sockets: Vec::new(),
            files: 0,
            tasks: gateway.metric("lucca_gateway_tasks"),
            connections: gateway.metric("lucca_gateway_open_connections"),
        };
        let ports = [gateway.told()["ftps"]["port"].as_u64(), gateway.told()["ftpes"]["port"].as_u64()];
        let storage = gateway.directory("", "", "").display().to_string();
        for entry in std::fs::read_dir(format!("/proc/{}/fd", gateway.pid())).expect("a running process").flatten() {
            let Ok(target) = std::fs::read_link(entry.path()) else { continue };
            let target = target.display().to_string();
            footprint.descriptors += 1;
            if target.starts_with(&storage) && !target.ends_with("/.lock") && !entry.path().is_dir() {
                footprint.files += 1;
            }
            let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
            if let Some((port, listens)) = inode.and_then(|inode| table.0.get(inode))
                && (ports.contains(&Some(u64::from(*port))) || is_data_port(*port))
            {
                footprint.sockets.push((*port, *listens));
            }
        }
        footprint.sockets.sort_unstable();
        footprint
    }

    /// Whether nothing but listeners is left of FTP.
    pub fn has_no_connection(&self) -> bool {
        self.connections == 0
            && self.files == 0
            && self.sockets.iter().all(|(port, listens)| *listens && !is_data_port(*port))
    }

    /// How many data ports it waits on.
    pub fn waiting_ports(&self) -> usize {
        self.sockets.iter().filter(|(port, listens)| *listens && is_data_port(*port)).count()
    }

    /// Waits until nothing is left but what was there before. `self` was taken after something like it had happened
    /// once, so that what is kept for good (pools of connections, threads) was there already.
    pub fn is_left(&self, gateway: &Gateway) {
        let start = Instant::now();
        loop {
            let now = Self::of(gateway);
            if now.fits(self) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "before: {self}\nleft: {now}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    fn fits(&self, before: &Self) -> bool {
        self.sockets == before.sockets
            && self.files <= before.files
            && self.connections == before.connections
            && self.descriptors <= before.descriptors + OTHERS
            && self.tasks <= before.tasks + OTHER_TASKS
    }
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { descriptors, sockets, files, tasks, connections } = self;
        write!(f, "{descriptors} descriptors, {files} files, {tasks} tasks, {connections} connections, {sockets:?}")
    }
}

/// The default of `ftp.passive_ports`.
fn is_data_port(port: u16) -> bool {
    (50_000..=50_999).contains(&port)
}

/// The TCP sockets of this machine by inode: local port, and whether it listens.
struct Table(HashMap<String, (u16, bool)>);

impl Table {
    fn read(pid: u32) -> Self {
        let mut sockets = HashMap::new();
        for version in ["tcp", "tcp6"] {
            let text = std::fs::read_to_string(format!("/proc/{pid}/net/{version}")).unwrap_or_default();
            for line in text.lines().skip(1) {
                // proc_net_tcp: sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode.
                let fields: Vec<&str> = line.split_whitespace().collect();
                let port = fields[1].rsplit(':').next().and_then(|port| u16::from_str_radix(port, 16).ok());
                sockets.insert(fields[9].to_owned(), (port.expect("a port"), fields[3] == "0A"));
            }
        }
        Self(sockets)
    }
}
