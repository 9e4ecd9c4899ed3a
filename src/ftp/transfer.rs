//! A transfer: a task of its own, so that the control connection stays awake beside it.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, error::Elapsed, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::below::{Presence, Tree};
use super::data::{self, DataStream, NoData, Terms, Way};
use super::reply::Reply;
use super::spares::Spares;
use super::{download, listing, status, upload};
use crate::domain::{Control, NameEncoding, VirtualPath};
use crate::net::TlsSession;
use crate::vfs::CutReason;

/// How long the end of a data connection is waited for.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long is waited, after a download, for the client to close: long enough to see it refuse the rest.
const LAST_LOOK: Duration = Duration::from_millis(250);
/// The read buffer below TLS where the client sends nothing but its side of the handshake.
const SMALL_READ_BUFFER: usize = 8 * 1024;

/// What is to be transferred.
pub(super) enum Job {
    Download {
        path: VirtualPath,
        offset: u64,
    },
    Upload(upload::Upload),
    Listing(listing::Request),
    /// No data connection: an answer that takes time.
    Hash {
        path: VirtualPath,
    },
    /// No data connection: an answer that may be long (STAT).
    Status(listing::Request),
}

impl Job {
    /// Its answer is all that it gives: nothing else may be said on the control connection before it.
    pub(super) const fn is_an_answer(&self) -> bool {
        match self {
            Self::Hash { .. } | Self::Status(_) => true,
            Self::Download { .. } | Self::Upload(_) | Self::Listing(_) => false,
        }
    }
}

/// A transfer under way, as the control connection sees it.
pub(super) struct Running {
    replies: mpsc::Receiver<Event>,
    stop: Stop,
    progress: Arc<AtomicU64>,
    /// What STAT calls it.
    pub what: &'static str,
    /// See [`Job::is_an_answer`].
    pub is_an_answer: bool,
    /// Its data connection ended without `close_notify`: until when its client is watched, and whom to tell.
    pub watched: Option<(Instant, oneshot::Sender<Control>)>,
}

/// What a transfer tells.
pub(super) enum Event {
    /// It begins: 150.
    Begun(Reply),
    /// More of a long reply, as bytes of the wire.
    Part(Vec<u8>),
    /// Its data connection ended without `close_notify`: what is the control connection like after `grace`?
    Watch { grace: Duration, answer: oneshot::Sender<Control> },
    /// It has ended.
    Ended(Reply),
    /// It has ended within a long reply that would pass for whole if it were ended: the connection is to be.
    Unfinished,
}

/// Asks a transfer to stop, and says why.
#[derive(Clone, Default)]
pub(super) struct Stop {
    token: CancellationToken,
    reason: Arc<OnceLock<CutReason>>,
}

impl Stop {
    fn now(&self, reason: CutReason) {
        // The first reason stays.
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    pub(super) fn is_asked(&self) -> bool {
        self.token.is_cancelled()
    }

    pub(super) fn reason(&self) -> CutReason {
        self.reason.get().copied().unwrap_or(CutReason::ConnectionLost)
    }
}

/// What a transfer works with.
pub(super) struct Context {
    pub tree: Arc<dyn Tree>,
    pub presence: Arc<dyn Presence>,
    pub tls: Arc<TlsSession>,
    pub terms: Terms,
    pub stall: Duration,
    pub encoding: NameEncoding,
    pub random: Arc<dyn crate::domain::Random>,
    pub spares: Arc<Spares>,
    pub stop: Stop,
    pub progress: Arc<AtomicU64>,
    pub replies: mpsc::Sender<Event>,
}

/// Starts a transfer. `way`: where its data connection comes from; none for what needs none.
pub(super) fn start(
    job: Job,
    way: Option<Way>,
    tasks: &TaskTracker,
    make: impl FnOnce(Stop, Arc<AtomicU64>, mpsc::Sender<Event>) -> Context,
) -> Running {
    // A beginning, a watch and an end fit without waiting for the control connection.
    let (sender, replies) = mpsc::channel(3);
    let is_an_answer = job.is_an_answer();
    let (stop, progress) = (Stop::default(), Arc::<AtomicU64>::default());
    let mut context = make(stop.clone(), progress.clone(), sender);
    let what = match &job {
        Job::Download { .. } => "download",
        Job::Upload(_) => "upload",
        Job::Listing(_) => "listing",
        Job::Hash { .. } => "hash",
        Job::Status(_) => "status",
    };
    tasks.spawn(async move {
        context.terms.read_buffer = match job {
            Job::Upload(_) => upload::READ_BUFFER,
            Job::Download { .. } | Job::Listing(_) | Job::Hash { .. } | Job::Status(_) => SMALL_READ_BUFFER,
        };
        let end = match (job, way) {
            (Job::Hash { path }, _) => download::hash(&context, &path).await,
            (Job::Status(request), _) => match status::list(&context, request).await {
                Some(end) => end,
                None => {
                    let _ = context.replies.send(Event::Unfinished).await;
                    return;
                }
            },
            (_, None) => Err(Reply::new(425, "Say EPSV or PASV first")),
            (Job::Download { path, offset }, Some(way)) => Box::pin(download::run(&context, way, &path, offset)).await,
            (Job::Upload(upload), Some(way)) => Box::pin(upload::run(&context, way, upload)).await,
            (Job::Listing(request), Some(way)) => Box::pin(list(&context, way, request)).await,
        };
        context.presence.touch();
        let _ = context.replies.send(Event::Ended(end.unwrap_or_else(|problem| problem))).await;
    });
    Running { replies, stop, progress, what, is_an_answer, watched: None }
}

impl Running {
    /// The next that it tells; `None` when its task is gone without a word. Safe to cancel.
    pub(super) async fn next(&mut self) -> Option<Event> {
        self.replies.recv().await
    }

    pub(super) fn stop(&self, reason: CutReason) {
        self.stop.now(reason);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nobody waits for it any more: the control connection is gone.
        self.stop.now(CutReason::ConnectionLost);
    }
}

/// Why bytes stopped moving.
#[derive(Debug)]
pub(super) enum Broken {
    Stopped(CutReason),
    NoData(NoData),
    Stalled,
    Connection(io::Error),
}

impl Broken {
    pub(super) const fn reason(&self) -> CutReason {
        match self {
            Self::Stopped(reason) => *reason,
            Self::NoData(NoData::NotResumed) => CutReason::NotResumed,
            Self::NoData(NoData::NobodyCame | NoData::CannotConnect | NoData::Handshake) => CutReason::NoDataConnection,
            Self::Stalled => CutReason::Stalled,
            Self::Connection(_) => CutReason::ConnectionLost,
        }
    }

    /// Told to the client. `upload`: what was received is kept.
    pub(super) fn reply(&self, upload: bool) -> Reply {
        let text = match self {
            Self::NoData(problem) => return Reply::from(*problem),
            Self::Stopped(CutReason::Aborted) => "Transfer aborted",
            Self::Stopped(CutReason::ShuttingDown) => "Transfer stopped: the server is shutting down",
            Self::Stopped(CutReason::ClosedByOperator) => "Transfer stopped by an administrator",
            Self::Stopped(_) => "Transfer stopped",
            Self::Stalled => "Transfer stopped: nothing moved for too long",
            Self::Connection(_) => "The data connection was lost",
        };
        let kept = if upload { "; the file is not published, and can be resumed" } else { "" };
        Reply::new(426, format!("{text}{kept}"))
    }
}

impl Context {
    pub(super) async fn begin(&self, text: String) {
        // The receiver is gone only with the control connection, and then `stop` says so.
        let _ = self.replies.send(Event::Begun(Reply::new(150, text))).await;
    }

    /// The data connection.
    pub(super) async fn data(&self, way: Way) -> Result<DataStream, Broken> {
        match self.stop.token.run_until_cancelled(data::open(way, &self.terms, &self.tls)).await {
            Some(opened) => opened.map_err(Broken::NoData),
            None => Err(Broken::Stopped(self.stop.reason())),
        }
    }

    /// What the control connection is like after `grace`; an error when the transfer is stopped meanwhile for another
    /// reason than its loss.
    pub(super) async fn watch_control(&self, grace: Duration) -> Result<Control, CutReason> {
        let (answer, seen) = oneshot::channel();
        let asked = async {
            self.replies.send(Event::Watch { grace, answer }).await.ok()?;
            seen.await.ok()
        };
        match (self.stop.token.run_until_cancelled(asked).await.flatten(), self.stop.reason()) {
            (Some(control), _) => Ok(control),
            (None, CutReason::ConnectionLost) => Ok(Control::Lost),
            (None, reason) => Err(reason),
        }
    }

    /// Sends more of a long reply; false when the transfer is stopped.
    pub(super) async fn part(&self, bytes: Vec<u8>) -> bool {
        let sent = self.stop.token.run_until_cancelled(self.replies.send(Event::Part(bytes))).await;
        sent.is_some_and(|sent| sent.is_ok())
    }

    /// Waits for bytes to move, at most as long as a transfer may stand still.
    pub(super) async fn moving<T>(&self, moving: impl Future<Output = io::Result<T>>) -> Result<T, Broken> {
        match self.stop.token.run_until_cancelled(timeout(self.stall, moving)).await {
            None => Err(Broken::Stopped(self.stop.reason())),
            Some(Err(Elapsed { .. })) => Err(Broken::Stalled),
            Some(Ok(moved)) => moved.map_err(Broken::Connection),
        }
    }

    pub(super) fn count_out(&self, bytes: usize) {
        self.progress.fetch_add(bytes as u64, Ordering::Relaxed);
        self.presence.count_out(bytes as u64);
    }

    pub(super) fn count_in(&self, bytes: usize) {
        self.progress.fetch_add(bytes as u64, Ordering::Relaxed);
        self.presence.count_in(bytes as u64);
    }

    /// Ends what was sent: TLS's goodbye first, so that the client knows that it has all, then a look whether it does.
    pub(super) async fn finish_sending(&self, mut stream: DataStream) -> Result<(), Broken> {
        self.moving(stream.shutdown()).await?;
        let mut rest = [0; 64];
        let look = async {
            // What a client sends here is its own goodbye.
            while stream.read(&mut rest).await? > 0 {}
            io::Result::Ok(())
        };
        match timeout(LAST_LOOK, look).await {
            Ok(Err(error)) if matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
                Err(Broken::Connection(error))
            }
            Ok(Ok(()) | Err(_)) | Err(_) => Ok(()),
        }
    }
}

/// Says TLS's goodbye to a client that has said its own.
pub(super) async fn say_goodbye(mut stream: DataStream) {
    let _ = timeout(GOODBYE, stream.shutdown()).await;
}

async fn list(context: &Context, way: Way, request: listing::Request) -> Result<Reply, Reply> {
    let login = context.presence.login().to_string();
    let mut lines = listing::Lines::open(&context.tree, request, context.encoding, login).await?;
    context.begin(String::from("Here is the listing")).await;
    let mut stream = context.data(way).await.map_err(|broken| broken.reply(false))?;
    loop {
        let bytes = lines.next().await?;
        if bytes.is_empty() {
            break;
        }
        for block in bytes.chunks(64 * 1024) {
            context.moving(stream.write_all(block)).await.map_err(|broken| broken.reply(false))?;
            context.presence.touch();
        }
    }
    context.finish_sending(stream).await.map_err(|broken| broken.reply(false))?;
    Ok(Reply::new(226, "Listing sent"))
}
