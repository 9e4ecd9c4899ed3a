//! Watches the tasks that must run as long as the gateway does. One that ends by itself ends the gateway: a process that
//! lost a listener and lives on looks healthy to whoever would restart it.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

/// A task that ended though it was not asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{task} {what}, which is a fault of this program: the gateway stops, to be started again")]
pub struct TaskFailure {
    pub task: &'static str,
    pub what: &'static str,
}

/// The tasks of a gateway.
pub(super) struct Supervisor {
    tracker: TaskTracker,
    handles: Mutex<Vec<AbortHandle>>,
    failure: watch::Sender<Option<TaskFailure>>,
}

impl Default for Supervisor {
    fn default() -> Self {
        Self { tracker: TaskTracker::new(), handles: Mutex::default(), failure: watch::Sender::new(None) }
    }
}

impl Supervisor {
    /// Runs a task that may end once `stop` is cancelled.
    pub(super) fn watch(
        &self,
        task: &'static str,
        stop: &CancellationToken,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let running = tokio::spawn(work);
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).push(running.abort_handle());
        let (stop, failure) = (stop.clone(), self.failure.clone());
        self.tracker.spawn(async move {
            let what = match running.await {
                Ok(()) => "ended by itself",
                Err(error) if error.is_panic() => "panicked",
                Err(_) => return, // Aborted: only `abort` does that.
            };
            if stop.is_cancelled() && what != "panicked" {
                return;
            }
            let failed = TaskFailure { task, what };
            error!(task, "Failed: {failed}");
            failure.send_if_modified(|first| first.is_none() && first.replace(failed).is_none());
        });
    }

    /// Resolves when a task failed.
    pub(super) async fn failed(&self) -> TaskFailure {
        let mut failure = self.failure.subscribe();
        let failed = failure.wait_for(Option::is_some).await.ok().and_then(|failed| failed.clone());
        match failed {
            Some(failed) => failed,
            // The sender is part of `self`; it cannot be gone.
            None => std::future::pending().await,
        }
    }

    /// Resolves when every task has ended.
    pub(super) async fn finished(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Ends every task where it stands.
    pub(super) fn abort(&self) {
        for handle in self.handles.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            handle.abort();
        }
    }
}

impl Drop for Supervisor {
    /// A gateway that is dropped without being stopped (a test that failed) leaves nothing running.
    fn drop(&mut self) {
        self.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_by_itself_is_a_failure() {
        let (supervisor, stop) = (Supervisor::default(), CancellationToken::new());
        supervisor.watch("the listener", &stop, async {});
        assert_eq!(supervisor.failed().await, TaskFailure { task: "the listener", what: "ended by itself" });
    }

    #[tokio::test]
    async fn a_task_that_panics_is_a_failure() {
        let (supervisor, stop) = (Supervisor::default(), CancellationToken::new());
        supervisor.watch("the steady one", &stop, std::future::pending());
        supervisor.watch("the listener", &stop, async { panic!("on purpose") });
        assert_eq!(supervisor.failed().await.what, "panicked");
    }

    #[tokio::test]
    async fn tasks_that_were_asked_to_end_do_not_fail() {
        let (supervisor, stop) = (Supervisor::default(), CancellationToken::new());
        supervisor.watch("the listener", &stop, stop.clone().cancelled_owned());
        stop.cancel();
        supervisor.finished().await;
        assert!(supervisor.failure.borrow().is_none());
    }

    #[tokio::test]
    async fn a_task_that_does_not_end_can_be_aborted() {
        let (supervisor, stop) = (Supervisor::default(), CancellationToken::new());
        supervisor.watch("the stubborn one", &stop, std::future::pending());
        supervisor.abort();
        supervisor.finished().await;
        assert!(supervisor.failure.borrow().is_none());
    }
}
