//! Buffers of large packets, used again.
//!
//! An upload moves thousands of packets of 256 KiB. Buffers of that size go back to the system when they are freed, and
//! each new one is cleared by it, page by page: a fifth of what an upload cost (figures: docs/performance.md).

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// What is smaller, the allocator itself uses again.
const LARGE: usize = 64 * 1024;
/// How many are kept: a megabyte for a connection, which is what goes back and forth while its disk keeps up.
const KEPT: usize = 4;

/// The spare buffers of a connection.
#[derive(Default)]
pub(super) struct Spares(Mutex<Vec<Vec<u8>>>);

impl Spares {
    /// An empty buffer with room for this many bytes.
    pub(super) fn take(&self, length: usize) -> Vec<u8> {
        let spare = if length >= LARGE { self.kept().pop() } else { None };
        let mut buffer = spare.unwrap_or_default();
        buffer.reserve_exact(length);
        buffer
    }

    /// Gives back the buffer behind `data`, when nothing else holds it.
    pub(super) fn give(&self, data: Bytes) {
        if data.len() < LARGE {
            return;
        }
        let Ok(mut buffer) = data.try_into_mut() else { return };
        // Before it becomes a vector: that would move the bytes to its beginning.
        buffer.clear();
        let buffer = Vec::from(buffer);
        let mut kept = self.kept();
        if kept.len() < KEPT {
            kept.push(buffer);
        }
    }

    /// Lets go of them all: an upload ended, and an idle connection shall cost little.
    pub(super) fn clear(&self) {
        self.kept().clear();
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        // A list of empty buffers is right at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(spares: &Spares, length: usize) -> (Bytes, *const u8) {
        let mut buffer = spares.take(length);
        buffer.resize(length, 7);
        let place = buffer.as_ptr();
        // As a packet is read: its data is a part of it.
        (Bytes::from(buffer).slice(25..), place)
    }

    #[test]
    fn a_large_buffer_is_used_again_empty_and_whole() {
        let spares = Spares::default();
        let (data, first) = packet(&spares, 200_000);
        spares.give(data);
        let again = spares.take(200_000);
        assert_eq!((again.as_ptr(), again.len()), (first, 0));
        assert!(again.capacity() >= 200_000);
        let other = spares.take(200_000);
        assert_ne!(other.as_ptr(), first);
    }

    #[test]
    fn what_is_small_or_still_held_is_not_kept() {
        let spares = Spares::default();
        spares.give(packet(&spares, 1_000).0);
        let (data, _) = packet(&spares, 200_000);
        spares.give(data.clone());
        assert!(spares.kept().is_empty());
        assert_eq!(data[0], 7);
    }

    #[test]
    fn their_number_is_bounded_and_they_can_be_let_go() {
        let spares = Spares::default();
        let all: Vec<Bytes> = (0..2 * KEPT).map(|_| packet(&spares, 100_000).0).collect();
        all.into_iter().for_each(|data| spares.give(data));
        assert_eq!(spares.kept().len(), KEPT);
        spares.clear();
        assert!(spares.kept().is_empty());
    }
}
