//! A door with an account behind it, a clock that is moved by hand, a hasher that notes what it is asked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::access::accounts::{Accounts, Found, Known, Question, SignInRecord};
use crate::access::grant::Trees;
use crate::access::records::Record;
use crate::access::remembered::Remembered;
use crate::access::{Access, Connection, Outcome, Proof, RefusalReason, SignIn};
use crate::config::{AccessSettings, PasswordSettings, SessionSettings};
use crate::credentials::{HashError, Hasher, Passwords};
use crate::domain::{
    Account, AccountId, AccountName, AccountState, AuthenticationRule, ConnectionType, Credential, CredentialId,
    CredentialKind, Hosting, InstanceId, LoginName, ManualClock, OsRandom, Preset, PresetName, PublicKey, Quota,
    Secret, Timestamp, TlsResumption, Validity,
};
use crate::sessions::Registry;
use crate::store::{Block, Conflict, StoreError};
use crate::vfs::{Actor, OperatorTree, SessionTree, TreeOwner, VfsError};

pub(in crate::access) const NOON: Timestamp = Timestamp::from_seconds(1_795_435_200);
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ paie@acme";
const OTHER_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

pub(super) fn key() -> PublicKey {
    PublicKey::parse(KEY).unwrap()
}

pub(super) fn other_key() -> PublicKey {
    PublicKey::parse(OTHER_KEY).unwrap()
}

/// A hash is `parameters:password`; those of today are `2`.
#[derive(Default)]
pub(super) struct CountingHasher {
    /// The parameters of each verification.
    pub(super) verified: Mutex<Vec<String>>,
    /// Set: no verification ends while the other end lives.
    pub(super) gate: Mutex<Option<mpsc::Receiver<()>>>,
}

impl CountingHasher {
    /// The parameters of the verifications since the last time.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.verified.lock().unwrap())
    }
}

impl Hasher for CountingHasher {
    fn hash(&self, password: &str, _salt: &[u8]) -> String {
        format!("2:{password}")
    }

    fn verify(&self, password: &str, hash: &str) -> Result<bool, HashError> {
        let (parameters, right) = hash.split_once(':').ok_or_else(|| HashError::Unreadable("no colon".to_owned()))?;
        if let Some(gate) = &*self.gate.lock().unwrap() {
            let _ = gate.recv();
        }
        self.verified.lock().unwrap().push(parameters.to_owned());
        Ok(right == password)
    }

    fn is_current(&self, hash: &str) -> bool {
        hash.starts_with("2:")
    }

    fn dummy(&self) -> &str {
        "2:\0"
    }
}

/// The store, in memory.
#[derive(Default)]
pub(in crate::access) struct MemoryAccounts {
    pub(super) records: Mutex<Vec<SignInRecord>>,
    pub(in crate::access) written: Mutex<Vec<Record>>,
    pub(super) blocks: Mutex<Vec<Block>>,
    pub(super) fails: AtomicBool,
    /// Set: the uses of credentials cannot be written, as when their account is gone.
    pub(in crate::access) refuses_uses: AtomicBool,
    /// Done while someone asks for the owner of files.
    pub(super) meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    /// Set: blocks cannot be written.
    pub(super) refuses_blocks: AtomicBool,
}

impl MemoryAccounts {
    fn answer<T>(&self, answer: T) -> Result<T, StoreError> {
        if self.fails.load(Ordering::SeqCst) {
            let problem = "the disk is on fire".to_owned();
            return Err(StoreError::Inconsistent { table: "accounts", column: "login", row: "1".to_owned(), problem });
        }
        Ok(answer)
    }
}

impl Accounts for MemoryAccounts {
    fn look_up<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Known, StoreError>> {
        let blocks = self.blocks.lock().unwrap();
        let block = blocks.iter().find(|block| {
            block.login == question.blocked_login
                && block.address == question.blocked_address
                && question.now < block.until
        });
        let known = self.records.lock().unwrap();
        let record = known.iter().find(|record| Some(&record.account.login) == question.login).cloned();
        let answer = self.answer(Known { block: block.cloned(), record });
        Box::pin(async { answer })
    }

    fn find(&self, account: AccountId) -> BoxFuture<'_, Result<Option<Found>, StoreError>> {
        let records = self.records.lock().unwrap();
        let found = records.iter().find(|record| record.account.id == account);
        let answer = self.answer(found.map(|record| (record.account.clone(), record.folders.clone())));
        if let Some(meanwhile) = self.meanwhile.lock().unwrap().take() {
            meanwhile();
        }
        Box::pin(async { answer })
    }

    fn write<'a>(&'a self, records: &'a [Record], _attempts_kept: u32) -> BoxFuture<'a, Result<(), StoreError>> {
        let refused = |record: &Record| match record {
            Record::Use { .. } => self.refuses_uses.load(Ordering::SeqCst),
            Record::Block(_) => self.refuses_blocks.load(Ordering::SeqCst),
            Record::Attempt(_) | Record::Upgrade { .. } | Record::Event(_) => false,
        };
        if records.iter().any(refused) {
            return Box::pin(async { Err(StoreError::Conflict(Conflict::Parent)) });
        }
        let answer = self.answer(());
        if answer.is_ok() {
            for record in records {
                match record {
                    Record::Block(block) => self.blocks.lock().unwrap().push(block.clone()),
                    Record::Upgrade { credential, old, new } => {
                        for known in &mut *self.records.lock().unwrap() {
                            for own in &mut known.credentials {
                                if own.id == *credential && own.kind == (CredentialKind::Password { hash: old.clone() })
                                {
                                    own.kind = CredentialKind::Password { hash: new.clone() };
                                }
                            }
                        }
                    }
                    Record::Attempt(_) | Record::Use { .. } | Record::Event(_) => {}
                }
                self.written.lock().unwrap().push(record.clone());
            }
        }
        Box::pin(async { answer })
    }
}

/// No files at all.
struct NoTrees;

impl Trees for NoTrees {
    fn mount(&self, _owner: TreeOwner, _actor: Actor) -> BoxFuture<'_, Result<SessionTree, VfsError>> {
        Box::pin(async { Err(VfsError::NotFound) })
    }

    fn mount_for_operator(&self, _owner: TreeOwner, _actor: Actor) -> BoxFuture<'_, Result<OperatorTree, VfsError>> {
        Box::pin(async { Err(VfsError::NotFound) })
    }
}

/// What a test works with.
pub(super) struct World {
    pub(super) access: Arc<Access>,
    pub(super) accounts: Arc<MemoryAccounts>,
    pub(super) hasher: Arc<CountingHasher>,
    pub(super) registry: Arc<Registry>,
    pub(super) passwords: Arc<Passwords>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) settings: AccessSettings,
}

impl World {
    /// Ends the block of the login that tests use, as an operator does; whether there was one.
    pub(super) async fn lift_block(&self) -> bool {
        let (address, login) = ("192.0.2.7", "paie-acme");
        let from_store = async {
            let mut blocks = self.accounts.blocks.lock().unwrap();
            let before = blocks.len();
            blocks.retain(|block| block.address != address || block.login != login);
            Ok::<_, StoreError>(blocks.len() < before)
        };
        self.access.lift_block(address, login, from_store).await.unwrap()
    }

    /// Blocks after 3 wrong answers within 10 minutes for 10 minutes; remembers a right password for 5.
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut AccessSettings)) -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let mut settings = AccessSettings {
            attempts_per_connection: 6,
            sign_in_timeout: minutes(1),
            unauthenticated_total: 4,
            unauthenticated_per_address: 2,
            block_after: 3,
            block_window: minutes(10),
            block_for: minutes(10),
            refusal_delay: Duration::ZERO,
            attempts_kept: 500,
        };
        change(&mut settings);
        let clock = Arc::new(ManualClock::at(NOON));
        let hasher = Arc::new(CountingHasher::default());
        let passwords = PasswordSettings {
            memory_kib: 64,
            iterations: 1,
            parallelism: 1,
            concurrent: 1,
            queue: 1,
            shortest: 12,
            remember: minutes(5),
        };
        let registry = Registry::new(sessions(), clock.clone(), Arc::new(OsRandom));
        let passwords = Passwords::new(&passwords, hasher.clone(), Arc::new(OsRandom));
        let accounts = Arc::new(MemoryAccounts::default());
        let mut world = Self {
            access: door(&settings, &accounts, &registry, &passwords, &clock),
            accounts,
            hasher,
            registry,
            passwords,
            clock,
            settings,
        };
        world.add(paie());
        world
    }

    /// The same gateway after a restart: the store is what remains.
    pub(super) fn restart(&mut self) {
        self.access = door(&self.settings, &self.accounts, &self.registry, &self.passwords, &self.clock);
    }

    /// Another gateway on the same store, with a registry of its own.
    pub(super) fn another_process(&self) -> Self {
        let registry = Registry::new(sessions(), self.clock.clone(), Arc::new(OsRandom));
        Self {
            access: door(&self.settings, &self.accounts, &registry, &self.passwords, &self.clock),
            accounts: self.accounts.clone(),
            hasher: self.hasher.clone(),
            registry,
            passwords: self.passwords.clone(),
            clock: self.clock.clone(),
            settings: self.settings.clone(),
        }
    }

    pub(super) fn add(&mut self, record: SignInRecord) {
        self.accounts.records.lock().unwrap().push(record);
    }

    /// Changes the account `paie-acme`.
    pub(super) fn change(&self, change: impl FnOnce(&mut SignInRecord)) {
        change(&mut self.accounts.records.lock().unwrap()[0]);
    }

    pub(super) fn connect(&self) -> SignIn {
        self.connect_from("192.0.2.7")
    }

    pub(super) fn connect_from(&self, address: &str) -> SignIn {
        self.access.admit(connection(address)).ok().unwrap()
    }

    /// One attempt on a connection of its own; `None`: granted.
    pub(super) async fn refusal(&self, login: &str, password: &str) -> Option<RefusalReason> {
        refusal(&mut self.connect(), login, password).await
    }

    /// What was written of attempts and so on, so far.
    pub(super) async fn written(&self) -> Vec<Record> {
        self.access.flush().await;
        self.accounts.written.lock().unwrap().clone()
    }
}

fn sessions() -> SessionSettings {
    SessionSettings {
        total: 2,
        per_account: 1,
        per_address: 2,
        idle: Duration::from_secs(900),
        stall: Duration::from_secs(300),
    }
}

fn door(
    settings: &AccessSettings,
    accounts: &Arc<MemoryAccounts>,
    registry: &Arc<Registry>,
    passwords: &Arc<Passwords>,
    clock: &Arc<ManualClock>,
) -> Arc<Access> {
    Access::with(
        settings.clone(),
        accounts.clone(),
        Arc::new(NoTrees),
        registry.clone(),
        (passwords.clone(), Remembered::new(passwords.remember(), &OsRandom)),
        Arc::new(presets()),
        (clock.clone(), Arc::new(OsRandom)),
    )
}

/// The preset of `paie-acme`.
fn presets() -> BTreeMap<PresetName, Preset> {
    let text = r#"
        version = 1
        label = { fr = "E-paye", en = "E-paye" }
        host = "sftp.example"
        ports = { sftp = 22, ftps = 990, ftpes = 21 }
        connection_types = ["sftp", "ftps"]
        default_connection_types = ["sftp"]
        credentials = ["password"]
        login_pattern = "{random}"
        close_notify = "guarded"
    "#;
    [(PresetName::parse("epaye").unwrap(), toml::from_str(text).unwrap())].into()
}

pub(super) fn connection(address: &str) -> Connection {
    let peer = std::net::SocketAddr::new(address.parse().unwrap(), 50_000);
    let tls_resumption = TlsResumption::Offered;
    Connection { peer, connection_type: ConnectionType::Sftp, preset: None, tls_resumption }
}

pub(super) fn password(text: &str) -> Proof {
    Proof::Password(Secret::new(text.to_owned()))
}

pub(super) async fn refusal(sign_in: &mut SignIn, login: &str, text: &str) -> Option<RefusalReason> {
    reason(&sign_in.attempt(login, password(text)).await)
}

/// `None`: it was not refused.
pub(super) fn reason(outcome: &Outcome) -> Option<RefusalReason> {
    match outcome {
        Outcome::Refused(refusal) => Some(refusal.reason),
        Outcome::Granted(_) | Outcome::MoreNeeded(_) => None,
    }
}

/// The account `paie-acme`, with the password `right` and a key.
pub(super) fn paie() -> SignInRecord {
    let account = Account {
        id: AccountId::new(NOON, &OsRandom),
        instance: InstanceId::new(NOON, &OsRandom),
        name: AccountName::parse("Paie").unwrap(),
        login: LoginName::parse("paie-acme").unwrap(),
        hosting: Hosting::Hosted { preset: PresetName::parse("epaye").unwrap(), version: 1 },
        host: "sftp.example".to_owned(),
        connection_types: [ConnectionType::Sftp].into_iter().collect(),
        authentication: AuthenticationRule::AnyCredential,
        state: AccountState::Enabled,
        expires_at: None,
        allowed_addresses: Vec::new(),
        close_notify: None,
        tls_resumption: None,
        quota: Quota::default(),
        created_at: NOON,
        updated_at: NOON,
    };
    let id = account.id;
    let mut record = SignInRecord { account, credentials: Vec::new(), folders: Vec::new() };
    record.credentials = vec![
        credential(id, CredentialKind::Password { hash: "2:right".to_owned() }),
        credential(id, CredentialKind::PublicKey(key())),
    ];
    record
}

pub(super) fn credential(account: AccountId, kind: CredentialKind) -> Credential {
    Credential {
        id: CredentialId::new(NOON, &OsRandom),
        account,
        kind,
        label: String::new(),
        validity: Validity::default(),
        created_at: NOON,
        last_use: None,
    }
}

/// Usable from `begin` to `end` minutes after noon.
pub(super) fn validity(begin: Option<i64>, end: Option<i64>) -> Validity {
    let at = |minutes: i64| Timestamp::from_seconds(NOON.as_seconds() + 60 * minutes);
    Validity::new(begin.map(at), end.map(at)).unwrap()
}
