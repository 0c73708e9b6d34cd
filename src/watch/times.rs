//! What the watch does when a time is over, and when the next one is: its sleep ends then.
//!
//! Who has something that becomes due adds it to [`Watch::next_deadline`] and to [`Watch::keep_time`].

use super::Watch;
use super::post::{Post, Step};
use super::reap::Death;
use super::site::{Site, StopMode, Times};
use crate::board::notes::Note;
use crate::error::{Detail, Error, Status};
use std::time::{Duration, Instant};

impl Watch {
    /// When the watch has to look around though nobody rings; None: never.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        [self.retry_at, self.kill_at, self.crew.next_due(), self.timing.next]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due.
    pub(super) fn keep_time(&mut self) {
        let now = Instant::now();
        self.crew.kill_overdue(now);
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill_at = None;
            self.stop(StopMode::Kill, None);
        }
        self.check_times();
    }

    /// A worker was killed because this step of its life took too long.
    pub(super) fn overran(&mut self, post: &Post, death: Death) {
        let Some(step) = post.overran else { return };
        let (status, words) = match step {
            Step::Starting => (Status::POOL_ERR_OS, "was not ready within start_timeout_ms"),
            Step::Initializing => (
                Status::POOL_ERR_INITIALIZER,
                "ran the initializer longer than initializer_timeout_ms",
            ),
            Step::Finalizing => {
                (Status::POOL_ERR_FINALIZER, "ran the finalizer longer than finalizer_timeout_ms")
            }
            Step::Working => return,
        };
        let time = step.time(&self.site.plan.times).unwrap_or_default();
        let ms = time.as_millis() as u64;
        let message = format!("worker process {} {words} ({ms} ms), and was killed", death.pid);
        let detail = Detail { worker_pid: death.pid, message, ..Detail::default() };
        match step {
            Step::Starting => self.start_failed(Error::with_detail(status, detail), time),
            _ => self.break_pool(Note { status, detail }),
        }
    }
}

impl Step {
    /// How long it may take.
    fn time(self, times: &Times) -> Option<Duration> {
        match self {
            Step::Starting => times.start,
            Step::Initializing => times.initializer,
            Step::Finalizing => times.finalizer,
            Step::Working => None,
        }
    }
}

impl Post {
    /// A step of its worker's life begins.
    pub(super) fn begin(&mut self, step: Step, site: &Site) {
        self.step = step;
        let time = step.time(&site.plan.times).filter(|_| self.is_process());
        self.due = time.and_then(|time| Instant::now().checked_add(time));
    }
}
