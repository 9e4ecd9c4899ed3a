//! When a delivery that failed is tried again.

use std::time::Duration;

use crate::domain::Random;

/// The pause after the first attempt; each further one is twice the one before.
const FIRST: Duration = Duration::from_secs(5);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(3_600);

/// The pause after so many attempts: 5 s, 10 s, 20 s … up to an hour, each up to a fifth shorter or longer by chance, so
/// that what failed together does not come back together.
pub(super) fn pause_after(tries: u32, random: &dyn Random) -> Duration {
    let doublings = tries.saturating_sub(1).min(16);
    let pause = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    let mut chance = [0; 2];
    random.fill(&mut chance);
    // 0.8 to 1.2 of it.
    pause.mul_f64(0.8 + 0.4 * f64::from(u16::from_le_bytes(chance)) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::OsRandom;

    #[test]
    fn pauses_double_up_to_an_hour_and_differ_by_chance() {
        for (tries, seconds) in [(1, 5.0), (2, 10.0), (5, 80.0), (10, 2_560.0), (11, 3_600.0), (u32::MAX, 3_600.0)] {
            for _ in 0..50 {
                let pause = pause_after(tries, &OsRandom).as_secs_f64();
                assert!((seconds * 0.79..=seconds * 1.21).contains(&pause), "{tries}: {pause}");
            }
        }
        let pauses: std::collections::HashSet<Duration> = (0..50).map(|_| pause_after(3, &OsRandom)).collect();
        assert!(pauses.len() > 25, "{}", pauses.len());
    }

    #[test]
    fn three_days_are_some_eighty_attempts() {
        struct Middle;
        impl Random for Middle {
            fn fill(&self, buffer: &mut [u8]) {
                buffer.fill(0x7f);
            }
        }
        let (mut tries, mut passed) = (0, Duration::ZERO);
        while passed < Duration::from_secs(3 * 86_400) {
            tries += 1;
            passed += pause_after(tries, &Middle);
        }
        assert_eq!(tries, 81);
    }
}
