//! Whether the clock can be believed, before what is past its term is removed.
//!
//! A clock that leaps forward (a wrong time server, a machine that woke with another time) makes every term end at once:
//! trash, incomplete uploads and history would be gone for good. So the clock is held against one that only counts.

use std::time::Duration;

use crate::domain::Timestamp;

/// By how much the clock may gain on the one that counts between two looks.
const LEAP: Duration = Duration::from_secs(3600);
/// How long a clock that leapt is doubted. Someone had time to put it right then, or it was wrong before.
const DOUBT: Duration = Duration::from_secs(24 * 3600);

/// What was seen of the clock so far.
#[derive(Debug, Default)]
pub(super) struct ClockWatch {
    /// When it was last believed, by both clocks.
    believed: Option<(Timestamp, Duration)>,
    /// Since when it is doubted, by the clock that counts.
    doubted: Option<Duration>,
}

impl ClockWatch {
    /// A look at the clock, `counted` after some fixed moment. Fails with how far it has leapt, while it is doubted.
    pub(super) fn look(&mut self, now: Timestamp, counted: Duration) -> Result<(), Duration> {
        if let Some((then, counted_then)) = self.believed {
            let gained = now.since(then).saturating_sub(counted.saturating_sub(counted_then));
            let since = *self.doubted.get_or_insert(counted);
            if gained > LEAP && counted.saturating_sub(since) < DOUBT {
                return Err(gained);
            }
        }
        (self.believed, self.doubted) = (Some((now, counted)), None);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60;
    const DAY: u64 = 24 * 3600;

    /// Looks, told as the clock's and the counted seconds; answers which found it believable.
    fn looks(seen: &[(u64, u64)]) -> Vec<bool> {
        let mut watch = ClockWatch::default();
        let of = |(clock, counted): &(u64, u64)| {
            let now = Timestamp::from_seconds(1_000_000).plus(Duration::from_secs(*clock));
            watch.look(now, Duration::from_secs(*counted)).is_ok()
        };
        seen.iter().map(of).collect()
    }

    #[test]
    fn a_clock_that_goes_or_is_set_by_a_little_or_back_is_believed() {
        let seen =
            [(10 * DAY, 0), (10 * DAY + 10 * MINUTE, 10 * MINUTE), (10 * DAY + 65 * MINUTE, 20 * MINUTE), (0, DAY)];
        assert_eq!(looks(&seen), [true; 4]);
    }

    #[test]
    fn a_long_time_between_two_looks_is_no_leap() {
        assert_eq!(looks(&[(0, 0), (40 * DAY, 40 * DAY)]), [true, true]);
    }

    #[test]
    fn a_clock_that_leapt_is_doubted_until_it_is_put_right() {
        let seen = [(0, 0), (40 * DAY, 10 * MINUTE), (40 * DAY + 10 * MINUTE, 20 * MINUTE), (30 * MINUTE, 30 * MINUTE)];
        assert_eq!(looks(&seen), [true, false, false, true]);
    }

    #[test]
    fn a_clock_that_leapt_and_stays_there_is_believed_in_the_end() {
        let leapt = |counted| (40 * DAY + counted, counted);
        let seen = [(0, 0), leapt(MINUTE), leapt(DAY), leapt(DAY + MINUTE), leapt(DAY + 2 * MINUTE)];
        assert_eq!(looks(&seen), [true, false, false, true, true]);
    }
}
