//! The statistics counters of the parent. Workers count their own tasks on the board.

use crate::sync::Ordering::Relaxed;
use crate::sync::plain::AtomicU64;

#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// Undoes an `add` that was too early.
    pub(crate) fn undo(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

#[derive(Default)]
pub(crate) struct Counters {
    /// Tasks that were cancelled, before they ran or while they did.
    pub(crate) cancelled: Counter,
    /// Tasks that failed without a report of their worker.
    pub(crate) failed: Counter,
    /// Workers lost while they ran a task.
    pub(crate) lost: Counter,
    /// Tasks that are run again because their worker was lost.
    pub(crate) retried: Counter,
    /// Tasks that have passed a limit.
    pub(crate) soft_limits: Counter,
    pub(crate) hard_limits: Counter,
    pub(crate) workers_lost: Counter,
    /// Positions of the queue that were used for tasks that had one before, or for tasks that were
    /// not submitted after all. Every other position is a submitted task.
    pub(crate) repeated: Counter,
}
