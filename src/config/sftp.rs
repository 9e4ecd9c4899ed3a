//! `[sftp]`: the listeners of SFTP, and the bounds of one connection.

use std::net::SocketAddr;
use std::time::Duration;

use super::reader::{REQUIRED, Reader, any, lasting, section, within};
use crate::domain::PresetName;

/// Where SFTP is served when no listener is named.
pub(super) const DEFAULT_LISTENER: &str = "0.0.0.0:2022";

section! {
    /// An address on which SFTP is served.
    SftpListener {
        /// The address and port. Without any `[[sftp.listeners]]`, one listener is at 0.0.0.0:2022. `[::]:2022` takes
        /// IPv6 and, on most systems, IPv4.
        address: SocketAddr = REQUIRED, any();
        /// The preset whose accounts alone may sign in here; "": those of every preset.
        preset: Option<PresetName> = "\"\"", any();
    }
}

section! {
    /// SFTP.
    SftpSettings {
        /// After how much silence the peer is asked whether it is there; the third question without an answer ends the
        /// connection.
        keepalive: Duration = "1m", lasting("1s", "1h");
        /// Channels of one connection.
        channels: usize = "10", within(1, 1000);
        /// Files and folders that one channel may have open.
        handles: usize = "128", within(1, 65_536);
        /// After how many MiB each way a connection changes its keys.
        rekey_mib: u64 = "1024", within(1, 65_536);
        /// Whether scp's old protocol is served too, for scripts that use `scp` of before OpenSSH 9 or `scp -O`.
        scp: bool = "true", any();
    }
    and {
        /// The addresses to serve on; each may be bound to a preset.
        listeners: Vec<SftpListener> = read_listeners;
    }
}

fn read_listeners(reader: &mut Reader<'_>) -> Option<Vec<SftpListener>> {
    match reader.sections("listeners")? {
        None => {
            let address = DEFAULT_LISTENER.parse().expect("the default listener is written in this program");
            Some(vec![SftpListener { address, preset: None }])
        }
        Some(listeners) if listeners.is_empty() => {
            reader.problem("listeners", "is empty: name an address, or leave it out for 0.0.0.0:2022");
            None
        }
        Some(listeners) => Some(listeners),
    }
}
