//! What peers say of themselves, made fit for logs and records; and warnings that a flood cannot multiply.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::Timestamp;

/// The most characters of a login that are shown.
pub(super) const LOGIN_CHARS: usize = 64;
/// The most characters of a client's software that are shown.
pub(super) const CLIENT_CHARS: usize = 100;
/// The most characters of the algorithms of a connection.
pub(super) const ALGORITHMS_CHARS: usize = 200;

/// `text` without control characters and quotes, at most `most` characters long. A peer must not be able to write lines
/// of its own into a log, nor make one endless.
pub(super) fn shown(text: &str, most: usize) -> String {
    let escaped: String = text.chars().take(most + 1).flat_map(char::escape_debug).collect();
    if escaped.chars().count() <= most {
        return escaped;
    }
    escaped.chars().take(most - 1).chain(['…']).collect()
}

/// Lets one of many like warnings through every ten seconds, with how many there were since the last.
#[derive(Default)]
pub(super) struct Sparse(Mutex<Recent>);

#[derive(Default)]
struct Recent {
    told_at: Option<Timestamp>,
    untold: u64,
}

impl Sparse {
    const PAUSE: Duration = Duration::from_secs(10);

    /// Counts one; the number to tell, if it is time to tell.
    pub(super) fn tell(&self, now: Timestamp) -> Option<u64> {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.untold += 1;
        if recent.told_at.is_some_and(|told_at| now.since(told_at) < Self::PAUSE) {
            return None;
        }
        recent.told_at = Some(now);
        Some(std::mem::take(&mut recent.untold))
    }
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
    fn a_flood_of_warnings_becomes_a_few_that_count() {
        let sparse = Sparse::default();
        let at = Timestamp::from_seconds;
        assert_eq!(sparse.tell(at(0)), Some(1));
        assert_eq!((sparse.tell(at(1)), sparse.tell(at(9))), (None, None));
        assert_eq!(sparse.tell(at(10)), Some(3));
    }
}
