//! The confined file tree: what a login (or an operator) sees of the disk, and how a file is published whole or not at
//! all.
//!
//! [`Storage`] is the place of all files. A [`SessionTree`] is one login's view of it: its remote folders mounted at
//! their paths, the ancestors above them made up and read-only, nothing else. An [`OperatorTree`] is the view of
//! Lucca's own applications: the published files of one account, all rights. Only `access` builds either.
//!
//! Both are a `view` that asks the `mount_table` where a path lies, the table in `operation` which right is needed, the
//! index in `uploads` what is unfinished there, and a `backend` for the rest. `opening`, `upload` and `publisher` are
//! the three acts of a file's arrival, `held` the fourth where a name is final only when it was given by a rename;
//! `changes` removes and renames, so that it is told; `trash` takes what is not to be gone at once, `retention` looks at how
//! old files are; `sidecar` is what a crash leaves to `recovery`; `departures` keeps
//! files out of folders that operators take away.

mod actor;
mod backend;
mod changes;
mod departures;
mod error;
mod event_ids;
mod file;
mod folders;
mod held;
mod ledger;
mod listing;
mod metadata;
mod mount_table;
mod names;
mod opening;
mod operation;
mod operator_tree;
mod pace;
mod places;
mod publisher;
mod quota;
mod records;
mod recovery;
mod retention;
mod session_tree;
mod sidecar;
mod storage;
#[cfg(test)]
mod tests;
mod trash;
mod upload;
mod uploads;
mod view;

pub use actor::Actor;
pub use departures::Departure;
pub use error::VfsError;
pub use file::ReadFile;
pub use ledger::{Change, FileChange, Happening, Ledger, LedgerError, Publication, TransferNote, TransferOutcome};
pub use listing::{Entry, Listing};
pub use metadata::{FileKind, Metadata, Space};
pub use operator_tree::OperatorTree;
pub use pace::{Pace, Work};
pub use quota::{Held, QuotaChanging};
pub use retention::{AgedFile, Ages};
pub use session_tree::{Replace, SessionTree, TreeOwner};
pub use storage::{Recovery, Storage, Sweep};
pub use trash::{Removal, TrashEntry};
pub use upload::{CutReason, Published, Upload, WriteOptions};
