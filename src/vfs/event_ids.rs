//! Identifiers of events that sort in the order in which they were given out.

use std::sync::{Mutex, PoisonError};

use crate::domain::{EventId, Random, Timestamp};

/// How many identifiers one millisecond has room for (12 bits: RFC 9562 §6.2, method 1).
const OF_A_MILLISECOND: u16 = 4_096;

/// Gives out identifiers, each higher than all before, also within a millisecond and when the clock goes back. What waits
/// to be recorded is sorted by them, by this process and by the next.
#[derive(Debug, Default)]
pub(super) struct EventIds(Mutex<(i64, u16)>);

impl EventIds {
    pub(super) fn next(&self, now: Timestamp, random: &dyn Random) -> EventId {
        let (millis, count) = {
            let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let (millis, count) = *last;
            let now = now.as_micros().div_euclid(1_000);
            *last = match () {
                () if now > millis => (now, 0),
                () if count + 1 < OF_A_MILLISECOND => (millis, count + 1),
                () => (millis + 1, 0),
            };
            *last
        };
        let mut drawn = [0; 10];
        random.fill(&mut drawn);
        drawn[..2].copy_from_slice(&count.to_be_bytes());
        EventId::new(Timestamp::from_micros(millis * 1_000), &Drawn(drawn))
    }
}

/// The bits of an identifier behind its time, drawn already: the count first.
struct Drawn([u8; 10]);

impl Random for Drawn {
    fn fill(&self, buffer: &mut [u8]) {
        for (byte, drawn) in buffer.iter_mut().zip(self.0) {
            *byte = drawn;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::OsRandom;

    #[test]
    fn each_is_higher_than_all_before_whatever_the_clock_does() {
        let ids = EventIds::default();
        let noon = Timestamp::from_seconds(1_795_456_800);
        // More than a millisecond has room for, then a clock that was set back.
        let times = std::iter::repeat_n(noon, 10_000).chain([noon.minus(std::time::Duration::from_secs(60)); 10]);
        let given: Vec<EventId> = times.map(|now| ids.next(now, &OsRandom)).collect();
        assert!(given.is_sorted_by(|one, next| one < next && one.to_string() < next.to_string()));
    }
}
