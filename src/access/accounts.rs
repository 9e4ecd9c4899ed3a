//! What the door asks of the store, as an interface, so that a test can answer instead.

use futures_util::future::BoxFuture;

use super::records::Record;
use crate::domain::{Account, AccountId, Credential, LoginName, RemoteFolder, Timestamp};
use crate::store::{Block, Store, StoreError};

/// Everything that a sign-in needs to know of an account.
#[derive(Debug, Clone)]
pub(super) struct SignInRecord {
    pub(super) account: Account,
    pub(super) credentials: Vec<Credential>,
    pub(super) folders: Vec<RemoteFolder>,
}

/// What the store knows of a login tried from an address.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) block: Option<Block>,
    pub(super) record: Option<SignInRecord>,
}

/// An account and its remote folders.
pub(super) type Found = (Account, Vec<RemoteFolder>);

/// Whom to look up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    /// `None`: what was tried cannot be a login.
    pub(super) login: Option<&'a LoginName>,
    /// The address and the login as blocks are kept.
    pub(super) blocked_address: &'a str,
    pub(super) blocked_login: &'a str,
    pub(super) now: Timestamp,
}

pub(super) trait Accounts: Send + Sync + 'static {
    fn look_up<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Known, StoreError>>;

    /// An account and its folders. `None`: no such account.
    fn find(&self, account: AccountId) -> BoxFuture<'_, Result<Option<Found>, StoreError>>;

    /// Writes what happened, in one transaction; keeps at most `attempts_kept` rows of attempts for an account.
    fn write<'a>(&'a self, records: &'a [Record], attempts_kept: u32) -> BoxFuture<'a, Result<(), StoreError>>;
}

impl Accounts for Store {
    fn look_up<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Known, StoreError>> {
        Box::pin(async move {
            let mut reader = self.read().await?;
            let Question { login, blocked_address, blocked_login, now } = question;
            let block = reader.blocks().find(blocked_address, blocked_login, now).await?;
            let account = match login {
                Some(login) => reader.accounts().find_by_login(login).await?,
                None => None,
            };
            // The same statements for a login that nobody has, so that a key query or a refusal takes no less time.
            let id = account.as_ref().map_or_else(nobody, |account| account.id);
            let credentials = reader.credentials().of_account(id).await?;
            let folders = reader.folders().of_account(id).await?;
            Ok(Known { block, record: account.map(|account| SignInRecord { account, credentials, folders }) })
        })
    }

    fn find(&self, account: AccountId) -> BoxFuture<'_, Result<Option<Found>, StoreError>> {
        Box::pin(async move {
            let mut reader = self.read().await?;
            let Some(account) = reader.accounts().find(account).await? else { return Ok(None) };
            let folders = reader.folders().of_account(account.id).await?;
            Ok(Some((account, folders)))
        })
    }

    fn write<'a>(&'a self, records: &'a [Record], attempts_kept: u32) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut unit = self.write().await?;
            let mut events = Vec::new();
            for record in records {
                match record {
                    Record::Attempt(attempt) => unit.sign_ins().record(attempt, attempts_kept).await?,
                    Record::Use { credential, last_use } => {
                        unit.credentials().record_use(*credential, last_use).await?;
                    }
                    Record::Upgrade { credential, old, new } => {
                        // False: the password was changed meanwhile, and the change is what counts.
                        unit.credentials().replace_hash(*credential, old, new).await?;
                    }
                    Record::Block(block) => unit.blocks().put(block).await?,
                    Record::Event(event) => events.push(event),
                }
            }
            unit.events().record_all(&events).await?;
            unit.commit().await
        })
    }
}

/// The id of no account.
fn nobody() -> AccountId {
    "00000000-0000-0000-0000-000000000000".parse().expect("the nil UUID is an identifier")
}
