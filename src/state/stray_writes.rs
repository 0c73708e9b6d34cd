//! What a stray worker has written over: tasks whose slots hold what they cannot hold.
//!
//! A worker can write to every word of the board. A thread that waits for a task therefore looks at
//! it each time that it has slept for [`LOOK_EVERY`], and a task that cannot end any more is ended
//! as lost. A pool that nobody waits for makes no looks.
//!
//! | the slot says                     | it cannot be so if                           | then            |
//! |-----------------------------------|----------------------------------------------|-----------------|
//! | nothing, or another generation    | there is a future: the task was submitted    | the task is     |
//! |                                   |                                              | ended at once   |
//! | READY                             | no ring has its entry, look after look       | it is ended     |
//! | RUNNING on a seat                 | the seat is vacant, look after look          | it is ended     |
//! |                                   | its worker runs another task, look after     | the worker is   |
//! |                                   | look                                         | killed          |
//! | anything but done                 | the pool is over                             | it is ended     |
//!
//! A task is never run again because of what such a slot says.

use super::{PoolState, pool_flags};
use crate::board::Stage;
use crate::board::parent::side_table::TaskFailure;
use crate::board::parent::slots::SlotKey;
use crate::board::ring::RingEntry;
use crate::board::slot::{Observed, Phase, SeatIndex};
use crate::error::{Detail, Status};
use crate::state::commands::Command;
use crate::sync::{LOOK_EVERY, Ordering::*, Scope};
use std::time::Instant;

/// The looks of one waiting thread at one task.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    last: Option<Instant>,
    /// How many looks in succession have found what cannot stay so.
    suspicious: u32,
}

/// How many looks confirm what may be so for a moment, while a worker is between two steps.
const LOOKS: u32 = 2;
/// The same for a task that a thread of this process, or a worker, may be about to move on. It may
/// have been stopped there.
const LOOKS_AT_STOPPED: u32 = 10;

impl Looks {
    fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let is_due = self.last.is_none_or(|last| now.duration_since(last) >= LOOK_EVERY / 2);
        if is_due {
            self.last = Some(now);
        }
        is_due
    }

    /// Counts a look. True: it confirms the ones before.
    fn count(&mut self, is_suspicious: bool, enough: u32) -> bool {
        self.suspicious = if is_suspicious { self.suspicious + 1 } else { 0 };
        self.suspicious >= enough
    }
}

impl PoolState {
    /// Whether other processes can write to the slots.
    pub(crate) fn is_shared(&self) -> bool {
        self.region.board.scope() == Scope::Shared
    }

    /// Whether what the slot of a submitted task said cannot be so. It is to be ended.
    pub(crate) fn is_stray(&self, key: SlotKey, observed: Observed) -> bool {
        if !self.is_shared() {
            return false;
        }
        let is_over = self.flags.load(Acquire) & pool_flags::TERMINATED != 0;
        observed.generation() != key.generation
            || matches!(observed.phase(), Phase::Free | Phase::Impossible)
            || (is_over && !observed.phase().is_done())
    }

    /// Ends a submitted task as lost if what its slot says cannot be so.
    pub(crate) fn end_if_stray(&self, key: SlotKey) {
        if self.is_stray(key, self.region.board.slot(key.slot).word.observe()) {
            self.end_stray(key);
        }
    }

    /// Looks at a task that a thread has waited for. Called after each of its sleeps.
    #[cold]
    pub(crate) fn look(&self, key: SlotKey, looks: &mut Looks) {
        if !self.is_shared() || !looks.is_due() {
            return;
        }
        self.end_if_stray(key);
        match self.region.board.slot(key.slot).word.phase() {
            Phase::Ready => self.look_at_queued(key, looks),
            Phase::Running(seat) => self.look_at_running(key, seat, looks),
            _ => {}
        }
    }

    fn look_at_queued(&self, key: SlotKey, looks: &mut Looks) {
        let board = &self.region.board;
        // Whatever the words say by which they are woken.
        for seat in 0..self.slots.seats_used() {
            board.sleepers.wake(SeatIndex(seat));
        }
        if board.stage() == Stage::Paused {
            // The supervisor knows whether it is.
            return self.wake();
        }
        let SlotKey { slot, generation } = key;
        let is_at_head = board.has_task();
        let may_move_on = board.is_noted(RingEntry { slot, generation })
            || board.ring.head_position() < self.slots.tails.main().count();
        let enough = if may_move_on { LOOKS_AT_STOPPED } else { LOOKS };
        if looks.count(!is_at_head, enough) {
            self.end_stray(key);
        } else if !is_at_head {
            // Without workers it enqueues the waiting tasks again.
            self.wake();
        }
    }

    fn look_at_running(&self, key: SlotKey, seat: SeatIndex, looks: &mut Looks) {
        let worker = self.worker_table.number(seat);
        let is_recorded = self.region.board.slot_of(seat) == Some(key.slot);
        let enough = if worker.is_none() { LOOKS } else { LOOKS_AT_STOPPED };
        if !looks.count(worker.is_none() || !is_recorded, enough) {
            return;
        }
        match worker {
            None => self.end_stray(key),
            Some(number) => drop(self.send(Command::KillStray(seat, number))),
        }
    }

    /// Whether the board says anywhere that the worker of this seat runs a task.
    pub(crate) fn runs_task(&self, seat: SeatIndex) -> bool {
        let board = &self.region.board;
        let runs = |slot| board.slot(slot).word.phase() == Phase::Running(seat);
        let mut used = 0..self.slots.used();
        board.slot_of(seat).is_some_and(|slot| used.contains(&slot) && runs(slot)) || used.any(runs)
    }

    /// Ends a submitted task as lost, unless it has ended otherwise.
    #[cold]
    pub(crate) fn end_stray(&self, key: SlotKey) {
        let SlotKey { slot, generation } = key;
        let record = self.region.board.slot(slot);
        loop {
            let observed = record.word.observe();
            if observed.phase().is_done() && observed.generation() == generation {
                return;
            }
            // After the word was observed: it was that of this task, and not of the slot's next one.
            if !self.slots.entries.is_in_use(key) {
                return;
            }
            // It may have been written over again since it was ended.
            let is_first = self.slots.side_table.failure(slot).is_none();
            if is_first {
                self.slots.side_table.set_failure(slot, written_over());
            }
            let end = || self.region.board.force_fail(slot, observed, generation);
            let is_ended = if is_first { self.counters.failed.count_if(end) } else { end() };
            if is_ended {
                record.end_without_worker(0);
                return self.push_hint(slot);
            }
            if is_first {
                self.slots.side_table.clear_failure(slot);
            }
        }
    }
}

/// Why a task is lost that was written over.
pub(crate) fn written_over() -> TaskFailure {
    let message = "a worker has written over the task".to_owned();
    let detail = Detail { message, ..Detail::default() };
    TaskFailure { status: Status::POOL_ERR_WORKER_LOST, detail }
}
