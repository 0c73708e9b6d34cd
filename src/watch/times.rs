//! What the watch does when a time is over, and when the next one is: its sleep ends then.
//!
//! Who has something that becomes due adds it to [`Supervisor::next_deadline`] and to [`Supervisor::run_timers`].

use super::Supervisor;
use super::handle::{LifeStep, WorkerHandle};
use super::reap::Death;
use super::state::{PoolState, StepTimeouts, StopMode};
use crate::board::side_table::TaskFailure;
use crate::error::{Detail, Error, Status};
use std::time::{Duration, Instant};

impl Supervisor {
    /// When the watch has to look around though nobody rings; None: never.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        [self.retry_at, self.kill_at, self.workers.next_due(), self.timing.next]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due.
    pub(super) fn run_timers(&mut self) {
        let now = Instant::now();
        self.workers.kill_overdue(now);
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill_at = None;
            self.stop(StopMode::Kill, None);
        }
        self.check_times();
    }

    /// A worker was killed because this step of its life took too long.
    pub(super) fn overran(&mut self, worker: &WorkerHandle, death: Death) {
        let Some(step) = worker.overran else { return };
        let (status, words) = match step {
            LifeStep::Starting => (Status::POOL_ERR_OS, "was not ready within start_timeout_ms"),
            LifeStep::Initializing => (
                Status::POOL_ERR_INITIALIZER,
                "ran the initializer longer than initializer_timeout_ms",
            ),
            LifeStep::Finalizing => {
                (Status::POOL_ERR_FINALIZER, "ran the finalizer longer than finalizer_timeout_ms")
            }
            LifeStep::Working => return,
        };
        let time = step.time(&self.state.plan.times).unwrap_or_default();
        let ms = time.as_millis() as u64;
        let message = format!("worker process {} {words} ({ms} ms), and was killed", death.pid);
        let detail = Detail { worker_pid: death.pid, message, ..Detail::default() };
        match step {
            LifeStep::Starting => self.start_failed(Error::with_detail(status, detail), time),
            _ => self.break_pool(TaskFailure { status, detail }),
        }
    }
}

impl LifeStep {
    /// How long it may take.
    fn time(self, times: &StepTimeouts) -> Option<Duration> {
        match self {
            LifeStep::Starting => times.start,
            LifeStep::Initializing => times.initializer,
            LifeStep::Finalizing => times.finalizer,
            LifeStep::Working => None,
        }
    }
}

impl WorkerHandle {
    /// A step of its worker's life begins.
    pub(super) fn begin(&mut self, step: LifeStep, state: &PoolState) {
        self.step = step;
        let time = step.time(&state.plan.times).filter(|_| self.is_process());
        self.due = time.and_then(|time| Instant::now().checked_add(time));
    }
}
