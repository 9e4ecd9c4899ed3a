//! The SFTP subsystem of one channel: requests in, replies out.
//!
//! [`Feed`] runs where russh hands over data: it cuts the stream into packets and queues them. [`serve`] is the worker
//! of the channel, a task of its own: it answers in the order of arrival. Reads and writes that wait in a row are done
//! in one hop to a blocking thread. The worker never waits for the session loop, except for room for long answers, and
//! then says so ([`Budget`]).

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use crate::domain::{Clock, NameEncoding, VirtualPath};
use crate::sessions::Session;
use crate::vfs::{SessionTree, Work};

use super::budget::{Budget, Overwhelmed};
use super::data::{Batch, Job};
use super::extensions;
use super::frames::{BadLength, Frames};
use super::handles::Handles;
use super::outbox::{NotRead, Outbox};
use super::packet::{First, Packet, Request, first};
use super::replies::Replies;
use super::status::Status;

/// What READ answers at most to a client that did not ask for `limits@openssh.com`: all that older ones can take.
pub(super) const CAUTIOUS_READ: usize = 32 * 1024;
/// What READ answers at most to one that did: 256 KiB less some room for headers, as OpenSSH has it.
pub(super) const LONGEST_READ: usize = 255 * 1024;

/// How many requests one hop to a blocking thread takes along.
const BATCH_REQUESTS: usize = 256;
/// How many bytes of writes one hop takes along.
const BATCH_BYTES: usize = 2 * 1024 * 1024;

/// How many bytes of reads and writes are small work. While the disk is prompt, batches are no larger than that: their data
/// is still in the processor's cache.
const SMALL_BATCH: usize = 512 * 1024;

/// What the channels of one connection share, and one channel's own.
pub(super) struct Channel {
    /// russh's number of the channel.
    pub number: u32,
    pub tree: SessionTree,
    pub session: Arc<Session>,
    /// The connection's: the first channel that sends other than UTF-8 settles it for all.
    pub encoding: Arc<Mutex<NameEncoding>>,
    pub budget: Arc<Budget>,
    pub outbox: Arc<Outbox>,
    /// The channel or its connection is over.
    pub gone: CancellationToken,
    /// Ends the whole connection.
    pub leave: CancellationToken,
    pub clock: Arc<dyn Clock>,
}

impl Channel {
    pub(super) fn encoding(&self) -> MutexGuard<'_, NameEncoding> {
        // A plain value: it cannot be half-changed.
        self.encoding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for `work`, unless the channel is over or its session was ended: then nothing new is begun.
    pub(super) async fn unless_over<R>(&self, work: impl Future<Output = R>) -> Option<R> {
        tokio::select! {
            biased;
            () = self.gone.cancelled() => None,
            () = self.session.ended().cancelled() => None,
            result = work => Some(result),
        }
    }

    /// See [`Self::unless_over`].
    pub(super) fn is_over(&self) -> bool {
        self.gone.is_cancelled() || self.session.ended().is_cancelled()
    }

    /// The path that a client means by these bytes.
    pub(super) fn path(&self, bytes: &[u8]) -> Result<VirtualPath, Status> {
        let text = self.encoding().decode(bytes).into_owned();
        self.tree.home().resolve(&text).map_err(|reason| Status::of(&reason.into()))
    }

    pub(super) fn encode(&self, text: &str) -> Vec<u8> {
        self.encoding().encode(text).into_owned()
    }

    /// Does blocking work on a thread for it.
    pub(super) async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Status> {
        tokio::task::spawn_blocking(work).await.map_err(|problem| self.unexpected(&problem))
    }

    /// Does blocking work that is small: on a thread for it, or in place while the disk is prompt.
    pub(super) async fn small<R: Send + 'static>(
        &self,
        kind: Work,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Status> {
        self.tree.pace().run(kind, work).await.map_err(|problem| self.unexpected(&problem))
    }

    fn unexpected(&self, problem: &tokio::task::JoinError) -> Status {
        error!(login = %self.session.login(), %problem, "A storage operation ended unexpectedly");
        Status::failure("the operation failed")
    }
}

/// What the queue of a channel carries.
pub(super) enum Incoming {
    Init,
    Packet(Packet),
    /// The stream cannot be followed any further; the channel closes.
    Broken(ProtocolError),
}

/// Why a channel is closed on its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProtocolError {
    #[error(transparent)]
    Length(#[from] BadLength),
    #[error("a request came before INIT")]
    NotStarted,
    #[error("INIT came twice")]
    StartedTwice,
    #[error("a packet has no id")]
    NoId,
}

/// The receiving end of a channel: takes its bytes, queues its requests.
pub(super) struct Feed {
    frames: Frames,
    started: bool,
    broken: bool,
    queue: mpsc::UnboundedSender<Incoming>,
}

impl Feed {
    /// The queue is bounded by the connection's [`Budget`].
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Incoming>) {
        let (queue, requests) = mpsc::unbounded_channel();
        (Self { frames: Frames::default(), started: false, broken: false, queue }, requests)
    }

    /// Takes data of the channel, waiting for room in the budget.
    pub(super) async fn take(&mut self, mut data: &[u8], channel: u32, budget: &Budget) -> Result<(), Overwhelmed> {
        while !data.is_empty() && !self.broken {
            let incoming = match self.frames.next(&mut data, &budget.spares) {
                Ok(None) => break,
                Ok(Some(packet)) => self.read(packet).unwrap_or_else(Incoming::Broken),
                Err(length) => Incoming::Broken(length.into()),
            };
            if let Incoming::Packet(packet) = &incoming {
                budget.take(channel, packet.cost()).await?;
            }
            self.broken = matches!(incoming, Incoming::Broken(_));
            if self.queue.send(incoming).is_err() {
                // The worker is gone, and the channel with it.
                budget.forget(channel);
                self.broken = true;
            }
        }
        Ok(())
    }

    /// Nothing more is taken.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    fn read(&mut self, packet: Vec<u8>) -> Result<Incoming, ProtocolError> {
        match (self.started, first(&packet)) {
            (false, First::Init) => {
                self.started = true;
                Ok(Incoming::Init)
            }
            (false, First::Other) => Err(ProtocolError::NotStarted),
            (true, First::Init) => Err(ProtocolError::StartedTwice),
            (true, First::Other) => Packet::decode(packet).map(Incoming::Packet).ok_or(ProtocolError::NoId),
        }
    }
}

/// Why a worker stopped.
enum Stop {
    /// The client ended its side and everything was answered.
    End,
    Broken(ProtocolError),
    NotRead,
    Gone,
}

impl From<NotRead> for Stop {
    fn from(_: NotRead) -> Self {
        Self::NotRead
    }
}

/// Serves a channel until its client ends it, breaks the protocol, or is gone.
pub(super) async fn serve(channel: Channel, requests: mpsc::UnboundedReceiver<Incoming>, handles: usize) {
    let mut worker = Worker {
        handles: Handles::new(handles),
        requests,
        backlog: VecDeque::new(),
        longest_read: CAUTIOUS_READ,
        channel,
    };
    let exit_status = match worker.run().await {
        Stop::End => 0,
        Stop::Broken(reason) => {
            debug!(login = %worker.channel.session.login(), %reason, "Closed an SFTP channel: {reason}");
            1
        }
        Stop::NotRead => {
            let login = worker.channel.session.login();
            info!(%login, "Ending the SFTP connection of {login}: its client reads no replies");
            worker.channel.leave.cancel();
            1
        }
        Stop::Gone => 1,
    };
    let reason = worker.channel.session.cut_reason();
    worker.handles.cut_all(reason, "the connection ended").await;
    worker.channel.budget.forget(worker.channel.number);
    worker.channel.outbox.end(exit_status);
}

/// The state of a channel's worker.
pub(super) struct Worker {
    pub(super) channel: Channel,
    pub(super) handles: Handles,
    pub(super) longest_read: usize,
    requests: mpsc::UnboundedReceiver<Incoming>,
    backlog: VecDeque<Incoming>,
}

impl Worker {
    async fn run(&mut self) -> Stop {
        loop {
            if let Err(stop) = self.receive().await {
                return stop;
            }
            if self.channel.is_over() {
                return Stop::Gone;
            }
            let served = match self.backlog.front() {
                Some(Incoming::Packet(Packet { request: Request::Read { .. } | Request::Write { .. }, .. })) => {
                    self.serve_data().await
                }
                _ => self.serve_one().await,
            };
            self.channel.session.touch();
            if let Err(stop) = served {
                return stop;
            }
        }
    }

    /// Waits for a request, and takes along what else waits.
    async fn receive(&mut self) -> Result<(), Stop> {
        if self.backlog.is_empty() {
            let received = self.channel.unless_over(self.requests.recv()).await;
            self.backlog.push_back(received.ok_or(Stop::Gone)?.ok_or(Stop::End)?);
        }
        while self.backlog.len() < BATCH_REQUESTS {
            let Ok(incoming) = self.requests.try_recv() else { break };
            self.backlog.push_back(incoming);
        }
        Ok(())
    }

    /// Serves the first request, which is about something else than data.
    async fn serve_one(&mut self) -> Result<(), Stop> {
        if let Some(Incoming::Packet(Packet { request: Request::Readdir(_) | Request::Extended(_), .. })) =
            self.backlog.front()
        {
            self.wait_for_room().await?;
        }
        let mut replies = Replies::default();
        match self.backlog.pop_front() {
            None => return Ok(()),
            Some(Incoming::Broken(reason)) => return Err(Stop::Broken(reason)),
            Some(Incoming::Init) => replies.version(extensions::OFFERED),
            Some(Incoming::Packet(packet)) => {
                let cost = packet.cost();
                self.answer(packet, &mut replies).await;
                self.channel.budget.free(self.channel.number, cost);
            }
        }
        Ok(self.channel.outbox.put(&replies.into_bytes())?)
    }

    /// Serves the reads and writes at the head of the backlog, on a blocking thread, all in one hop.
    async fn serve_data(&mut self) -> Result<(), Stop> {
        if matches!(self.backlog.front(), Some(Incoming::Packet(Packet { request: Request::Read { .. }, .. }))) {
            self.wait_for_room().await?;
        }
        let batch = Batch {
            jobs: self.take_jobs(),
            room: self.channel.outbox.room(),
            longest_read: self.longest_read,
            budget: Arc::clone(&self.channel.budget),
            channel: self.channel.number,
        };
        let done = if batch.bytes() <= SMALL_BATCH {
            self.channel.small(Work::Data, || batch.run()).await
        } else {
            self.channel.blocking(|| batch.run()).await
        };
        let Ok(done) = done else { return Err(Stop::Gone) };
        for problem in done.problems {
            self.log(&problem);
        }
        self.channel.session.count_in(done.bytes_in);
        self.channel.session.count_out(done.bytes_out);
        for job in done.left.into_iter().rev() {
            self.backlog.push_front(Incoming::Packet(job.packet));
        }
        Ok(self.channel.outbox.put_batch(done.replies.into_bytes())?)
    }

    /// Before an answer that may be long.
    async fn wait_for_room(&mut self) -> Result<(), Stop> {
        let room = self.channel.outbox.has_room(&self.channel.budget, self.channel.number);
        self.channel.unless_over(room).await.ok_or(Stop::Gone)
    }

    /// The leading reads and writes of the backlog, with their files.
    fn take_jobs(&mut self) -> VecDeque<Job> {
        let mut jobs = VecDeque::new();
        let (mut written, mut moved) = (0, 0);
        let in_place = self.channel.tree.pace().is_prompt(Work::Data);
        while written < BATCH_BYTES && jobs.len() < BATCH_REQUESTS {
            let handle = match self.backlog.front() {
                Some(Incoming::Packet(Packet { request: Request::Read { handle, .. }, .. })) => *handle,
                Some(Incoming::Packet(Packet { request: Request::Write { handle, data, .. }, .. })) => {
                    written += data.len();
                    *handle
                }
                _ => break,
            };
            let Some(Incoming::Packet(packet)) = self.backlog.pop_front() else { break };
            let job = Job { packet, file: self.handles.file(handle).cloned() };
            moved += job.bytes(self.longest_read);
            jobs.push_back(job);
            if in_place && moved + LONGEST_READ > SMALL_BATCH {
                break;
            }
        }
        jobs
    }

    /// Tells the operators of what is not the client's doing.
    pub(super) fn log(&self, problem: &crate::vfs::VfsError) {
        use crate::vfs::VfsError;
        if let VfsError::Storage(_) | VfsError::Ledger(_) = problem {
            let source = std::error::Error::source(problem).map(ToString::to_string).unwrap_or_default();
            error!(login = %self.channel.session.login(), %problem, source, "An SFTP request failed: {problem}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(packet: &[u8]) -> Vec<u8> {
        [&u32::try_from(packet.len()).unwrap().to_be_bytes(), packet].concat()
    }

    async fn fed(packets: &[&[u8]]) -> Vec<Incoming> {
        let (mut feed, mut queue) = Feed::new();
        for packet in packets {
            feed.take(&framed(packet), 1, &Budget::default()).await.unwrap();
        }
        let mut seen = Vec::new();
        while let Ok(incoming) = queue.try_recv() {
            seen.push(incoming);
        }
        seen
    }

    const INIT: &[u8] = &[1, 0, 0, 0, 3];

    #[tokio::test]
    async fn a_channel_starts_with_init_once() {
        assert!(matches!(fed(&[INIT]).await[..], [Incoming::Init]));
        let before = fed(&[&[4, 0, 0, 0, 1], INIT]).await;
        assert!(matches!(before[..], [Incoming::Broken(ProtocolError::NotStarted)]));
        let twice = fed(&[INIT, INIT, INIT]).await;
        assert!(matches!(twice[..], [Incoming::Init, Incoming::Broken(ProtocolError::StartedTwice)]));
    }

    #[tokio::test]
    async fn after_a_packet_without_id_nothing_more_is_taken() {
        let seen = fed(&[INIT, &[4, 0], INIT]).await;
        assert!(matches!(seen[..], [Incoming::Init, Incoming::Broken(ProtocolError::NoId)]));
    }
}
