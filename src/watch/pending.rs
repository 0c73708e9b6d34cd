//! The tasks that wait to be claimed: taken back, or put on the ring once more.

use super::cancelled::CancelledBatch;
use super::state::PoolState;
use crate::board::record::Slot;
use crate::board::side_table::TaskFailure;
use crate::board::slot::{Phase, SeatIndex};
use crate::board::slots::SlotKey;
use crate::error::Status;
use crate::sync::Ordering::*;

impl PoolState {
    /// Takes every task back that waits, and lists them.
    pub(crate) fn withdraw_all(&self) {
        let note = self.why_cancelled();
        let mut batch = CancelledBatch::default();
        self.for_each_waiting(|ticket, record| {
            let is_listed = self.lists_cancelled.load(Relaxed);
            if is_listed {
                let tag =
                    self.slots.side_table.options(ticket.slot).map_or(0, |options| options.tag);
                batch.push(&self.region, record, tag);
            }
            if !self.withdraw(ticket, note.as_ref()) && is_listed {
                batch.pop();
            }
        });
        self.cancelled.add(batch);
    }

    /// What futures say that are cancelled because the pool is broken.
    fn why_cancelled(&self) -> Option<TaskFailure> {
        let mut note = self.broken.get()?.clone();
        let sentence = note.status.description().to_string_lossy();
        note.detail.message = match note.detail.message.as_str() {
            "" => format!("cancelled: {sentence}"),
            words => format!("cancelled: {sentence}: {words}"),
        };
        Some(TaskFailure { status: Status::POOL_ERR_CANCELLED, detail: note.detail })
    }

    /// Puts every waiting task on the ring once more, when a worker gone astray has written over the
    /// ring's head. Only while there are no workers.
    pub(crate) fn enqueue_all_again(&self) {
        let board = &self.region.board;
        board.repair_rings(&self.slots.tails);
        self.for_each_slot(|slot, record| {
            let generation = record.word.generation();
            if record.word.phase() == Phase::Ready
                && let Some(position) = board.reserve(&self.slots.tails)
            {
                if let Some(reservation) = board.reserve_priority(
                    position,
                    record.call().priority,
                    &self.slots.tails,
                    slot,
                ) {
                    board.enqueue_again(reservation, slot, generation);
                }
                self.counters.repeated.count();
                // One task, two entries: the second will be found dead.
                self.slots.count_withdrawn();
            }
        });
    }

    /// Puts back on the ring what a worker that is gone had taken from it and not claimed.
    pub(super) fn enqueue_prefetched_again(&self, seat: SeatIndex) {
        for entry in self.region.board.drain_prefetched(seat) {
            self.region.board.enqueue_again_from_margin(entry, &self.slots.tails);
            self.counters.repeated.count();
            self.slots.count_withdrawn();
        }
    }

    pub(crate) fn has_waiting_task(&self) -> bool {
        let slots = 0..self.slots.used();
        slots.into_iter().any(|slot| self.region.board.slot(slot).word.phase() == Phase::Ready)
    }

    pub(crate) fn for_each_slot(&self, mut visit: impl FnMut(u32, &Slot)) {
        for slot in 0..self.slots.used() {
            visit(slot, self.region.board.slot(slot));
        }
    }

    /// Visits the tasks that wait to be claimed.
    pub(crate) fn for_each_waiting(&self, mut visit: impl FnMut(SlotKey, &Slot)) {
        self.for_each_slot(|slot, record| {
            if record.word.phase() == Phase::Ready {
                visit(SlotKey { slot, generation: record.word.generation() }, record);
            }
        });
    }
}
