//! The board: the shared table of tasks, and how they are enqueued, taken, finished and cancelled.
//!
//! The life of a task: [`Board::enqueue`] publishes a slot and writes its number to the ring;
//! [`Board::take`] claims it for a seat; the worker reads and writes the slot's bytes ([`record`]);
//! [`Board::finish`] hands them to the waiters. [`Board::cancel`] takes back a task that has not
//! started; [`Board::end_orphaned`] ends a task whose worker has died.
//!
//! Nothing here allocates, blocks on a lock, or makes calls out of the board; the parent's private
//! half in [`parent`] may. The region holds only offsets, integers and bytes, and each of them is
//! checked by its reader when another process may have written it.

mod ask;
pub(crate) mod failure_bytes;
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

use crate::sync::{self, AtomicU64, Deadline, Ordering::*, Scope, spin_until};
use memory::Span;
use priority::PriorityRings;
use record::Slot;
use region::{Header, Seat};
use ring::{Ring, RingEntry};
use sleep::{Sleepers, WakeReason};
use slot::{
    Cancellation, Change, Claim, Finished, Observed, Outcome, SeatIndex, SlotWord, Waiters,
};
use std::time::Instant;

/// What the workers of a board have to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Take tasks, and wait for more.
    Open = 0,
    /// Take tasks, and exit when there are none.
    Drain = 1,
    /// Take no more tasks, and exit.
    Stop = 2,
    /// Take no more tasks, and wait until the stage changes.
    Paused = 3,
}

impl Stage {
    fn takes_tasks(self) -> bool {
        matches!(self, Stage::Open | Stage::Drain)
    }
}

/// Whether a worker exits when it has had no task for the idle timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdlePolicy {
    Stay,
    ExitAfterTimeout,
}

/// What a worker does next.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Run the task in this slot, which this worker has claimed.
    Task(u32),
    /// Exit: the stage or a retire request asks for it.
    Exit,
    /// Exit: no task was found within the idle time.
    IdleTimeout,
}

/// What a worker does after a task.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// Take the next task.
    Continue,
    /// Take the next task; waking waiters or awaiting a signal has taken some time in between.
    ContinueLater,
    /// Take no other task: this worker is about to be killed.
    Exit,
}

/// Bits in the header: what workers check besides the ring. Most boards have none of them.
pub(crate) mod feature {
    /// The queue is bounded: a worker that claims a task signals it (see [`super::waiters`]).
    pub(crate) const BOUNDED: u64 = 1 << 16;
    /// A bit for each priority whose ring has ever had a task (see [`super::queue`]).
    pub(crate) const PRIORITIES: u64 = 0xffff;
    /// Workers prefetch several entries at once (see [`super::prefetch`]).
    pub(crate) const PREFETCH: u64 = 1 << 17;
    /// The worker asks for each task: the board is that of an isolated worker (see [`super::ask`]).
    pub(crate) const ASKS: u64 = 1 << 18;
}

/// An idle time: exit at once. -1 is never, any other number a time in milliseconds.
pub(crate) const IDLE_NOW: i64 = -2;

/// The protocols of a board; [`region::Region`] adds the memory.
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

/// The spans that a board is made of.
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

    /// Prefetches a slot's cache line, if there is a slot with this number.
    #[inline]
    pub(crate) fn prefetch_slot(&self, slot: u32) {
        if let Some(slot) = self.slots.get(slot as usize) {
            sync::prefetch(&slot.word);
        }
    }

    // ---- submitters ----------------------------------------------------------------------------

    /// Cancels a task that is not claimed yet, and wakes its waiters. False: it was too late.
    pub(crate) fn cancel(&self, slot: u32, generation: u32, how: Cancellation) -> bool {
        self.wake_if_made(slot, self.slot(slot).word.cancel(generation, how))
    }

    /// Cancels a promise that this seat has claimed, and wakes its waiters.
    pub(crate) fn cancel_claimed(&self, slot: u32, seat: SeatIndex, how: Cancellation) -> bool {
        self.wake_if_made(slot, self.slot(slot).word.cancel_claimed(seat, how))
    }

    // ---- workers -------------------------------------------------------------------------------

    /// The next task for this seat, if there is one now and the worker need not exit first.
    #[inline]
    pub(crate) fn try_next(&self, seat: SeatIndex) -> Option<u32> {
        if !self.stage().takes_tasks() || self.must_retire(seat) {
            return None;
        }
        self.take(seat)
    }

    /// Waits for the next task for this seat.
    pub(crate) fn next(&self, seat: SeatIndex, policy: IdlePolicy) -> Next {
        let stays = policy == IdlePolicy::Stay;
        let mut idle_since = None;
        loop {
            let stage = self.stage();
            if stage == Stage::Stop || self.must_retire(seat) {
                return Next::Exit;
            }
            self.ask(seat);
            if stage.takes_tasks()
                && let Some(slot) = self.take(seat)
            {
                return Next::Task(slot);
            }
            if stage == Stage::Drain {
                return Next::Exit;
            }
            let idle_ms = self.idle_time();
            let deadline = match idle_ms {
                _ if stays => Deadline::Never,
                IDLE_NOW => return Next::IdleTimeout,
                idle_ms => Deadline::after(idle_since.get_or_insert_with(Instant::now), idle_ms),
            };
            match self.find_or_sleep(seat, deadline, || {
                self.may_have_to_retire(seat) || (!stays && self.idle_time() != idle_ms)
            }) {
                (Some(slot), _) => return Next::Task(slot),
                (None, WakeReason::TimedOut) => return Next::IdleTimeout,
                (None, WakeReason::Notified) => {}
            }
        }
    }

    /// Spins for a task, unless another worker searches already; then sleeps until there is a task
    /// that may be taken, or until the stage changes or `changed` returns true.
    fn find_or_sleep(
        &self,
        seat: SeatIndex,
        deadline: Deadline,
        changed: impl Fn() -> bool,
    ) -> (Option<u32>, WakeReason) {
        let wanted = || match self.stage() {
            Stage::Open => self.has_task() || changed(),
            Stage::Paused => changed(),
            Stage::Drain | Stage::Stop => true,
        };
        let answer_or_find = || {
            self.answer(seat);
            wanted()
        };
        let reason = if !self.sleepers.start_searching(seat) || !spin_until(answer_or_find) {
            self.sleepers.sleep(seat, deadline, || self.answer(seat) || wanted())
        } else {
            WakeReason::Notified
        };
        let takes_tasks = self.stage().takes_tasks();
        let found = if takes_tasks { self.take(seat) } else { None };
        // Also when there was no task: others may be enqueued from now on.
        self.sleepers.stop_searching(seat, || takes_tasks && self.has_task());
        (found, reason)
    }

    /// Claims this task for this seat, wherever its entry is; the entry becomes a dead one. The
    /// entry need not be valid.
    #[inline]
    pub(crate) fn claim(&self, seat: SeatIndex, entry: RingEntry) -> Claim {
        let Some(slot) = self.slots.get(entry.slot as usize) else { return Claim::Taken };
        let own = self.seats.at(usize::from(seat.0));
        own.slot.store(entry.slot + 1, Relaxed);
        let claim = slot.word.claim(seat, entry.generation);
        if claim == Claim::Taken {
            return claim;
        }
        // Release; pairs with `SlotTable::dequeued`, which then sees the claim before the end of
        // the task.
        own.claimed.store(own.claimed.load(Relaxed) + 1, Release);
        if self.features() & feature::BOUNDED != 0 {
            self.notify_capacity();
        }
        if claim == Claim::YoursAndNotify {
            self.notify_completion();
        }
        Claim::Yours
    }

    /// Bits of [`feature`]. Relaxed: the parent sets them before it starts workers, except the
    /// priorities, which the fences of `Sleepers::notify_one` and `Sleepers::sleep` make visible.
    #[inline]
    fn features(&self) -> u64 {
        self.header.at(0).features.load(Relaxed)
    }

    /// Records when this seat's task started, for the supervisor to read.
    #[inline]
    pub(crate) fn set_task_start(&self, seat: SeatIndex, stamp: u64) {
        self.seats.at(usize::from(seat.0)).started.store(stamp, Relaxed);
    }

    /// What this seat has recorded: the slot of its task, and when it started, or 0.
    pub(crate) fn current_task(&self, seat: SeatIndex) -> (Option<u32>, u64) {
        let own = self.seats.at(usize::from(seat.0));
        (own.slot.load(Relaxed).checked_sub(1), own.started.load(Relaxed))
    }

    /// The slot of the task that this seat has recorded.
    pub(crate) fn slot_of(&self, seat: SeatIndex) -> Option<u32> {
        let own = self.seats.get(usize::from(seat.0))?;
        own.slot.load(Relaxed).checked_sub(1)
    }

    /// Records that this seat resumes a task, after it has run another one inline.
    pub(crate) fn restore_current_task(&self, seat: SeatIndex, (slot, stamp): (Option<u32>, u64)) {
        let own = self.seats.at(usize::from(seat.0));
        own.slot.store(slot.map_or(0, |slot| slot + 1), Relaxed);
        own.started.store(stamp, Relaxed);
    }

    /// Ends a task that this seat claimed, after its [`Slot::end`], and wakes the waiters.
    #[inline]
    pub(crate) fn finish(&self, seat: SeatIndex, slot: u32, outcome: Outcome) -> After {
        let own = self.seats.at(usize::from(seat.0));
        // In this order: a task whose slot is still recorded was not counted as ended. Release;
        // pairs with `SlotTable::repair_counts`, if this worker dies after it.
        own.slot.store(0, Relaxed);
        // So it is not read as the start of the next task: a reader that sees the next claim sees
        // this store.
        own.started.store(0, Relaxed);
        own.ended.store(own.ended.load(Relaxed) + 1, Release);
        let word = &self.slot(slot).word;
        match word.finish(outcome) {
            None => After::Continue,
            Some(flags) => self.after_finish(slot, flags),
        }
    }

    /// Acts on the flags that were set while the task ran.
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
            3 => Stage::Paused,
            _ => Stage::Stop,
        }
    }

    // ---- the proxy of an isolated worker -------------------------------------------------------

    /// Gives up the task that this seat has claimed and not begun; it was requeued.
    pub(crate) fn give_up_claim(&self, seat: SeatIndex) {
        let own = self.seats.at(usize::from(seat.0));
        own.slot.store(0, Relaxed);
        own.started.store(0, Relaxed);
        own.ended.store(own.ended.load(Relaxed) + 1, Release);
    }

    // ---- the supervisor ------------------------------------------------------------------------

    /// Sets bits of [`feature`]. Before any worker starts.
    pub(crate) fn set_features(&self, features: u64) {
        self.header.at(0).features.store(features, Relaxed);
    }

    /// Sets the stage, and wakes the workers to check it. Release; pairs with `stage`.
    pub(crate) fn set_stage(&self, stage: Stage) {
        self.header.at(0).stage.store(stage as u64, Release);
        self.sleepers.wake_all();
    }

    /// Sets the time after which idle workers exit, and wakes them to check it. Relaxed: the
    /// wake-up makes it visible.
    pub(crate) fn set_idle_time(&self, idle_ms: i64) {
        self.header.at(0).idle_ms.store(idle_ms as u64, Relaxed);
        self.sleepers.wake_all();
    }

    pub(crate) fn idle_time(&self) -> i64 {
        self.header.at(0).idle_ms.load(Relaxed) as i64
    }

    /// Ends the task that the dead worker of this seat was running, and wakes its waiters. False:
    /// the seat does not run it.
    pub(crate) fn end_orphaned(&self, slot: u32, seat: SeatIndex, outcome: Outcome) -> bool {
        self.wake_if_made(slot, self.slot(slot).word.end_orphaned(seat, outcome))
    }

    /// Ends a task as failed whose word cannot be as it was observed, and wakes all waiters,
    /// whatever it says of them. False: the word has changed since.
    pub(crate) fn force_fail(&self, slot: u32, observed: Observed, generation: u32) -> bool {
        let is_made = self.slot(slot).word.force_fail(observed, generation);
        if is_made {
            self.wake(slot, Waiters { on_word: true, on_event: true });
        }
        is_made
    }

    /// Repeats a wake-up of a finished task that may have been lost with its sender.
    pub(crate) fn rewake(&self, slot: u32) {
        let word = &self.slot(slot).word;
        if word.phase().is_done() {
            self.wake(slot, word.waiters());
            // The sender may have died between the count in the completion event and the futex
            // wake.
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

/// Waits until the signal for a finished task has been sent. The kernel delivers it at the next
/// system call at the latest, and each turn makes one.
#[cold]
fn wait_for_signal(word: &SlotWord, generation: u32) {
    while word.is_signal_pending(generation) {
        sync::yield_now();
    }
    sync::yield_now();
}
