//! Counting an account from the disk, in pieces, beside what changes meanwhile.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use crate::domain::{Timestamp, Usage, VirtualPath};

use super::{Meter, lock};
use crate::vfs::backend::OpenFolder;
use crate::vfs::places::DiskPath;
use crate::vfs::storage::{Core, blocking};
use crate::vfs::{FileKind, VfsError};

/// How many entries of a folder are looked at together.
const BATCH: usize = 1_000;
/// After how many entries a count gives its thread back.
const PIECE: usize = 5_000;
/// How often a count that a moving folder spoiled is begun anew before the account's changes wait for it.
const ATTEMPTS: usize = 5;

/// A count under way.
pub(super) struct Count {
    pub(super) sum: Usage,
    /// The folders that are still to be read, with all below them.
    pub(super) pending: BTreeSet<DiskPath>,
    pub(super) spoiled: bool,
}

impl Count {
    pub(super) fn will_read(&self, folder: &DiskPath) -> bool {
        let mut at = folder.clone();
        loop {
            if self.pending.contains(&at) {
                return true;
            }
            let above = at.parent();
            if above == at {
                return false;
            }
            at = above;
        }
    }
}

impl Meter {
    fn begin_count(&self) {
        let pending = [DiskPath::of(self.instance, self.account, &VirtualPath::root())].into();
        self.numbers().count = Some(Count { sum: Usage::default(), pending, spoiled: false });
    }

    /// Blocking: reads one more folder. The entries that it held; `None`: all are read, or it is in vain.
    fn count_one(&self, core: &Core) -> io::Result<Option<usize>> {
        let _order = lock(&self.order);
        self.count_in_order(core)
    }

    fn count_in_order(&self, core: &Core) -> io::Result<Option<usize>> {
        let next = match &mut self.numbers().count {
            Some(count) if !count.spoiled => count.pending.pop_first(),
            _ => None,
        };
        let Some(folder) = next else { return Ok(None) };
        let (mut sum, mut below, mut entries) = (Usage::default(), Vec::new(), 1);
        match core.backend.open_folder(&folder) {
            // Removed since its name was read.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(error),
            Ok(mut listing) => loop {
                let batch = OpenFolder::next_batch(&mut *listing, BATCH)?;
                if batch.is_empty() {
                    break;
                }
                entries += batch.len();
                for (name, stat) in batch {
                    match stat.kind {
                        FileKind::File => sum = sum.plus(Usage::file(stat.size)),
                        FileKind::Folder => below.push(folder.child(&name)),
                    }
                }
            },
        }
        if let Some(count) = &mut self.numbers().count {
            count.sum = count.sum.plus(sum);
            count.pending.extend(below);
        }
        Ok(Some(entries))
    }

    /// Blocking: takes the sum for the number. False: the count was in vain.
    fn end_count(&self, now: Timestamp) -> bool {
        let _order = lock(&self.order);
        self.end_in_order(now)
    }

    fn end_in_order(&self, now: Timestamp) -> bool {
        let mut numbers = self.numbers();
        match numbers.count.take() {
            Some(count) if !count.spoiled && count.pending.is_empty() => {
                (numbers.usage, numbers.counted_at) = (count.sum, Some(now));
                true
            }
            _ => false,
        }
    }

    /// Blocking: counts with everything that changes the account waiting.
    fn count_alone(&self, core: &Core) -> io::Result<()> {
        let _order = lock(&self.order);
        self.begin_count();
        while self.count_in_order(core)?.is_some() {}
        self.end_in_order(core.now());
        Ok(())
    }
}

/// Counts an account unless its number is known; runs to its end also when the caller goes away.
pub(in crate::vfs) async fn ensure_counted(core: &Arc<Core>, meter: &Arc<Meter>) -> Result<(), VfsError> {
    if meter.held().is_some() { Ok(()) } else { count(core, meter, false).await }
}

/// Counts an account from the disk, in pieces, off the runtime.
pub(in crate::vfs) async fn recount(core: &Arc<Core>, meter: &Arc<Meter>) -> Result<(), VfsError> {
    count(core, meter, true).await
}

async fn count(core: &Arc<Core>, meter: &Arc<Meter>, anew: bool) -> Result<(), VfsError> {
    let turn = Arc::clone(&meter.counting).lock_owned().await;
    if !anew && meter.held().is_some() {
        return Ok(());
    }
    let (core, meter) = (Arc::clone(core), Arc::clone(meter));
    let counting = tokio::spawn(async move {
        let _turn = turn;
        let counted = count_in_turn(&core, &meter).await;
        if counted.is_err() {
            meter.numbers().count = None;
        }
        counted
    });
    counting.await.unwrap_or_else(|error| Err(VfsError::Storage(io::Error::other(error))))
}

async fn count_in_turn(core: &Arc<Core>, meter: &Arc<Meter>) -> Result<(), VfsError> {
    for _ in 0..ATTEMPTS {
        meter.begin_count();
        loop {
            let (counted, counting) = (Arc::clone(core), Arc::clone(meter));
            let piece = move || {
                let mut entries = 0;
                while entries < PIECE {
                    match counting.count_one(&counted)? {
                        Some(more) => entries += more,
                        None => return Ok(false),
                    }
                }
                Ok(true)
            };
            if !blocking(piece).await? {
                break;
            }
        }
        let (now, ended) = (core.now(), Arc::clone(meter));
        if blocking(move || Ok(ended.end_count(now))).await? {
            return Ok(());
        }
    }
    let (counted, counting) = (Arc::clone(core), Arc::clone(meter));
    blocking(move || Ok(counting.count_alone(&counted)?)).await
}
