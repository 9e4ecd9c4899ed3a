//! The composition root: builds the whole from its parts, starts it, stops it.
//!
//! [`App::start`] binds every listener, locks the data, opens what is kept, puts right what a crash left, and only then
//! serves ([`App::open`] and [`App::serve`] are its halves, for who has something to do in between). The [`RunningApp`] that it yields knows where it listens; [`RunningApp::run`] keeps it until a signal, and
//! [`RunningApp::stop`] ends it politely. Tests run the same thing in their own process, on ports the kernel chooses.

mod clock_watch;
mod data_lock;
mod error;
mod lifecycle;
mod listeners;
mod maintenance;
mod readiness;
mod supervisor;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::info;

pub use data_lock::LockError;
pub use error::{RunError, StartError};
pub use lifecycle::RunningApp;
pub use listeners::Listeners;
pub use supervisor::TaskFailure;

use crate::access::{Access, AccessParts};
use crate::config::{Config, TlsFiles};
use crate::credentials::{Argon2Hasher, HostKeys, MasterKeys, Passwords, key_of};
use crate::domain::{Clock, OsRandom, Random, SystemClock, Timestamp};
use crate::events::StoreLedger;
use crate::events::webhooks::{WebhookParts, Webhooks};
use crate::ftp::{self, FtpParts};
use crate::management::{Management, ManagementParts};
use crate::sessions::Registry;
use crate::sftp::{self, SftpParts};
use crate::store::Store;
use crate::telemetry::Metrics;
use crate::vfs::Storage;
use crate::{http, net};
use data_lock::DataLock;
use lifecycle::Kept;
use maintenance::Maintenance;
use readiness::GatewayReadiness;
use supervisor::Supervisor;

/// What the program is built on; the default is the product's.
pub struct Foundations {
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    /// Starts what records transfers and events.
    pub ledger: fn(Store, Metrics) -> Arc<StoreLedger>,
}

impl Default for Foundations {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), random: Arc::new(OsRandom), ledger: StoreLedger::start }
    }
}

/// A gateway whose data is open and whose listeners are bound, but which serves nobody yet: connections wait in the kernel.
#[must_use = "nothing is served until `serve`"]
pub struct App {
    config: Config,
    listeners: Listeners,
    tls: Option<Arc<rustls::ServerConfig>>,
    ftp_tls: Arc<net::TlsSessions>,
    management: Arc<Management>,
    webhooks: Arc<Webhooks>,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    kept: Kept,
}

impl App {
    /// Starts everything that the configuration says. When it yields, all listeners are served.
    pub async fn start(config: Config) -> Result<RunningApp, StartError> {
        let listeners = Listeners::bind(&config)?;
        Ok(Self::open(config, listeners).await?.serve())
    }

    /// Opens what is kept, for listeners that are bound already.
    pub async fn open(config: Config, listeners: Listeners) -> Result<Self, StartError> {
        Self::open_with(config, listeners, Foundations::default()).await
    }

    /// Opens what is kept, on foundations of the caller's own.
    pub async fn open_with(config: Config, listeners: Listeners, foundations: Foundations) -> Result<Self, StartError> {
        let Foundations { clock, random, ledger } = foundations;
        let metrics = Metrics::default();
        let Prepared { lock, host_keys, tls, ftp_tls } = prepare(&config, clock.now(), random.clone()).await?;
        let store = Store::open(&config.database).await?;
        store.migrate().await?;

        let ledger = ledger(store.clone(), metrics.clone());
        let storage = {
            let (settings, ledger) = (config.storage.clone(), ledger.clone());
            let (clock, random) = (clock.clone(), random.clone());
            blocking(move || Storage::open(&settings, ledger, clock, random)).await.map_err(StartError::Storage)?
        };
        // Before anyone can look: what a crash left between "renamed" and "recorded" is brought to one of the two.
        storage.recover().await.map_err(StartError::Storage)?;

        let hasher = {
            // Makes the dummy hash for unknown logins: as slow as any other hash.
            let settings = config.passwords.clone();
            blocking(move || Argon2Hasher::new(&settings)).await
        };
        let passwords = Passwords::new(&config.passwords, Arc::new(hasher), random.clone());
        let registry = Registry::new(config.sessions.clone(), clock.clone(), random.clone());
        let presets = Arc::new(config.presets.clone());
        let access = Access::new(AccessParts {
            settings: config.access.clone(),
            store: store.clone(),
            registry: registry.clone(),
            storage: storage.clone(),
            passwords: passwords.clone(),
            presets: presets.clone(),
            clock: clock.clone(),
            random: random.clone(),
        });
        let webhooks = webhooks(&config, &store, &metrics, clock.clone(), random.clone()).await?;
        let management = Management::new(ManagementParts {
            webhooks: webhooks.clone(),
            store: store.clone(),
            storage: storage.clone(),
            access: access.clone(),
            registry: registry.clone(),
            passwords,
            presets,
            clock: clock.clone(),
            random: random.clone(),
        });
        let readiness = GatewayReadiness::new(store.clone(), storage.clone());
        let kept = Kept { store, storage, access, registry, host_keys: Arc::new(host_keys), readiness, lock };
        Ok(Self { config, listeners, tls, ftp_tls, management, webhooks, metrics, clock, random, kept })
    }

    /// What operators may do, also before anyone is served.
    pub fn management(&self) -> &Arc<Management> {
        &self.management
    }

    /// The database, for what the command line does with it alone.
    pub fn store(&self) -> &Store {
        &self.kept.store
    }

    /// Serves every listener.
    pub fn serve(self) -> RunningApp {
        let Self { config, listeners, tls, ftp_tls, management, webhooks, metrics, clock, random, kept } = self;
        let addresses = listeners.addresses();
        let supervisor = Supervisor::default();
        let (stop, end) = (CancellationToken::new(), CancellationToken::new());
        let sftp_parts = SftpParts {
            settings: config.sftp.clone(),
            access: kept.access.clone(),
            registry: kept.registry.clone(),
            host_keys: kept.host_keys.clone(),
            metrics: metrics.clone(),
            clock: clock.clone(),
            sign_in_timeout: config.access.sign_in_timeout,
            idle: config.sessions.idle,
            stall: config.sessions.stall,
        };
        for (settings, listener) in listeners.sftp {
            info!(address = %listener.local_address(), "Serving SFTP on {}", listener.local_address());
            let serving = sftp::serve(listener, settings, sftp_parts.clone(), stop.clone());
            supervisor.watch("the SFTP listener", &stop, serving);
        }
        let ftp_parts = FtpParts {
            settings: config.ftp.clone(),
            access: kept.access.clone(),
            tls: ftp_tls.clone(),
            ports: ftp::Ports::new(config.ftp.passive_ports, random.clone()),
            metrics: metrics.clone(),
            clock: clock.clone(),
            random,
            sign_in_timeout: config.access.sign_in_timeout,
            idle: config.sessions.idle,
            stall: config.sessions.stall,
        };
        for (settings, listener) in listeners.ftp {
            let kind = settings.mode.connection_type();
            info!(address = %listener.local_address(), "Serving {kind} on {}", listener.local_address());
            let serving = ftp::serve(listener, settings, ftp_parts.clone(), stop.clone());
            supervisor.watch("the FTP listener", &stop, serving);
        }
        supervisor.watch("the watch over certificates", &end, ftp_tls.watch(end.clone()));
        info!(address = %addresses.api, tls = tls.is_some(), "Serving the management API on {}", addresses.api);
        let answered = CancellationToken::new();
        let (last, serving) = (
            answered.clone().drop_guard(),
            http::serve_api(listeners.api, tls, management.clone(), metrics.clone(), stop.clone()),
        );
        supervisor.watch("the API's listener", &stop, async move {
            let _last = last;
            serving.await;
        });
        // What is being delivered may finish, as requests may.
        let delivered = CancellationToken::new();
        let (last, delivering) = (delivered.clone().drop_guard(), webhooks.deliver(stop.clone(), end.clone()));
        supervisor.watch("the delivery of webhooks", &stop, async move {
            let _last = last;
            delivering.await;
        });
        // Health is told until the very end: a load balancer has to see that the gateway drains.
        info!(address = %addresses.internal, "Serving health and metrics on {}", addresses.internal);
        let serving = http::serve_internal(listeners.internal, kept.readiness.clone(), metrics, end.clone());
        supervisor.watch("the internal listener", &end, serving);
        let (storage, until) = (kept.storage.clone(), end.clone());
        supervisor.watch("the recorder of publications", &end, async move { storage.keep_recording(until).await });
        let maintenance = Maintenance {
            store: kept.store.clone(),
            storage: kept.storage.clone(),
            management: management.clone(),
            history: config.history,
            deliveries: config.webhooks.keep,
            clock,
        };
        supervisor.watch("maintenance", &end, maintenance.repeat(config.storage.sweep_every, end.clone()));
        RunningApp {
            addresses,
            management,
            kept,
            supervisor,
            stop,
            end,
            answered,
            delivered,
            shutdown: config.shutdown,
        }
    }
}

/// What is read from files before anything is opened.
struct Prepared {
    lock: DataLock,
    host_keys: HostKeys,
    tls: Option<Arc<rustls::ServerConfig>>,
    ftp_tls: Arc<net::TlsSessions>,
}

async fn prepare(config: &Config, now: Timestamp, random: Arc<dyn Random>) -> Result<Prepared, StartError> {
    let config = config.clone();
    blocking(move || {
        make_database_directory(&config)?;
        make_directory(&config.storage.directory)?;
        let lock = DataLock::take(&config.storage.directory)?;
        make_directory(&config.certs_dir)?;
        let host_keys = HostKeys::load_or_create(&config.certs_dir)?;
        let tls = config.api.tls.as_ref().map(|files| net::server_config(files, &[b"h2", b"http/1.1"])).transpose()?;
        let default = match config.ftp.certificate.clone() {
            Some(files) => files,
            None => net::certificates::load_or_create(&config.certs_dir, &config.ftp.hosts.0, now)?,
        };
        let named = config.ftp.certificates.iter().map(|entry| {
            let files = TlsFiles { certificate: entry.certificate.clone(), key: entry.key.clone() };
            (entry.hosts.0.clone(), files)
        });
        let certificates = net::NamedCertificates { default, named: named.collect() };
        let ftp_tls = net::TlsSessions::new(certificates, random)?;
        Ok(Prepared { lock, host_keys, tls, ftp_tls })
    })
    .await
}

/// What delivers events. Its secrets are sealed: without the key that sealed them nothing starts.
async fn webhooks(
    config: &Config,
    store: &Store,
    metrics: &Metrics,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> Result<Arc<Webhooks>, StartError> {
    let sealed = store.read().await?.webhooks().sealed_secrets().await?;
    let in_use = sealed.iter().filter_map(|sealed| key_of(sealed)).map(str::to_owned).collect();
    let (settings, directory) = (config.webhooks.clone(), config.certs_dir.clone());
    let parts = (store.clone(), metrics.clone());
    blocking(move || {
        let keys = Arc::new(MasterKeys::load_or_create(&directory, &in_use, &*random)?);
        let patience = net::Patience {
            connect: settings.connect_timeout,
            handshake: settings.connect_timeout,
            answer: settings.answer_timeout,
            body: settings.answer_timeout,
        };
        let guard = net::AddressGuard::allowing(settings.allow_networks.0.clone());
        let client = net::HttpClient::new(guard, settings.ca.as_deref(), patience).map_err(StartError::Authorities)?;
        let (store, metrics) = parts;
        Ok(Webhooks::new(WebhookParts { settings, store, keys, client, metrics, clock, random }))
    })
    .await
}

/// Makes the directory that the database's file will be in. Blocking.
pub fn make_database_directory(config: &Config) -> Result<(), StartError> {
    config.database.file().as_deref().and_then(Path::parent).map_or(Ok(()), make_directory)
}

/// A directory that is made is its owner's alone: it holds files of payrolls, hashes or keys.
fn make_directory(path: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::DirBuilderExt;
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| StartError::Directory { path: path.to_owned(), source })
}

/// Runs work that waits for the disk or the processor where it stalls nobody.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => unreachable!("blocking work that was started is never cancelled"),
    }
}
