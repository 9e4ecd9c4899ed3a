//! Where disk work is done: on a blocking thread, or in place while the disk is prompt.
//!
//! A hop to a blocking thread and back wakes three threads. For a small file out of the page cache that costs more than
//! the work, several times for each file (figures: docs/performance.md). So small work is done where it is asked for, on
//! three conditions which keep a slow or hung disk from stalling the runtime:
//!
//! - the last [`PROVEN`] pieces of work of its kind were prompt, wherever they were done,
//! - it is small, which its caller knows,
//! - another runtime thread stays free: if all else fails, the disk holds up one piece of work for each processor, with the
//!   task that asked for it (and one that this task had just woken), and every later piece of work takes the hop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::{JoinError, spawn_blocking};

/// The longest that prompt work takes: some times what the page cache needs, and less than any device.
const PROMPT: Duration = Duration::from_micros(500);
/// How many pieces of work in a row make a disk prompt.
const PROVEN: u32 = 32;

/// Kinds of work whose promptness differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Names and metadata.
    Look,
    /// Up to some 100 KiB of content.
    Data,
    /// Making a small file durable.
    Sync,
}

/// How prompt the disk was lately, and how much is done in place now.
pub struct Pace {
    /// Prompt pieces of work in a row, by kind.
    prompt: [AtomicU32; 3],
    in_place: AtomicUsize,
    in_place_most: usize,
}

impl Default for Pace {
    /// For the runtime that it is made in; outside of one nothing is done in place.
    fn default() -> Self {
        Self::with_threads(Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers()))
    }
}

impl Pace {
    fn with_threads(threads: usize) -> Self {
        Self { prompt: Default::default(), in_place: AtomicUsize::new(0), in_place_most: threads.saturating_sub(1) }
    }

    /// Does small work; to its end even when the caller goes away. Fails when it panics on its blocking thread.
    pub async fn run<T: Send + 'static>(
        self: Arc<Self>,
        kind: Work,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        if let Some(_place) = self.place(kind) {
            return Ok(self.timed(kind, work));
        }
        spawn_blocking(move || self.timed(kind, work)).await
    }

    /// Whether work of this kind is done in place, as far as the disk is concerned: then it need not be done ahead.
    pub fn is_prompt(&self, kind: Work) -> bool {
        self.in_place_most > 0 && self.prompt[kind as usize].load(Ordering::Relaxed) >= PROVEN
    }

    /// Room to do this in place, if it may be done there.
    fn place(&self, kind: Work) -> Option<Place<'_>> {
        if !self.is_prompt(kind) {
            return None;
        }
        let place = Place(&self.in_place);
        (self.in_place.fetch_add(1, Ordering::Relaxed) < self.in_place_most).then_some(place)
    }

    fn timed<T>(&self, kind: Work, work: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let done = work();
        let prompt = &self.prompt[kind as usize];
        if begin.elapsed() > PROMPT {
            prompt.store(0, Ordering::Relaxed);
        } else if prompt.load(Ordering::Relaxed) < PROVEN {
            prompt.fetch_add(1, Ordering::Relaxed);
        }
        done
    }
}

/// Counted as long as it lives, whether there was room for it or not.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::{current, sleep};

    async fn is_in_place(pace: &Arc<Pace>, kind: Work) -> bool {
        let here = current().id();
        Arc::clone(pace).run(kind, move || current().id() == here).await.unwrap()
    }

    /// A machine that runs the tests under load may interrupt any of them for longer.
    async fn prove(pace: &Arc<Pace>, kind: Work) {
        while pace.prompt[kind as usize].load(Ordering::Relaxed) < PROVEN {
            Arc::clone(pace).run(kind, || ()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn work_is_done_in_place_once_its_kind_was_prompt_for_long_enough() {
        let pace = Arc::new(Pace::with_threads(2));
        assert!(!is_in_place(&pace, Work::Data).await);
        prove(&pace, Work::Data).await;
        assert!(is_in_place(&pace, Work::Data).await);
        assert!(!is_in_place(&pace, Work::Sync).await, "other work was not seen to be prompt");
    }

    #[tokio::test]
    async fn slow_work_sends_the_next_to_a_blocking_thread() {
        let pace = Arc::new(Pace::with_threads(2));
        prove(&pace, Work::Look).await;
        Arc::clone(&pace).run(Work::Look, || sleep(2 * PROMPT)).await.unwrap();
        assert!(!is_in_place(&pace, Work::Look).await);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_runtime_thread_stays_free() {
        let pace = Arc::new(Pace::default());
        prove(&pace, Work::Look).await;
        let (release, hung) = std::sync::mpsc::channel::<()>();
        let (begun, has_begun) = std::sync::mpsc::channel();
        let hanging = tokio::spawn(Arc::clone(&pace).run(Work::Look, move || {
            begun.send(()).unwrap();
            hung.recv().unwrap();
        }));
        spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
        assert!(!is_in_place(&pace, Work::Look).await, "the second place is not given");
        release.send(()).unwrap();
        hanging.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_does_nothing_in_place() {
        let pace = Arc::new(Pace::default());
        prove(&pace, Work::Data).await;
        assert!(!is_in_place(&pace, Work::Data).await);
    }
}
