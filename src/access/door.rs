//! The door itself: what all sign-ins share.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::accounts::Accounts;
use super::admission::{Admissions, Connection};
use super::defence::{Defence, WrongAnswers};
use super::grant::{StorageTrees, Trees};
use super::records::{Record, Records};
use super::refusal::{Refusal, RefusalReason};
use super::remembered::Remembered;
use super::shown::Sparse;
use super::sign_in::SignIn;
use crate::config::AccessSettings;
use crate::credentials::Passwords;
use crate::domain::{Account, AccountId, Clock, Preset, PresetName, Random, RemoteFolder};
use crate::sessions::{Registry, Source};
use crate::store::Store;
use crate::vfs::{Actor, OperatorTree, Storage, TreeOwner, VfsError};

/// How long the store may take to find an account.
pub(super) const LONGEST_LOOKUP: Duration = Duration::from_secs(10);

/// What the door is made of.
pub struct AccessParts {
    pub settings: AccessSettings,
    pub store: Store,
    pub registry: Arc<Registry>,
    pub storage: Arc<Storage>,
    pub passwords: Arc<Passwords>,
    /// What holds for accounts that do not say otherwise.
    pub presets: Arc<BTreeMap<PresetName, Preset>>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// The one door.
pub struct Access {
    pub(super) settings: AccessSettings,
    pub(super) accounts: Arc<dyn Accounts>,
    pub(super) trees: Arc<dyn Trees>,
    pub(super) registry: Arc<Registry>,
    pub(super) passwords: Arc<Passwords>,
    pub(super) remembered: Remembered,
    pub(super) presets: Arc<BTreeMap<PresetName, Preset>>,
    pub(super) defence: Arc<dyn Defence>,
    pub(super) records: Records,
    pub(super) clock: Arc<dyn Clock>,
    admissions: Arc<Admissions>,
    /// Warnings that would come with every connection or attempt of a flood.
    full: Sparse,
    pub(super) store_fails: Sparse,
}

impl Access {
    /// Inside a tokio runtime: a task that writes the records of sign-ins is started with it.
    pub fn new(parts: AccessParts) -> Arc<Self> {
        let AccessParts { settings, store, registry, storage, passwords, presets, clock, random } = parts;
        let remembered = Remembered::new(passwords.remember(), &*random);
        let trees = Arc::new(StorageTrees(storage));
        Self::with(settings, Arc::new(store), trees, registry, (passwords, remembered), presets, (clock, random))
    }

    pub(super) fn with(
        settings: AccessSettings,
        accounts: Arc<dyn Accounts>,
        trees: Arc<dyn Trees>,
        registry: Arc<Registry>,
        (passwords, remembered): (Arc<Passwords>, Remembered),
        presets: Arc<BTreeMap<PresetName, Preset>>,
        (clock, random): (Arc<dyn Clock>, Arc<dyn Random>),
    ) -> Arc<Self> {
        let defence: Arc<dyn Defence> = Arc::new(WrongAnswers::new(settings.clone()));
        let tell = {
            let defence = Arc::clone(&defence);
            move |record: &Record| match record {
                Record::Block(block) => defence.kept(block),
                Record::Attempt(_) | Record::Use { .. } | Record::Upgrade { .. } | Record::Event(_) => {}
            }
        };
        Arc::new(Self {
            admissions: Admissions::new(settings.unauthenticated_total, settings.unauthenticated_per_address),
            defence,
            records: Records::start(accounts.clone(), settings.attempts_kept, random, tell),
            settings,
            accounts,
            trees,
            registry,
            passwords,
            remembered,
            presets,
            clock,
            full: Sparse::default(),
            store_fails: Sparse::default(),
        })
    }

    /// Lets a connection try to sign in. The limits before sign-in (connections not signed in, in total and by address)
    /// hold while the `SignIn` lives and has granted nothing.
    pub fn admit(self: &Arc<Self>, connection: Connection) -> Result<SignIn, Refusal> {
        match self.admissions.enter(Source::from(connection.peer.ip())) {
            Some(place) => Ok(SignIn::new(self.clone(), connection, place)),
            None => {
                if let Some(refused) = self.full.tell(self.clock.now()) {
                    let address = connection.peer.ip();
                    tracing::warn!(%address, refused, "Too many connections that are not signed in: new ones are closed");
                }
                Err(RefusalReason::Overloaded.into())
            }
        }
    }

    /// An operator's way to an account's files. `None`: no such account. `Busy`: it is being changed.
    pub async fn operator_entry(&self, operator: &str, account: AccountId) -> Result<Option<OperatorTree>, VfsError> {
        self.entry(Actor::Operator { name: operator.to_owned() }, account).await
    }

    /// The same for the gateway itself, by one of its rules.
    pub async fn gateway_entry(&self, rule: &str, account: AccountId) -> Result<Option<OperatorTree>, VfsError> {
        self.entry(Actor::Gateway { rule: rule.to_owned() }, account).await
    }

    async fn entry(&self, actor: Actor, account: AccountId) -> Result<Option<OperatorTree>, VfsError> {
        let as_of = self.registry.moment();
        let found = match tokio::time::timeout(LONGEST_LOOKUP, self.accounts.find(account)).await {
            Ok(found) => found.map_err(io::Error::other),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        let Some((found, folders)) = found.map_err(VfsError::Storage)? else { return Ok(None) };
        let owner = self.owner(&found, folders);
        let tree = self.trees.mount_for_operator(owner, actor).await;
        // Its folders may lie elsewhere by now; what is put into the tree would be found by nobody.
        if self.registry.was_changed_since(account, as_of) { Err(VfsError::Busy) } else { tree.map(Some) }
    }

    /// Whose files an account's are.
    pub(super) fn owner(&self, account: &Account, folders: Vec<RemoteFolder>) -> TreeOwner {
        let (temporary_names, quota) = (account.temporary_names(&self.presets), account.quota(&self.presets));
        TreeOwner { instance: account.instance, account: account.id, folders, temporary_names, quota }
    }

    /// To be called after every change of an account, of its credentials or folders, once it is durable: what is
    /// remembered of its passwords is dropped, and a sign-in that looked at it before opens no session any more.
    pub fn account_changed(&self, account: AccountId) {
        self.registry.account_changed(account);
        self.remembered.forget(account);
    }

    /// Ends a block of a login from an address, both as [`crate::store::Block`] has them; whether there was one. Here it
    /// is over when this returns; other processes on this store notice within seconds.
    ///
    /// `from_store` removes it there, and says whether it was there; it begins when it may.
    pub async fn lift_block<E>(
        &self,
        address: &str,
        login: &str,
        from_store: impl Future<Output = Result<bool, E>>,
    ) -> Result<bool, E> {
        // A block may still be on its way to the store, and would come back from there.
        self.records.flush().await;
        let lifted = from_store.await;
        self.defence.lift(address, login);
        lifted
    }

    /// Resolves when the records of all sign-ins so far are written: before the store is closed.
    pub async fn flush(&self) {
        self.records.flush().await;
    }
}
