//! Folders that are about to leave their path, so that nobody puts a file where no one will look any more.
//!
//! An operator moves or removes a remote folder while sessions, and deliveries of the API, work in trees that were
//! mounted before. A directory that left takes its path with it, and what they publish there fails. But the directory
//! may stay (another remote folder lies in it), or be made anew (by a tree that is mounted from the rows as they were):
//! then a file would be acknowledged, and belong to no folder. So the departure is announced to the mounted trees first:
//! they put nothing there from then on, and none is mounted until the rows tell how it is now.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use crate::domain::{AccountId, VirtualPath};

use super::VfsError;
use super::storage::Core;

/// What one tree was told to have left.
#[derive(Default)]
struct Departed(RwLock<Vec<Gone>>);

/// A path that nothing is put at, nor below, but for the folders in `keep`.
#[derive(Clone)]
struct Gone {
    path: VirtualPath,
    keep: Arc<[VirtualPath]>,
    /// The change was not made after all.
    undone: Arc<AtomicBool>,
}

impl Gone {
    fn takes(&self, path: &VirtualPath) -> bool {
        !self.undone.load(Ordering::Acquire)
            && path.is_within(&self.path)
            && !self.keep.iter().any(|kept| path.is_within(kept))
    }
}

/// Which trees are mounted, and the departures under way.
#[derive(Default)]
pub(super) struct Departures(Mutex<HashMap<AccountId, OfAccount>>);

#[derive(Default)]
struct OfAccount {
    trees: Vec<Arc<Departed>>,
    /// How many departures are under way.
    departing: usize,
}

impl Departures {
    fn accounts(&self) -> MutexGuard<'_, HashMap<AccountId, OfAccount>> {
        // Every change is complete before anything can panic, so a poisoned map is still right.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, account: AccountId, change: impl FnOnce(&mut OfAccount)) {
        let mut accounts = self.accounts();
        if let Some(of_account) = accounts.get_mut(&account) {
            change(of_account);
            if of_account.trees.is_empty() && of_account.departing == 0 {
                accounts.remove(&account);
            }
        }
    }
}

/// A mounted tree, as departures know it; they forget it when it is dropped.
pub(super) struct Arrival {
    core: Arc<Core>,
    account: AccountId,
    departed: Arc<Departed>,
}

impl Arrival {
    /// Of a tree that is about to be mounted. `Busy` while a folder of the account departs.
    pub(super) fn of(core: &Arc<Core>, account: AccountId) -> Result<Self, VfsError> {
        let mut accounts = core.departures.accounts();
        let of_account = accounts.entry(account).or_default();
        if of_account.departing > 0 {
            return Err(VfsError::Busy);
        }
        let departed = Arc::<Departed>::default();
        of_account.trees.push(Arc::clone(&departed));
        drop(accounts);
        Ok(Self { core: Arc::clone(core), account, departed })
    }

    /// While the guard lives, no departure of these paths begins. `NotFound`: one of them has left. Blocking, for
    /// moments.
    pub(super) fn stay(&self, paths: &[&VirtualPath]) -> Result<Stay<'_>, VfsError> {
        let gone = self.departed.0.read().unwrap_or_else(PoisonError::into_inner);
        if paths.iter().any(|path| gone.iter().any(|gone| gone.takes(path))) {
            return Err(VfsError::NotFound);
        }
        Ok(Stay(gone))
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let own = &self.departed;
        self.core.departures.change(self.account, |of_account| of_account.trees.retain(|tree| !Arc::ptr_eq(tree, own)));
    }
}

/// See [`Arrival::stay`].
pub(super) struct Stay<'a>(#[expect(dead_code, reason = "held, not read")] RwLockReadGuard<'a, Vec<Gone>>);

/// A folder that departs. Dropped without [`Departure::complete`]: it has stayed, and trees go on with it.
#[must_use = "a departure that is dropped is called off"]
pub struct Departure {
    core: Arc<Core>,
    account: AccountId,
    undone: Arc<AtomicBool>,
    is_complete: bool,
}

impl Departure {
    /// Announces it to every mounted tree. Blocking: waits for those that put something in place at this moment.
    pub(super) fn announce(core: &Arc<Core>, account: AccountId, path: &VirtualPath, keep: &[VirtualPath]) -> Self {
        let keep = keep.iter().filter(|kept| kept.is_within(path)).cloned().collect();
        let undone = Arc::<AtomicBool>::default();
        let gone = Gone { path: path.clone(), keep, undone: Arc::clone(&undone) };
        let trees: Vec<Arc<Departed>> = {
            let mut accounts = core.departures.accounts();
            let of_account = accounts.entry(account).or_default();
            of_account.departing += 1;
            of_account.trees.clone()
        };
        for tree in trees {
            let mut told = tree.0.write().unwrap_or_else(PoisonError::into_inner);
            told.retain(|gone| !gone.undone.load(Ordering::Acquire));
            told.push(gone.clone());
        }
        Self { core: Arc::clone(core), account, undone, is_complete: false }
    }

    /// It has left, the rows tell so, and the sessions that saw it were ended.
    pub fn complete(mut self) {
        self.is_complete = true;
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        if !self.is_complete {
            self.undone.store(true, Ordering::Release);
        }
        self.core.departures.change(self.account, |of_account| of_account.departing -= 1);
    }
}
