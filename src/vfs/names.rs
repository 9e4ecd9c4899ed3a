//! Who changes what a path names, one at a time.
//!
//! A removal is announced in staging before it happens, with which file it takes; a publication or a rename to the same
//! path in between would make that untrue. So whoever gives or takes a name holds its path from the announcement until the
//! change lasts. Holds are for moments (a few syncs), by threads that wait for nothing but the disk.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::{AccountId, VirtualPath};

use super::VfsError;

/// How long a path is waited for: longer than any disk that works takes for a few syncs.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The paths that are being changed.
#[derive(Default)]
pub(super) struct Names {
    held: Mutex<HashMap<AccountId, Vec<VirtualPath>>>,
    freed: Condvar,
}

/// These paths, and what is above and below them, are nobody else's to change.
pub(super) struct Held<'a> {
    names: &'a Names,
    account: AccountId,
    paths: Vec<VirtualPath>,
}

impl Names {
    fn held(&self) -> MutexGuard<'_, HashMap<AccountId, Vec<VirtualPath>>> {
        // Every change is complete before anything can panic.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocking: waits until nobody else changes these paths. To be taken before [`super::departures::Arrival::stay`] and
    /// before an account's count is locked ([`super::quota`]), never after, or two threads could wait for each other. `Busy`: another change takes far too long.
    pub(super) fn hold(&self, account: AccountId, paths: &[&VirtualPath]) -> Result<Held<'_>, VfsError> {
        let is_busy = |held: &mut HashMap<AccountId, Vec<VirtualPath>>| {
            let overlaps = |one: &VirtualPath| paths.iter().any(|path| path.is_within(one) || one.is_within(path));
            held.get(&account).is_some_and(|held| held.iter().any(overlaps))
        };
        let (mut held, wait) =
            self.freed.wait_timeout_while(self.held(), LONGEST_WAIT, is_busy).unwrap_or_else(PoisonError::into_inner);
        if wait.timed_out() {
            return Err(VfsError::Busy);
        }
        let paths: Vec<VirtualPath> = paths.iter().map(|path| (*path).clone()).collect();
        held.entry(account).or_default().extend(paths.iter().cloned());
        drop(held);
        Ok(Held { names: self, account, paths })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut held = self.names.held();
        if let Some(of_account) = held.get_mut(&self.account) {
            for path in &self.paths {
                if let Some(at) = of_account.iter().position(|one| one == path) {
                    of_account.swap_remove(at);
                }
            }
            if of_account.is_empty() {
                held.remove(&self.account);
            }
        }
        drop(held);
        self.names.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{OsRandom, Timestamp};

    #[test]
    fn a_path_waits_for_what_is_above_and_below_it_and_for_nothing_else() {
        let names = Names::default();
        let path = |text: &str| VirtualPath::parse(text).unwrap();
        let account = AccountId::new(Timestamp::EPOCH, &OsRandom);
        let other = AccountId::new(Timestamp::EPOCH, &OsRandom);
        for waits in ["/in/sub", "/in/sub/deep", "/in"] {
            let order = Mutex::new(Vec::new());
            let first = names.hold(account, &[&path("/in/sub")]).unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let second = names.hold(account, &[&path(waits)]).unwrap();
                    order.lock().unwrap().push("second");
                    drop(second);
                });
                // These wait for nobody.
                drop(names.hold(account, &[&path("/in-b"), &path("/out")]).unwrap());
                drop(names.hold(other, &[&path("/in/sub")]).unwrap());
                order.lock().unwrap().push("first");
                drop(first);
            });
            assert_eq!(*order.lock().unwrap(), ["first", "second"], "{waits}");
        }
        assert!(names.held().is_empty());
    }
}
