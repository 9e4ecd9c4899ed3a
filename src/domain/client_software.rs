//! What clients say of themselves, made fit for logs and records.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most characters that are kept of what a client says it is.
const MOST: usize = 100;

/// The software that a client says it is (SSH's identification, FTP's CLNT): escaped, and cut to 100 characters. Empty
/// when it says nothing. Nothing is decided by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientSoftware(String);

impl ClientSoftware {
    /// Takes whatever the client said.
    pub fn said(text: &str) -> Self {
        Self(shown(text, MOST))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientSoftware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `text` without control characters and quotes, at most `most` characters long. A peer must not be able to write lines
/// of its own into a log, nor make one endless.
pub fn shown(text: &str, most: usize) -> String {
    let escaped: String = text.chars().take(most + 1).flat_map(char::escape_debug).collect();
    if escaped.chars().count() <= most {
        return escaped;
    }
    escaped.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_writes_no_lines_of_its_own_into_the_log() {
        assert_eq!(shown("paie-acme", 64), "paie-acme");
        assert_eq!(shown("a\nINFO granted \u{1b}[31m\"", 64), "a\\nINFO granted \\u{1b}[31m\\\"");
        let long = shown(&"x".repeat(100_000), 64);
        assert_eq!(long.chars().count(), 64);
        assert!(long.ends_with('…'));
        assert!(shown(&"\n".repeat(100), 64).chars().count() <= 64);
    }

    #[test]
    fn a_client_is_kept_as_it_calls_itself_within_bounds() {
        assert_eq!(ClientSoftware::said("SSH-2.0-OpenSSH_9.2p1 Debian-2").as_str(), "SSH-2.0-OpenSSH_9.2p1 Debian-2");
        assert_eq!(ClientSoftware::said("FileZilla\r\n3.66").to_string(), "FileZilla\\r\\n3.66");
        assert_eq!(ClientSoftware::said(&"é".repeat(500)).as_str().chars().count(), MOST);
        assert_eq!(ClientSoftware::default().as_str(), "");
    }
}
