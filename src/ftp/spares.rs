//! Buffers of uploads, used again: each new one is cleared twice, by the system and by us, which a small file notices.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many are kept, for all sessions of a listener together.
const KEPT: usize = 16;

/// The spare buffers of a listener.
#[derive(Default)]
pub(super) struct Spares(Mutex<Vec<Vec<u8>>>);

impl Spares {
    /// A buffer of this length; what it holds means nothing.
    pub(super) fn take(&self, length: usize) -> Vec<u8> {
        let spare = self.kept().pop().filter(|buffer| buffer.len() == length);
        spare.unwrap_or_else(|| vec![0; length])
    }

    pub(super) fn give(&self, buffer: Vec<u8>) {
        let mut kept = self.kept();
        if kept.len() < KEPT {
            kept.push(buffer);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        // A list of buffers is right at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_for_the_same_length_alone() {
        let spares = Spares::default();
        let buffer = spares.take(64);
        let place = buffer.as_ptr();
        spares.give(buffer);
        let again = spares.take(64);
        assert_eq!(again.as_ptr(), place);
        spares.give(vec![1; 64]);
        assert_eq!(spares.take(128), [0; 128]);
    }

    #[test]
    fn no_more_are_kept_than_are_used() {
        let spares = Spares::default();
        (0..2 * KEPT).for_each(|_| spares.give(vec![0; 1]));
        assert_eq!(spares.kept().len(), KEPT);
    }
}
