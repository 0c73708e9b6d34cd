//! Telling workers to leave: one of them, or so many of them, whichever are the first to run nothing.
//!
//! ```text
//!            order_to_leave                     between two tasks
//!   stays ─────────────────▶ ordered ─────────────────────────────────▶ leaves
//!     │        ask_to_leave                     between two tasks, the first who come
//!     └────────────────────▶ so many are asked ───────────────────────▶ leaves; one fewer is asked
//! ```
//!
//! An order is a number in the worker's seat, which lies where the worker looks anyhow. How many are
//! asked, and how many of those have taken leave, are the two halves of one word: so of two workers one
//! takes the last leave, and the watch knows how many of those who are there are about to go.
//!
//! | watch                                | worker ([`super::Board::next`])              |
//! |--------------------------------------|----------------------------------------------|
//! | 1. write the order, or how many      | 1. searching → sleeping                      |
//! | 2. end its sleep, shake its bed      | 2. look for an order once more; else sleep   |
//!
//! The watch's second step and the worker's first are on one word, so one of them sees the other.
//!
//! A worker that leaves has been searching before, and has called [`super::bell::Sleepers::found`] since: a
//! task that was left to it is left to somebody else.

use super::Board;
use super::slot::SeatIndex;
use crate::sync::{AtomicU32, AtomicU64, Ordering::*};

const STAY: u32 = 0;
const ORDERED: u32 = 1;
/// It is one of those that were asked.
const TAKEN: u32 = 2;

const ASKED: u64 = 0xffff_ffff;
const ONE_TAKEN: u64 = 1 << 32;

/// How many workers are asked to leave, and how many have taken leave so ever, a number that wraps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RetireQuota {
    pub(crate) asked: u32,
    pub(crate) taken: u32,
}

impl RetireQuota {
    fn of(word: u64) -> RetireQuota {
        RetireQuota { asked: (word & ASKED) as u32, taken: (word >> 32) as u32 }
    }
}

impl Board {
    fn order(&self, seat: SeatIndex) -> &AtomicU32 {
        &self.seats.at(usize::from(seat.0)).order
    }

    fn leavers_word(&self) -> &AtomicU64 {
        &self.header.at(0).leavers
    }

    // ---- the watch -----------------------------------------------------------------------------

    /// Tells the worker of this seat to leave before its next task, and wakes it to look. Relaxed: the
    /// wake-up makes it visible.
    pub(crate) fn order_to_leave(&self, seat: SeatIndex) {
        self.order(seat).store(ORDERED, Relaxed);
        self.bell.wake(seat);
    }

    /// Before a worker starts on this seat: nothing was said to it yet.
    pub(crate) fn make_bed(&self, seat: SeatIndex) {
        self.order(seat).store(STAY, Relaxed);
        self.bell.open(seat);
        self.join_crew(seat);
    }

    pub(crate) fn leavers(&self) -> RetireQuota {
        RetireQuota::of(self.leavers_word().load(Relaxed))
    }

    /// Asks so many to leave in place of those that were asked. False: somebody has taken leave since.
    #[must_use]
    pub(crate) fn ask_to_leave(&self, seen: RetireQuota, asked: u32) -> bool {
        let taken = u64::from(seen.taken) << 32;
        let (before, after) = (u64::from(seen.asked) | taken, u64::from(asked) | taken);
        let is_set = self.leavers_word().compare_exchange(before, after, Relaxed, Relaxed).is_ok();
        if is_set && asked > seen.asked {
            self.bell.wake_all();
        }
        is_set
    }

    /// Whether the worker of this seat, which is gone, had taken leave as one of those that were asked.
    pub(crate) fn has_taken_leave(&self, seat: SeatIndex) -> bool {
        self.order(seat).load(Relaxed) == TAKEN
    }

    // ---- workers -------------------------------------------------------------------------------

    /// Whether this worker is to look whether it is to leave.
    #[inline]
    pub(super) fn may_have_to_leave(&self, seat: SeatIndex) -> bool {
        self.order(seat).load(Relaxed) != STAY || self.leavers_word().load(Relaxed) & ASKED != 0
    }

    /// Whether this worker is to leave. True once for each of those that are asked.
    #[inline]
    pub(super) fn must_leave(&self, seat: SeatIndex) -> bool {
        self.may_have_to_leave(seat) && self.take_leave(seat)
    }

    #[cold]
    fn take_leave(&self, seat: SeatIndex) -> bool {
        let order = self.order(seat);
        if order.load(Relaxed) != STAY {
            return true;
        }
        let taken = |now: u64| (now & ASKED != 0).then(|| (now - 1).wrapping_add(ONE_TAKEN));
        let is_taken = self.leavers_word().fetch_update(Relaxed, Relaxed, taken).is_ok();
        if is_taken {
            order.store(TAKEN, Relaxed);
        }
        is_taken
    }
}
