//! What is done again and again: removing what is past its term.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::clock_watch::ClockWatch;
use crate::config::HistorySettings;
use crate::domain::{AccountId, Clock};
use crate::events;
use crate::management::{Management, RetentionLimits, RetentionRound};
use crate::store::{Store, StoreError};
use crate::vfs::Storage;

/// The work of one round, and what it needs.
pub(super) struct Maintenance {
    pub(super) store: Store,
    pub(super) storage: Arc<Storage>,
    pub(super) management: Arc<Management>,
    pub(super) history: HistorySettings,
    /// For how long deliveries are remembered that ended.
    pub(super) deliveries: Duration,
    pub(super) clock: Arc<dyn Clock>,
}

impl Maintenance {
    /// A round now and after every `pause`, until `end`. A round that has begun is finished, but for retention, which goes
    /// on where it stopped.
    pub(super) async fn repeat(self, pause: Duration, end: CancellationToken) {
        let mut rounds = tokio::time::interval(pause);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (begin, mut watch) = (Instant::now(), ClockWatch::default());
        let mut resume = None;
        while end.run_until_cancelled(rounds.tick()).await.is_some() {
            self.round(watch.look(self.clock.now(), begin.elapsed()), &mut resume, &end).await;
        }
    }

    /// A part that fails does not keep the others from being done; the next round tries it again. `resume`: behind which
    /// account retention begins.
    pub(super) async fn round(
        &self,
        clock: Result<(), Duration>,
        resume: &mut Option<AccountId>,
        end: &CancellationToken,
    ) {
        if let Err(leap) = clock {
            error!(
                ?leap,
                "The clock leapt forward by {leap:?}: nothing is removed as past its term until it is put right, or has \
                 stayed there for a day"
            );
        } else {
            self.sweep().await;
            self.retain(resume, end).await;
        }
        match self.management.bury_removed_accounts().await {
            Ok(0) => {}
            Ok(accounts) => info!(accounts, "Moved the files of {accounts} removed accounts to the trash"),
            Err(error) => {
                error!(%error, "Could not look for removed accounts: {error}; trying again in the next round");
            }
        }
    }

    async fn sweep(&self) {
        match self.storage.sweep().await {
            Ok(sweep) if sweep == Default::default() => {}
            Ok(sweep) => info!(
                incomplete = sweep.incomplete,
                held = sweep.held,
                orphans = sweep.orphans,
                trash = sweep.trash,
                "Removed {} incomplete uploads, {} orphans and {} trashed folders past their term",
                sweep.incomplete,
                sweep.orphans,
                sweep.trash
            ),
            Err(error) => error!(%error, "Could not sweep the storage: {error}; trying again in the next round"),
        }
        match self.forget().await {
            Ok(0) => {}
            Ok(rows) => info!(rows, "Forgot {rows} rows of history past their term"),
            Err(error) => error!(%error, "Could not shorten the history: {error}; trying again in the next round"),
        }
    }

    async fn retain(&self, resume: &mut Option<AccountId>, end: &CancellationToken) {
        let limits = RetentionLimits::default();
        match self.management.apply_retention(self.clock.now(), &limits, *resume, end).await {
            Ok(round) => {
                *resume = round.resume;
                let RetentionRound { deleted, trashed, bytes, failed, failed_accounts, .. } = round;
                if round.removed() + failed + failed_accounts > 0 {
                    info!(
                        deleted,
                        trashed,
                        bytes,
                        failed,
                        failed_accounts,
                        "Retention removed {deleted} files and moved {trashed} to the trash; {failed} could not be removed"
                    );
                }
            }
            Err(error) => {
                error!(%error, "Could not look for files past their term: {error}; trying again in the next round");
            }
        }
    }

    async fn forget(&self) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let mut rows = events::forget_old(&self.store, &self.history, now).await?;
        rows += events::webhooks::forget_old_deliveries(&self.store, self.deliveries, self.history.events, now).await?;
        let mut unit = self.store.write().await?;
        unit.blocks().forget_ended(now).await?;
        unit.commit().await?;
        Ok(rows)
    }
}
