//! The protocol of the old `scp` (and `rcp` before it), for scripts that do not speak SFTP: `scp -O`, old PuTTY and
//! libssh2 programs.
//!
//! It was never standardised; this follows OpenSSH's `scp.c`. One side is the source, the other the sink. The source
//! announces a file (`C0644 size name`), a folder (`D0755 0 name` … `E`) or times (`T…`), the sink answers each line
//! with a byte 0 or an error line, then the file's bytes follow and a byte 0 from either side.

mod command;
mod sink;
mod source;

use std::sync::Arc;

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::debug;

pub(super) use command::{Command, Direction};

use super::budget::{Budget, Overwhelmed};
use super::outbox::NotRead;
use super::subsystem::Channel;

/// The longest line: a name of 255 bytes, sizes, and room for a warning of the other side.
const LONGEST_LINE: usize = 8 * 1024;
/// What a piece of input costs beyond its bytes.
const PIECE_COST: usize = 64;

/// The receiving end of a channel: queues what the client sends.
pub(super) struct Feed {
    queue: mpsc::UnboundedSender<Bytes>,
}

impl Feed {
    /// The queue is bounded by the connection's [`Budget`].
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Bytes>) {
        let (queue, input) = mpsc::unbounded_channel();
        (Self { queue }, input)
    }

    pub(super) async fn take(&mut self, data: &[u8], channel: u32, budget: &Budget) -> Result<(), Overwhelmed> {
        if data.is_empty() {
            return Ok(());
        }
        budget.take(channel, data.len() + PIECE_COST).await?;
        if self.queue.send(Bytes::copy_from_slice(data)).is_err() {
            budget.forget(channel);
        }
        Ok(())
    }
}

/// Why the conversation ends before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Break {
    #[error("the client ended")]
    End,
    #[error("the connection ended")]
    Gone,
    #[error("the client reads nothing")]
    NotRead,
    #[error("the client said what scp does not say")]
    Nonsense,
    #[error("the client gave up")]
    GivenUp,
    #[error("the storage failed")]
    Storage,
}

impl From<NotRead> for Break {
    fn from(_: NotRead) -> Self {
        Self::NotRead
    }
}

/// Serves a channel on which `scp` was started.
pub(super) async fn serve(channel: Channel, command: Command, queue: mpsc::UnboundedReceiver<Bytes>) {
    let input = Input {
        queue,
        current: Bytes::new(),
        charged: 0,
        budget: Arc::clone(&channel.budget),
        channel: channel.number,
        gone: channel.gone.clone(),
        ended: channel.session.ended().clone(),
    };
    let mut talk = Talk { channel, input, failed: false };
    let ended = match command.direction {
        Direction::ToGateway => sink::receive(&mut talk, &command).await,
        Direction::FromGateway => source::send(&mut talk, &command).await,
    };
    // The end of the input is how a source says that it is done.
    let broken = !matches!(ended, Ok(()) | Err(Break::End));
    if let Err(reason) = ended
        && broken
    {
        debug!(login = %talk.channel.session.login(), %reason, "An scp transfer ended early: {reason}");
    }
    if matches!(ended, Err(Break::NotRead)) {
        talk.channel.leave.cancel();
    }
    talk.channel.budget.forget(talk.channel.number);
    talk.channel.outbox.end(u32::from(talk.failed || broken));
}

/// Both directions of a channel.
struct Talk {
    channel: Channel,
    input: Input,
    /// Something was told to have failed: the exit status says so too.
    failed: bool,
}

impl Talk {
    /// "Go on."
    fn acknowledge(&self) -> Result<(), Break> {
        Ok(self.channel.outbox.put(b"\0")?)
    }

    /// Tells what failed; the other side goes on with the next file.
    fn complain(&mut self, about: &[u8], why: &str) -> Result<(), Break> {
        self.failed = true;
        let about = String::from_utf8_lossy(about).replace(char::is_control, "?");
        Ok(self.channel.outbox.put(format!("\x01scp: {about}: {why}\n").as_bytes())?)
    }
}

/// What the client sends, as bytes and lines.
struct Input {
    queue: mpsc::UnboundedReceiver<Bytes>,
    current: Bytes,
    /// What `current` still costs.
    charged: usize,
    budget: Arc<Budget>,
    channel: u32,
    gone: CancellationToken,
    /// The session was ended.
    ended: CancellationToken,
}

impl Input {
    /// What has arrived and is not consumed, at least a byte.
    async fn piece(&mut self) -> Result<&[u8], Break> {
        while self.current.is_empty() {
            self.budget.free(self.channel, std::mem::take(&mut self.charged));
            let piece = tokio::select! {
                biased;
                () = self.gone.cancelled() => return Err(Break::Gone),
                () = self.ended.cancelled() => return Err(Break::Gone),
                piece = self.queue.recv() => piece,
            };
            self.current = piece.ok_or(Break::End)?;
            self.charged = self.current.len() + PIECE_COST;
        }
        Ok(&self.current)
    }

    /// Whether something has arrived already.
    fn has_more(&self) -> bool {
        !self.current.is_empty() || !self.queue.is_empty()
    }

    /// Up to `most` bytes that have arrived. They stay charged until the next call.
    async fn bytes(&mut self, most: u64) -> Result<Bytes, Break> {
        let length = self.piece().await?.len();
        let count = usize::try_from(most).map_or(length, |most| most.min(length));
        Ok(self.current.split_to(count))
    }

    async fn byte(&mut self) -> Result<u8, Break> {
        self.piece().await?;
        Ok(self.current.get_u8())
    }

    /// The rest of a line.
    async fn line(&mut self) -> Result<Vec<u8>, Break> {
        let mut line = Vec::new();
        loop {
            match self.byte().await? {
                b'\n' => return Ok(line),
                _ if line.len() >= LONGEST_LINE => return Err(Break::Nonsense),
                byte => line.push(byte),
            }
        }
    }
}
