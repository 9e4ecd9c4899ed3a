//! How a staged upload becomes a file: whole or not at all, and durable before anyone is told.
//!
//! 1. the data is synced, and so is its name in staging,
//! 2. a durable *intent* says what is about to happen,
//! 3. the staged file is renamed into place,
//! 4. the folders on both sides of the rename are synced, and the client is told,
//! 5. the ledger records it, together with others ([`super::records`]),
//! 6. the intent goes.
//!
//! The client does not wait for the record: from 4 on no crash can take the file, and none the record, for which the
//! intent vouches. A database that is slow or away delays what is known of a file, and not the file.
//!
//! From 2 to 4 nobody else changes what its path names ([`super::names`]).
//!
//! A crash before 3 leaves staged data with an intent: rolled back to an incomplete upload. A crash after 3 leaves an
//! intent whose data has left staging: the file is in place, so it is recorded (again: records are idempotent by id). That
//! conclusion is why the name in staging must last before there is an intent: else a loss of power could take the name
//! and leave the intent, and a file would be recorded that never was.

use std::sync::Arc;

use super::backend::Stat;
use super::ledger::{Happening, LedgerError, Publication};
use super::operation::Operation;
use super::places::DiskPath;
use super::quota::Meter;
use super::sidecar::{Intent, Line};
use super::upload::{Inner, Published};
use super::uploads::JustUploaded;
use super::{Replace, VfsError};

/// How many publications wait for their record at most. With more the database has been away for long, and whoever
/// uploads is told so rather than left with files that nobody hears of.
pub(super) const WAITING_MOST: usize = 4_096;

impl Inner {
    /// Blocking: steps 1 to 4. What fails before the file is visible leaves an incomplete upload; after, a publication
    /// to record.
    pub(super) fn publish(&self, unproven_end: bool, meter: Option<&Arc<Meter>>) -> Result<Published, VfsError> {
        self.close();
        if self.is_to_be_held {
            return self.hold(unproven_end, meter);
        }
        self.place(unproven_end, meter).map_err(|error| {
            let error = self.told(error);
            self.end_cut(&self.reason_of(&error));
            error
        })?
    }

    /// Blocking: as [`Self::publish`] for an upload whose writing is over; what fails before the file is visible (the outer
    /// error) leaves the upload to the caller. `meter`: the account's, where it has one, which is counted.
    pub(super) fn place(
        &self,
        unproven_end: bool,
        meter: Option<&Arc<Meter>>,
    ) -> Result<Result<Published, VfsError>, VfsError> {
        let (core, path) = (&self.view.core, &self.staged.path);
        let stat = self.prepare()?;
        let _alone = core.names.hold(self.staged.account, &[path])?;
        core.settle(self.staged.account, &[path])?;
        // Before there is an intent; given back when this fails.
        let reservation = meter.map(|meter| core.reserve(meter, &self.view.disk(path), stat.size)).transpose()?;
        let placed = self.announce(unproven_end, stat).and_then(|intent| {
            self.check_target(&intent)?;
            let staged = DiskPath::staged(self.staged.account, self.staged.id);
            let _stay = self.view.arrival.stay(&[path])?;
            let names = (&staged, &self.view.disk(path), self.replace);
            let replaced = core.publish_counted(self.staged.account, names, stat.size, reservation)?;
            Ok(Publication { replaced, ..intent.publication() })
        });
        let publication = placed.inspect_err(|_| self.withdraw())?;
        // From here on the file is visible, so it is recorded, come what may.
        let published =
            Published { bytes: publication.bytes, transfer: publication.transfer, event: Some(publication.event) };
        core.uploads.pend(self.staged.id, Happening::Published(publication));
        self.leave_published(stat);
        let lasts = core.make_names_last(self.staged.account, &self.view.disk(path));
        if lasts.is_ok() {
            core.uploads.lasts(self.staged.id);
        }
        // Also when it does not last yet: the recorder tries that again.
        core.published.notify_one();
        Ok(lasts.map(|()| published).map_err(VfsError::from))
    }

    /// Step 1.
    fn prepare(&self) -> Result<Stat, VfsError> {
        let (core, staged) = (&self.view.core, &self.staged);
        if core.uploads.count_pending() >= WAITING_MOST {
            return Err(VfsError::Ledger(LedgerError(String::from("too many publications wait to be recorded"))));
        }
        let stat = self.make_whole()?;
        core.backend.sync_folder(&DiskPath::staging_of(staged.account))?;
        Ok(stat)
    }

    /// All that came is synced, with the times that were asked for.
    pub(super) fn make_whole(&self) -> Result<Stat, VfsError> {
        self.check_writes()?;
        let times = *self.staged.times();
        if !times.is_empty() {
            self.staged.file.set_times(times)?;
        }
        let stat = self.staged.file.stat()?;
        self.staged.file.sync()?;
        Ok(stat)
    }

    /// Step 2.
    fn announce(&self, unproven_end: bool, stat: Stat) -> Result<Intent, VfsError> {
        let (core, staged) = (&self.view.core, &self.staged);
        let intent = Intent {
            event: core.new_event_id(),
            transfer: self.transfer,
            instance: self.view.instance,
            account: staged.account,
            folder: self.folder,
            path: staged.path.clone(),
            bytes: stat.size,
            unique: stat.unique,
            replaced: self.view.whole(&staged.path)?.is_some(),
            unproven_end,
            temporary: self.view.is_temporary(&staged.path),
            actor: self.view.actor.clone(),
            started_at: self.started_at,
            published_at: core.now(),
        };
        let sidecar = DiskPath::sidecar(staged.account, staged.id);
        Line::Intent(Box::new(intent.clone())).append(core.backend.as_ref(), &sidecar, true)?;
        Ok(intent)
    }

    /// A name that was there when it was opened may be free by now, and to fill it is another right (of a rename, which
    /// publishes what was held, rights were asked).
    fn check_target(&self, intent: &Intent) -> Result<(), VfsError> {
        if intent.replaced || self.was_held { Ok(()) } else { Operation::WriteNew.require(self.rights) }
    }

    /// What the peer is told when the name was taken meanwhile: whoever may not overwrite is refused as at opening.
    fn told(&self, error: VfsError) -> VfsError {
        let may_overwrite = Operation::WriteExisting.is_allowed(self.rights);
        match error {
            VfsError::AlreadyExists if self.replace == Replace::Refuse && !may_overwrite => VfsError::PermissionDenied,
            error => error,
        }
    }

    /// Ends the intent of a file that did not become visible. Should this fail, the next start sees that the data is
    /// still staged and comes to the same end.
    fn withdraw(&self) {
        let sidecar = DiskPath::sidecar(self.staged.account, self.staged.id);
        if let Err(error) = Line::Withdrawn.append(self.view.core.backend.as_ref(), &sidecar, true) {
            tracing::warn!(upload = %self.staged.id, %error, "Could not withdraw the intent of a failed publication");
        }
    }

    /// Blocking. The file is visible: it is no upload any more, and the incomplete one of its path is obsolete.
    fn leave_published(&self, stat: Stat) {
        let (core, staged) = (&self.view.core, &self.staged);
        if self.view.actor.is_login() {
            let until = core.now().plus(core.settings.just_uploaded);
            let memory = JustUploaded { path: staged.path.clone(), stat, until };
            let memory = self.rights.is_write_only().then_some(memory);
            for obsolete in core.uploads.published(staged, memory) {
                core.remove_staged(staged.account, obsolete);
            }
        }
        core.uploads.forget(staged.id);
    }
}
