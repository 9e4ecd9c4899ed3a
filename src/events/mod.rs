//! What happened, written where it cannot be lost: the implementation of [`crate::vfs::Ledger`], and the history's term.
//!
//! A publication is a transfer and a `file.uploaded` event in one transaction, durable before the client hears "OK". A
//! transfer that published nothing is a note, written behind. Both go through one queue to one writer ([`StoreLedger`]),
//! which commits as many at a time as wait. `rows` says what they look like in the store.

mod cloud_event;
mod history;
mod ledger;
mod rows;
#[cfg(test)]
mod samples;
mod telling;
pub mod webhooks;
mod writer;

pub use cloud_event::{CLOUD_EVENT_JSON, cloud_event};
pub use history::forget_old;
pub use ledger::StoreLedger;
