//! The real thing in a temporary directory, for tests: store, files, sign-in and use cases, with a clock that stands
//! still and a hash that costs little.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::access::{Access, AccessParts, Connection, Outcome, Proof};
use crate::config::{AccessSettings, Networks, PasswordSettings, SessionSettings, StorageSettings, WebhookSettings};
use crate::credentials::{Argon2Hasher, MasterKeys, Passwords};
use crate::domain::{ConnectionType, ManualClock, OsRandom, Preset, PresetName, Secret, Timestamp, TlsResumption};
use crate::events::StoreLedger;
use crate::events::webhooks::{WebhookParts, Webhooks};
use crate::net::{AddressGuard, HttpClient, Patience};
use crate::sessions::Registry;
pub use crate::sessions::{EndReason, Session};
use crate::store::contract::TestStore;
use crate::store::{Block, Store};
use crate::vfs::Storage;

use super::{Management, ManagementParts};

/// A gateway without listeners.
pub struct Bench {
    pub management: Arc<Management>,
    pub store: Store,
    pub access: Arc<Access>,
    pub registry: Arc<Registry>,
    pub webhooks: Arc<Webhooks>,
    pub clock: Arc<ManualClock>,
    /// Holds `files`.
    pub directory: TempDir,
    _database: Option<TestStore>,
}

/// When tests begin.
pub fn start() -> Timestamp {
    Timestamp::parse("2026-11-23T08:00:00Z").unwrap()
}

const PRESETS: [(&str, &str); 3] = [
    (
        "lucca",
        r#"
        version = 1
        label = { fr = "Lucca", en = "Lucca" }
        host = "sftp.lucca.example"
        ports = { sftp = 22, ftps = 990, ftpes = 21 }
        connection_types = ["sftp", "ftps", "ftpes"]
        default_connection_types = ["sftp"]
        credentials = ["password", "public_key"]
        login_pattern = "{instance}-{random}"
        "#,
    ),
    (
        "epaye",
        r#"
        version = 3
        label = { fr = "E-paye", en = "E-paye" }
        neutral = true
        host = "sftp.epaye.example"
        ports = { sftp = 22, ftps = 990, ftpes = 21 }
        connection_types = ["sftp", "ftps"]
        default_connection_types = ["sftp", "ftps"]
        credentials = ["password", "public_key"]
        login_prefix = "epaye-"
        login_pattern = "{prefix}{instance}-{random}"
        folders = [
            { name = "Import", path = "/import", rights = "pick-up" },
            { name = "Export", path = "/export", rights = "drop-box" },
        ]
        "#,
    ),
    (
        "mprh",
        r#"
        version = 2
        label = { fr = "MPRH", en = "MPRH" }
        host = "sftp.mprh.example"
        ports = { sftp = 22, ftps = 990, ftpes = 21 }
        connection_types = ["sftp"]
        default_connection_types = ["sftp"]
        credentials = ["public_key"]
        login_prefix = "mprh."
        login_pattern = "{prefix}{random}"
        folders = [{ name = "Archive", path = "/mprh/archive", rights = "read-write" }]
        "#,
    ),
];

/// Delivers to loopback too, without TLS, when told to.
fn webhooks(store: &Store, clock: Arc<ManualClock>) -> Arc<Webhooks> {
    let allowed = vec!["127.0.0.0/8".parse().unwrap()];
    let second = Duration::from_secs(20);
    let settings = WebhookSettings {
        allow_networks: Networks(allowed.clone()),
        allow_http: true,
        ca: None,
        connect_timeout: second,
        answer_timeout: second,
        concurrent: 8,
        concurrent_per_endpoint: 4,
        retry_for: Duration::from_secs(3 * 86_400),
        secret_overlap: Duration::from_secs(86_400),
        keep: Duration::from_secs(30 * 86_400),
    };
    let patience = Patience { connect: second, handshake: second, answer: second, body: second };
    let client = HttpClient::new(AddressGuard::allowing(allowed), None, patience).unwrap();
    let (keys, metrics) = (Arc::new(MasterKeys::of_a_test()), crate::telemetry::Metrics::default());
    let (store, random) = (store.clone(), Arc::new(OsRandom));
    Webhooks::new(WebhookParts { settings, store, keys, client, metrics, clock, random })
}

impl Bench {
    /// On a SQLite of its own.
    pub async fn new() -> Self {
        let database = TestStore::sqlite().await;
        let bench = Self::over(&database);
        Self { _database: Some(database), ..bench }
    }

    pub fn over(store: &Store) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(start()));
        let random = Arc::new(OsRandom);
        let ledger = StoreLedger::start(store.clone(), crate::telemetry::Metrics::default());
        let minutes = |count: u64| Duration::from_secs(60 * count);
        let storage = StorageSettings {
            directory: directory.path().join("files"),
            incomplete: minutes(60),
            just_uploaded: minutes(10),
            trash: minutes(60),
            sweep_every: minutes(10),
        };
        let storage = Storage::open(&storage, ledger, clock.clone(), random.clone()).unwrap();
        let sessions =
            SessionSettings { total: 10, per_account: 10, per_address: 10, idle: minutes(15), stall: minutes(5) };
        let registry = Registry::new(sessions, clock.clone(), random.clone());
        let passwords = PasswordSettings {
            memory_kib: 64,
            iterations: 1,
            parallelism: 1,
            concurrent: 2,
            queue: 16,
            shortest: 12,
            remember: minutes(5),
        };
        let passwords = Passwords::new(&passwords, Arc::new(Argon2Hasher::new(&passwords)), random.clone());
        let settings = AccessSettings {
            attempts_per_connection: 6,
            sign_in_timeout: minutes(1),
            unauthenticated_total: 10,
            unauthenticated_per_address: 10,
            block_after: 10,
            block_window: minutes(10),
            block_for: minutes(10),
            refusal_delay: Duration::ZERO,
            attempts_kept: 10,
        };
        let preset = |(name, text): (&str, &str)| {
            let preset: Preset = toml::from_str(text).unwrap();
            preset.validate().unwrap();
            (PresetName::parse(name).unwrap(), preset)
        };
        let presets: Arc<BTreeMap<_, _>> = Arc::new(PRESETS.into_iter().map(preset).collect());
        let access = Access::new(AccessParts {
            settings,
            store: store.clone(),
            registry: registry.clone(),
            storage: storage.clone(),
            passwords: passwords.clone(),
            presets: presets.clone(),
            clock: clock.clone(),
            random: random.clone(),
        });
        let webhooks = webhooks(store, clock.clone());
        let management = Management::new(ManagementParts {
            webhooks: webhooks.clone(),
            store: store.clone(),
            storage,
            access: access.clone(),
            registry: registry.clone(),
            passwords,
            presets,
            clock: clock.clone(),
            random,
        });
        let store = store.clone();
        Self { management, webhooks, store, access, registry, clock, directory, _database: None }
    }

    /// Blocks a login from an address for an hour.
    pub async fn block(&self, address: &str, login: &str) {
        let (address, login, reason) = (address.to_owned(), login.to_owned(), "as a test".to_owned());
        let block = Block { address, login, reason, since: start(), until: start().plus(Duration::from_secs(3_600)) };
        let mut unit = self.store.write().await.unwrap();
        unit.blocks().put(&block).await.unwrap();
        unit.commit().await.unwrap();
    }

    /// Signs in over SFTP as a client would; `None` when refused.
    pub async fn sign_in(&self, login: &str, password: &str) -> Option<Session> {
        self.sign_in_over(ConnectionType::Sftp, login, password).await
    }

    /// As [`Self::sign_in`], over any connection type.
    pub async fn sign_in_over(&self, connection_type: ConnectionType, login: &str, password: &str) -> Option<Session> {
        let peer = "203.0.113.7:50000".parse().unwrap();
        let (preset, tls_resumption) = (None, TlsResumption::Offered);
        let connection = Connection { peer, connection_type, preset, tls_resumption };
        let mut sign_in = self.access.admit(connection).unwrap();
        sign_in.set_client("OpenSSH_9.9");
        sign_in.set_protocol_details("mlkem768x25519-sha256 ssh-ed25519 aes128-gcm@openssh.com");
        match sign_in.attempt(login, Proof::Password(Secret::new(password.to_owned()))).await {
            Outcome::Granted(grant) => Some(grant.open().await.unwrap().0),
            Outcome::MoreNeeded(_) | Outcome::Refused(_) => None,
        }
    }
}
