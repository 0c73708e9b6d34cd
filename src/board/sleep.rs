//! Sleeping and waking: how idle workers sleep without missing a task, and are woken one at a time.
//!
//! ```text
//!           start_searching                 sleep
//!   working ───────────────▶ searching ─────────────────▶ sleeping
//!      ▲                       │    ▲                        │
//!      └───────────────────────┘    └────────────────────────┘
//!            stop_searching               notify_one (by a submitter)
//! ```
//!
//! One word holds two bits for each of 32 seats. So a transition is atomic, and the bits of a dead
//! worker can be cleared on its behalf ([`Sleepers::clear`]); a plain count of sleepers could not
//! be repaired.
//!
//! | submitter ([`Sleepers::notify_one`])      | worker ([`Sleepers::sleep`])                   |
//! |-------------------------------------------|------------------------------------------------|
//! | 1. make the task visible                  | 1. searching → sleeping                        |
//! | 2. fence                                  | 2. fence                                       |
//! | 3. is a worker searching? it will find    | 3. check once more; if there is a task,        |
//! |    the task. If not, one sleeper          |    sleeping → searching, and take it; if not,  |
//! |    → searching, and wake it               |    sleep                                       |
//!
//! The two fences are ordered. If the submitter's is first, the worker's check finds the task. If
//! the worker's is first, the submitter sees it sleeping and wakes it. A searching worker that
//! finds a task notifies again if there may be more ([`Sleepers::stop_searching`]): so a burst
//! wakes one worker after the other, and not one for each task.
//!
//! A sleeper whose deadline passes changes its state itself, unless it has just been notified: then
//! the notifier relies on it, and it checks for the task like any other woken worker. In both cases
//! it is searching then, and calls `stop_searching` before it exits: so a task that was left to it
//! is passed on to another worker.

use super::memory::Span;
use super::slot::SeatIndex;
use crate::sync::{AtomicU64, Deadline, Ordering::*, Scope, WaitWord, fence};

/// Seats in one word, a group: a sleeping bit and a searching bit for each.
pub(crate) const SEATS_PER_WORD: usize = 32;
const SLEEPING: u64 = 0xffff_ffff;
const SEARCHING: u64 = !SLEEPING;

/// The sleeping and searching workers of a board.
#[derive(Clone, Copy)]
pub(crate) struct Sleepers {
    /// The words of the groups; before them, the number of groups that have ever had a worker.
    idle: Span<AtomicU64>,
    /// One for each seat. It counts the wake-ups.
    parkers: Span<Parker>,
    scope: Scope,
}

/// What one worker sleeps on; in its own cache line.
#[derive(Default)]
#[repr(C, align(64))]
pub(crate) struct Parker(WaitWord);

/// Why a sleep has ended.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WakeReason {
    Notified,
    TimedOut,
}

impl Sleepers {
    pub(crate) fn new(idle: Span<AtomicU64>, parkers: Span<Parker>, scope: Scope) -> Sleepers {
        Sleepers { idle, parkers, scope }
    }

    /// A worker is about to start on this seat: from now on its group is checked. Relaxed: a
    /// notifier whose fence comes after the first fence of the worker sees it, because starting the
    /// worker synchronizes.
    pub(crate) fn enable(&self, seat: SeatIndex) {
        let groups = usize::from(seat.0) / SEATS_PER_WORD + 1;
        self.idle.at(0).fetch_max(groups as u64, Relaxed);
    }

    /// The groups that have ever had a worker, at least one: a pool that may grow is not slower for
    /// it.
    #[inline(always)]
    fn groups(&self) -> std::ops::Range<usize> {
        let groups = self.idle.at(0).load(Relaxed) as usize;
        0..groups.clamp(1, self.idle.len() - 1)
    }

    #[inline]
    fn group(&self, group: usize) -> &AtomicU64 {
        self.idle.at(group + 1)
    }

    /// Wakes one sleeper, unless a worker is searching. Call after the task is visible.
    #[inline(always)]
    pub(crate) fn notify_one(&self) {
        fence(SeqCst);
        // Usually no worker sleeps or searches.
        if self.groups().any(|group| self.group(group).load(Relaxed) != 0) {
            self.notify_one_after_fence();
        }
    }

    /// [`Sleepers::notify_one`] without the fence, for a caller that has executed it.
    #[inline]
    pub(crate) fn notify_one_after_fence(&self) {
        for group in self.groups() {
            if self.group(group).load(Relaxed) & SEARCHING != 0 {
                return;
            }
        }
        self.wake_one();
    }

    /// Wakes one sleeper even if a worker is searching: for a task that was not taken for too long.
    /// A searching worker that a debugger or a signal has stopped then delays no other.
    #[inline]
    pub(crate) fn wake_one(&self) {
        for group in self.groups() {
            let notified = self.group(group).fetch_update(AcqRel, Relaxed, |idle| {
                let sleeper = lowest_sleeper(idle)?;
                Some(idle & !(1 << sleeper) | 1 << (sleeper + 32))
            });
            // The lowest seat first: so the same workers stay warm, and the others stay idle.
            if let Some(sleeper) = notified.ok().and_then(lowest_sleeper) {
                self.unpark(group * SEATS_PER_WORD + sleeper as usize);
                return;
            }
        }
    }

    /// Wakes all workers, to check the stage, the idle time and retire requests.
    pub(crate) fn wake_all(&self) {
        fence(SeqCst);
        for group in self.groups() {
            let idle = self.group(group).fetch_and(!SLEEPING, AcqRel);
            self.unpark_all(group, idle | idle >> SEATS_PER_WORD);
        }
    }

    /// Wakes one worker, to check a request. AcqRel; pairs with the first step of `sleep`: either
    /// that comes first, and its bit is seen here, or the worker sees the request.
    pub(crate) fn wake(&self, seat: SeatIndex) {
        let (group, sleeping, _) = bits_of(seat);
        self.group(group).fetch_and(!sleeping, AcqRel);
        self.unpark(usize::from(seat.0));
    }

    /// Wakes one worker if it sleeps, after a fence of the caller's. AcqRel, as in `wake`.
    pub(crate) fn wake_sleeping(&self, seat: SeatIndex) {
        let (group, sleeping, searching) = bits_of(seat);
        let awake = |idle| (idle & sleeping != 0).then_some(idle & !sleeping | searching);
        if self.group(group).fetch_update(AcqRel, Relaxed, awake).is_ok() {
            self.unpark(usize::from(seat.0));
        }
    }

    /// Unparks these seats of a group.
    fn unpark_all(&self, group: usize, seats: u64) {
        for seat in (0..SEATS_PER_WORD).filter(|seat| seats & (1 << seat) != 0) {
            self.unpark(group * SEATS_PER_WORD + seat);
        }
    }

    /// working → searching. False: another worker searches already, and one is enough.
    pub(crate) fn start_searching(&self, seat: SeatIndex) -> bool {
        let (group, _, searching) = bits_of(seat);
        self.group(group).fetch_or(searching, AcqRel) & SEARCHING & !searching == 0
    }

    /// searching → working, after the attempt to claim a task. `more` checks whether there are
    /// others.
    pub(crate) fn stop_searching(&self, seat: SeatIndex, more: impl FnOnce() -> bool) {
        let (group, sleeping, searching) = bits_of(seat);
        self.group(group).fetch_and(!(sleeping | searching), AcqRel);
        // A submitter that saw this worker searching has not notified; one that comes after the
        // fence will.
        fence(SeqCst);
        if more() {
            self.notify_one_after_fence();
        }
    }

    /// searching → sleeping → searching: sleeps until notified or until the deadline, unless
    /// `wanted` returns true first.
    pub(crate) fn sleep(
        &self,
        seat: SeatIndex,
        deadline: Deadline,
        wanted: impl FnOnce() -> bool,
    ) -> WakeReason {
        let (group, sleeping, searching) = bits_of(seat);
        let idle = self.group(group);
        let _ = idle.fetch_update(AcqRel, Relaxed, |now| Some(now & !searching | sleeping));
        fence(SeqCst);
        if wanted() {
            let _ = idle.fetch_update(AcqRel, Relaxed, |now| Some(now & !sleeping | searching));
            return WakeReason::Notified;
        }
        let parker = &self.parkers.at(usize::from(seat.0)).0;
        loop {
            // Acquire; pairs with `unpark`: if the new count is read, the sleeping bit is seen
            // cleared. If the old one is read, the worker does not fall asleep, or is woken.
            let seen = parker.load(Acquire);
            if idle.load(Acquire) & sleeping == 0 {
                return WakeReason::Notified;
            }
            let left = deadline.left();
            if left.is_some_and(|left| left.is_zero()) {
                let awake = |now| (now & sleeping != 0).then_some(now & !sleeping | searching);
                return match idle.fetch_update(AcqRel, Acquire, awake) {
                    Ok(_) => WakeReason::TimedOut,
                    Err(_) => WakeReason::Notified,
                };
            }
            parker.sleep_if(seen, self.scope, left);
        }
    }

    /// Clears the bits of a dead worker. It may have died between the two steps of `wake_one`: then
    /// a seat counts as searching and still sleeps. So all searching workers are unparked. The
    /// caller notifies afterwards, because a wake-up may have been lost, too.
    pub(crate) fn clear(&self, seat: SeatIndex) {
        let (group, sleeping, searching) = bits_of(seat);
        self.group(group).fetch_and(!(sleeping | searching), AcqRel);
        for group in self.groups() {
            self.unpark_all(group, self.group(group).load(Acquire) >> SEATS_PER_WORD);
        }
    }

    fn unpark(&self, seat: usize) {
        let Some(parker) = self.parkers.get(seat) else { return };
        parker.0.fetch_add(1, Release);
        parker.0.wake(1, self.scope);
    }
}

fn lowest_sleeper(idle: u64) -> Option<u32> {
    (idle & SLEEPING != 0).then(|| (idle & SLEEPING).trailing_zeros())
}

/// The group of a seat, its sleeping bit and its searching bit.
fn bits_of(seat: SeatIndex) -> (usize, u64, u64) {
    let seat = usize::from(seat.0);
    let sleeping = 1 << (seat % SEATS_PER_WORD);
    (seat / SEATS_PER_WORD, sleeping, sleeping << SEATS_PER_WORD)
}
