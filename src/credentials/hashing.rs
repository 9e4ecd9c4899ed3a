//! Threads of their own for the slow function of passwords, which give way to everything else that the gateway does.
//!
//! On the runtime's blocking threads a flood of sign-ins shared the processors evenly with those who transfer files, and
//! took half of them. These threads have a lower priority of their own: where transfers keep the processors busy,
//! hashing takes what its weight leaves it; where nothing else runs, it has them whole.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::process::{getpriority_process, setpriority_process};
use rustix::thread::gettid;
use tokio::sync::oneshot;

use super::password::HashError;

/// How much nicer these threads are than the gateway: a third of the share of a thread that is as busy.
///
/// Each step takes a fifth of the weight. At 0 a download kept 0.40 of its speed during two hundred sign-ins on two
/// processors, at 5 it keeps 0.63 to 0.90. At 10 the sign-ins took 42 s instead of 31: too near to what they are given.
const NICER_BY: i32 = 5;
/// The nicest that Linux knows.
const NICEST: i32 = 19;

type Job = Box<dyn FnOnce() + Send>;

/// Some threads and the queue in front of them. They start as they are needed, and end with it.
pub(super) struct HashingThreads {
    jobs: SyncSender<Job>,
    queue: Arc<Mutex<Receiver<Job>>>,
    most: usize,
    started: Mutex<usize>,
}

impl HashingThreads {
    /// At most `most` threads, and as many places in the queue.
    pub(super) fn new(most: usize) -> Self {
        let (jobs, queue) = sync_channel(most);
        Self { jobs, queue: Arc::new(Mutex::new(queue)), most, started: Mutex::new(0) }
    }

    /// Queues `work`; what it returns comes over the receiver, or nothing if it panics.
    ///
    /// Whoever drops the receiver before a thread has begun spares it the work.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, HashError> {
        self.start_another()?;
        let (reply, answer) = oneshot::channel();
        let job = move || {
            if !reply.is_closed() {
                // Gone meanwhile: the work was done for nobody.
                let _ = reply.send(work());
            }
        };
        self.jobs.try_send(Box::new(job)).map_err(|_| HashError::Overloaded)?;
        Ok(answer)
    }

    /// Starts one more thread unless all are there. One that cannot be started is missed only if it is the first.
    fn start_another(&self) -> Result<(), HashError> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if *started == self.most {
            return Ok(());
        }
        let queue = self.queue.clone();
        // Nobody waits for its end: the program does not stay for a hash that no one will read.
        match thread::Builder::new().name(format!("passwords-{started}")).spawn(move || work_off(&queue)) {
            Ok(_) => *started += 1,
            Err(error) if *started == 0 => {
                return Err(HashError::Failed(format!("no thread could be started: {error}")));
            }
            Err(error) => {
                let most = self.most;
                tracing::warn!(%error, started = *started, most, "Passwords are hashed by fewer threads than configured");
            }
        }
        Ok(())
    }
}

/// A thread's life: until whoever queues has gone.
fn work_off(queue: &Mutex<Receiver<Job>>) {
    give_way();
    loop {
        // The lock is held while it waits: the others that are idle wait behind it.
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // Whoever waits for the answer learns of a panic from its absence; the thread is there for the next.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

/// Lowers the priority of the calling thread alone (Linux has one for each), relative to the one it has: an operator may
/// have made the whole gateway nicer. It is never raised again, which would need a privilege.
fn give_way() {
    let thread = Some(gettid());
    let lowered = getpriority_process(thread)
        .and_then(|inherited| setpriority_process(thread, (inherited + NICER_BY).min(NICEST)));
    if let Err(error) = lowered {
        tracing::debug!(%error, "Passwords are hashed with the priority of transfers");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    const PATIENCE: Duration = Duration::from_secs(20);

    fn eventually(condition: impl Fn() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < PATIENCE);
            thread::yield_now();
        }
    }

    /// Queued as soon as there is room.
    fn run<T: Send + 'static>(threads: &HashingThreads, work: fn() -> T) -> oneshot::Receiver<T> {
        let start = Instant::now();
        loop {
            match threads.run(work) {
                Ok(answer) => return answer,
                Err(error) => assert_eq!(error, HashError::Overloaded),
            }
            assert!(start.elapsed() < PATIENCE);
            thread::yield_now();
        }
    }

    fn priority() -> i32 {
        getpriority_process(Some(gettid())).unwrap()
    }

    #[test]
    fn hashing_gives_way_and_nothing_else_does() {
        let own = priority();
        let theirs = run(&HashingThreads::new(1), priority).blocking_recv().unwrap();
        assert_eq!(theirs, (own + NICER_BY).min(NICEST));
        assert_eq!(priority(), own);
    }

    #[test]
    fn a_thread_outlives_work_that_panics() {
        let threads = HashingThreads::new(1);
        let before = run(&threads, || thread::current().id()).blocking_recv().unwrap();
        assert!(run(&threads, || panic!("as a test wants")).blocking_recv().is_err());
        let after = run(&threads, || thread::current().id()).blocking_recv().unwrap();
        assert_eq!(before, after);
    }

    #[test]
    fn as_many_work_at_a_time_as_there_are_threads_and_as_many_wait() {
        let threads = HashingThreads::new(2);
        let (begins, has_begun) = mpsc::channel();
        let mut closed = Vec::new();
        let mut block = |threads: &HashingThreads| {
            let (close, gate) = mpsc::channel::<()>();
            closed.push(close);
            let begins = begins.clone();
            threads.run(move || {
                begins.send(()).unwrap();
                let _ = gate.recv();
            })
        };
        let running = [block(&threads).unwrap(), block(&threads).unwrap()];
        for _ in &running {
            has_begun.recv_timeout(PATIENCE).unwrap();
        }
        let waiting = [block(&threads).unwrap(), block(&threads).unwrap()];
        assert_eq!(block(&threads).unwrap_err(), HashError::Overloaded);
        assert!(has_begun.try_recv().is_err());
        closed.clear();
        for answer in running.into_iter().chain(waiting) {
            answer.blocking_recv().unwrap();
        }
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_not_done() {
        let threads = HashingThreads::new(1);
        let (closed, gate) = mpsc::channel::<()>();
        let (begins, has_begun) = mpsc::channel();
        let running = threads.run(move || {
            begins.send(()).unwrap();
            let _ = gate.recv();
        });
        has_begun.recv_timeout(PATIENCE).unwrap();
        let (does, done) = mpsc::channel();
        drop(threads.run(move || does.send(()).unwrap()).unwrap());
        drop(closed);
        running.unwrap().blocking_recv().unwrap();
        run(&threads, || ()).blocking_recv().unwrap();
        // Dropped without having been run, with all that it held.
        assert_eq!(done.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }

    #[test]
    fn the_threads_end_with_their_owner() {
        let threads = HashingThreads::new(2);
        run(&threads, || ()).blocking_recv().unwrap();
        run(&threads, || ()).blocking_recv().unwrap();
        let queue = Arc::downgrade(&threads.queue);
        drop(threads);
        eventually(|| queue.strong_count() == 0);
    }
}
