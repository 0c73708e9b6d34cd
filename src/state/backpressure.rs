//! The FIFO of submitters that wait while the queue of a pool with `max_pending` is full.
//!
//! ```text
//!            queue full              is the first        capacity, a flag, or the deadline
//!   submit ─────────────▶ waiting ───────────────▶ first ───────────────────────────────────▶ left
//!                         (sleeps on a condition   (sleeps on the board: see
//!                          variable)                `Board::wait_for_capacity`)
//! ```
//!
//! Each submitter that leaves wakes the next one, so capacity wakes only the first. Only workers
//! that submit overtake: each of them makes room first, by claiming a task.

use crate::board::Region;
use crate::board::parent::slots::SlotTable;
use crate::error::{Error, Status};
use crate::sync::plain::{AtomicU32, AtomicU64};
use crate::sync::{Deadline, Mutex, MutexGuard, Ordering::*};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar};

pub(crate) struct SubmitQueue {
    /// The maximum number of queued tasks; 0: unlimited.
    bound: u64,
    /// Positions before this one are within the bound. It may be outdated: then it is too low.
    end: AtomicU64,
    /// The number of waiters, to be read without the lock.
    len: AtomicU32,
    waiters: Mutex<Waiting>,
}

type Waiting = VecDeque<Arc<Condvar>>;

/// The error of a submit that would have to wait.
pub(crate) fn full() -> Error {
    Error::new(Status::POOL_ERR_FULL, "max_pending tasks wait for a worker")
}

impl SubmitQueue {
    pub(crate) fn new(bound: u64) -> SubmitQueue {
        SubmitQueue {
            bound,
            end: AtomicU64::new(0),
            len: AtomicU32::new(0),
            waiters: Mutex::new(VecDeque::new()),
        }
    }

    /// How many submits wait for room.
    pub(crate) fn waiting(&self) -> u32 {
        self.len.load(Relaxed)
    }

    #[inline]
    pub(crate) fn is_bounded(&self) -> bool {
        self.bound != 0
    }

    /// Reserves a position within the bound, which must then be written. Positions and the number
    /// of tasks that have left the queue only grow, so the bound also holds for concurrent callers.
    pub(super) fn reserve(&self, region: &Region, slots: &SlotTable) -> Option<u64> {
        let (board, tail) = (&region.board, slots.tails.main());
        board.reserve_below(tail, self.end.load(Relaxed)).or_else(|| {
            let end = slots.dequeued(region, |_| {}).saturating_add(self.bound);
            self.end.store(end, Relaxed);
            board.reserve_below(tail, end)
        })
    }

    /// Like [`SubmitQueue::reserve`], but waits for capacity. None: the deadline has passed, or
    /// `is_closed` returned true.
    pub(super) fn wait(
        &self,
        region: &Region,
        slots: &SlotTable,
        deadline: Deadline,
        is_closed: impl Fn() -> bool,
    ) -> Option<u64> {
        if self.len.load(Relaxed) == 0
            && let Some(position) = self.reserve(region, slots)
        {
            return Some(position);
        }
        if deadline.has_passed() {
            return None;
        }
        self.wait_in_queue(region, slots, deadline, is_closed)
    }

    #[cold]
    fn wait_in_queue(
        &self,
        region: &Region,
        slots: &SlotTable,
        deadline: Deadline,
        is_closed: impl Fn() -> bool,
    ) -> Option<u64> {
        let me = Arc::new(Condvar::new());
        let mut waiters = self.waiters.lock();
        waiters.push_back(me.clone());
        self.len.store(waiters.len() as u32, Relaxed);
        while !waiters.front().is_some_and(|first| Arc::ptr_eq(first, &me)) {
            if is_closed() {
                self.leave(waiters, &me);
                return None;
            }
            let Some(guard) = deadline.wait_on(&me, waiters) else {
                self.leave(self.waiters.lock(), &me);
                return None;
            };
            waiters = guard;
        }
        drop(waiters);
        let reserve = || self.reserve(region, slots);
        let found = region.board.wait_for_capacity(deadline, reserve, is_closed);
        self.leave(self.waiters.lock(), &me);
        found
    }

    fn leave(&self, mut waiters: MutexGuard<'_, Waiting>, me: &Arc<Condvar>) {
        waiters.retain(|other| !Arc::ptr_eq(other, me));
        self.len.store(waiters.len() as u32, Relaxed);
        if let Some(next) = waiters.front() {
            next.notify_one();
        }
    }

    /// Wakes all waiters to check whether the pool is closed. A waiter that comes later takes the
    /// lock after this, so it sees that too.
    pub(super) fn wake_all(&self, region: &Region) {
        if self.is_bounded() {
            self.waiters.lock().iter().for_each(|waiter| waiter.notify_one());
            region.board.wake_submitter();
        }
    }

    /// Wakes the first waiter: a task has left the queue, and was counted.
    pub(super) fn notify(&self, region: &Region) {
        if self.is_bounded() {
            region.board.notify_capacity();
        }
    }
}
