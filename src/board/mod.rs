//! What submitters and workers agree on: tasks posted, taken, finished, settled.
//!
//! The tour of a task: [`Board::enqueue`] publishes a slot and puts its number on the ring;
//! [`Board::take`] claims it for a seat; the worker reads and writes the slot's bytes
//! ([`record`]); [`Board::finish`] hands them to whoever waits. A task that is not to run is taken
//! back by [`Board::cancel`]; one whose worker has died is ended by [`Board::end_orphaned`].
//!
//! Nothing here allocates, blocks on a lock, or calls out. All that lies in the region are offsets,
//! integers and bytes, and every one of them is checked by whoever reads what somebody else wrote.

pub(crate) mod functions;
pub(crate) mod heap;
pub(crate) mod memory;
#[cfg(all(test, loom))]
mod models;
pub(crate) mod parent;
mod prefetch;
pub(crate) mod priority;
pub(crate) mod queue;
pub(crate) mod record;
pub(crate) mod region;
pub(crate) mod retire;
pub(crate) mod ring;
pub(crate) mod sleep;
pub(crate) mod slot;
pub(crate) mod stats;
mod waiters;

pub(crate) use region::Region;
use crate::sync;
use crate::sync::{AtomicU64, Deadline, Scope, spin_until};
use crate::sync::Ordering::*;
use region::{Header, Seat};
use memory::Span;
use priority::PriorityRings;
use record::Slot;
use ring::{Ring, RingEntry};
use sleep::{Sleepers, WakeReason};
use slot::{Change, Claim, Finished, Outcome, SeatIndex, SlotWord, Waiters};
use std::time::Instant;




/// What workers are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Take tasks, and wait for more.
    Open = 0,
    /// Take tasks, and leave when there are none.
    Drain = 1,
    /// Take no more, and leave.
    Stop = 2,
}

/// What a worker is to do next.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Run the task in this slot, which is now its own.
    Task(u32),
    /// Leave: it is told to.
    Exit,
    /// Leave: there was nothing to do for too long.
    IdleTimeout,
}

/// What a worker does after a task.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// The next one.
    Continue,
    /// The next one; there was something to do in between, which has taken some time.
    ContinueLater,
    /// It is about to be killed, and must take no other.
    Exit,
}

/// What a board's workers have to heed beside the ring, in the header; most boards have none.
pub(crate) mod feature {
    /// The queue is bounded: whoever claims a task says so (see [`super::places`]).
    pub(crate) const BOUNDED: u64 = 1 << 16;
    /// A bit for each rank whose band has ever had a task (see [`super::queue`]).
    pub(crate) const PRIORITIES: u64 = 0xffff;
    /// Workers take several entries at once (see [`super::prefetch`]).
    pub(crate) const PREFETCH: u64 = 1 << 17;
}

/// Idle workers leave at once; -1 is never, and any other number a time in milliseconds.
pub(crate) const IDLE_NOW: i64 = -2;

/// The protocol's half of a board; [`region::Region`] adds the bytes.
#[derive(Clone, Copy)]
pub(crate) struct Board {
    header: Span<Header>,
    seats: Span<Seat>,
    slots: Span<Slot>,
    pub(crate) ring: Ring,
    priority_rings: PriorityRings,
    pub(crate) sleepers: Sleepers,
    scope: Scope,
}

/// The windows that a board is made of.
pub(crate) struct BoardParts {
    pub(crate) header: Span<Header>,
    pub(crate) head: Span<AtomicU64>,
    pub(crate) entries: Span<AtomicU64>,
    pub(crate) priority_rings: PriorityRings,
    pub(crate) idle: Span<AtomicU64>,
    pub(crate) parkers: Span<sleep::Parker>,
    pub(crate) seats: Span<Seat>,
    pub(crate) slots: Span<Slot>,
    pub(crate) scope: Scope,
}

impl Board {
    pub(crate) fn new(parts: BoardParts) -> Board {
        Board {
            header: parts.header,
            seats: parts.seats,
            slots: parts.slots,
            ring: Ring::new(parts.head, parts.entries),
            priority_rings: parts.priority_rings,
            sleepers: Sleepers::new(parts.idle, parts.parkers, parts.scope),
            scope: parts.scope,
        }
    }

    pub(crate) fn scope(&self) -> Scope {
        self.scope
    }

    pub(crate) fn seats(&self) -> &Span<Seat> {
        &self.seats
    }

    #[inline]
    pub(crate) fn slot(&self, slot: u32) -> &Slot {
        self.slots.at(slot as usize)
    }

    /// Says that somebody is soon to look at a slot, if there is one of that number.
    #[inline]
    pub(crate) fn prefetch_slot(&self, slot: u32) {
        if let Some(slot) = self.slots.get(slot as usize) {
            sync::prefetch(&slot.word);
        }
    }

    // ---- submitters ----------------------------------------------------------------------------

    /// Takes a task back that nobody has claimed. The waiters are woken.
    pub(crate) fn cancel(&self, slot: u32, generation: u32) -> bool {
        self.wake_if_made(slot, self.slot(slot).word.cancel(generation))
    }

    // ---- workers -------------------------------------------------------------------------------

    /// The next task for this seat, if there is one now and nothing is to be heeded before.
    #[inline]
    pub(crate) fn try_next(&self, seat: SeatIndex) -> Option<u32> {
        if self.stage() == Stage::Stop || self.must_retire(seat) {
            return None;
        }
        self.take(seat)
    }

    /// The next task for this seat; waits for it. `stays`: however long that takes.
    pub(crate) fn next(&self, seat: SeatIndex, stays: bool) -> Next {
        let mut idle_since = None;
        loop {
            let stage = self.stage();
            if stage == Stage::Stop || self.must_retire(seat) {
                return Next::Exit;
            }
            if let Some(slot) = self.take(seat) {
                return Next::Task(slot);
            }
            if stage == Stage::Drain {
                return Next::Exit;
            }
            let idle_ms = self.idle_time();
            let patience = match idle_ms {
                _ if stays => Deadline::Never,
                IDLE_NOW => return Next::IdleTimeout,
                idle_ms => Deadline::after(idle_since.get_or_insert_with(Instant::now), idle_ms),
            };
            match self.find_or_sleep(seat, patience, || {
                self.may_have_to_retire(seat) || (!stays && self.idle_time() != idle_ms)
            }) {
                (Some(slot), _) => return Next::Task(slot),
                (None, WakeReason::TimedOut) => return Next::IdleTimeout,
                (None, WakeReason::Notified) => {}
            }
        }
    }

    /// Looks for a task for a while, if nobody else does; then sleeps until there is one, or until there
    /// is something `new` to look at.
    fn find_or_sleep(
        &self,
        seat: SeatIndex,
        patience: Deadline,
        new: impl Fn() -> bool,
    ) -> (Option<u32>, WakeReason) {
        let wanted = || self.has_task() || self.stage() != Stage::Open || new();
        let rest = if !self.sleepers.start_searching(seat) || !spin_until(wanted) {
            self.sleepers.sleep(seat, patience, wanted)
        } else {
            WakeReason::Notified
        };
        let found = if self.stage() == Stage::Stop { None } else { self.take(seat) };
        // Whether or not there was one: others may come now.
        self.sleepers.stop_searching(seat, || self.has_task());
        (found, rest)
    }

    /// Claims this task for this seat, wherever it stands on the ring; its entry there is then a dead
    /// one. The entry may be any that somebody wrote.
    #[inline]
    pub(crate) fn claim(&self, seat: SeatIndex, entry: RingEntry) -> Claim {
        let Some(slot) = self.slots.get(entry.slot as usize) else { return Claim::Taken };
        let own = self.seats.at(usize::from(seat.0));
        own.slot.store(entry.slot + 1, Relaxed);
        let claim = slot.word.claim(seat, entry.generation);
        if claim == Claim::Taken {
            return claim;
        }
        // Release; pairs with `SlotTable::load`, which then sees the task before it ended.
        own.claimed.store(own.claimed.load(Relaxed) + 1, Release);
        if self.features() & feature::BOUNDED != 0 {
            self.notify_capacity();
        }
        if claim == Claim::YoursAndNotify {
            self.notify_completion();
        }
        Claim::Yours
    }

    /// What workers have to heed. Relaxed: the parent says so before there are any, but for the bands,
    /// of which the bell's fences tell.
    #[inline]
    fn features(&self) -> u64 {
        self.header.at(0).features.load(Relaxed)
    }

    /// Notes when this seat's task began, for the watch to read.
    #[inline]
    pub(crate) fn set_task_start(&self, seat: SeatIndex, stamp: u64) {
        self.seats.at(usize::from(seat.0)).started.store(stamp, Relaxed);
    }

    /// What this seat has noted: its task's slot, and when it began, 0 where it has not.
    pub(crate) fn current_task(&self, seat: SeatIndex) -> (Option<u32>, u64) {
        let own = self.seats.at(usize::from(seat.0));
        (own.slot.load(Relaxed).checked_sub(1), own.started.load(Relaxed))
    }

    /// Notes that this seat goes on with a task, after it has run another one in the middle of it.
    pub(crate) fn restore_current_task(&self, seat: SeatIndex, (slot, stamp): (Option<u32>, u64)) {
        let own = self.seats.at(usize::from(seat.0));
        own.slot.store(slot.map_or(0, |slot| slot + 1), Relaxed);
        own.started.store(stamp, Relaxed);
    }

    /// Ends a task that this seat claimed, after its [`Slot::end`]. The waiters are woken.
    #[inline]
    pub(crate) fn finish(&self, seat: SeatIndex, slot: u32, outcome: Outcome) -> After {
        let own = self.seats.at(usize::from(seat.0));
        // In this order, for `SlotTable::repair_counts`: a task that is still noted was not counted as
        // ended. Release keeps the two apart.
        own.slot.store(0, Relaxed);
        // Nobody takes it for the start of the next task: who sees that one claimed sees this.
        own.started.store(0, Relaxed);
        own.ended.store(own.ended.load(Relaxed) + 1, Release);
        let word = &self.slot(slot).word;
        match word.finish(outcome) {
            None => After::Continue,
            Some(flags) => self.after_finish(slot, flags),
        }
    }

    /// Heeds what was wished of a task that has just been finished.
    #[cold]
    fn after_finish(&self, slot: u32, finished: Finished) -> After {
        self.wake(slot, finished.waiters());
        if let Some(generation) = finished.pending_signal() {
            wait_for_signal(&self.slot(slot).word, generation);
        }
        if finished.is_kill_pending() { After::Exit } else { After::ContinueLater }
    }

    #[inline]
    pub(crate) fn stage(&self) -> Stage {
        // Acquire; pairs with `set_stage`.
        match self.header.at(0).stage.load(Acquire) {
            0 => Stage::Open,
            1 => Stage::Drain,
            _ => Stage::Stop,
        }
    }

    // ---- the watch -----------------------------------------------------------------------------

    /// Says what workers have to heed. Before there are any.
    pub(crate) fn set_features(&self, features: u64) {
        self.header.at(0).features.store(features, Relaxed);
    }

    /// Tells the workers what to do, and wakes them to look. Release; pairs with `stage`.
    pub(crate) fn set_stage(&self, stage: Stage) {
        self.header.at(0).stage.store(stage as u64, Release);
        self.sleepers.wake_all();
    }

    /// Says after how long idle workers leave, and wakes them to look. Relaxed: the wake-up makes it
    /// visible.
    pub(crate) fn set_idle_time(&self, idle_ms: i64) {
        self.header.at(0).idle_ms.store(idle_ms as u64, Relaxed);
        self.sleepers.wake_all();
    }

    pub(crate) fn idle_time(&self) -> i64 {
        self.header.at(0).idle_ms.load(Relaxed) as i64
    }

    /// Ends a task in the name of the worker of this seat, which is gone.
    pub(crate) fn end_orphaned(&self, slot: u32, seat: SeatIndex, outcome: Outcome) -> bool {
        self.wake_if_made(slot, self.slot(slot).word.end_orphaned(seat, outcome))
    }

    /// Ends a task as failed, whatever its word says. Only while there are no workers.
    pub(crate) fn force_fail(&self, slot: u32, generation: u32) {
        self.slot(slot).word.force_fail(generation);
        self.wake(slot, Waiters { on_word: true, on_event: true });
    }

    /// Wakes whoever may have missed a wake-up that died with its sender.
    pub(crate) fn rewake(&self, slot: u32) {
        let word = &self.slot(slot).word;
        if word.phase().is_done() {
            self.wake(slot, word.waiters());
            // Its sender may have died between the ring and the wake-up.
            self.completion_event().wake(i32::MAX, self.scope);
        }
    }

    fn wake_if_made(&self, slot: u32, change: Change) -> bool {
        match change {
            Change::Made(waiters) => {
                self.wake(slot, waiters);
                true
            }
            Change::TooLate => false,
        }
    }

    #[inline]
    fn wake(&self, slot: u32, waiters: Waiters) {
        if waiters.on_word {
            self.slot(slot).word.wake(self.scope);
        }
        if waiters.on_event {
            self.notify_completion();
        }
    }
}

/// Waits until the signal for a task that is done has been sent; what is sent arrives at the next system
/// call at the latest, which each turn makes.
#[cold]
fn wait_for_signal(word: &SlotWord, generation: u32) {
    while word.is_signal_pending(generation) {
        sync::yield_now();
    }
    sync::yield_now();
}
