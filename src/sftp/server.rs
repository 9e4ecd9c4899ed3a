//! Accepts connections and watches over each: the time to sign in, idleness, the end of its session, the last goodbye.

use std::sync::Arc;
use std::time::Duration;

use russh::Disconnect;
use russh::server::{Config, Handle, RunningSession, run_stream};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info};

use crate::access::{Connection as Arriving, SignIn};
use crate::config::SftpListener;
use crate::domain::{ConnectionType, TlsResumption};
use crate::net::Listener;
use crate::sessions::EndReason;

use super::SftpParts;
use super::algorithms::server_config;
use super::connection::{Common, Connection, Life};
use super::overheard::{Introduction, Listening};
use super::wire::Wire;

/// How long a client gets to close its side after it was told goodbye.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long the channels of an ended session get to finish the request that they are at, and to tell so.
const LAST_ANSWERS: Duration = Duration::from_secs(3);
/// How often idleness is looked at, at least.
const WATCH_EVERY: Duration = Duration::from_secs(30);

/// The times that a connection is held to.
#[derive(Clone, Copy)]
struct Times {
    to_sign_in: Duration,
    idle: Duration,
}

/// See [`super::serve`].
pub(super) async fn serve(listener: Listener, bound_to: SftpListener, parts: SftpParts, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    // The listener ends with this, so its port is free while the last sessions go on.
    accept_until(stop, listener, bound_to, parts, &tasks).await;
    tasks.close();
    tasks.wait().await;
}

async fn accept_until(
    stop: CancellationToken,
    listener: Listener,
    bound_to: SftpListener,
    parts: SftpParts,
    tasks: &TaskTracker,
) {
    let config = Arc::new(server_config(&parts.settings, &parts.host_keys));
    let times = Times { to_sign_in: parts.sign_in_timeout, idle: parts.idle };
    let metrics = parts.metrics;
    let common = Common {
        settings: parts.settings,
        stall: parts.stall,
        metrics: metrics.clone(),
        clock: parts.clock,
        tasks: tasks.clone(),
    };
    while let Some((stream, peer)) = stop.run_until_cancelled(listener.accept()).await {
        let arriving = Arriving {
            peer,
            connection_type: ConnectionType::Sftp,
            preset: bound_to.preset.clone(),
            tls_resumption: TlsResumption::default(),
        };
        match parts.access.admit(arriving) {
            Ok(sign_in) => {
                let connection = serve_connection(stream, sign_in, Arc::clone(&config), common.clone(), times);
                let metrics = metrics.clone();
                tasks.spawn(async move {
                    metrics.connection_opened(ConnectionType::Sftp);
                    connection.await;
                    metrics.connection_closed(ConnectionType::Sftp);
                });
            }
            // Nothing was said yet: closing is the cheapest answer to a flood.
            Err(refusal) => {
                metrics.sign_in(ConnectionType::Sftp, refusal.reason.as_code());
                debug!(%peer, reason = ?refusal.reason, "Refused an SFTP connection from {peer}");
            }
        }
    }
}

/// Serves one connection to its end.
async fn serve_connection(stream: TcpStream, sign_in: SignIn, config: Arc<Config>, common: Common, times: Times) {
    let deadline = Instant::now() + times.to_sign_in;
    let cut = CancellationToken::new();
    // Whatever becomes of this future, the session's own task must not outlive it.
    let _cut_when_dropped = cut.clone().drop_guard();
    let introduction = Arc::<Introduction>::default();
    let listening = Listening::new(Arc::clone(&introduction), Arc::clone(&config));
    let wire = Wire::new(stream, cut.clone(), listening);
    let life = Arc::<Life>::default();
    let handler = Connection::new(common, sign_in, introduction, Arc::clone(&life));
    let session = match timeout(times.to_sign_in, run_stream(config, wire, handler)).await {
        Ok(Ok(session)) => session,
        // Port scans and health checks of load balancers end here.
        Ok(Err(problem)) => return debug!(%problem, "An SFTP connection ended before it began: {problem}"),
        Err(_) => return debug!("An SFTP connection did not say what it is in time"),
    };
    let handle = session.handle();
    tokio::pin!(session);
    let goodbye = tokio::select! {
        result = &mut session => {
            if let Err(problem) = result {
                debug!(%problem, "An SFTP connection ended: {problem}");
            }
            return;
        }
        goodbye = watch(&life, deadline, times.idle) => goodbye,
    };
    say(goodbye, &handle, session, &life, &cut).await;
}

/// Why the server ends a connection.
#[derive(Debug, Clone, Copy)]
enum Goodbye {
    NotSignedInInTime,
    TooManyAttempts,
    RepliesNotRead,
    Idle,
    Ended(Option<EndReason>),
}

impl Goodbye {
    /// What the client is told (RFC 4253 §11.1).
    fn words(self) -> (Disconnect, &'static str) {
        match self {
            Self::NotSignedInInTime => (Disconnect::ByApplication, "signing in took too long"),
            Self::TooManyAttempts => (Disconnect::NoMoreAuthMethodsAvailable, "too many authentication failures"),
            Self::RepliesNotRead => (Disconnect::ByApplication, "replies are not read"),
            Self::Idle => (Disconnect::ByApplication, "idle for too long"),
            Self::Ended(Some(EndReason::ShuttingDown)) => {
                (Disconnect::ByApplication, "the server is shutting down; please connect again")
            }
            Self::Ended(
                None | Some(EndReason::OperatorAsked | EndReason::AccountChanged | EndReason::AccountRemoved),
            ) => (Disconnect::ByApplication, "the session was ended by an administrator"),
        }
    }
}

/// Waits until there is a reason to end the connection.
async fn watch(life: &Life, deadline: Instant, idle: Duration) -> Goodbye {
    tokio::select! {
        () = sleep_until(deadline) => return Goodbye::NotSignedInInTime,
        () = life.leave.cancelled() => return Goodbye::TooManyAttempts,
        () = life.signed_in.cancelled() => {}
    }
    let Some(session) = life.session() else { return Goodbye::NotSignedInInTime };
    let idle_for_too_long = async {
        loop {
            let left = idle.saturating_sub(session.idle());
            if left.is_zero() {
                return;
            }
            // The clock of sessions is not this timer's: look again now and then.
            sleep(left.min(WATCH_EVERY)).await;
        }
    };
    tokio::select! {
        () = session.ended().cancelled() => Goodbye::Ended(session.end_reason()),
        () = life.leave.cancelled() => Goodbye::RepliesNotRead,
        () = idle_for_too_long => Goodbye::Idle,
    }
}

/// Ends a connection: politely if the client listens, at once if not.
async fn say(
    goodbye: Goodbye,
    handle: &Handle,
    session: std::pin::Pin<&mut RunningSession<Connection>>,
    life: &Life,
    cut: &CancellationToken,
) {
    match life.session() {
        Some(session) => {
            info!(login = %session.login(), reason = ?goodbye, "Ended the SFTP connection of {}", session.login());
        }
        None => debug!(reason = ?goodbye, "Ended an SFTP connection that was not signed in"),
    }
    if let Goodbye::Ended(_) = goodbye
        && timeout(LAST_ANSWERS, life.last_answers()).await.is_err()
    {
        debug!("Ended an SFTP connection before all of its answers were sent");
    }
    let (reason, words) = goodbye.words();
    let politely = async {
        // Waits while the session loop is held up; and russh then waits for the client to close.
        let _ = handle.disconnect(reason, String::from(words), String::from("en")).await;
        // Frees a session loop that waits for a worker.
        life.closing.cancel();
        session.await
    };
    if timeout(GOODBYE, politely).await.is_err() {
        life.closing.cancel();
        cut.cancel();
    }
}
