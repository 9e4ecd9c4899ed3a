//! What happened, written where it cannot be lost: the implementation of [`crate::vfs::Ledger`], and the history's term.
//!
//! A publication is a transfer and a `file.uploaded` event in one transaction, a removal or a rename an event; an intent in
//! staging vouches for each until it is written. A transfer that published nothing is a note (with its event), written
//! behind. All go through one queue to one writer ([`StoreLedger`]), which commits as many at a time as wait. `rows` says
//! what they look like in the store.

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
#[cfg(test)]
pub(crate) use rows::{documented, keys};
