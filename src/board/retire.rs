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
//! A worker that leaves has been searching before, and has called [`super::sleep::Sleepers::stop_searching`] since: a
//! task that was left to it is left to somebody else.

use super::Board;
use super::slot::SeatIndex;
use crate::sync::{AtomicU32, AtomicU64};
use crate::sync::Ordering::*;

const STAY: u32 = 0;
const REQUESTED: u32 = 1;
/// It is one of those that were asked.
const TAKEN: u32 = 2;

const REQUESTED_MASK: u64 = 0xffff_ffff;
const ONE_TAKEN: u64 = 1 << 32;

/// How many workers are asked to leave, and how many have taken leave so ever, a number that wraps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RetireQuota {
    pub(crate) requested: u32,
    pub(crate) taken: u32,
}

impl RetireQuota {
    fn of(word: u64) -> RetireQuota {
        RetireQuota { requested: (word & REQUESTED_MASK) as u32, taken: (word >> 32) as u32 }
    }
}

impl Board {
    fn retire_word(&self, seat: SeatIndex) -> &AtomicU32 {
        &self.seats.at(usize::from(seat.0)).retire
    }

    fn quota_word(&self) -> &AtomicU64 {
        &self.header.at(0).retire_quota
    }

    // ---- the watch -----------------------------------------------------------------------------

    /// Tells the worker of this seat to leave before its next task, and wakes it to look. Relaxed: the
    /// wake-up makes it visible.
    pub(crate) fn retire_seat(&self, seat: SeatIndex) {
        self.retire_word(seat).store(REQUESTED, Relaxed);
        self.sleepers.wake(seat);
    }

    /// Before a worker starts on this seat: nothing was said to it yet.
    pub(crate) fn init_seat(&self, seat: SeatIndex) {
        self.retire_word(seat).store(STAY, Relaxed);
        self.sleepers.enable(seat);
        self.mark_seat_used(seat);
    }

    pub(crate) fn retire_quota(&self) -> RetireQuota {
        RetireQuota::of(self.quota_word().load(Relaxed))
    }

    /// Asks so many to leave in place of those that were asked. False: somebody has taken leave since.
    #[must_use]
    pub(crate) fn request_retire(&self, seen: RetireQuota, requested: u32) -> bool {
        let taken = u64::from(seen.taken) << 32;
        let (before, after) = (u64::from(seen.requested) | taken, u64::from(requested) | taken);
        let is_set = self.quota_word().compare_exchange(before, after, Relaxed, Relaxed).is_ok();
        if is_set && requested > seen.requested {
            self.sleepers.wake_all();
        }
        is_set
    }

    /// Whether the worker of this seat, which is gone, had taken leave as one of those that were asked.
    pub(crate) fn took_quota(&self, seat: SeatIndex) -> bool {
        self.retire_word(seat).load(Relaxed) == TAKEN
    }

    // ---- workers -------------------------------------------------------------------------------

    /// Whether this worker is to look whether it is to leave.
    #[inline]
    pub(super) fn may_have_to_retire(&self, seat: SeatIndex) -> bool {
        self.retire_word(seat).load(Relaxed) != STAY
            || self.quota_word().load(Relaxed) & REQUESTED_MASK != 0
    }

    /// Whether this worker is to leave. True once for each of those that are asked.
    #[inline]
    pub(super) fn must_retire(&self, seat: SeatIndex) -> bool {
        self.may_have_to_retire(seat) && self.take_retire(seat)
    }

    #[cold]
    fn take_retire(&self, seat: SeatIndex) -> bool {
        let word = self.retire_word(seat);
        if word.load(Relaxed) != STAY {
            return true;
        }
        let taken =
            |now: u64| (now & REQUESTED_MASK != 0).then(|| (now - 1).wrapping_add(ONE_TAKEN));
        let is_taken = self.quota_word().fetch_update(Relaxed, Relaxed, taken).is_ok();
        if is_taken {
            word.store(TAKEN, Relaxed);
        }
        is_taken
    }
}
