//! The term of deliveries.

use std::time::Duration;

use crate::domain::Timestamp;
use crate::store::{Store, StoreError};

/// The most rows that one transaction removes: others wait for its end.
const STEP: u32 = 1_000;

/// Removes deliveries that ended longer ago than `ended`, and those that still wait although their events are older than
/// `waiting` (their endpoint was paused all the while). Says how many.
pub async fn forget_old(store: &Store, ended: Duration, waiting: Duration, now: Timestamp) -> Result<u64, StoreError> {
    let mut forgotten = 0;
    for still_waiting in [false, true] {
        loop {
            let mut unit = store.write().await?;
            let step = match still_waiting {
                false => unit.deliveries().forget_ended(now.minus(ended), STEP).await?,
                true => unit.deliveries().forget_waiting(now.minus(waiting), STEP).await?,
            };
            unit.commit().await?;
            forgotten += step;
            if step < u64::from(STEP) {
                break;
            }
        }
    }
    Ok(forgotten)
}
