//! What the parent itself counts: tasks that no worker has ended, and what was done to others. For
//! statistics; workers count their own at the board.

use crate::sync::Ordering::Relaxed;
use crate::sync::plain::AtomicU64;

#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// Takes one back that was counted too early.
    pub(crate) fn uncount(&self) {
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
    /// Tasks that have failed without their worker's word.
    pub(crate) failed: Counter,
    /// Workers lost with a task that they ran.
    pub(crate) lost: Counter,
    /// Tasks that are run again because their worker was lost.
    pub(crate) retried: Counter,
    /// Tasks that have passed a limit.
    pub(crate) soft_limits: Counter,
    pub(crate) hard_limits: Counter,
    pub(crate) workers_lost: Counter,
    /// Positions of the queue that were taken for tasks which have had one before, or were not submitted after
    /// all. The others are the tasks that were submitted.
    pub(crate) repeated: Counter,
}
