//! Replies on their way to the client: a worker puts them in, the sender of the channel takes them out by the
//! half-megabyte and hands them to russh.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use russh::ChannelWriteHalf;
use russh::server::Msg;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::budget::Budget;

/// Past this a worker makes no long reply before the sender has taken some.
const PAUSE_AT: usize = 256 * 1024;
/// Past this the channel ends: only short replies that nobody reads get here, tens of thousands of them.
const END_AT: usize = 2 * 1024 * 1024;
/// The largest piece that russh gets at a time, whatever packet size the client announced: up to 64 of them wait there.
const PIECE: usize = 64 * 1024;

/// The replies of one channel.
#[derive(Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    /// For the sender: there is something, or the end.
    filled: Notify,
    /// For the worker: there is room.
    emptied: Notify,
}

#[derive(Default)]
struct State {
    replies: Vec<u8>,
    /// With this exit status.
    ended: Option<u32>,
}

/// Tens of thousands of replies wait, or none has left for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client does not read its replies")]
pub(super) struct NotRead;

impl Outbox {
    /// Puts replies in. Never waits.
    pub(super) fn put(&self, replies: &[u8]) -> Result<(), NotRead> {
        let mut state = self.state();
        if state.replies.len() + replies.len() > END_AT {
            return Err(NotRead);
        }
        state.replies.extend_from_slice(replies);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Puts a whole batch in, without a copy when nothing waits.
    pub(super) fn put_batch(&self, replies: Vec<u8>) -> Result<(), NotRead> {
        let mut state = self.state();
        if !state.replies.is_empty() {
            drop(state);
            return self.put(&replies);
        }
        state.replies = replies;
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Bytes that may be put in before a worker should pause.
    pub(super) fn room(&self) -> usize {
        PAUSE_AT.saturating_sub(self.state().replies.len())
    }

    /// Waits until there is room. Meanwhile the channel's bytes count as waiting for the client.
    pub(super) async fn has_room(&self, budget: &Budget, channel: u32) {
        if self.room() > 0 {
            return;
        }
        budget.set_sending(channel, true);
        loop {
            let emptied = self.emptied.notified();
            if self.room() > 0 {
                break;
            }
            emptied.await;
        }
        budget.set_sending(channel, false);
    }

    /// No more replies will come; what served the channel ends with `exit_status`.
    pub(super) fn end(&self, exit_status: u32) {
        self.state().ended = Some(exit_status);
        self.filled.notify_one();
    }

    /// All that waits; the exit status at the end.
    async fn take(&self) -> Result<Vec<u8>, u32> {
        loop {
            let filled = self.filled.notified();
            {
                let mut state = self.state();
                if !state.replies.is_empty() {
                    let replies = std::mem::take(&mut state.replies);
                    drop(state);
                    self.emptied.notify_one();
                    return Ok(replies);
                }
                if let Some(exit_status) = state.ended {
                    return Err(exit_status);
                }
            }
            filled.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is complete before anything can panic, so a poisoned state is still right.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends what the outbox holds, then closes the channel; stops at once when `gone` is cancelled, and cancels it at the
/// end. Fails when a piece is not taken for as long as `stall`.
///
/// The write half waits for the client's window on a notification that nobody fires once the channel or the session is
/// over; hence the race. And it waits for as long as a client likes that opens its window no more, or whose system takes
/// nothing: hence the time. Idleness would not end such a client while it asks for more.
pub(super) async fn send_all(
    outbox: &Outbox,
    writer: &ChannelWriteHalf<Msg>,
    gone: &CancellationToken,
    stall: Duration,
) -> Result<(), NotRead> {
    let sending = async {
        loop {
            match outbox.take().await {
                Ok(replies) => {
                    let mut replies = Bytes::from(replies);
                    while !replies.is_empty() {
                        let piece = replies.split_to(replies.len().min(PIECE));
                        match timeout(stall, writer.data_bytes(piece)).await {
                            Ok(sent) => sent?,
                            Err(_) => return Ok(Err(NotRead)),
                        }
                    }
                }
                Err(exit_status) => {
                    writer.exit_status(exit_status).await?;
                    writer.eof().await?;
                    writer.close().await?;
                    return Ok(Ok(()));
                }
            }
        }
    };
    let ended: Option<Result<_, russh::Error>> = gone.run_until_cancelled(sending).await;
    gone.cancel();
    match ended {
        Some(Ok(taken)) => taken,
        Some(Err(error)) => {
            tracing::debug!(%error, "The connection ended before all replies were sent");
            Ok(())
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_worker_pauses_when_much_waits_and_goes_on_when_it_was_taken() {
        let (outbox, budget) = (Outbox::default(), Budget::default());
        outbox.put_batch(vec![0; PAUSE_AT]).unwrap();
        assert!(outbox.has_room(&budget, 1).now_or_never().is_none());
        let (taken, ()) = tokio::join!(outbox.take(), outbox.has_room(&budget, 1));
        assert_eq!(taken.map(|replies| replies.len()), Ok(PAUSE_AT));
    }

    #[tokio::test]
    async fn what_was_put_before_the_end_is_taken_before_it() {
        let outbox = Outbox::default();
        outbox.put(b"ab").unwrap();
        outbox.put(b"c").unwrap();
        outbox.end(0);
        assert_eq!(outbox.take().await, Ok(b"abc".to_vec()));
        assert_eq!(outbox.take().await, Err(0));
    }

    #[test]
    fn replies_that_nobody_reads_have_a_bound() {
        let outbox = Outbox::default();
        outbox.put_batch(vec![0; END_AT]).unwrap();
        assert_eq!(outbox.put(b"x"), Err(NotRead));
    }
}
