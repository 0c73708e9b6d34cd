//! What stands in a slot's word, bit by bit, and what it means. The steps from one to the next, with their
//! picture, are in [`super::slot`].
//!
//! ```text
//!   bits  0..4    4..11    16..32   32..56
//!         phase   flags    seat     generation
//! ```

pub(super) const FREE: u64 = 0;
pub(super) const READY: u64 = 1;
pub(super) const RUNNING: u64 = 2;
/// In the word of every task that is done. A bit, so that `finish` is one unconditional step.
pub(super) const DONE: u64 = 4;
/// With `DONE`: the task failed.
pub(super) const FAILURE: u64 = 8;
pub(super) const COMPLETED: u64 = RUNNING | DONE;
pub(super) const FAILED: u64 = RUNNING | DONE | FAILURE;
pub(super) const CANCELLED: u64 = DONE;
pub(super) const PHASE: u64 = 0xf;

/// Somebody sleeps on this word; whoever makes it done must wake them.
pub(super) const WAITED: u64 = 1 << 4;
/// Somebody sleeps on the board's notice; whoever makes the task done must ring it.
pub(super) const EVENT_WAITED: u64 = 1 << 5;
/// Somebody has asked to cancel the task, perhaps too late.
pub(super) const CANCEL_REQUESTED: u64 = 1 << 6;
/// The task has run for longer than it should, and may see so.
pub(super) const OVERDUE: u64 = 1 << 7;
/// The worker is about to be killed for this task.
pub(super) const KILL_PENDING: u64 = 1 << 8;
/// Somebody wants to be told when the task is claimed, by a ring of the board's notice.
pub(super) const START_SUBSCRIBED: u64 = 1 << 9;
/// A signal is about to be sent to the worker for this task.
pub(super) const SIGNAL_PENDING: u64 = 1 << 10;
/// What its worker has to heed when it has finished the task.
pub(super) const FINISH_ACTIONS: u64 = WAITED | EVENT_WAITED | KILL_PENDING | SIGNAL_PENDING;
/// What a task keeps that has to be run again.
pub(super) const KEPT_ON_REQUEUE: u64 = WAITED | EVENT_WAITED | CANCEL_REQUESTED;

pub(super) const SEAT_SHIFT: u32 = 16;
pub(super) const GENERATION_SHIFT: u32 = 32;
/// Generations count from 0 to this and start again.
pub(crate) const GENERATION_MASK: u32 = (1 << 24) - 1;

/// The index of a worker's place at the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SeatIndex(pub(crate) u16);

/// What one look at the word tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Free,
    Ready,
    Running(SeatIndex),
    Completed(SeatIndex),
    Failed(SeatIndex),
    CancelledTask,
    /// Somebody wrote over the word.
    Impossible,
}

impl Phase {
    pub(crate) fn is_done(self) -> bool {
        matches!(self, Phase::Completed(_) | Phase::Failed(_) | Phase::CancelledTask)
    }
}

/// How a task ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Completed,
    Failed,
    CancelledTask,
}

impl Outcome {
    pub(super) fn phase(self) -> u64 {
        match self {
            Outcome::Completed => COMPLETED,
            Outcome::Failed => FAILED,
            Outcome::CancelledTask => CANCELLED,
        }
    }
}

/// Who has to be woken after a task is done.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiters {
    pub(crate) on_word: bool,
    pub(crate) on_event: bool,
}

impl Waiters {
    pub(super) fn of(word: u64) -> Waiters {
        Waiters { on_word: word & WAITED != 0, on_event: word & EVENT_WAITED != 0 }
    }
}

/// The word before a task was finished of which something was wished.
#[must_use]
pub(crate) struct Finished(pub(super) u64);

impl Finished {
    pub(crate) fn waiters(&self) -> Waiters {
        Waiters::of(self.0)
    }

    /// The worker must not take another task.
    pub(crate) fn is_kill_pending(&self) -> bool {
        self.0 & KILL_PENDING != 0
    }

    /// Of which task a signal is under way, if one is.
    pub(crate) fn pending_signal(&self) -> Option<u32> {
        (self.0 & SIGNAL_PENDING != 0).then(|| generation_of(self.0))
    }
}

pub(super) fn holds(word: u64, seat: SeatIndex) -> bool {
    word & PHASE == RUNNING && seat_of(word) == seat
}

pub(super) fn seat_of(word: u64) -> SeatIndex {
    SeatIndex((word >> SEAT_SHIFT) as u16)
}

pub(super) fn generation_of(word: u64) -> u32 {
    (word >> GENERATION_SHIFT) as u32
}

#[inline]
pub(super) fn phase_of(word: u64) -> Phase {
    match word & PHASE {
        FREE => Phase::Free,
        READY => Phase::Ready,
        RUNNING => Phase::Running(seat_of(word)),
        COMPLETED => Phase::Completed(seat_of(word)),
        FAILED => Phase::Failed(seat_of(word)),
        CANCELLED => Phase::CancelledTask,
        _ => Phase::Impossible,
    }
}
