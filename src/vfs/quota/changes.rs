//! Whatever puts a file of an account in place, or takes one away, and keeps its number.
//!
//! Locks are taken in one order: a path ([`crate::vfs::names`]), the stay of an arrival, the meter's `order`, its
//! `numbers`. A count takes the last two alone, so whoever holds paths waits for one folder's reading at most, and no
//! count ever waits for a path.

use std::io;
use std::sync::Arc;

use crate::domain::{AccountId, OverQuota, Usage};

use super::{Meter, lock, more};
use crate::vfs::backend::Stat;
use crate::vfs::places::DiskPath;
use crate::vfs::storage::Core;
use crate::vfs::{FileKind, Replace, VfsError};

/// Room for a file that is about to be published; given back when it is dropped.
pub(in crate::vfs) struct Reservation {
    meter: Arc<Meter>,
    more: Usage,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut numbers = self.meter.numbers();
        numbers.reserved = numbers.reserved.minus(self.more);
    }
}

impl Meter {
    /// Makes room for a file, before its intent is written.
    fn reserve(self: &Arc<Self>, size: u64, replaced: Option<u64>) -> Result<Reservation, OverQuota> {
        let more = more(size, replaced);
        let mut numbers = self.numbers();
        numbers.limits.allows_file(size)?;
        numbers.limits.allows(numbers.usage.plus(numbers.reserved), more)?;
        numbers.reserved = numbers.reserved.plus(more);
        drop(numbers);
        Ok(Reservation { meter: Arc::clone(self), more })
    }

    /// Whether a file of `size` bytes fits in what was reserved, or else beside all that is. What it replaces may be
    /// another than it was, or gone.
    fn check_reserved(&self, reserved: Usage, size: u64, replaced: Option<u64>) -> Result<(), OverQuota> {
        let needed = more(size, replaced);
        if needed.bytes <= reserved.bytes && needed.files <= reserved.files {
            return Ok(());
        }
        let numbers = self.numbers();
        numbers.limits.allows(numbers.usage.plus(numbers.reserved.minus(reserved)), needed)
    }

    /// A file is in place. Its room turns from reserved to used at once, else another would see it taken twice.
    fn put(&self, folder: &DiskPath, size: u64, replaced: Option<u64>, reservation: Option<&mut Reservation>) {
        let mut numbers = self.numbers();
        if let Some(reservation) = reservation.filter(|reservation| std::ptr::eq(self, &raw const *reservation.meter)) {
            numbers.reserved = numbers.reserved.minus(std::mem::take(&mut reservation.more));
        }
        numbers
            .change(folder, |usage| usage.minus(replaced.map(Usage::file).unwrap_or_default()).plus(Usage::file(size)));
    }
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

    /// Blocking: makes room for a file of `size` bytes at `target`, before its intent is written.
    pub(in crate::vfs) fn reserve(
        &self,
        meter: &Arc<Meter>,
        target: &DiskPath,
        size: u64,
    ) -> Result<Reservation, VfsError> {
        meter.reserve(size, self.file_at(target)?).map_err(VfsError::OverQuota)
    }

    /// Blocking: [`crate::vfs::backend::Backend::publish`], counted. The room that was reserved turns into use.
    pub(in crate::vfs) fn publish_counted(
        &self,
        account: AccountId,
        (staged, target, replace): (&DiskPath, &DiskPath, Replace),
        size: u64,
        mut reservation: Option<Reservation>,
    ) -> Result<bool, VfsError> {
        self.metered(account, |meter| {
            let Some(meter) = meter else { return Ok(self.backend.publish(staged, target, replace)?) };
            let _order = lock(&meter.order);
            let replaced = self.file_at(target)?;
            if let Some(reservation) = &reservation {
                meter.check_reserved(reservation.more, size, replaced).map_err(VfsError::OverQuota)?;
            }
            let outcome = self.backend.publish(staged, target, replace)?;
            meter.put(&target.parent(), size, replaced, reservation.as_mut());
            Ok(outcome)
        })
    }

    /// Blocking: [`crate::vfs::backend::Backend::remove_file`], counted.
    pub(in crate::vfs) fn remove_counted(&self, account: AccountId, place: &DiskPath) -> io::Result<()> {
        self.take_counted(account, place, || self.backend.remove_file(place))
    }

    /// Blocking: takes a published file away from an account, counted.
    pub(in crate::vfs) fn take_counted(
        &self,
        account: AccountId,
        place: &DiskPath,
        take: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        self.metered(account, |meter| {
            let Some(meter) = meter else { return take() };
            // Its blocks are freed when this is closed, which may take long, and not under the lock.
            let _kept_open = self.backend.open_file(place);
            let _order = lock(&meter.order);
            let size = self.file_at(place)?;
            take()?;
            if let Some(size) = size {
                meter.numbers().change(&place.parent(), |usage| usage.minus(Usage::file(size)));
            }
            Ok(())
        })
    }

    /// Blocking: [`crate::vfs::backend::Backend::rename`] of a published file or folder, counted.
    pub(in crate::vfs) fn rename_counted(
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
    pub(in crate::vfs) fn distrust_count(&self, account: AccountId) {
        if let Some(meter) = self.quotas.find(account) {
            meter.distrust();
        }
    }

    /// The account is gone.
    pub(in crate::vfs) fn forget_quota(&self, account: AccountId) {
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
