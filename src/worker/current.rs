//! The worker that the current thread runs.
//!
//! A thread that runs a worker can run a task inline that it would wait for, and must not wait for
//! a task that it is running.

use super::{Task, Worker};
use crate::board::Region;
use crate::board::ring::RingEntry;
use crate::board::slot::{Claim, Phase};
use std::cell::Cell;

thread_local! {
    /// The worker that this thread runs at the moment, or NULL.
    static CURRENT: Cell<*const Worker> = const { Cell::new(std::ptr::null()) };
}

/// While it lives, the current thread runs this worker.
pub(super) struct EnterGuard<'a>(&'a Worker);

impl EnterGuard<'_> {
    pub(super) fn enter(worker: &Worker) -> EnterGuard<'_> {
        worker.outer.set(CURRENT.replace(worker));
        EnterGuard(worker)
    }
}

impl Drop for EnterGuard<'_> {
    fn drop(&mut self) {
        CURRENT.set(self.0.outer.get());
    }
}

/// Called in a forked copy: this thread runs no worker any more.
pub(super) fn clear() {
    CURRENT.set(std::ptr::null());
}

/// The innermost worker that this thread runs and for which `is_wanted` returns true.
fn find_current<'a>(is_wanted: impl Fn(&Worker) -> bool) -> Option<&'a Worker> {
    let mut current = CURRENT.get();
    while !current.is_null() {
        // SAFETY: an `EnterGuard` below us on this thread's stack borrows the worker.
        let worker = unsafe { &*current };
        if is_wanted(worker) {
            return Some(worker);
        }
        current = worker.outer.get();
    }
    None
}

/// Whether this thread runs a worker of any board.
pub(crate) fn is_worker() -> bool {
    !CURRENT.get().is_null()
}

/// Whether this thread runs a worker of this board.
pub(crate) fn is_worker_of(region: &Region) -> bool {
    find_current(|worker| worker.is_on(region)).is_some()
}

/// The task whose function runs on this thread, the innermost one; NULL: none.
pub(crate) fn current_task() -> *const Task {
    find_current(|worker| !worker.current_task.get().is_null())
        .map_or(std::ptr::null(), |worker| worker.current_task.get())
}

/// The outcome of [`run_inline`].
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InlineRun {
    /// The task was run.
    Ran,
    /// The task was not run: another worker runs it, it is done, or this thread runs no worker of
    /// its board.
    NotRun,
    /// This thread is running the task: waiting for it would never end.
    Deadlock,
}

/// Runs the task, if this thread runs a worker of its board and the task is not claimed. So a task
/// that waits for another one needs no free worker.
pub(crate) fn run_inline(region: &Region, slot: u32, generation: u32) -> InlineRun {
    let Some(worker) = find_current(|worker| worker.is_on(region)) else {
        return InlineRun::NotRun;
    };
    match region.board.slot(slot).word.phase() {
        Phase::Ready => worker.run_inline(slot, generation),
        Phase::Running(seat) => {
            match find_current(|worker| worker.is_on(region) && worker.seat == seat).is_some() {
                true => InlineRun::Deadlock,
                false => InlineRun::NotRun,
            }
        }
        _ => InlineRun::NotRun,
    }
}

/// The maximum number of tasks that a thread runs inside one another because they submit to a full
/// queue. Its stack has room for them.
const CLAIMED_MAX: u32 = 64;

/// The outcome of [`claim_next`], for a worker that submits to a full queue.
#[must_use]
pub(crate) enum CapacityClaim<'a> {
    /// A task was claimed, which makes room for another one.
    ClaimedTask(ClaimedTask<'a>),
    /// No task waits on the ring, or this thread runs no worker of the board.
    NoTask,
    /// This thread runs too many claimed tasks already.
    TooDeep,
}

/// A task that this thread has claimed and must run.
#[must_use = "the claimed task must be run"]
pub(crate) struct ClaimedTask<'a> {
    worker: &'a Worker,
    slot: u32,
}

/// Claims the next task, if this thread runs a worker of this board.
pub(crate) fn claim_next<'a>(region: &Region) -> CapacityClaim<'a> {
    let Some(worker) = find_current(|worker| worker.is_on(region)) else {
        return CapacityClaim::NoTask;
    };
    if worker.claimed.get() >= CLAIMED_MAX {
        return CapacityClaim::TooDeep;
    }
    let board = &worker.region.board;
    let outer = board.current_task(worker.seat);
    let taken = board.take(worker.seat);
    board.restore_current_task(worker.seat, outer);
    taken.map_or(CapacityClaim::NoTask, |slot| {
        CapacityClaim::ClaimedTask(ClaimedTask { worker, slot })
    })
}

impl ClaimedTask<'_> {
    pub(crate) fn run(self) {
        let ClaimedTask { worker, slot } = self;
        let board = &worker.region.board;
        let outer = board.current_task(worker.seat);
        board.restore_current_task(worker.seat, (Some(slot), 0));
        worker.claimed.update(|depth| depth + 1);
        worker.run_claimed(slot);
        worker.claimed.update(|depth| depth - 1);
        board.restore_current_task(worker.seat, outer);
    }
}

impl Worker {
    fn run_inline(&self, slot: u32, generation: u32) -> InlineRun {
        let board = &self.region.board;
        let outer = board.current_task(self.seat);
        if board.claim(self.seat, RingEntry { slot, generation }) != Claim::Yours {
            board.restore_current_task(self.seat, outer);
            return InlineRun::NotRun;
        }
        self.run_claimed(slot);
        board.restore_current_task(self.seat, outer);
        InlineRun::Ran
    }
}
