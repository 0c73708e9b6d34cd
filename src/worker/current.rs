//! Which worker this thread is, and what follows from that: it can run a task that it would wait for, and
//! must not wait for itself.

use super::Worker;
use crate::board::Region;
use crate::board::ring::RingEntry;
use crate::board::slot::{Claim, Phase};
use std::cell::Cell;

thread_local! {
    /// The worker that this thread is at the moment, or NULL.
    static CURRENT: Cell<*const Worker> = const { Cell::new(std::ptr::null()) };
}

/// While it lives, this thread is the worker's.
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

/// In a forked copy: this thread is no worker any more.
pub(super) fn clear() {
    CURRENT.set(std::ptr::null());
}

/// The innermost worker that this thread is and that is wanted.
fn find_current<'a>(is_wanted: impl Fn(&Worker) -> bool) -> Option<&'a Worker> {
    let mut place = CURRENT.get();
    while !place.is_null() {
        // SAFETY: an `EnterGuard` below us on this thread's stack borrows the worker.
        let worker = unsafe { &*place };
        if is_wanted(worker) {
            return Some(worker);
        }
        place = worker.outer.get();
    }
    None
}

/// Whether this thread is a worker of any board.
pub(crate) fn is_worker() -> bool {
    !CURRENT.get().is_null()
}

/// Whether this thread is a worker of that board.
pub(crate) fn is_worker_of(region: &Region) -> bool {
    find_current(|worker| worker.is_on(region)).is_some()
}

/// What a worker can do for a task that it waits for.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InlineRun {
    /// It has run the task.
    Ran,
    /// Nothing: somebody else runs it, or it is done, or this thread is no worker of its board.
    NotRun,
    /// It would wait for itself: this thread is running the task.
    Deadlock,
}

/// Runs the task, if this thread is a worker of its board and nobody has claimed it. So a task that
/// waits for another never waits for a worker.
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

/// How many tasks may run in the middle of one another because they submit to a full queue: what a
/// thread's stack holds.
const CLAIMED_MAX: u32 = 64;

/// What a worker that waits for a place in the queue can do.
#[must_use]
pub(crate) enum CapacityClaim<'a> {
    /// It has made one.
    ClaimedTask(ClaimedTask<'a>),
    /// Nothing: no task waits on the ring.
    NoTask,
    TooDeep,
}

/// A task that this thread has claimed, and has yet to run.
#[must_use = "it is to be run"]
pub(crate) struct ClaimedTask<'a> {
    worker: &'a Worker,
    slot: u32,
}

/// Claims the next task for the worker of this board that this thread is.
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
