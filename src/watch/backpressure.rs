//! The line of those who submit to a pool with `max_pending`, and wait for a place in its queue.
//!
//! ```text
//!            queue full              is the first          a place, or the gate, or the time
//!   submit ─────────────▶ in line ───────────────▶ first ───────────────────────────────────▶ gone
//!                            (sleeps on a condition)  (sleeps on the board: see `board::places`)
//! ```
//!
//! Each one that goes wakes the next, so a place wakes nobody but the first, and they are served in the
//! order in which they came. Nobody passes the line by, but for workers who submit: each of those makes
//! a place by claiming a task first.

use super::state::PoolState;
use crate::error::{Error, Result, Status};
use crate::sync::plain::{AtomicU32, AtomicU64};
use crate::sync::{Deadline, Ordering::*};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub(crate) struct SubmitQueue {
    /// The most tasks that wait; 0: any number.
    bound: u64,
    /// Positions before this one are within the bound. It only has to be true, not the latest.
    end: AtomicU64,
    /// How many are in line.
    len: AtomicU32,
    book: Mutex<VecDeque<Arc<Condvar>>>,
}

impl SubmitQueue {
    pub(crate) fn new(bound: u64) -> SubmitQueue {
        SubmitQueue { bound, ..SubmitQueue::default() }
    }

    #[inline]
    pub(crate) fn is_bounded(&self) -> bool {
        self.bound != 0
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Condvar>>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, mut book: MutexGuard<'_, VecDeque<Arc<Condvar>>>, me: &Arc<Condvar>) {
        book.retain(|other| !Arc::ptr_eq(other, me));
        self.len.store(book.len() as u32, Relaxed);
        if let Some(next) = book.front() {
            next.notify_one();
        }
    }
}

/// Why a submit is refused that would have to wait.
pub(crate) fn full() -> Error {
    Error::new(Status::POOL_ERR_FULL, "max_pending tasks wait for a worker")
}

impl PoolState {
    /// Reserves a position for a task in a bounded queue, if there is a place; whatever is reserved
    /// must be posted. The count of positions and that of tasks which have gone only grow, so the
    /// bound holds whoever reserves at the same time.
    pub(crate) fn reserve_bounded(&self) -> Option<u64> {
        let (board, tail) = (&self.region.board, &self.slots.tails);
        board.reserve_below(tail, self.submit_queue.end.load(Relaxed)).or_else(|| {
            let end =
                self.slots.dequeued(&self.region, |_| {}).saturating_add(self.submit_queue.bound);
            self.submit_queue.end.store(end, Relaxed);
            board.reserve_below(tail, end)
        })
    }

    /// The same, and waits for a place in the line. `shut`: the bits of the gate that end it.
    pub(crate) fn wait_for_capacity(&self, patience: Deadline, shut: u32) -> Result<u64> {
        if self.submit_queue.len.load(Relaxed) == 0
            && let Some(position) = self.reserve_bounded()
        {
            return Ok(position);
        }
        if patience.has_passed() {
            return Err(full());
        }
        let found = self.wait_in_queue(patience, shut);
        found.map_or_else(|| self.check_flags(shut).and(Err(full())), Ok)
    }

    #[cold]
    fn wait_in_queue(&self, patience: Deadline, shut: u32) -> Option<u64> {
        let me = Arc::new(Condvar::new());
        let is_shut = || self.flags.load(Acquire) & shut != 0;
        let mut book = self.submit_queue.lock();
        book.push_back(me.clone());
        self.submit_queue.len.store(book.len() as u32, Relaxed);
        while !book.front().is_some_and(|first| Arc::ptr_eq(first, &me)) {
            if is_shut() {
                self.submit_queue.leave(book, &me);
                return None;
            }
            let Some(guard) = patience.wait_on(&me, book) else {
                self.submit_queue.leave(self.submit_queue.lock(), &me);
                return None;
            };
            book = guard;
        }
        drop(book);
        let found =
            self.region.board.wait_for_capacity(patience, || self.reserve_bounded(), is_shut);
        self.submit_queue.leave(self.submit_queue.lock(), &me);
        found
    }

    /// The gate was shut: those in line look at it. Who comes to the line later sees it by the lock.
    pub(crate) fn wake_submitters(&self) {
        if self.submit_queue.is_bounded() {
            self.submit_queue.lock().iter().for_each(|waiter| waiter.notify_one());
            self.region.board.wake_submitter();
        }
    }

    /// A task does not wait any more, and that was counted.
    pub(crate) fn notify_submitters(&self) {
        if self.submit_queue.is_bounded() {
            self.region.board.notify_capacity();
        }
    }
}
