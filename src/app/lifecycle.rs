//! A gateway that runs, and how it stops: no new work, time to finish, then a polite end; a second signal ends at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::data_lock::DataLock;
use super::error::RunError;
use super::listeners::Addresses;
use super::readiness::GatewayReadiness;
use super::supervisor::{Supervisor, TaskFailure};
use crate::access::Access;
use crate::config::FtpMode;
use crate::credentials::HostKeys;
use crate::domain::{AccountId, InstanceId, VirtualPath};
use crate::management::Management;
use crate::sessions::{EndReason, Registry};
use crate::store::Store;
use crate::vfs::Storage;

/// How long connections may take to close once their sessions were ended.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long the last records may take to be written.
const LAST_WRITES: Duration = Duration::from_secs(10);

/// What lives as long as the gateway.
pub(super) struct Kept {
    pub(super) store: Store,
    pub(super) storage: Arc<Storage>,
    pub(super) access: Arc<Access>,
    pub(super) registry: Arc<Registry>,
    pub(super) host_keys: Arc<HostKeys>,
    pub(super) readiness: Arc<GatewayReadiness>,
    /// Let go of last, when nothing is written any more.
    pub(super) lock: DataLock,
}

/// A gateway that serves.
#[must_use = "a gateway that is dropped stops serving at once"]
pub struct RunningApp {
    pub(super) addresses: Addresses,
    pub(super) management: Arc<Management>,
    pub(super) kept: Kept,
    pub(super) supervisor: Supervisor,
    /// Cancelled: no new connections.
    pub(super) stop: CancellationToken,
    /// Cancelled: health is not told any more either.
    pub(super) end: CancellationToken,
    /// Cancelled by the API's listener when its last request is answered.
    pub(super) answered: CancellationToken,
    /// Cancelled when no event is being delivered any more.
    pub(super) delivered: CancellationToken,
    pub(super) shutdown: Duration,
}

impl RunningApp {
    /// Serves until SIGINT, SIGTERM or SIGHUP, or until a part of it fails; then stops. A second signal ends at once.
    pub async fn run(self) -> Result<(), RunError> {
        let mut signals = Signals::new().map_err(RunError::Signals)?;
        let asked = tokio::select! {
            name = signals.next() => {
                info!(signal = name, "Stopping, asked by {name}; a second signal ends at once");
                Ok(())
            }
            failure = self.supervisor.failed() => Err(failure.into()),
        };
        tokio::select! {
            () = self.stop() => asked,
            _ = signals.next() => Err(RunError::Impatient),
        }
    }

    /// Stops accepting, lets sessions and requests of the API finish for as long as the configuration says, ends those
    /// that are left, and writes what is still to be written.
    pub async fn stop(self) {
        self.kept.readiness.drain();
        self.stop.cancel();
        // Whoever waits for events is answered now: the wait would be part of the time that requests have to finish.
        self.management.end_waits();
        let finished =
            async { tokio::join!(self.kept.registry.drained(), self.answered.cancelled(), self.delivered.cancelled()) };
        if timeout(self.shutdown, finished).await.is_err() {
            let sessions = self.kept.registry.disconnect_all(EndReason::ShuttingDown);
            let time = self.shutdown;
            let (requests, deliveries) = (!self.answered.is_cancelled(), !self.delivered.is_cancelled());
            warn!(
                sessions,
                requests,
                deliveries,
                "Ended {sessions} sessions, or requests of the API and deliveries of events, that took more than {time:?}"
            );
        }
        // Those that have a goodbye to say, say it now; health is told until then.
        let _ = timeout(GOODBYE, self.kept.registry.drained()).await;
        self.end.cancel();
        if timeout(GOODBYE, self.supervisor.finished()).await.is_err() {
            warn!("Cut connections that did not close in {GOODBYE:?}");
            self.supervisor.abort();
            // An aborted task ends at its next await; what blocks longer has no right to keep the process.
            let _ = timeout(GOODBYE, self.supervisor.finished()).await;
        }
        if timeout(LAST_WRITES, self.kept.access.flush()).await.is_err() {
            warn!("Some sign-ins could not be recorded in {LAST_WRITES:?}");
        }
        if timeout(LAST_WRITES, self.kept.storage.settle()).await.is_err() {
            warn!(
                "Some transfers could not be recorded in {LAST_WRITES:?}; publications are recorded at the next start"
            );
        }
        if timeout(LAST_WRITES, self.kept.store.close()).await.is_err() {
            warn!("The database did not close in {LAST_WRITES:?}");
        }
        drop(self.kept.lock);
        info!("Stopped");
    }

    /// Resolves when a part of the gateway failed; it then is to be stopped.
    pub async fn failed(&self) -> TaskFailure {
        self.supervisor.failed().await
    }

    /// Where SFTP is served, in the order of the configuration.
    pub fn sftp_addresses(&self) -> &[SocketAddr] {
        &self.addresses.sftp
    }

    /// Where FTPS and FTPES are served, and how, in the order of the configuration.
    pub fn ftp_addresses(&self) -> &[(FtpMode, SocketAddr)] {
        &self.addresses.ftp
    }

    /// Where the management API is served.
    pub fn api_address(&self) -> SocketAddr {
        self.addresses.api
    }

    /// Where health and metrics are served.
    pub fn internal_address(&self) -> SocketAddr {
        self.addresses.internal
    }

    /// What operators may do.
    pub fn management(&self) -> &Arc<Management> {
        &self.management
    }

    /// Where a remote folder's files are on the disk.
    pub fn directory_of(&self, instance: InstanceId, account: AccountId, path: &VirtualPath) -> std::path::PathBuf {
        self.kept.storage.directory_of(instance, account, path)
    }

    /// The host keys' public halves, as `known_hosts` has them behind the host.
    pub fn host_keys(&self) -> Vec<String> {
        let keys = self.kept.host_keys.keys.iter();
        keys.filter_map(|key| {
            let mut public = key.public_key().clone();
            public.set_comment("");
            public.to_openssh().ok()
        })
        .collect()
    }
}

/// The signals that ask the gateway to stop. A terminal that closes (SIGHUP) asks so too: there is nothing to reload.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hang_up.recv() => "SIGHUP",
        }
    }
}
