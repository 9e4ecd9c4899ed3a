//! Everything that is kept in SQL: the only place that says sqlx.
//!
//! [`Store::read`] gives a [`Reader`], [`Store::write`] a [`Unit`]: one transaction, committed whole by
//! [`Unit::commit`] or not at all. Both hand out the same repositories, one for each aggregate, one file each.
//!
//! The statements are one text for every engine: `$1` placeholders, identifiers as UUID text, times as microseconds
//! UTC, JSON as text, and no word that only one engine knows. What is peculiar to an engine (its URL, its settings, how
//! a transaction begins, how units wait for each other, its migrations) lies in a file of its own, `sqlite` and
//! `postgres`, of which `engine` alone knows. What a row must look like to be read back is said once, in `record`.

mod accounts;
mod audit;
mod blocks;
mod burials;
mod connection;
mod credentials;
mod deliveries;
mod delivery_history;
mod engine;
mod error;
mod events;
mod folders;
mod instances;
mod page;
mod postgres;
mod record;
mod sign_ins;
mod sqlite;
mod tokens;
mod transfers;
mod webhooks;

#[cfg(test)]
pub(crate) mod contract;

pub use accounts::{AccountFilter, Accounts};
pub use audit::{Audit, AuditFilter};
pub use blocks::{Block, Blocks};
pub use burials::{Burial, Burials};
pub use credentials::Credentials;
pub use deliveries::{Deliveries, DeliveryAttempt, DeliveryEnd, DeliveryRow, Replay};
pub use engine::{Migration, Reader, Store, Unit};
pub use error::{Conflict, NulCharacter, StoreError};
pub use events::{EventFilter, EventRow, Events, PlacedEvent};
pub use folders::Folders;
pub use instances::Instances;
pub use page::{Cursor, InvalidCursor, Page, PageRequest};
pub use sign_ins::{GRANTED, SignInAttempt, SignInFilter, SignIns};
pub use tokens::{Token, Tokens};
pub use transfers::{TransferFilter, TransferRow, Transfers};
pub use webhooks::{WebhookRow, Webhooks};
