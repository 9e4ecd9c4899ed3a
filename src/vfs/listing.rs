//! The entries of a folder, some at a time.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crate::domain::{FileName, Rights};

use super::backend::OpenFolder;
use super::storage::{Core, small};
use super::{Metadata, VfsError, Work};

/// How many entries are looked at in place: some 50 µs where a disk's own are in memory.
const IN_PLACE: usize = 64;

/// One entry of a listing.
#[derive(Debug, Clone)]
pub struct Entry {
    pub name: FileName,
    pub metadata: Metadata,
}

/// The entries of a folder, some at a time, each once; no `.` and `..`. Holds one open directory.
pub struct Listing {
    /// What the disk does not tell: the ways to remote folders, and the login's unfinished uploads.
    first: VecDeque<Entry>,
    rest: Option<Rest>,
    /// Whose disk it is; there is none without a rest.
    core: Option<Arc<Core>>,
}

/// What the disk tells.
struct Rest {
    folder: Box<dyn OpenFolder>,
    /// Names that were told already.
    told: HashSet<FileName>,
    rights: Rights,
}

impl Listing {
    /// Exactly these.
    pub(super) fn fixed(entries: Vec<(FileName, Metadata)>) -> Self {
        let first = entries.into_iter().map(|(name, metadata)| Entry { name, metadata }).collect();
        Self { first, rest: None, core: None }
    }

    /// These, and what `folder` holds under other names.
    pub(super) fn over(
        core: &Arc<Core>,
        folder: Box<dyn OpenFolder>,
        entries: Vec<(FileName, Metadata)>,
        rights: Rights,
    ) -> Self {
        let told = entries.iter().map(|(name, _)| name.clone()).collect();
        let (rest, core) = (Some(Rest { folder, told, rights }), Some(Arc::clone(core)));
        Self { rest, core, ..Self::fixed(entries) }
    }

    /// Up to `most` more entries, in one piece of work for the disk; empty at the end. A listing whose batch was given up
    /// half-way has no more.
    pub async fn next_batch(&mut self, most: usize) -> Result<Vec<Entry>, VfsError> {
        let most = most.max(1);
        if !self.first.is_empty() {
            return Ok(self.first.drain(..most.min(self.first.len())).collect());
        }
        let (Some(core), Some(rest)) = (&self.core, self.rest.take()) else { return Ok(Vec::new()) };
        // In place only what is small; with a hop it had better be many.
        let most = if core.pace.is_prompt(Work::Look) { most.min(IN_PLACE) } else { most };
        let (rest, batch) = small(core, Work::Look, move || rest.next_batch(most)).await?;
        self.rest = rest;
        Ok(batch)
    }
}

impl Rest {
    /// Blocking. Gives itself back unless it is at its end.
    fn next_batch(mut self, most: usize) -> Result<(Option<Self>, Vec<Entry>), VfsError> {
        // A batch of the disk may hold nothing for a login; only the disk's end is the listing's.
        loop {
            let found = self.folder.next_batch(most)?;
            if found.is_empty() {
                return Ok((None, Vec::new()));
            }
            let entry = |(text, stat): (String, _)| {
                // A name that no path can say (a backslash, another normal form) could not be opened either.
                let name = FileName::as_kept(text)?;
                let told = !self.told.is_empty() && self.told.contains(&name);
                (!told).then(|| Entry { name, metadata: Metadata::whole(stat, self.rights) })
            };
            let batch: Vec<Entry> = found.into_iter().filter_map(entry).collect();
            if !batch.is_empty() {
                return Ok((Some(self), batch));
            }
        }
    }
}
