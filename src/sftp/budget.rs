//! How much a connection may have asked for that is not done yet, in bytes.
//!
//! The task that reads the connection also sends its replies: while it waits for room here, nothing is sent. So it may
//! wait only for a worker that can free bytes without sending (one that writes to the disk). When every worker with
//! requests waits for its replies to leave, waiting would be for ever: then more is taken, up to a second bound, at
//! which a client that asks without ever reading the answers is cut off.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::spares::Spares;

/// Past this the reading of the connection pauses.
const PAUSE_AT: usize = 4 * 1024 * 1024;
/// Past this the connection ends, when nothing but the client can free bytes: twice what the deepest pipelines of real
/// clients hold (`sftp -R 256`), and what one connection may make the gateway keep.
const END_AT: usize = 16 * 1024 * 1024;

/// The client asks and asks, and does not read what it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {} MiB of requests wait for a client that does not read its replies", END_AT >> 20)]
pub(super) struct Overwhelmed;

/// The bytes of all requests of a connection that wait or are being served.
#[derive(Default)]
pub(super) struct Budget {
    state: Mutex<State>,
    freed: Notify,
    /// What is done gives its memory to what comes.
    pub(super) spares: Spares,
}

#[derive(Default)]
struct State {
    channels: HashMap<u32, Share>,
    queued: usize,
    /// Of `queued`, what belongs to workers that wait for replies to leave.
    held_by_sending: usize,
}

#[derive(Default)]
struct Share {
    queued: usize,
    sending: bool,
}

enum Room {
    Yes,
    Wait,
    Never,
}

impl Budget {
    /// Takes `bytes` for a channel's request, waiting for room if need be.
    pub(super) async fn take(&self, channel: u32, bytes: usize) -> Result<(), Overwhelmed> {
        loop {
            // Before looking, so that a change between looking and waiting is not missed.
            let freed = self.freed.notified();
            match self.try_take(channel, bytes) {
                Room::Yes => return Ok(()),
                Room::Never => return Err(Overwhelmed),
                Room::Wait => freed.await,
            }
        }
    }

    fn try_take(&self, channel: u32, bytes: usize) -> Room {
        let mut state = self.state();
        if state.queued >= PAUSE_AT {
            if state.queued > state.held_by_sending {
                return Room::Wait;
            }
            if state.queued >= END_AT {
                return Room::Never;
            }
        }
        let share = state.channels.entry(channel).or_default();
        share.queued += bytes;
        let sending = share.sending;
        state.queued += bytes;
        if sending {
            state.held_by_sending += bytes;
        }
        Room::Yes
    }

    /// A request of the channel is done.
    pub(super) fn free(&self, channel: u32, bytes: usize) {
        let mut state = self.state();
        // A channel that ended has given everything back already.
        let Some(share) = state.channels.get_mut(&channel) else { return };
        share.queued = share.queued.saturating_sub(bytes);
        let sending = share.sending;
        state.queued = state.queued.saturating_sub(bytes);
        if sending {
            state.held_by_sending = state.held_by_sending.saturating_sub(bytes);
        }
        drop(state);
        self.freed.notify_one();
    }

    /// Whether the channel's worker now waits for its replies to leave.
    pub(super) fn set_sending(&self, channel: u32, sending: bool) {
        let mut state = self.state();
        let share = state.channels.entry(channel).or_default();
        if share.sending == sending {
            return;
        }
        share.sending = sending;
        let queued = share.queued;
        if sending {
            state.held_by_sending += queued;
        } else {
            state.held_by_sending = state.held_by_sending.saturating_sub(queued);
        }
        drop(state);
        self.freed.notify_one();
    }

    /// The channel is over; whatever it held is free.
    pub(super) fn forget(&self, channel: u32) {
        let mut state = self.state();
        if let Some(share) = state.channels.remove(&channel) {
            state.queued = state.queued.saturating_sub(share.queued);
            if share.sending {
                state.held_by_sending = state.held_by_sending.saturating_sub(share.queued);
            }
        }
        drop(state);
        self.freed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is complete before anything can panic, so a poisoned state is still right.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn waits(budget: &Budget, channel: u32) -> bool {
        budget.take(channel, 1).now_or_never().is_none()
    }

    #[tokio::test]
    async fn past_the_bound_the_reader_waits_for_the_disk() {
        let budget = Budget::default();
        budget.take(1, PAUSE_AT).await.unwrap();
        assert!(waits(&budget, 1));
        let (taken, ()) = tokio::join!(budget.take(1, 10), async { budget.free(1, PAUSE_AT) });
        assert_eq!(taken, Ok(()));
    }

    #[tokio::test]
    async fn the_reader_never_waits_for_what_only_sending_can_free() {
        let budget = Budget::default();
        budget.take(1, PAUSE_AT).await.unwrap();
        let (taken, ()) = tokio::join!(budget.take(1, 10), async { budget.set_sending(1, true) });
        assert_eq!(taken, Ok(()));
        assert_eq!(budget.take(2, 10).await, Ok(()));
        // Channel 2 can now go on without sending: wait for it.
        assert!(waits(&budget, 1));
        budget.set_sending(2, true);
        assert_eq!(budget.take(1, END_AT).await, Ok(()));
        assert_eq!(budget.take(1, 1).await, Err(Overwhelmed));
    }

    #[tokio::test]
    async fn a_channel_that_ends_gives_everything_back() {
        let budget = Budget::default();
        budget.take(1, PAUSE_AT).await.unwrap();
        budget.set_sending(1, true);
        budget.forget(1);
        budget.free(1, PAUSE_AT);
        assert_eq!(budget.take(2, PAUSE_AT).await, Ok(()));
        assert!(waits(&budget, 2));
    }
}
