//! The feed of events: what happened behind a position, in the order in which it was recorded, for consumers who ask.
//!
//! None is missed: a cursor is a position, positions are in the order of commits, and a cursor from which events were
//! forgotten meanwhile is refused instead of skipping them.

use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::domain::{EventKind, InstanceId};
use crate::events::cloud_event;
use crate::store::{Cursor, EventFilter, PlacedEvent};

use super::page::{DEFAULT_LIMIT, MAX_LIMIT};
use super::{Management, ManagementError, Operator};

/// The longest that a request may ask to wait.
pub const MAX_WAIT: Duration = Duration::from_secs(60);
/// How often whoever waits looks by itself: what another node recorded rings no bell here.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Requests that wait at a time.
const MOST_WAITING: usize = 100;
/// How many positions one query looks through: a kind that is rare must not make it read a whole table.
const WINDOW: i64 = 20_000;

const FORGOTTEN: ManagementError = ManagementError::Gone {
    detail: "Events behind this cursor were forgotten since it was given out (history.events says when). Begin again \
             without `after`, which gives what is still kept, and compare with what you know.",
};

/// Where a reader begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum FeedStart {
    /// With the first event that is kept.
    #[default]
    Beginning,
    /// Behind the last one there is.
    Latest,
    /// Behind a `next_cursor`.
    After(String),
}

/// Which events are wanted.
#[derive(Debug, Clone, Default)]
pub struct FeedRequest {
    pub start: FeedStart,
    /// 1 to 200; 50 when not told.
    pub limit: Option<u32>,
    /// How long to wait when there is none; at most [`MAX_WAIT`].
    pub wait: Duration,
    /// Empty: every kind.
    pub kinds: Vec<EventKind>,
    /// Of which instance; of all that the operator sees when `None`.
    pub instance: Option<InstanceId>,
}

/// Some events, and where to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// As CloudEvents, in the order in which they were recorded.
    pub events: Vec<serde_json::Value>,
    /// To go on with, also when there was none.
    pub next_cursor: String,
}

/// Who waits for events.
pub(super) struct Waiting {
    room: Semaphore,
    ended: CancellationToken,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { room: Semaphore::new(MOST_WAITING), ended: CancellationToken::new() }
    }
}

/// What one look at the store found.
struct Look {
    events: Vec<PlacedEvent>,
    /// Up to where it looked.
    seen: i64,
    /// Nothing was behind that.
    complete: bool,
}

impl Management {
    /// The events behind a position; waits for some as long as was asked, if there is none.
    pub async fn read_events(&self, operator: &Operator, request: &FeedRequest) -> Result<Feed, ManagementError> {
        let limit = request.limit.unwrap_or(DEFAULT_LIMIT);
        let instance = Self::checked_feed(operator, request, limit)?;
        let filter = EventFilter { instance, kinds: request.kinds.clone() };
        // Before the first look: what is committed after it rings.
        let mut committed = self.store.events_committed();
        let mut after = self.feed_start(&request.start).await?;
        let until = Instant::now() + request.wait;
        let mut room = None;
        loop {
            let look = self.look(after, &filter, limit).await?;
            if !look.events.is_empty() {
                let next_cursor = cursor(look.events.last().map_or(look.seen, |last| last.position));
                let events = look.events.iter().map(|placed| cloud_event(&placed.event)).collect();
                return Ok(Feed { events, next_cursor });
            }
            after = look.seen;
            if !look.complete {
                continue;
            }
            if Instant::now() >= until || self.waiting.ended.is_cancelled() {
                return Ok(Feed { events: Vec::new(), next_cursor: cursor(after) });
            }
            if room.is_none() {
                room = Some(self.waiting.room.try_acquire().map_err(|_| ManagementError::Busy)?);
            }
            let look_again = until.min(Instant::now() + LOOK_EVERY);
            let rung = timeout_at(look_again, committed.changed());
            // Whichever ends it, the next look tells.
            let _ = self.waiting.ended.run_until_cancelled(rung).await;
        }
    }

    /// Answers whoever waits for events, and lets nobody wait any more: the gateway stops.
    pub fn end_waits(&self) {
        self.waiting.ended.cancel();
    }

    /// Of which instance events are told; an operator of one is told of that one alone.
    fn checked_feed(
        operator: &Operator,
        request: &FeedRequest,
        limit: u32,
    ) -> Result<Option<InstanceId>, ManagementError> {
        if !(1..=MAX_LIMIT).contains(&limit) {
            let detail = format!("An answer has 1 to {MAX_LIMIT} events.");
            return Err(ManagementError::invalid("limit", "out_of_range", detail));
        }
        if request.wait > MAX_WAIT {
            let detail = format!("A request waits for at most {} seconds.", MAX_WAIT.as_secs());
            return Err(ManagementError::invalid("wait", "out_of_range", detail));
        }
        let Some(asked) = request.instance else { return Ok(operator.instance()) };
        // Of one that is gone there may still be events, told to who sees every instance alone.
        if !operator.sees(asked) {
            return Err(ManagementError::NotFound { what: "instance" });
        }
        Ok(Some(asked))
    }

    async fn feed_start(&self, start: &FeedStart) -> Result<i64, ManagementError> {
        let mut reader = self.store.read().await?;
        match start {
            FeedStart::Beginning => Ok(reader.events().forgotten().await?),
            FeedStart::Latest => Ok(reader.events().last_position().await?),
            FeedStart::After(text) => {
                let malformed = |detail: &str| ManagementError::invalid("after", "malformed", detail);
                let position = Cursor::parse(text).ok().and_then(|cursor| cursor.key().parse::<i64>().ok());
                let Some(position) = position.filter(|position| *position >= 0) else {
                    return Err(malformed("Use a `next_cursor` as it was given, or \"latest\"."));
                };
                if position > reader.events().last_position().await? {
                    // Going on from there would miss what the database, put back from a backup say, numbers again.
                    return Err(malformed(
                        "This cursor is ahead of every event: it was given out by another database.",
                    ));
                }
                Ok(position)
            }
        }
    }

    async fn look(&self, after: i64, filter: &EventFilter, limit: u32) -> Result<Look, ManagementError> {
        let mut reader = self.store.read().await?;
        let last = reader.events().last_position().await?;
        let seen = last.min(after.saturating_add(WINDOW)).max(after);
        let events = reader.events().between(after, seen, filter, limit).await?;
        // After the events: what is forgotten in between shows.
        if reader.events().forgotten().await? > after {
            return Err(FORGOTTEN);
        }
        Ok(Look { events, seen, complete: seen >= last })
    }
}

fn cursor(position: i64) -> String {
    Cursor::after(&position.to_string()).encode()
}
