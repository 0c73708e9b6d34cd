//! Statistics of the workers of each seat. Nothing else depends on them.
//!
//! Only the worker of the seat writes, so counting needs no atomic read-modify-write; a faulty
//! worker can corrupt statistics and nothing more.
//!
//! A worker counts a task before it finishes it, so a thread that sees the task done sees it
//! counted. If the worker dies between the two, the task is counted and not done: `last` identifies
//! it.

use super::memory::Shared;
use crate::sync::{AtomicU64, Ordering::Relaxed};

/// Number of histogram entries for durations: one for each power of two.
pub(crate) const BUCKETS: usize = 64;

#[repr(C, align(128))]
pub(crate) struct WorkerStats {
    completed: AtomicU64,
    failed: AtomicU64,
    args_bytes: AtomicU64,
    result_bytes: AtomicU64,
    queue_total_ns: AtomicU64,
    run_total_ns: AtomicU64,
    /// The id of the last counted task, and in the lowest bit whether it failed; 0: none.
    last: AtomicU64,
    queue_ns: [AtomicU64; BUCKETS],
    run_ns: [AtomicU64; BUCKETS],
}

// SAFETY: atomic numbers.
unsafe impl Shared for WorkerStats {}

/// A task that is about to be finished.
pub(crate) struct FinishedTask {
    pub(crate) id: u64,
    pub(crate) is_failed: bool,
    pub(crate) args_len: u64,
    pub(crate) result_len: u64,
    pub(crate) queue_ns: u64,
    pub(crate) run_ns: u64,
}

/// The statistics of all seats together.
#[derive(Clone)]
pub(crate) struct StatsSum {
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) args_bytes: u64,
    pub(crate) result_bytes: u64,
    pub(crate) queue_total_ns: u64,
    pub(crate) run_total_ns: u64,
    pub(crate) queue_ns: [u64; BUCKETS],
    pub(crate) run_ns: [u64; BUCKETS],
}

impl Default for StatsSum {
    fn default() -> StatsSum {
        StatsSum {
            completed: 0,
            failed: 0,
            args_bytes: 0,
            result_bytes: 0,
            queue_total_ns: 0,
            run_total_ns: 0,
            queue_ns: [0; BUCKETS],
            run_ns: [0; BUCKETS],
        }
    }
}

/// Adds in two steps: only the worker of the seat writes.
#[inline]
fn add(number: &AtomicU64, more: u64) {
    number.store(number.load(Relaxed).wrapping_add(more), Relaxed);
}

/// The histogram entry of a duration: entry i counts 2^i up to 2^(i+1) - 1; 0 is in entry 0.
#[inline]
fn bucket(ns: u64) -> usize {
    (ns | 1).ilog2() as usize
}

impl WorkerStats {
    /// Counts a task. Relaxed: the step that finishes the task makes it visible with the end of the
    /// task.
    #[inline]
    pub(crate) fn count(&self, done: &FinishedTask) {
        add(if done.is_failed { &self.failed } else { &self.completed }, 1);
        self.last.store(done.id << 1 | u64::from(done.is_failed), Relaxed);
        add(&self.args_bytes, done.args_len);
        add(&self.result_bytes, done.result_len);
        add(&self.queue_total_ns, done.queue_ns);
        add(&self.run_total_ns, done.run_ns);
        add(&self.queue_ns[bucket(done.queue_ns)], 1);
        add(&self.run_ns[bucket(done.run_ns)], 1);
    }

    /// Takes back the count of a task that a dead worker has counted and not finished.
    pub(crate) fn uncount(&self, id: u64) {
        let last = self.last.load(Relaxed);
        if id != 0 && last >> 1 == id {
            self.last.store(0, Relaxed);
            let counted = if last & 1 != 0 { &self.failed } else { &self.completed };
            add(counted, u64::MAX);
        }
    }

    pub(crate) fn add_to(&self, sums: &mut StatsSum) {
        let sum = |sum: &mut u64, number: &AtomicU64| *sum = sum.wrapping_add(number.load(Relaxed));
        sum(&mut sums.completed, &self.completed);
        sum(&mut sums.failed, &self.failed);
        sum(&mut sums.args_bytes, &self.args_bytes);
        sum(&mut sums.result_bytes, &self.result_bytes);
        sum(&mut sums.queue_total_ns, &self.queue_total_ns);
        sum(&mut sums.run_total_ns, &self.run_total_ns);
        for index in 0..BUCKETS {
            sum(&mut sums.queue_ns[index], &self.queue_ns[index]);
            sum(&mut sums.run_ns[index], &self.run_ns[index]);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn durations_are_counted_by_powers_of_two() {
        for (ns, entry) in [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (1 << 63, 63), (u64::MAX, 63)] {
            assert_eq!(bucket(ns), entry);
        }
    }
}
