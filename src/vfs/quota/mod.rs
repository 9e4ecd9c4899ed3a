//! How much accounts hold, for those that have a quota: counted once from the disk, then kept by whatever changes it.
//!
//! Each such account has one [`Meter`], shared by all its trees. Whatever puts a file in place, or takes one away, does
//! so under the meter's `order`, so that the size of what gives way is read and the number changed with no other change
//! in between. An upload *reserves* before its intent is written: two that fit each, but not together, never both begin
//! to be published.
//!
//! A count reads folder after folder, each under `order`, so it may go on beside changes: what changes in a folder that
//! is still to be read will be read, all else changes the count's own sum. A whole folder that moves spoils the count, and
//! it begins anew. Once moved to the trash, a folder's files are not worth a look each: the account is counted again
//! when its number is needed next.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::domain::{AccountId, InstanceId, OverQuota, Quota, Timestamp, Usage};

use self::count::Count;
pub(super) use self::count::{ensure_counted, recount};
use super::places::DiskPath;
use super::storage::Core;

mod changes;
mod count;

/// What an account holds, as it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub usage: Usage,
    /// When it was counted from the disk; kept since.
    pub counted_at: Timestamp,
}

/// The meters, of accounts that have a quota alone.
#[derive(Default)]
pub(super) struct Quotas {
    meters: RwLock<HashMap<AccountId, Arc<Meter>>>,
    /// How many there are: whoever needs none asks no lock.
    count: AtomicUsize,
    /// Held by whoever changes an account's limits, from before the change is written until it is told here.
    changing: Arc<tokio::sync::Mutex<()>>,
}

/// One account's number and limits.
pub(super) struct Meter {
    instance: InstanceId,
    account: AccountId,
    /// Held while a file is put in place or taken away, and while one folder is counted.
    order: Mutex<()>,
    numbers: Mutex<Numbers>,
    /// Held by whoever counts.
    counting: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Numbers {
    limits: Quota,
    usage: Usage,
    /// Of what is about to be published.
    reserved: Usage,
    /// `None`: the number is not known, or not to be trusted any more.
    counted_at: Option<Timestamp>,
    count: Option<Count>,
}

impl Numbers {
    /// A file came into, or left, a folder.
    fn change(&mut self, folder: &DiskPath, change: impl Fn(Usage) -> Usage) {
        self.usage = change(self.usage);
        if let Some(count) = self.count.as_mut().filter(|count| !count.will_read(folder)) {
            count.sum = change(count.sum);
        }
    }

    fn spoil(&mut self) {
        if let Some(count) = &mut self.count {
            count.spoiled = true;
        }
    }
}

/// What comes when a file of `size` bytes takes the place of what is there.
fn more(size: u64, replaced: Option<u64>) -> Usage {
    Usage { bytes: size.saturating_sub(replaced.unwrap_or(0)), files: u64::from(replaced.is_none()) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is complete before anything can panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Quotas {
    /// Of an account that has a quota, or had one since the start.
    pub(super) fn find(&self, account: AccountId) -> Option<Arc<Meter>> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.meters.read().unwrap_or_else(PoisonError::into_inner).get(&account).cloned()
    }

    /// For a tree that is mounted. Limits that are known already are at least as new as `quota`.
    pub(super) fn admit(&self, instance: InstanceId, account: AccountId, quota: Quota) {
        if !quota.is_none() && self.find(account).is_none() {
            self.insert(instance, account, quota, false);
        }
    }

    fn insert(&self, instance: InstanceId, account: AccountId, quota: Quota, replace: bool) {
        let mut meters = self.meters.write().unwrap_or_else(PoisonError::into_inner);
        let mut is_new = false;
        let meter = meters.entry(account).or_insert_with(|| {
            is_new = true;
            Arc::new(Meter {
                instance,
                account,
                order: Mutex::default(),
                numbers: Mutex::default(),
                counting: Arc::default(),
            })
        });
        if is_new || replace {
            meter.numbers().limits = quota;
        }
        self.count.store(meters.len(), Ordering::Release);
    }

    fn forget(&self, account: AccountId) {
        let mut meters = self.meters.write().unwrap_or_else(PoisonError::into_inner);
        meters.remove(&account);
        self.count.store(meters.len(), Ordering::Release);
    }
}

/// See [`super::Storage::begin_quota_change`].
pub struct QuotaChanging {
    core: Arc<Core>,
    _turn: tokio::sync::OwnedMutexGuard<()>,
}

impl QuotaChanging {
    pub(super) async fn begin(core: &Arc<Core>) -> Self {
        let turn = Arc::clone(&core.quotas.changing).lock_owned().await;
        Self { core: Arc::clone(core), _turn: turn }
    }

    /// The change is durable: it holds for all that is published from now on, by sessions that run too.
    pub fn to(self, instance: InstanceId, account: AccountId, quota: Quota) {
        self.core.quotas.insert(instance, account, quota, true);
    }
}

impl Meter {
    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        lock(&self.numbers)
    }

    pub(super) fn held(&self) -> Option<Held> {
        let numbers = self.numbers();
        numbers.counted_at.map(|counted_at| Held { usage: numbers.usage, counted_at })
    }

    /// Whether a piece of a count may hold `order` for long.
    pub(super) fn is_counting(&self) -> bool {
        self.numbers().count.is_some()
    }

    /// Whether an upload of so many bytes could be published now, over a file of `replaced` bytes. What is not counted
    /// yet limits nothing here.
    pub(super) fn allows(&self, size: u64, replaced: Option<u64>) -> Result<(), OverQuota> {
        let numbers = self.numbers();
        numbers.limits.allows_file(size)?;
        match numbers.counted_at {
            Some(_) => numbers.limits.allows(numbers.usage.plus(numbers.reserved), more(size, replaced)),
            None => Ok(()),
        }
    }

    /// How many bytes and files may still come.
    pub(super) fn left(&self) -> (Option<u64>, Option<u64>) {
        let numbers = self.numbers();
        if numbers.counted_at.is_none() {
            return (None, None);
        }
        let taken = numbers.usage.plus(numbers.reserved);
        let left = |limit: Option<u64>, taken: u64| limit.map(|limit| limit.saturating_sub(taken));
        (left(numbers.limits.bytes, taken.bytes), left(numbers.limits.files, taken.files))
    }

    /// What happened to the account's files is not known one by one.
    fn distrust(&self) {
        let mut numbers = self.numbers();
        numbers.spoil();
        numbers.counted_at = None;
    }
}
