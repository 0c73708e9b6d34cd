//! The statistics counters of the parent. Workers count their own tasks on the board.

use crate::sync::Mutex;
use crate::sync::Ordering::Relaxed;
use crate::sync::plain::AtomicU64;

#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A count of tasks that the parent itself has ended. The lock makes the end and its count one step:
/// whoever sees the task done and then reads the count sees it counted, and nobody sees a count of a
/// task that has ended otherwise.
#[derive(Default)]
pub(crate) struct EndCounter(Mutex<u64>);

impl EndCounter {
    /// Counts a task if `end` has ended it. Returns what `end` returned.
    pub(crate) fn count_if(&self, end: impl FnOnce() -> bool) -> bool {
        let mut count = self.0.lock();
        let has_ended = end();
        *count += u64::from(has_ended);
        has_ended
    }

    /// Takes back the count of a task that was not submitted after all.
    pub(crate) fn undo(&self) {
        *self.0.lock() -= 1;
    }

    pub(crate) fn get(&self) -> u64 {
        *self.0.lock()
    }
}

#[derive(Default)]
pub(crate) struct Counters {
    /// Tasks that were cancelled, before they ran or while they did.
    pub(crate) cancelled: EndCounter,
    /// Tasks that failed without a report of their worker.
    pub(crate) failed: EndCounter,
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
