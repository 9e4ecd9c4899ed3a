//! What operators may do: the use cases, called alike by the API and the pages. One file per resource.
//!
//! Each use case takes the [`Operator`] who acts and answers in domain types or its own, so that the edges above need
//! to know neither the store nor the file tree. Rules of the product live here (what a preset allows, how many
//! credentials an account may have, which change ends sessions); an edge only parses and renders.
//!
//! A change that touches both database and disk says in a comment what a crash between the two leaves behind. Nobody's
//! files are ever lost by one: the worst is a repeat of the request, or files that wait where an operator finds them.
//! Such a change must also not stop halfway because its caller hung up: the edge runs it in a task of its own.

mod account_rules;
pub mod accounts;
pub mod audit;
pub mod blocks;
mod burials;
mod changing;
pub mod credentials;
mod error;
pub mod feed;
pub mod files;
#[cfg(test)]
pub(crate) mod fixture;
pub mod folders;
pub mod history;
pub mod instances;
mod operator;
mod page;
pub mod presets;
mod retention;
pub mod sessions;
mod shapes;
#[cfg(test)]
mod tests;
pub mod tokens;
pub mod usage;
mod webhook_deliveries;
mod webhooks;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::access::Access;
use crate::credentials::Passwords;
use crate::domain::{Clock, Preset, PresetName, Random};
use crate::events::webhooks::Webhooks;
use crate::sessions::Registry;
use crate::store::Store;
use crate::vfs::Storage;

pub use accounts::{AccountChanges, AccountFilter, CreatedAccount, NewAccount};
pub use audit::AuditSearch;
pub use blocks::SignInBlock;
pub use credentials::{CreatedPassword, NewPassword, NewPublicKey, ValidityChanges};
pub use error::{Cause, FieldError, ManagementError, sentence};
pub use feed::{Feed, FeedRequest, FeedStart, MAX_WAIT};
pub use files::{Abandonment, Download, EntryKind, FileInfo, IncomingFile, StoredFile};
pub use folders::{FolderChanges, NewFolder};
pub use history::{SignInInfo, SignInResult, SignInSearch, TransferInfo, TransferSearch};
pub use instances::NewInstance;
pub use operator::Operator;
pub use page::{Page, PageRequest};
pub use retention::{AgingFile, RetentionLimits, RetentionPreview, RetentionRound};
pub use sessions::{OpenSession, SessionSearch};
pub use tokens::{CreatedToken, NewToken, TokenInfo};
pub use usage::AccountUsage;
pub use webhook_deliveries::{AttemptInfo, DeliveryInfo, ReplayRequest};
pub use webhooks::{NewWebhook, WebhookChanges, WebhookInfo, WebhookWithSecret};

/// Whether the gateway takes work; implemented by `app`.
pub trait Readiness: Send + Sync + 'static {
    /** Err: the reason, for the operator. */
    fn check(&self) -> futures_util::future::BoxFuture<'_, Result<(), String>>;
}

/// What the use cases work with.
pub struct ManagementParts {
    pub webhooks: Arc<Webhooks>,
    pub store: Store,
    pub storage: Arc<Storage>,
    pub access: Arc<Access>,
    pub registry: Arc<Registry>,
    pub passwords: Arc<Passwords>,
    pub presets: Arc<BTreeMap<PresetName, Preset>>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// The use cases; each resource's are in the file of its name.
pub struct Management {
    store: Store,
    storage: Arc<Storage>,
    access: Arc<Access>,
    registry: Arc<Registry>,
    passwords: Arc<Passwords>,
    presets: Arc<BTreeMap<PresetName, Preset>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    waiting: feed::Waiting,
    webhooks: Arc<Webhooks>,
}

impl Management {
    pub fn new(parts: ManagementParts) -> Arc<Self> {
        let ManagementParts { webhooks, store, storage, access, registry, passwords, presets, clock, random } = parts;
        let waiting = feed::Waiting::default();
        Arc::new(Self { store, storage, access, registry, passwords, presets, clock, random, waiting, webhooks })
    }
}
