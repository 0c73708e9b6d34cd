//! The word of a slot: the state of one task, and who may access its bytes.
//!
//! ```text
//!          publish          claim               finish                     clear
//!   FREE ──────────▶ READY ────────▶ RUNNING ────────────▶ COMPLETED ──────────────▶ FREE
//!                     │ ▲   ▲           │  │                FAILED
//!                     │ └───┼───────────┘  └─────────────▶  KILLED
//!                     │   requeue         end_orphaned      CANCELLED
//!                     │                                       ▲
//!                     └───────────────────────────────────────┘
//!                                   cancel
//! ```
//!
//! One word holds the phase, flags of waiters and requests, the seat of the worker that runs the
//! task, and a generation that distinguishes one use of the slot from the next:
//!
//! ```text
//!   bits  0..4    4..12    16..32   32..56
//!         phase   flags    seat     generation
//! ```
//!
//! The word of a task that was cancelled before it ran has no seat. It holds the [`Cancellation`]:
//! why in bits 11..13, and how long the task was queued in bits 13..32 and 56..64.
//!
//! | phase     | may access the slot's bytes | hands them over by                               |
//! |-----------|-----------------------------|--------------------------------------------------|
//! | FREE      | the submitter               | [`SlotWord::publish`], release                   |
//! | READY     | nobody                      | [`SlotWord::claim`] by one worker, acquire       |
//! | RUNNING   | that worker                 | [`SlotWord::finish`], release; or, after its     |
//! |           |                             | death, [`SlotWord::end_orphaned`] by the         |
//! |           |                             | supervisor                                       |
//! | the rest  | the future's owner, to read | the free list; [`SlotWord::clear`] follows when  |
//! |           |                             | the slot is allocated again                      |
//!
//! Every transition is one atomic step on this word, so each slot has one owner at any time. A
//! worker that dies leaves its seat in exactly the slots that it had claimed.
//!
//! To kill a task with its worker, the supervisor first sets KILL_PENDING while the task runs. A
//! worker that finishes a task with that flag takes no other one. So the kill hits this task or, if
//! it has just finished, none.

use crate::sync::{Deadline, Ordering::*, Scope, WaitWord, spin_until};

#[must_use = "only the winner may touch the task's bytes"]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    Yours,
    /// Yours, and a waiter has subscribed to the start.
    YoursAndNotify,
    /// Cancelled, or claimed by another worker.
    Taken,
}

#[must_use = "the waiters of a task that is done have to be woken"]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// This call made the transition.
    Made(Waiters),
    /// The phase does not allow the transition.
    TooLate,
}

#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    Done,
    TimedOut,
    /// The slot has another generation: the future was freed.
    Freed,
}

/// The cancellation and the soft limit of a task, as its function can see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Requests(u64);

impl Requests {
    pub(crate) const CANCEL: Requests = Requests(CANCEL_REQUESTED);
    pub(crate) const OVERDUE: Requests = Requests(OVERDUE);
}

#[derive(Default)]
#[cfg_attr(not(loom), repr(transparent))]
pub(crate) struct SlotWord(WaitWord);

impl SlotWord {
    /// FREE → READY. Release; pairs with `claim`: the worker sees the function and the arguments.
    #[inline]
    pub(crate) fn publish(&self, generation: u32) {
        debug_assert!(matches!(self.0.load(Relaxed) & PHASE, FREE));
        self.0.store(READY | u64::from(generation) << GENERATION_SHIFT, Release);
    }

    /// READY → RUNNING, for exactly one caller. Acquire; pairs with `publish`.
    #[inline]
    pub(crate) fn claim(&self, seat: SeatIndex, generation: u32) -> Claim {
        let running = |now| (now & !PHASE) | RUNNING | u64::from(seat.0) << SEAT_SHIFT;
        match self.step(generation, |now| (now & PHASE == READY).then(|| running(now))) {
            Some(old) if old & START_SUBSCRIBED != 0 => Claim::YoursAndNotify,
            Some(_) => Claim::Yours,
            None => Claim::Taken,
        }
    }

    /// RUNNING → COMPLETED or FAILED, by the worker that claimed it. Release; pairs with `phase`: a
    /// thread that sees the task done sees its result. None: no flag requires an action.
    #[inline]
    pub(crate) fn finish(&self, outcome: Outcome) -> Option<Finished> {
        let old = self.0.fetch_or(outcome.phase(), AcqRel);
        debug_assert_eq!(old & PHASE, RUNNING);
        (old & FINISH_ACTIONS != 0).then_some(Finished(old))
    }

    /// READY → CANCELLED, unless the task has been claimed. The reason is part of the same step:
    /// another thread may cancel for another one, and the slot may be reused at once. Release; pairs
    /// with `phase`.
    pub(crate) fn cancel(&self, generation: u32, how: Cancellation) -> Change {
        self.change(generation, |now| (now & PHASE == READY).then(|| how.apply(now)))
    }

    /// RUNNING → CANCELLED, of a promise that this seat has claimed. Release; pairs with `phase`.
    pub(crate) fn cancel_claimed(&self, seat: SeatIndex, how: Cancellation) -> Change {
        self.change(self.generation(), |now| holds(now, seat).then(|| how.apply(now)))
    }

    /// RUNNING → FAILED or KILLED, on behalf of a worker that has died. Release; pairs with
    /// `phase`: a thread that sees the task done sees what the supervisor wrote about it.
    pub(crate) fn end_orphaned(&self, seat: SeatIndex, outcome: Outcome) -> Change {
        let ended = |now| (now & !PHASE) | outcome.phase();
        self.change(self.generation(), |now| holds(now, seat).then(|| ended(now)))
    }

    /// RUNNING → READY, on behalf of a worker that did not run the task. Release; pairs with the
    /// next `claim`.
    pub(crate) fn requeue(&self, seat: SeatIndex) -> Change {
        let kept = |now| now & (KEPT_ON_REQUEUE | u64::MAX << GENERATION_SHIFT);
        let ready = |now| kept(now) | READY | REQUEUED;
        self.change(self.generation(), |now| holds(now, seat).then(|| ready(now)))
    }

    /// Whether a worker had claimed this task before it became READY again. Relaxed: the supervisor
    /// asks, which requeues tasks itself.
    pub(crate) fn was_claimed_before(&self) -> bool {
        self.0.load(Relaxed) & (PHASE | REQUEUED) == READY | REQUEUED
    }

    /// Any phase → FAILED, for a word that cannot be so. False: it has changed since it was
    /// observed. AcqRel; pairs with `phase`, and with `finish`: on the same word, one step sees the
    /// other.
    pub(crate) fn force_fail(&self, observed: Observed, generation: u32) -> bool {
        let failed = FAILED | u64::from(generation) << GENERATION_SHIFT;
        self.0.compare_exchange(observed.0, failed, AcqRel, Relaxed).is_ok()
    }

    /// Requests the cancellation of a task, which it can check while it runs. Relaxed: the flag
    /// publishes no other data.
    pub(crate) fn request_cancel(&self, generation: u32) {
        let requested = |now| (generation_of(now) == generation).then_some(now | CANCEL_REQUESTED);
        let _ = self.0.fetch_update(Relaxed, Relaxed, requested);
    }

    pub(crate) fn is_cancel_requested(&self) -> bool {
        self.0.load(Relaxed) & CANCEL_REQUESTED != 0
    }

    /// What was requested of the task so far. Relaxed: the flags publish no other data.
    pub(crate) fn requests(&self) -> Requests {
        Requests(self.0.load(Relaxed) & (CANCEL_REQUESTED | OVERDUE))
    }

    /// Requests of a task that is not done what was requested of another one: the task is on two
    /// boards. `signals`: its worker starts nothing else until `signal_sent`. Relaxed, as in
    /// `requests`.
    pub(crate) fn add_requests(&self, generation: u32, requests: Requests, signals: bool) {
        let signal = if signals { SIGNAL_PENDING } else { 0 };
        let added = |now: u64| (now & DONE == 0).then_some(now | requests.0 | signal);
        let _ = self.step(generation, added);
    }

    /// Marks a running task to be killed, and returns the seat that runs it. None: it is not
    /// running. AcqRel; pairs with `finish`: on the same word, either step sees the other.
    pub(crate) fn mark_for_kill(&self, generation: u32) -> Option<SeatIndex> {
        self.step(generation, |now| (now & PHASE == RUNNING).then_some(now | KILL_PENDING))
            .map(seat_of)
    }

    /// Whether the worker of this seat runs this task and is about to be killed for it. Acquire;
    /// pairs with `mark_for_kill`.
    pub(crate) fn is_kill_pending(&self, seat: SeatIndex, generation: u32) -> bool {
        let now = self.0.load(Acquire);
        generation_of(now) == generation && holds(now, seat) && now & KILL_PENDING != 0
    }

    /// Marks the task of this seat as overdue; true once. `signals`: its worker starts nothing else
    /// until `signal_sent`.
    pub(crate) fn mark_overdue(&self, seat: SeatIndex, generation: u32, signals: bool) -> bool {
        let flags = OVERDUE | if signals { SIGNAL_PENDING } else { 0 };
        let marked = |now| (holds(now, seat) && now & OVERDUE == 0).then_some(now | flags);
        self.step(generation, marked).is_some()
    }

    /// Release; pairs with `is_signal_pending`: the worker continues only after the signal was
    /// sent.
    pub(crate) fn signal_sent(&self, generation: u32) {
        let _ = self.step(generation, |now| Some(now & !SIGNAL_PENDING));
    }

    /// Whether a signal for this task is still to be sent. Acquire; pairs with `signal_sent`.
    pub(crate) fn is_signal_pending(&self, generation: u32) -> bool {
        let now = self.0.load(Acquire);
        generation_of(now) == generation && now & SIGNAL_PENDING != 0
    }

    pub(crate) fn is_overdue(&self) -> bool {
        self.0.load(Relaxed) & OVERDUE != 0
    }

    /// Subscribes to the claim of the task: it then notifies the board's completion event. False:
    /// the task was claimed or freed.
    pub(crate) fn subscribe_start(&self, generation: u32) -> bool {
        self.step(generation, |now| (now & PHASE == READY).then_some(now | START_SUBSCRIBED))
            .is_some()
    }

    /// Done → FREE, by the submitter that has allocated the slot again. Relaxed: no other thread
    /// reads it until the slot table has the new generation.
    #[inline]
    pub(crate) fn clear(&self) {
        self.0.store(FREE, Relaxed);
    }

    /// Acquire, as in `phase`.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.0.load(Acquire) & DONE != 0
    }

    /// The word as it is now, for several questions about one moment. Acquire, as in `phase`.
    #[inline]
    pub(crate) fn observe(&self) -> Observed {
        Observed(self.0.load(Acquire))
    }

    /// The phase of the task. Acquire; pairs with `finish`, `cancel`, `end_orphaned` and
    /// `force_fail`.
    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        phase_of(self.0.load(Acquire))
    }

    pub(crate) fn generation(&self) -> u32 {
        generation_of(self.0.load(Relaxed))
    }

    /// The waiters of the task, for the supervisor to wake on behalf of a worker that died before
    /// it did.
    pub(crate) fn waiters(&self) -> Waiters {
        Waiters::of(self.0.load(Relaxed))
    }

    /// Waits until the task is done. `before_sleep` runs once, if spinning was not enough. `look`
    /// runs after each sleep that has not ended the wait: if other processes can write to the word,
    /// a sleep is not longer than [`LOOK_EVERY`].
    ///
    /// [`LOOK_EVERY`]: crate::sync::LOOK_EVERY
    pub(crate) fn wait(
        &self,
        generation: u32,
        scope: Scope,
        deadline: Deadline,
        before_sleep: impl FnOnce(Phase),
        mut look: impl FnMut(),
    ) -> Waited {
        let mut before_sleep = Some(before_sleep);
        let mut has_slept = false;
        loop {
            let now = self.0.load(Acquire);
            if generation_of(now) != generation {
                return Waited::Freed;
            }
            if now & DONE != 0 {
                return Waited::Done;
            }
            let left = deadline.left();
            if left.is_some_and(|left| left.is_zero()) {
                return Waited::TimedOut;
            }
            if let Some(before_sleep) = before_sleep.take() {
                if !spin_until(|| self.0.load(Relaxed) & DONE != 0) {
                    before_sleep(phase_of(now));
                }
                continue;
            }
            if has_slept {
                has_slept = false;
                look();
            } else if let Some(marked) = self.set_waiting_flag(now, WAITED) {
                self.0.sleep_if(marked, scope, scope.limited(left));
                has_slept = true;
            }
        }
    }

    /// Subscribes to the end of the task: it then notifies the board's completion event. False: the
    /// task is done or freed.
    pub(crate) fn subscribe_completion(&self, generation: u32) -> bool {
        loop {
            let now = self.0.load(Acquire);
            if now & DONE != 0 || generation_of(now) != generation {
                return false;
            }
            if self.set_waiting_flag(now, EVENT_WAITED).is_some() {
                return true;
            }
        }
    }

    /// Sets the flag before the caller sleeps, so that `finish` wakes it. Relaxed is enough: flag
    /// and phase are one word, so one of the two steps sees the other.
    fn set_waiting_flag(&self, now: u64, flag: u64) -> Option<u64> {
        if now & flag != 0 {
            return Some(now);
        }
        let marked = now | flag;
        self.0.compare_exchange(now, marked, Relaxed, Relaxed).is_ok().then_some(marked)
    }

    /// Wakes the threads that sleep on this word.
    pub(crate) fn wake(&self, scope: Scope) {
        self.0.wake(i32::MAX, scope);
    }

    fn change(&self, generation: u32, next: impl Fn(u64) -> Option<u64>) -> Change {
        self.step(generation, next).map_or(Change::TooLate, |old| Change::Made(Waiters::of(old)))
    }

    /// Changes a word of this generation in one atomic step, and returns the word before it. A word
    /// that holds a [`Cancellation`] does not change, whatever its generation.
    #[inline]
    fn step(&self, generation: u32, next: impl Fn(u64) -> Option<u64>) -> Option<u64> {
        let has = |now: u64| (now >> GENERATION_SHIFT) as u32 == generation;
        let checked = |now| has(now).then(|| next(now)).flatten();
        self.0.fetch_update(AcqRel, Relaxed, checked).ok()
    }
}

// ---- bits of the word -----------------------------------------------------------------------

/// Not 0: zeros over a slot in use are no state of a task.
pub(super) const FREE: u64 = 3;
pub(super) const READY: u64 = 1;
pub(super) const RUNNING: u64 = 2;
/// Set in the word of every finished task. A bit, so that `finish` is one unconditional step.
pub(super) const DONE: u64 = 4;
/// With `DONE`: the task failed.
pub(super) const FAILURE: u64 = 8;
pub(super) const COMPLETED: u64 = RUNNING | DONE;
pub(super) const FAILED: u64 = RUNNING | DONE | FAILURE;
pub(super) const CANCELLED: u64 = DONE;
/// Cancelled while it ran, with its worker.
pub(super) const KILLED: u64 = DONE | FAILURE;
pub(super) const PHASE: u64 = 0xf;

/// A thread sleeps on this word; the step that ends the task must wake it.
pub(super) const WAITED: u64 = 1 << 4;
/// A thread waits for the board's completion event; the step that ends the task must notify it.
pub(super) const EVENT_WAITED: u64 = 1 << 5;
/// A cancellation was requested, perhaps too late.
pub(super) const CANCEL_REQUESTED: u64 = 1 << 6;
/// The task has exceeded its soft limit, and may check so.
pub(super) const OVERDUE: u64 = 1 << 7;
/// The worker is about to be killed for this task.
pub(super) const KILL_PENDING: u64 = 1 << 8;
/// A thread waits for the claim; the claim must notify the completion event.
pub(super) const START_SUBSCRIBED: u64 = 1 << 9;
/// A signal is about to be sent to the worker for this task.
pub(super) const SIGNAL_PENDING: u64 = 1 << 10;
/// Another worker had claimed the task, and did not end it. Not in the word of a cancelled task.
pub(super) const REQUEUED: u64 = 1 << 11;
/// The flags that require an action of the worker after the task.
pub(super) const FINISH_ACTIONS: u64 = WAITED | EVENT_WAITED | KILL_PENDING | SIGNAL_PENDING;
/// The flags that survive when a task is requeued.
pub(super) const KEPT_ON_REQUEUE: u64 = WAITED | EVENT_WAITED | CANCEL_REQUESTED;

pub(super) const SEAT_SHIFT: u32 = 16;
/// The [`Cancellation`]: between the flags and the generation, and above the generation.
const CANCELLATION: u64 =
    ((1 << GENERATION_SHIFT) - (1 << REASON_SHIFT)) | (u64::MAX << ABOVE_SHIFT);
const REASON_SHIFT: u32 = 11;
const REASON_MASK: u64 = 3;
const QUEUED_SHIFT: u32 = 13;
/// Bits of the queue time that are below the generation.
const QUEUED_BITS: u32 = GENERATION_SHIFT - QUEUED_SHIFT;
const ABOVE_SHIFT: u32 = 56;
pub(super) const GENERATION_SHIFT: u32 = 32;
/// Generations count from 0 to this and wrap.
pub(crate) const GENERATION_MASK: u32 = (1 << 24) - 1;

/// What the word was at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Observed(u64);

impl Observed {
    /// The seat of the worker that completed the task, if one did.
    #[inline]
    pub(crate) fn completed_by(self) -> Option<SeatIndex> {
        (self.0 & PHASE == COMPLETED).then(|| seat_of(self.0))
    }

    pub(crate) fn phase(self) -> Phase {
        phase_of(self.0)
    }

    /// Of a task that was cancelled before it ran.
    pub(crate) fn cancellation(self) -> Cancellation {
        let why = match self.0 >> REASON_SHIFT & REASON_MASK {
            1 => CancelReason::Expired,
            2 => CancelReason::Broken,
            _ => CancelReason::Requested,
        };
        let below = (self.0 >> QUEUED_SHIFT) as u32 & ((1 << QUEUED_BITS) - 1);
        let above = (self.0 >> ABOVE_SHIFT) as u32;
        Cancellation { why, queued: above << QUEUED_BITS | below }
    }

    pub(crate) fn generation(self) -> u32 {
        generation_of(self.0)
    }

    /// The generation of a task that is queued or running.
    pub(crate) fn unfinished(self) -> Option<u32> {
        matches!(self.0 & PHASE, READY | RUNNING).then(|| generation_of(self.0))
    }
}

/// Why a task was cancelled before it ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CancelReason {
    /// By a caller, or because the pool stops.
    Requested = 0,
    /// It had not started by its deadline.
    Expired = 1,
    /// The pool is broken.
    Broken = 2,
}

/// How a task was cancelled before it ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cancellation {
    pub(crate) why: CancelReason,
    /// How long the task was queued, in 27 bits that the board does not interpret.
    pub(crate) queued: u32,
}

impl Cancellation {
    fn apply(self, word: u64) -> u64 {
        let queued = u64::from(self.queued);
        let how = (self.why as u64) << REASON_SHIFT
            | (queued & ((1 << QUEUED_BITS) - 1)) << QUEUED_SHIFT
            | queued >> QUEUED_BITS << ABOVE_SHIFT;
        (word & !(PHASE | CANCELLATION)) | CANCELLED | (how & CANCELLATION)
    }
}

/// The index of a seat: the reusable number of a worker of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SeatIndex(pub(crate) u16);

/// The phase, with the seat where the word holds one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Free,
    Ready,
    Running(SeatIndex),
    Completed(SeatIndex),
    Failed(SeatIndex),
    /// Cancelled before it ran.
    Cancelled,
    /// Cancelled while it ran, with its worker.
    Killed,
    /// The word is corrupted.
    Impossible,
}

impl Phase {
    pub(crate) fn is_done(self) -> bool {
        matches!(self, Phase::Completed(_) | Phase::Failed(_) | Phase::Cancelled | Phase::Killed)
    }
}

/// How a task ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Completed,
    Failed,
    /// Cancelled while it ran.
    Killed,
}

impl Outcome {
    pub(super) fn phase(self) -> u64 {
        match self {
            Outcome::Completed => COMPLETED,
            Outcome::Failed => FAILED,
            Outcome::Killed => KILLED,
        }
    }
}

/// Which threads have to be woken after a task has ended.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiters {
    /// Those that sleep on the slot's word.
    pub(crate) on_word: bool,
    /// Those that wait for the board's completion event.
    pub(crate) on_event: bool,
}

impl Waiters {
    pub(super) fn of(word: u64) -> Waiters {
        Waiters { on_word: word & WAITED != 0, on_event: word & EVENT_WAITED != 0 }
    }
}

/// The word before `finish`, which has flags that require an action.
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

    /// The generation of the task that a signal is about to be sent for, if there is one.
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
    (word >> GENERATION_SHIFT) as u32 & GENERATION_MASK
}

#[inline]
pub(super) fn phase_of(word: u64) -> Phase {
    match word & PHASE {
        FREE => Phase::Free,
        READY => Phase::Ready,
        RUNNING => Phase::Running(seat_of(word)),
        COMPLETED => Phase::Completed(seat_of(word)),
        FAILED => Phase::Failed(seat_of(word)),
        CANCELLED => Phase::Cancelled,
        KILLED => Phase::Killed,
        _ => Phase::Impossible,
    }
}
