//! How idle workers sleep without missing work, and are woken without a crowd.
//!
//! ```text
//!              search                    fall_asleep
//!   working ───────────▶ searching ─────────────────────▶ sleeping
//!      ▲                   │    ▲                            │
//!      └───────────────────┘    └────────────────────────────┘
//!            found                    ring (by a submitter)
//! ```
//!
//! Two bits for each seat stand in one word for 32 seats, so that a step is atomic, and so that what
//! a dead worker left there can be wiped out in its name ([`Sleepers::clear`]): a plain count of
//! sleepers could not be mended.
//!
//! | submitter ([`Sleepers::notify_one`])                | worker ([`Sleepers::sleep`])                 |
//! |-------------------------------------------|------------------------------------------------|
//! | 1. make the task visible                  | 1. searching → sleeping                        |
//! | 2. fence                                  | 2. fence                                       |
//! | 3. somebody searching? then it will find  | 3. look once more; if there is a task, sleeping|
//! |    the task. Else one sleeper → searching,|    → searching, and take it; if not, sleep     |
//! |    and wake it                            |                                                |
//!
//! The two fences have an order. If the submitter's is first, the worker's look finds the task. If
//! the worker's is first, the submitter sees it sleeping and wakes it. A searcher that finds a task
//! rings again when there may be more ([`Sleepers::stop_searching`]): so a burst wakes one worker after the other,
//! and never one for each task.
//!
//! A sleeper whose time is over ends its sleep itself, unless somebody has just done so: then it has
//! been counted on, and looks for the task like anybody woken. Either way it is searching then, and
//! calls `found` before it leaves for good: so a task that was left to it is left to somebody else.

use super::memory::Span;
use super::slot::SeatIndex;
use crate::sync::{AtomicU64, Deadline, Scope, WaitWord, fence};
use crate::sync::Ordering::*;

/// Seats in one word: a sleeping and a searching bit for each.
pub(crate) const SEATS_PER_WORD: usize = 32;
const SLEEPING: u64 = 0xffff_ffff;
const SEARCHING: u64 = !SLEEPING;

#[derive(Clone, Copy)]
pub(crate) struct Sleepers {
    /// The groups of seats; in front, how many of them have ever had a worker.
    idle: Span<AtomicU64>,
    /// One for each seat, to sleep on. It counts the wake-ups.
    parkers: Span<Parker>,
    scope: Scope,
}

/// Where one worker sleeps; a cache line of its own.
#[derive(Default)]
#[repr(C, align(64))]
pub(crate) struct Parker(WaitWord);

/// How a sleep has ended.
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

    /// A worker is about to start on this seat: from now on its group is looked at. Relaxed: whoever rings
    /// after the worker's first fence sees it, as starting the worker comes between.
    pub(crate) fn enable(&self, seat: SeatIndex) {
        let groups = usize::from(seat.0) / SEATS_PER_WORD + 1;
        self.idle.at(0).fetch_max(groups as u64, Relaxed);
    }

    /// The groups that have ever had a worker, one at least: a pool that could grow is none the slower.
    #[inline(always)]
    fn groups(&self) -> std::ops::Range<usize> {
        let groups = self.idle.at(0).load(Relaxed) as usize;
        0..groups.clamp(1, self.idle.len() - 1)
    }

    #[inline]
    fn group(&self, group: usize) -> &AtomicU64 {
        self.idle.at(group + 1)
    }

    /// Wakes one sleeper, unless somebody is searching. Call after the task is visible.
    #[inline(always)]
    pub(crate) fn notify_one(&self) {
        fence(SeqCst);
        // As a rule nobody sleeps, and nobody searches.
        if self.groups().any(|group| self.group(group).load(Relaxed) != 0) {
            self.notify_one_after_fence();
        }
    }

    /// [`Sleepers::notify_one`] for a caller that has made the fence itself.
    #[inline]
    pub(crate) fn notify_one_after_fence(&self) {
        for group in self.groups() {
            if self.group(group).load(Relaxed) & SEARCHING != 0 {
                return;
            }
        }
        self.wake_one();
    }

    /// Wakes one sleeper, whoever is searching: for a task that was not found for too long. A
    /// searcher that is stopped by a debugger or a signal holds up nobody else.
    #[inline]
    pub(crate) fn wake_one(&self) {
        for group in self.groups() {
            let notified = self.group(group).fetch_update(AcqRel, Relaxed, |idle| {
                let sleeper = lowest_sleeper(idle)?;
                Some(idle & !(1 << sleeper) | 1 << (sleeper + 32))
            });
            // The lowest seat first: the same workers stay warm, and the others idle.
            if let Some(sleeper) = notified.ok().and_then(lowest_sleeper) {
                self.unpark(group * SEATS_PER_WORD + sleeper as usize);
                return;
            }
        }
    }

    /// Wakes everybody, to look at the board's stage.
    pub(crate) fn wake_all(&self) {
        fence(SeqCst);
        for group in self.groups() {
            let idle = self.group(group).fetch_and(!SLEEPING, AcqRel);
            self.unpark_all(group, idle | idle >> SEATS_PER_WORD);
        }
    }

    /// Wakes one worker, to look at what it was told. AcqRel; pairs with the step by which it falls asleep:
    /// that comes first, and its bit is seen here; or it sees what it was told.
    pub(crate) fn wake(&self, seat: SeatIndex) {
        let (group, sleeping, _) = bits_of(seat);
        self.group(group).fetch_and(!sleeping, AcqRel);
        self.unpark(usize::from(seat.0));
    }

    /// Shakes the beds of these seats of a group.
    fn unpark_all(&self, group: usize, seats: u64) {
        for seat in (0..SEATS_PER_WORD).filter(|seat| seats & (1 << seat) != 0) {
            self.unpark(group * SEATS_PER_WORD + seat);
        }
    }

    /// working → searching. False when somebody searches already: one is enough.
    pub(crate) fn start_searching(&self, seat: SeatIndex) -> bool {
        let (group, _, searching) = bits_of(seat);
        self.group(group).fetch_or(searching, AcqRel) & SEARCHING & !searching == 0
    }

    /// searching → working, after claiming a task. `more` looks whether there are others.
    pub(crate) fn stop_searching(&self, seat: SeatIndex, more: impl FnOnce() -> bool) {
        let (group, sleeping, searching) = bits_of(seat);
        self.group(group).fetch_and(!(sleeping | searching), AcqRel);
        // A submitter that saw us searching has not rung; whoever comes after the fence will.
        fence(SeqCst);
        if more() {
            self.notify_one_after_fence();
        }
    }

    /// searching → sleeping → searching: sleeps until rung or until the deadline, unless `wanted` comes
    /// true first.
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
            // Acquire; pairs with `unpark`: who sees the bed shaken sees the bit gone. And who reads
            // the bed before it is shaken does not fall asleep, or is woken.
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

    /// Wipes out what a worker that is gone has left. It may have died in `wake_one`, between its two
    /// steps: then somebody counts as searching and sleeps on. So all who search are shaken. The
    /// caller rings afterwards: a wake-up may have been lost, too.
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

/// The word that a seat's bits stand in, its sleeping bit and its searching bit.
fn bits_of(seat: SeatIndex) -> (usize, u64, u64) {
    let seat = usize::from(seat.0);
    let sleeping = 1 << (seat % SEATS_PER_WORD);
    (seat / SEATS_PER_WORD, sleeping, sleeping << SEATS_PER_WORD)
}
