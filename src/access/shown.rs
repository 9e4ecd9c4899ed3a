//! How much is shown of what peers say; and warnings that a flood cannot multiply.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::Timestamp;

/// The most characters of a login that are shown.
pub(super) const LOGIN_CHARS: usize = 64;
/// The most characters of the algorithms of a connection.
pub(super) const ALGORITHMS_CHARS: usize = 200;

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
    fn a_flood_of_warnings_becomes_a_few_that_count() {
        let sparse = Sparse::default();
        let at = Timestamp::from_seconds;
        assert_eq!(sparse.tell(at(0)), Some(1));
        assert_eq!((sparse.tell(at(1)), sparse.tell(at(9))), (None, None));
        assert_eq!(sparse.tell(at(10)), Some(3));
    }
}
