//! Retiring workers: a specific one, or a number of them, whichever are idle first.
//!
//! ```text
//!            retire_seat                   between two tasks
//!   working ─────────────────▶ requested ─────────────────────────────────▶ exits
//!     │      request_retire                between two tasks, the first workers that check
//!     └──────────────────────▶ quota > 0 ─────────────────────────────────▶ exits; quota - 1
//! ```
//!
//! A request for one worker is a number in its seat, in a cache line that it reads anyway. How many
//! more workers are requested to retire, and how many of them have taken the request, are the two
//! halves of one word, the [`RetireQuota`]: so only one of two workers takes the last request, and
//! the supervisor knows how many of the live workers are about to exit.
//!
//! | supervisor                           | worker ([`super::Board::next`])              |
//! |--------------------------------------|----------------------------------------------|
//! | 1. write the request, or the quota   | 1. searching → sleeping                      |
//! | 2. clear the sleeping bit, unpark    | 2. check for a request once more; else sleep |
//!
//! The second step of the supervisor and the first of the worker change the same word, so one of
//! them sees the other.
//!
//! A worker that retires has been searching before, and has called
//! [`super::sleep::Sleepers::stop_searching`] since: a task that was left to it is passed on to
//! another worker.

use super::Board;
use super::slot::SeatIndex;
use crate::sync::{AtomicU32, AtomicU64, Ordering::*};

const STAY: u32 = 0;
const REQUESTED: u32 = 1;
/// The worker has taken a request of the quota.
const TAKEN: u32 = 2;

const REQUESTED_MASK: u64 = 0xffff_ffff;
const ONE_TAKEN: u64 = 1 << 32;

/// How many workers are still requested to retire, and how many have taken a request since the
/// board was made, a number that wraps.
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

    // ---- the supervisor ------------------------------------------------------------------------

    /// Requests that the worker of this seat exits before its next task, and wakes it to check.
    /// Relaxed: the wake-up makes it visible.
    pub(crate) fn retire_seat(&self, seat: SeatIndex) {
        self.retire_word(seat).store(REQUESTED, Relaxed);
        self.sleepers.wake(seat);
    }

    /// Like `retire_seat`, for the proxy of a worker that has exited; a request of the quota that it
    /// has taken stays recorded.
    pub(crate) fn retire_proxy(&self, seat: SeatIndex) {
        let _ = self.retire_word(seat).compare_exchange(STAY, REQUESTED, Relaxed, Relaxed);
        self.sleepers.wake(seat);
    }

    /// Prepares a seat before a worker starts on it: without a retire request.
    pub(crate) fn init_seat(&self, seat: SeatIndex) {
        self.retire_word(seat).store(STAY, Relaxed);
        self.sleepers.enable(seat);
        self.mark_seat_used(seat);
    }

    pub(crate) fn retire_quota(&self) -> RetireQuota {
        RetireQuota::of(self.quota_word().load(Relaxed))
    }

    /// Replaces the number of requested workers. False: a worker has taken a request since `seen`
    /// was read, or the number has changed.
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

    /// Whether the dead worker of this seat had taken a request of the quota.
    pub(crate) fn took_quota(&self, seat: SeatIndex) -> bool {
        self.retire_word(seat).load(Relaxed) == TAKEN
    }

    // ---- workers -------------------------------------------------------------------------------

    /// Whether there is a request, for this worker or for any.
    #[inline]
    pub(super) fn may_have_to_retire(&self, seat: SeatIndex) -> bool {
        self.retire_word(seat).load(Relaxed) != STAY
            || self.quota_word().load(Relaxed) & REQUESTED_MASK != 0
    }

    /// Whether this worker has to exit. Takes a request of the quota, if there is one.
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
