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

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::domain::{AccountId, InstanceId, OverQuota, Quota, Timestamp, Usage, VirtualPath};

use super::backend::{OpenFolder, Stat};
use super::places::DiskPath;
use super::storage::{Core, blocking};
use super::{FileKind, Replace, VfsError};

/// How many entries of a folder are looked at together.
const BATCH: usize = 1_000;
/// After how many entries a count gives its thread back.
const PIECE: usize = 5_000;
/// How often a count that a moving folder spoiled is begun anew before the account's changes wait for it.
const ATTEMPTS: usize = 5;

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

/// A count under way.
struct Count {
    sum: Usage,
    /// The folders that are still to be read, with all below them.
    pending: BTreeSet<DiskPath>,
    spoiled: bool,
}

impl Count {
    fn will_read(&self, folder: &DiskPath) -> bool {
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

/// Room for a file that is about to be published; given back when it is dropped.
pub(super) struct Reservation {
    meter: Arc<Meter>,
    more: Usage,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut numbers = self.meter.numbers();
        numbers.reserved = numbers.reserved.minus(self.more);
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

    /// Makes room for a file, before its intent is written.
    pub(super) fn reserve(self: &Arc<Self>, size: u64, replaced: Option<u64>) -> Result<Reservation, OverQuota> {
        let more = more(size, replaced);
        let mut numbers = self.numbers();
        numbers.limits.allows_file(size)?;
        numbers.limits.allows(numbers.usage.plus(numbers.reserved), more)?;
        numbers.reserved = numbers.reserved.plus(more);
        drop(numbers);
        Ok(Reservation { meter: Arc::clone(self), more })
    }

    /// What happened to the account's files is not known one by one.
    fn distrust(&self) {
        let mut numbers = self.numbers();
        numbers.spoil();
        numbers.counted_at = None;
    }

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
pub(super) async fn ensure_counted(core: &Arc<Core>, meter: &Arc<Meter>) -> Result<(), VfsError> {
    if meter.held().is_some() { Ok(()) } else { count(core, meter, false).await }
}

/// Counts an account from the disk, in pieces, off the runtime.
pub(super) async fn recount(core: &Arc<Core>, meter: &Arc<Meter>) -> Result<(), VfsError> {
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

impl Core {
    /// Does something to an account's files under its meter, if it has one. Where it got one meanwhile, that one counts
    /// anew.
    fn metered<T>(&self, account: AccountId, act: impl FnOnce(Option<&Meter>) -> T) -> T {
        let meter = self.quotas.find(account);
        let outcome = act(meter.as_deref());
        if meter.is_none()
            && let Some(late) = self.quotas.find(account)
        {
            late.distrust();
        }
        outcome
    }

    /// Blocking: [`super::backend::Backend::publish`], counted. The room that was reserved turns into use.
    pub(super) fn publish_counted(
        &self,
        account: AccountId,
        (staged, target, replace): (&DiskPath, &DiskPath, Replace),
        size: u64,
        reservation: Option<Reservation>,
    ) -> Result<bool, VfsError> {
        self.metered(account, |meter| {
            let Some(meter) = meter else { return Ok(self.backend.publish(staged, target, replace)?) };
            let _order = lock(&meter.order);
            let replaced = self.file_at(target)?;
            if let Some(reservation) = reservation {
                // What it replaces may be another by now, or gone.
                let (reserved, needed) = (reservation.more, more(size, replaced));
                let mut numbers = meter.numbers();
                numbers.reserved = numbers.reserved.minus(reserved);
                let fits = numbers.limits.allows(numbers.usage.plus(numbers.reserved), needed);
                numbers.reserved = numbers.reserved.plus(reserved);
                let is_covered = needed.bytes <= reserved.bytes && needed.files <= reserved.files;
                if !is_covered {
                    fits.map_err(VfsError::OverQuota)?;
                }
                drop(numbers);
                let outcome = self.backend.publish(staged, target, replace)?;
                meter.put(&target.parent(), size, replaced);
                drop(reservation);
                return Ok(outcome);
            }
            let outcome = self.backend.publish(staged, target, replace)?;
            meter.put(&target.parent(), size, replaced);
            Ok(outcome)
        })
    }

    /// Blocking: [`super::backend::Backend::remove_file`], counted.
    pub(super) fn remove_counted(&self, account: AccountId, place: &DiskPath) -> io::Result<()> {
        self.metered(account, |meter| {
            let Some(meter) = meter else { return self.backend.remove_file(place) };
            // Its blocks are freed when this is closed, which may take long, and not under the lock.
            let _kept_open = self.backend.open_file(place);
            let _order = lock(&meter.order);
            let size = self.file_at(place)?;
            self.backend.remove_file(place)?;
            if let Some(size) = size {
                meter.numbers().change(&place.parent(), |usage| usage.minus(Usage::file(size)));
            }
            Ok(())
        })
    }

    /// Blocking: [`super::backend::Backend::rename`] of a published file or folder, counted.
    pub(super) fn rename_counted(
        &self,
        account: AccountId,
        from: &DiskPath,
        to: &DiskPath,
        replace: Replace,
    ) -> io::Result<()> {
        self.metered(account, |meter| {
            let Some(meter) = meter else { return self.backend.rename(from, to, replace) };
            let _kept_open = self.backend.open_file(to);
            let _order = lock(&meter.order);
            let (moved, replaced) = (self.file_at(from)?, self.file_at(to)?);
            self.backend.rename(from, to, replace)?;
            let mut numbers = meter.numbers();
            match moved {
                Some(size) => {
                    numbers.change(&from.parent(), |usage| usage.minus(Usage::file(size)));
                    numbers.change(&to.parent(), |usage| {
                        usage.minus(replaced.map(Usage::file).unwrap_or_default()).plus(Usage::file(size))
                    });
                }
                None => numbers.spoil(),
            }
            Ok(())
        })
    }

    /// Files left for the trash, nobody knows how many: they are counted when the number is needed.
    pub(super) fn distrust_count(&self, account: AccountId) {
        if let Some(meter) = self.quotas.find(account) {
            meter.distrust();
        }
    }

    /// The account is gone.
    pub(super) fn forget_quota(&self, account: AccountId) {
        self.quotas.forget(account);
    }

    /// The size of a file; `None` where there is none.
    fn file_at(&self, place: &DiskPath) -> io::Result<Option<u64>> {
        match self.backend.stat(place) {
            Ok(Stat { kind: FileKind::File, size, .. }) => Ok(Some(size)),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Meter {
    fn put(&self, folder: &DiskPath, size: u64, replaced: Option<u64>) {
        self.numbers()
            .change(folder, |usage| usage.minus(replaced.map(Usage::file).unwrap_or_default()).plus(Usage::file(size)));
    }
}
