//! Statistics of the workers of each seat. Nothing else depends on them.
//!
//! Only the worker of the seat writes, so counting needs no atomic read-modify-write; a faulty
//! worker can corrupt statistics and nothing more.
//!
//! A worker counts a task before it finishes it, so a thread that sees the task done sees it
//! counted. If the worker dies between the two, or while it counts, the supervisor undoes what it
//! has changed for that task ([`WorkerStats::uncount`]). For that the worker keeps an undo log of one
//! task:
//!
//! | worker ([`WorkerStats::count`])                  | the supervisor, if the worker died after it    |
//! |--------------------------------------------------|------------------------------------------------|
//! | 1. store the numbers that change in `before`     | `last` is another task: nothing to undo        |
//! | 2. store the task and which numbers in `last`    | `last` is this task: the numbers are restored  |
//! | 3. change the numbers                            | from `before`                                  |

use super::memory::Shared;
use crate::sync::{AtomicU64, Ordering::*};

/// Number of histogram entries for durations: one for each power of two.
pub(crate) const BUCKETS: usize = 64;

#[repr(C, align(128))]
pub(crate) struct WorkerStats {
    completed: AtomicU64,
    failed: AtomicU64,
    totals: Totals,
    totals_before: Totals,
    counts_before: [AtomicU64; 3],
    /// A [`LastTask`], packed.
    last: AtomicU64,
    queue_ns: [AtomicU64; BUCKETS],
    run_ns: [AtomicU64; BUCKETS],
}

// SAFETY: atomic numbers.
unsafe impl Shared for WorkerStats {}

/// What a task adds a number to: bytes of arguments and of results, nanoseconds in the queue and in
/// the worker.
#[repr(C)]
struct Totals([AtomicU64; 4]);

impl Totals {
    #[inline]
    fn get(&self) -> [u64; 4] {
        self.0.each_ref().map(|number| number.load(Relaxed))
    }
}

/// The task that a worker counts: its id, and which counts it increments: of the completed or the
/// failed tasks, and an entry of each histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LastTask {
    id: u64,
    queue_bucket: usize,
    run_bucket: usize,
    is_failed: bool,
}

impl LastTask {
    /// In the order of the fields: 51 bits, 6, 6, 1.
    #[inline]
    fn pack(self) -> u64 {
        let buckets = (self.queue_bucket << 6 | self.run_bucket) as u64;
        self.id << 13 | buckets << 1 | u64::from(self.is_failed)
    }

    fn unpack(packed: u64) -> LastTask {
        LastTask {
            id: packed >> 13,
            queue_bucket: (packed >> 7) as usize % BUCKETS,
            run_bucket: (packed >> 1) as usize % BUCKETS,
            is_failed: packed & 1 != 0,
        }
    }
}

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

/// The histogram entry of a duration: entry i counts 2^i up to 2^(i+1) - 1; 0 is in entry 0.
#[inline]
fn bucket(ns: u64) -> usize {
    (ns | 1).ilog2() as usize
}

impl WorkerStats {
    /// The counts that a task increments.
    #[inline]
    fn counts(&self, last: LastTask) -> [&AtomicU64; 3] {
        let ended = if last.is_failed { &self.failed } else { &self.completed };
        [ended, &self.queue_ns[last.queue_bucket], &self.run_ns[last.run_bucket]]
    }

    /// Counts a task, in steps: only the worker of the seat writes. Release keeps the stores before it
    /// before it, and so the steps in order; pairs with `uncount`, whichever store was the worker's
    /// last one. The step that finishes the task makes all of them visible with the end of the task.
    #[inline]
    pub(crate) fn count(&self, done: &FinishedTask) {
        let last = LastTask {
            id: done.id,
            queue_bucket: bucket(done.queue_ns),
            run_bucket: bucket(done.run_ns),
            is_failed: done.is_failed,
        };
        let counts = self.counts(last);
        let counts_before = counts.map(|count| count.load(Relaxed));
        let totals_before = self.totals.get();
        for (before, count) in self.counts_before.iter().zip(counts_before) {
            before.store(count, Relaxed);
        }
        for (before, total) in self.totals_before.0.iter().zip(totals_before) {
            before.store(total, Relaxed);
        }
        self.last.store(last.pack(), Release);
        let more = [done.args_len, done.result_len, done.queue_ns, done.run_ns];
        for ((total, before), more) in self.totals.0.iter().zip(totals_before).zip(more) {
            total.store(before.wrapping_add(more), Release);
        }
        for (count, before) in counts.into_iter().zip(counts_before) {
            count.store(before.wrapping_add(1), Release);
        }
    }

    /// Undoes the count of a task that a dead worker has not finished, as far as it came. Acquire;
    /// pairs with `count`.
    pub(crate) fn uncount(&self, id: u64) {
        let last = LastTask::unpack(self.last.load(Acquire));
        if id == 0 || last.id != id & (u64::MAX >> 13) {
            return;
        }
        for (total, before) in self.totals.0.iter().zip(self.totals_before.get()) {
            total.store(before, Relaxed);
        }
        for (count, before) in self.counts(last).into_iter().zip(&self.counts_before) {
            count.store(before.load(Relaxed), Relaxed);
        }
        self.last.store(0, Relaxed);
    }

    pub(crate) fn add_to(&self, sums: &mut StatsSum) {
        let sum = |sum: &mut u64, number: &AtomicU64| *sum = sum.wrapping_add(number.load(Relaxed));
        sum(&mut sums.completed, &self.completed);
        sum(&mut sums.failed, &self.failed);
        let totals = [
            &mut sums.args_bytes,
            &mut sums.result_bytes,
            &mut sums.queue_total_ns,
            &mut sums.run_total_ns,
        ];
        totals.into_iter().zip(&self.totals.0).for_each(|(total, number)| sum(total, number));
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

    #[test]
    fn the_last_task_is_packed_in_one_word() {
        let last = LastTask { id: (1 << 51) - 1, queue_bucket: 63, run_bucket: 5, is_failed: true };
        assert_eq!(LastTask::unpack(last.pack()), last);
    }
}
