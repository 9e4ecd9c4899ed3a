//! A signed-in connection: its state, and the loop that answers commands in order and stays awake beside a transfer.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, error, info};

use super::below::{Presence, Tree};
use super::connection::{Client, Phase};
use super::control::{Command, Input, Over, Wire};
use super::data::{Terms, Way};
use super::passive::Waiting;
use super::reply::Reply;
use super::transfer::{self, Context, Event, Job, Running};
use super::verbs::{self, Argument, Verb};
use crate::domain::{Control, TlsResumption, VirtualPath};
use crate::sessions::EndReason;
use crate::vfs::CutReason;

/// Commands that wait for a transfer to end. Then no more are read, and the client feels it.
const MOST_HELD: usize = 16;
/// How often idleness is looked at, at least.
const WATCH_EVERY: Duration = Duration::from_secs(30);
/// How long a transfer that was told to stop may take for it: a disk may hang.
const TO_STOP: Duration = Duration::from_secs(30);

/// A session's state.
pub(super) struct Member {
    pub client: Client,
    pub presence: Arc<dyn Presence>,
    pub tree: Arc<dyn Tree>,
    /// The working directory.
    pub folder: VirtualPath,
    pub data: Data,
    /// TYPE I; else A, which changes no byte either.
    pub is_image: bool,
    /// REST's offset, for the next transfer alone.
    pub restart: u64,
    /// ALLO's size, for the next upload alone.
    pub announced: Option<u64>,
    /// RNFR's path, for the next command alone.
    pub rename_from: Option<VirtualPath>,
    pub running: Option<Running>,
}

/// Where the next data connection comes from.
#[derive(Default)]
pub(super) struct Data {
    /// A port that waits, and until when.
    pub passive: Option<(Waiting, Instant)>,
    pub active: Option<SocketAddr>,
    /// EPSV ALL was said (RFC 2428 §4).
    pub only_extended: bool,
}

impl Data {
    fn take(&mut self) -> Option<Way> {
        let active = self.active.take();
        match self.passive.take() {
            Some((waiting, _)) => Some(Way::Passive(waiting)),
            None => active.map(Way::Active),
        }
    }
}

/// What a command comes to.
pub(super) enum Outcome {
    Reply(Reply),
    Start(Job),
    End(Reply),
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

impl Member {
    pub(super) fn new(mut client: Client, presence: Arc<dyn Presence>, tree: Arc<dyn Tree>) -> Self {
        client.phase = Phase::SignedIn;
        Self {
            client,
            presence,
            folder: tree.home(),
            tree,
            data: Data::default(),
            is_image: false,
            restart: 0,
            announced: None,
            rename_from: None,
            running: None,
        }
    }

    /// The path that an argument names.
    pub(super) fn path(&mut self, argument: &Argument) -> Result<VirtualPath, Reply> {
        Ok(self.folder.resolve(&argument.text(&mut self.client.encoding))?)
    }

    fn start(&mut self, job: Job) {
        // Of one transfer alone; a job without a data connection leaves the port for the next.
        let way = if job.is_an_answer() { None } else { self.data.take() };
        let shared = Arc::clone(&self.client.shared);
        let terms = Terms {
            peer: self.client.peer.ip(),
            local: self.client.local,
            connect: shared.settings.data_connect,
            handshake: shared.settings.tls_handshake,
            must_resume: self.presence.rules().tls_resumption == TlsResumption::Require,
            read_buffer: 0,
        };
        self.running = Some(transfer::start(job, way, &shared.tasks, |stop, progress, replies| Context {
            tree: Arc::clone(&self.tree),
            presence: Arc::clone(&self.presence),
            tls: Arc::clone(&self.client.tls),
            terms,
            stall: shared.stall,
            encoding: self.client.encoding,
            random: Arc::clone(&shared.random),
            spares: Arc::clone(&shared.spares),
            stop,
            progress,
            replies,
        }));
    }
}

/// Why a session is over.
enum Goodbye {
    Asked(Reply),
    Gone(Over),
    Unsendable,
    /// A reply could not be ended.
    Unfinished,
    Idle,
    Ended(Option<EndReason>),
}

/// What happens next.
enum Next {
    Line(Result<Input, Over>),
    Transfer(Option<Event>),
    /// The transfer's client was watched for as long as was asked.
    Watched,
    /// The data connection of a command that is still to come.
    Arrival,
    PortExpired,
    Look,
    Ended,
}

/// Serves a session to its end.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut member: Member, wire: &mut Wire<S>) {
    let goodbye = talk(&mut member, wire).await;
    let login = member.presence.login().clone();
    let reason = match &goodbye {
        Goodbye::Ended(_) => member.presence.cut_reason(),
        Goodbye::Idle => CutReason::Stalled,
        Goodbye::Asked(_) | Goodbye::Gone(_) | Goodbye::Unsendable | Goodbye::Unfinished => CutReason::ConnectionLost,
    };
    if let Some(mut running) = member.running.take() {
        running.stop(reason);
        let stopped = async {
            while let Some(event) = running.next().await {
                if let Event::Ended(reply) = event {
                    let _ = wire.say(&reply, member.client.encoding).await;
                }
            }
        };
        if timeout(TO_STOP, stopped).await.is_err() {
            error!(%login, "A transfer of {login} does not stop: does its disk answer?");
        }
    }
    let reply = match goodbye {
        Goodbye::Asked(reply) => reply,
        Goodbye::Gone(over) => {
            member.client.over(wire, over).await;
            info!(%login, "The session of {login} over FTP has ended");
            return;
        }
        Goodbye::Unsendable => return debug!(%login, "{login} takes no replies any more"),
        // Within a reply any word would be a part of it; its end is missing, and that says it.
        Goodbye::Unfinished => return debug!(%login, "Ended the session of {login} within a reply"),
        Goodbye::Idle => Reply::new(421, "Idle for too long"),
        Goodbye::Ended(Some(EndReason::ShuttingDown)) => {
            Reply::new(421, "The server is shutting down; please connect again")
        }
        Goodbye::Ended(
            None | Some(EndReason::OperatorAsked | EndReason::AccountChanged | EndReason::AccountRemoved),
        ) => Reply::new(421, "The session was ended by an administrator"),
    };
    let _ = wire.say(&reply, member.client.encoding).await;
    info!(%login, "The session of {login} over FTP has ended");
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(member: &mut Member, wire: &mut Wire<S>) -> Goodbye {
    let mut held: VecDeque<Input> = VecDeque::new();
    let mut in_an_answer = false;
    loop {
        if member.running.is_none()
            && let Some(input) = held.pop_front()
        {
            match answer(member, wire, input).await {
                None => continue,
                Some(goodbye) => return goodbye,
            }
        }
        let may_read = held.len() < MOST_HELD;
        // A long answer must not keep what is said meanwhile (ABOR) waiting.
        let said = if in_an_answer && may_read { wire.next().now_or_never().map(Next::Line) } else { None };
        in_an_answer = false;
        let next = match said {
            Some(said) => said,
            None => next(member, wire, may_read).await,
        };
        match next {
            Next::Ended => return Goodbye::Ended(member.presence.end_reason()),
            Next::Look => {
                if member.running.is_none() && member.presence.idle() >= member.client.shared.idle {
                    return Goodbye::Idle;
                }
            }
            // It waits with its port's time.
            Next::Arrival => {}
            Next::PortExpired => member.data.passive = None,
            Next::Transfer(event) => {
                in_an_answer = matches!(event, Some(Event::Part(_)));
                if let Some(goodbye) = tell(member, wire, event).await {
                    return goodbye;
                }
            }
            Next::Watched => {
                // Whoever gave another command did not wait for what became of the file.
                let control = if held.is_empty() { Control::Waiting } else { Control::Busy };
                if let Some((_, answer)) = member.running.as_mut().and_then(|running| running.watched.take()) {
                    // A transfer that was stopped asks no more.
                    let _ = answer.send(control);
                }
            }
            Next::Line(Err(over)) => return Goodbye::Gone(over),
            Next::Line(Ok(input)) => {
                member.presence.touch();
                // In order: what may be answered beside a transfer is, unless something before it waits. ABOR is for
                // now or for nothing.
                let verb = match &input {
                    Input::Command(command) => Some(command.rule.verb),
                    Input::Bad(_) => None,
                };
                let may_be_beside = member.running.as_ref().is_some_and(|running| !running.is_an_answer);
                let beside =
                    may_be_beside && matches!(&input, Input::Command(command) if command.is_for_beside_a_transfer());
                if member.running.is_none() || verb == Some(Verb::Abor) || (beside && held.is_empty()) {
                    if let Some(goodbye) = answer(member, wire, input).await {
                        return goodbye;
                    }
                } else {
                    held.push_back(input);
                }
            }
        }
    }
}

async fn next<S: AsyncRead + AsyncWrite + Unpin>(member: &mut Member, wire: &mut Wire<S>, may_read: bool) -> Next {
    let left = member.client.shared.idle.saturating_sub(member.presence.idle());
    // The clock of sessions is not this timer's: look again now and then.
    let look = left.clamp(Duration::from_millis(10), WATCH_EVERY);
    let expiry = member.data.passive.as_ref().map(|(_, until)| *until);
    let watched = member.running.as_ref().and_then(|running| running.watched.as_ref()).map(|(until, _)| *until);
    let ended = member.presence.ended().clone();
    tokio::select! {
        biased;
        () = ended.cancelled() => Next::Ended,
        event = next_event(member.running.as_mut()) => Next::Transfer(event),
        line = wire.next(), if may_read => Next::Line(line),
        // Behind the lines: the connection's end, where it has come, counts.
        () = sleep_until(watched.unwrap_or_else(Instant::now)), if watched.is_some() => Next::Watched,
        () = arrival(member.data.passive.as_mut(), member.client.peer.ip()) => Next::Arrival,
        () = sleep_until(expiry.unwrap_or_else(Instant::now)), if expiry.is_some() => Next::PortExpired,
        () = sleep(look) => Next::Look,
    }
}

/// The data connection comes before the command that uses it; never, when no port waits.
async fn arrival(waiting: Option<&mut (Waiting, Instant)>, peer: IpAddr) {
    match waiting {
        Some((waiting, _)) => waiting.arrival(peer).await,
        None => std::future::pending().await,
    }
}

/// What the transfer tells next; never, when none runs.
async fn next_event(running: Option<&mut Running>) -> Option<Event> {
    match running {
        Some(running) => running.next().await,
        None => std::future::pending().await,
    }
}

/// Tells the client what its transfer tells; a goodbye when the session is over with it.
async fn tell<S: AsyncRead + AsyncWrite + Unpin>(
    member: &mut Member,
    wire: &mut Wire<S>,
    event: Option<Event>,
) -> Option<Goodbye> {
    let encoding = member.client.encoding;
    let sent = match event {
        Some(Event::Begun(reply)) => wire.say(&reply, encoding).await,
        Some(Event::Part(bytes)) => wire.send(&bytes).await,
        Some(Event::Watch { grace, answer }) => {
            if let Some(running) = &mut member.running {
                running.watched = Some((Instant::now() + grace, answer));
            }
            return None;
        }
        Some(Event::Unfinished) => return Some(Goodbye::Unfinished),
        Some(Event::Ended(reply)) => {
            member.running = None;
            wire.say(&reply, encoding).await
        }
        None => {
            member.running = None;
            // Its task is gone without a word, which is a fault of this program.
            wire.say(&Reply::new(451, "The transfer failed"), encoding).await
        }
    };
    sent.is_err().then_some(Goodbye::Unsendable)
}

/// Answers one line; a goodbye when the session is over with it.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    member: &mut Member,
    wire: &mut Wire<S>,
    input: Input,
) -> Option<Goodbye> {
    let outcome = match input {
        Input::Bad(reply) => Outcome::Reply(reply),
        Input::Command(command) if command.rule.verb == Verb::Abor => return abort(member, wire).await,
        Input::Command(Command { rule, argument }) => {
            let argument = Argument::new(argument);
            // RNFR holds for the command behind it, whatever that is.
            let rename_from = member.rename_from.take();
            match verbs::check(rule, &argument, member.client.facts()) {
                Err(reply) => Outcome::Reply(reply),
                Ok(()) => verbs::handle(rule.verb, member, &argument, rename_from).await,
            }
        }
    };
    let reply = match outcome {
        Outcome::Reply(reply) => reply,
        Outcome::Start(job) => {
            member.start(job);
            return None;
        }
        Outcome::End(reply) => return Some(Goodbye::Asked(reply)),
    };
    let sent = wire.say(&reply, member.client.encoding).await;
    sent.is_err().then_some(Goodbye::Unsendable)
}

/// ABOR (RFC 959 §4.1.3): ends the transfer, which says 426, then says 226. A transfer that had ended just before says
/// so itself.
async fn abort<S: AsyncRead + AsyncWrite + Unpin>(member: &mut Member, wire: &mut Wire<S>) -> Option<Goodbye> {
    if let Some(mut running) = member.running.take() {
        running.stop(CutReason::Aborted);
        let stopped = timeout(TO_STOP, async {
            loop {
                match running.next().await {
                    // Nobody waits for these any more.
                    Some(Event::Begun(_) | Event::Part(_) | Event::Watch { .. }) => {}
                    Some(Event::Ended(reply)) => return Some(reply),
                    Some(Event::Unfinished) => return None,
                    None => return Some(Reply::new(451, "The transfer failed")),
                }
            }
        });
        let Some(reply) = stopped.await.unwrap_or_else(|_| Some(Reply::new(426, "Transfer aborted"))) else {
            return Some(Goodbye::Unfinished);
        };
        if wire.say(&reply, member.client.encoding).await.is_err() {
            return Some(Goodbye::Unsendable);
        }
    }
    // A port that waits for the transfer that will not be.
    member.data.passive = None;
    let reply = Reply::new(226, "Nothing is transferred");
    let sent = wire.say(&reply, member.client.encoding).await;
    sent.is_err().then_some(Goodbye::Unsendable)
}
