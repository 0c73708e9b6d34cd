//! Starting workers: how many, which program they run, and what happens if a start fails.
//!
//! A failed start is repeated after a pause, which doubles each time. When too many have failed in
//! succession and no worker is ready, or when the next one is certain to fail too, the pool breaks:
//! its tasks are cancelled, with the reason. It breaks in the same way when one of the user's hooks
//! fails. A start for which something is short, such as descriptors, only waits: that may pass.

use super::Supervisor;
use super::events;
use super::exit_status::ProcessExit;
use crate::board::Stage;
use crate::board::parent::side_table::TaskFailure;
use crate::error::{Detail, Error, Result, Status};
use crate::state::config::PoolKind;
use crate::sync::Ordering::*;
use crate::worker::config::Image;
use std::time::{Duration, Instant};

/// The pause after a failed start; twice as long after each further one.
pub(super) const BACK_OFF: Duration = Duration::from_millis(10);
/// The maximum number of doublings of the pause.
const DOUBLINGS_MAX: u32 = 6;
/// How long tasks wait that no ring has until they are enqueued again. Shorter than what waits for
/// them takes to give them up.
pub(super) const UNLISTED: Duration = Duration::from_millis(100);

/// What determines how many workers a pool needs.
#[derive(Debug, Clone, Copy, Default)]
struct Demand {
    /// Tasks that wait for a worker.
    queued: u64,
    /// Workers that run no task, and workers that are starting.
    free: u32,
    /// All workers, those that are starting included.
    workers: u32,
    workers_min: u32,
    workers_max: u32,
    /// Workers that were lost since the last check.
    lost: u32,
}

impl Demand {
    /// How many workers to start: one for each queued task without a free worker, one for each lost
    /// worker, and up to the minimum; never above the maximum.
    fn workers_to_start(self) -> u32 {
        let room = self.workers_max.saturating_sub(self.workers);
        let needed = self.queued.saturating_sub(u64::from(self.free));
        let needed = u32::try_from(needed).unwrap_or(u32::MAX);
        let missing = self.workers_min.saturating_sub(self.workers);
        needed.max(self.lost).max(missing).min(room)
    }
}

impl Supervisor {
    /// Starts the workers that are needed.
    pub(super) fn start_needed_workers(&mut self) {
        let unlisted_since = self.unlisted_since.take();
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.retry_at = None;
        if self.life.stage() == Stage::Stop {
            return;
        }
        let wanted = self.workers_to_start();
        // A stray worker may have overwritten the counts of its seat, or the ring's head. This is
        // checked only while there are no workers.
        let has_no_worker = wanted == 0 && self.workers.count() == 0;
        let is_paused = self.life.stage() == Stage::Paused;
        let is_stranded = has_no_worker && !is_paused && self.state.has_waiting_task();
        if is_stranded && !self.state.region.board.has_task() {
            // So it is while a submit has reserved a position and not written its entry, too, and
            // that entry would be lost. The submit wakes the supervisor. A thread pool has no stray
            // worker, so it only waits.
            let since = unlisted_since.unwrap_or_else(Instant::now);
            let is_patient = since.elapsed() < UNLISTED;
            if is_patient || !self.state.is_shared() {
                self.unlisted_since = Some(if is_patient { since } else { Instant::now() });
                return;
            }
            self.state.enqueue_all_again();
        }
        let _ = self.start_workers(wanted.max(u32::from(is_stranded)));
    }

    fn workers_to_start(&mut self) -> u32 {
        let load = self.state.slots.load(&self.state.region);
        let workers = self.workers.count();
        let pending = if self.may_be_pending(workers) { load.pending } else { 0 };
        let min = self.state.workers_min().max(self.ready_wanted());
        let demand = Demand {
            queued: pending,
            free: workers.saturating_sub(load.busy),
            workers,
            workers_min: if self.life.is_open() { min } else { 0 },
            workers_max: self.state.workers_max(),
            lost: std::mem::take(&mut self.lost),
        };
        demand.workers_to_start()
    }

    /// Whether what the counts of the seats say of queued tasks can be so: a stray worker may have
    /// written over them, and workers would be started for tasks that do not exist, without end.
    fn may_be_pending(&self, workers: u32) -> bool {
        match (workers, self.life.stage()) {
            (_, Stage::Paused) => false,
            (0, stage) => {
                let is_listed = || stage != Stage::Drain || self.state.region.board.has_task();
                self.state.has_waiting_task() && is_listed()
            }
            // Whoever is queued now, a worker that runs takes it before it exits.
            (_, Stage::Drain) => self.state.region.board.has_task(),
            _ => true,
        }
    }

    /// Starts workers on a caller's request; returns how many.
    pub(super) fn start_on_request(&mut self, count: i64) -> Result<u32> {
        if self.life.stage() == Stage::Stop {
            self.state.check_open()?;
            return Err(Status::POOL_ERR_CLOSED.into());
        }
        let room = self.state.workers_max().saturating_sub(self.workers.count());
        match u32::try_from(count) {
            Ok(count) => self.start_workers(count.min(room)),
            Err(_) if count > 0 => self.start_workers(room),
            Err(_) => {
                let wanted = self.workers_to_start();
                self.start_workers(wanted)
            }
        }
    }

    /// Starts this many workers. Returns how many were started; an error: none.
    fn start_workers(&mut self, count: u32) -> Result<u32> {
        for started in 0..count {
            if let Err(error) = self.start_one() {
                let why = Error::with_detail(error.status, detail_of(&error));
                self.start_not_begun(error);
                return if started > 0 { Ok(started) } else { Err(why) };
            }
            if matches!(self.state.config.kind, PoolKind::Threads) {
                self.forget_failures();
            }
        }
        Ok(count)
    }

    /// Starts a worker. Returns its seat.
    pub(super) fn start_one(&mut self) -> Result<usize> {
        if self.state.needs_main_program.load(Relaxed) {
            self.image = Image::MainProgram;
        }
        // Counted before it can run a task.
        self.state.workers.fetch_add(1, Relaxed);
        let outcome = self.workers.start(&self.state, self.image);
        self.update_worker_count();
        outcome
    }

    pub(super) fn update_worker_count(&self) {
        self.state.workers.store(self.workers.count(), Relaxed);
    }

    /// Acts on the messages of a worker.
    pub(super) fn on_worker_message(&mut self, seat: usize) {
        let Some(worker) = self.workers.get_mut(seat) else { return };
        let (is_ready, failure) = (worker.is_ready, worker.hook_failure.take());
        if is_ready {
            self.forget_failures();
        }
        if let Some(failure) = failure {
            self.break_pool(failure.into_task_failure());
        }
    }

    fn forget_failures(&mut self) {
        self.failures.clear();
        self.shortages = 0;
    }

    /// Handles a worker that could not be started. What a worker itself is short of counts as a
    /// failure, as its limits may be too low for it; but for a thread ([`is_refused_thread`]).
    pub(super) fn start_not_begun(&mut self, error: Error) {
        if !self.owns_wakeup() {
            return self.detach();
        }
        if !error.is_shortage() {
            return self.start_failed(error, Duration::ZERO);
        }
        let pause = BACK_OFF * (1 << self.shortages.min(DOUBLINGS_MAX));
        self.shortages = self.shortages.saturating_add(1);
        events::start_failed(&self.state, &error, pause);
        self.retry_at = Some(Instant::now() + pause);
    }

    /// Handles a worker that could not be started, or that exited before it was ready. `waited`:
    /// how long it was waited for, which does not count towards the window.
    pub(super) fn start_failed(&mut self, error: Error, waited: Duration) {
        if !self.owns_wakeup() {
            return self.detach();
        }
        let (now, config) = (Instant::now(), &self.state.config);
        self.failures.push_back((now, waited));
        let mut total_waited = Duration::ZERO;
        let recent = self.failures.iter().rev().take_while(|(at, waited)| {
            let since = now.duration_since(*at).saturating_sub(total_waited);
            total_waited = total_waited.saturating_add(*waited);
            since <= config.restart_window
        });
        let old = self.failures.len() - recent.count();
        self.failures.drain(..old);
        let count = self.failures.len() as u32;
        debug_assert!(count > 0, "the failure itself is recent");
        let is_final = is_final(&error);
        let is_too_often = config.restarts_max != u32::MAX && count >= config.restarts_max;
        if is_final || (is_too_often && self.workers.count_if(|worker| worker.is_ready) == 0) {
            let mut detail = detail_of(&error);
            detail.message = format!("no worker can be started: {}", detail.message);
            let status = if is_final { Status::POOL_ERR_BROKEN } else { Status::POOL_ERR_RESTARTS };
            return self.break_pool(TaskFailure { status, detail });
        }
        let pause = BACK_OFF * (1 << (count - 1).min(DOUBLINGS_MAX));
        // Otherwise that many starts could never fail within the window.
        let pause = match config.restarts_max {
            u32::MAX => pause,
            max => pause.min(config.restart_window / max / 2),
        };
        events::start_failed(&self.state, &error, pause);
        self.retry_at = Some(now + pause);
    }

    /// Breaks the pool: a worker died while it ran the finalizer.
    pub(super) fn break_by_death_in_finalizer(&mut self, process: ProcessExit) {
        let detail = process.to_detail("while running the finalizer");
        self.break_pool(TaskFailure { status: Status::POOL_ERR_FINALIZER, detail });
    }

    /// Breaks the pool: no worker runs tasks any more. The first reason is kept.
    pub(super) fn break_pool(&mut self, reason: TaskFailure) {
        let reason = self.state.set_broken(reason);
        self.state.withdraw_all();
        for (_, reply) in self.joiners.drain(..) {
            reply.done(Err(reason.to_error()));
        }
        self.change_life(|life| (life.is_broken, life.is_joining) = (true, false));
    }
}

/// Why a pool with POOL_LOST_BREAK is broken: a worker was lost.
pub(super) fn broken_by_loss(process: ProcessExit) -> TaskFailure {
    let detail = process.to_detail("and the pool was made to break by that");
    TaskFailure { status: Status::POOL_ERR_BROKEN, detail }
}

/// Whether a worker could not start its own thread because the user has too many processes. It starts the
/// thread before it applies the limits of the pool's options, so the limit is that of the host.
pub(super) fn is_refused_thread(error: &Error) -> bool {
    error.detail().is_some_and(|detail| detail.os_errno == libc::EAGAIN)
}

/// Whether the next start is certain to fail as well: something is missing or not permitted. What is
/// only short comes back.
fn is_final(error: &Error) -> bool {
    if error.is_shortage() {
        return false;
    }
    let errno = error.detail().map_or(0, |detail| detail.os_errno);
    match error.status {
        Status::POOL_ERR_VERSION
        | Status::POOL_ERR_FUNCTION
        | Status::POOL_ERR_INVALID
        | Status::POOL_ERR_BROKEN => true,
        Status::POOL_ERR_OS => [libc::EPERM, libc::EACCES, libc::EINVAL].contains(&errno),
        _ => false,
    }
}

fn detail_of(error: &Error) -> Detail {
    error.detail().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_start_for_tasks_without_a_worker() {
        let wanted = |queued, free, workers, workers_max, lost| {
            Demand { queued, free, workers, workers_min: 2, workers_max, lost }.workers_to_start()
        };
        assert_eq!(wanted(0, 0, 0, 4, 0), 2);
        assert_eq!(wanted(0, 0, 0, 1, 0), 1);
        assert_eq!(wanted(3, 0, 0, 4, 0), 3);
        assert_eq!(wanted(1, 1, 1, 4, 0), 1);
        assert_eq!(wanted(1, 1, 2, 4, 0), 0);
        assert_eq!(wanted(9, 1, 2, 4, 0), 2);
        assert_eq!(wanted(9, 0, 4, 4, 0), 0);
        assert_eq!(wanted(u64::MAX, 0, 0, 1024, 0), 1024);
        assert_eq!(wanted(0, 3, 3, 4, 1), 1);
        assert_eq!(wanted(0, 4, 4, 4, 1), 0);
        assert_eq!(wanted(0, 0, 5, 4, 0), 0);
    }
}
