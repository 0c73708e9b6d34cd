//! Tasks that wait to be claimed: withdrawing them, and enqueueing them again.

use super::PoolState;
use super::cancelled::CancelledBatch;
use crate::board::parent::slots::SlotKey;
use crate::board::record::Slot;
use crate::board::slot::{CancelReason, Phase, SeatIndex};
use crate::sync::Ordering::*;

impl PoolState {
    /// Withdraws every queued task, and lists it as cancelled.
    pub(crate) fn withdraw_all(&self) {
        let why = match self.broken.get() {
            Some(_) => CancelReason::Broken,
            None => CancelReason::Requested,
        };
        let mut batch = CancelledBatch::default();
        self.for_each_waiting(|key, record| {
            let is_listed = self.lists_cancelled.load(Relaxed);
            if is_listed {
                let tag = self.slots.side_table.options(key.slot).map_or(0, |options| options.tag);
                batch.push(record, self.slots.args_bytes(&self.region, key.slot), tag);
            }
            if !self.withdraw(key, why) && is_listed {
                batch.pop();
            }
        });
        self.cancelled.add(batch);
    }

    /// Enqueues every waiting task again, after a stray worker has overwritten the ring's head.
    /// Called only while there are no workers.
    pub(crate) fn enqueue_all_again(&self) {
        let (board, tails) = (&self.region.board, &self.slots.tails);
        board.repair_rings(tails);
        self.for_each_slot(|slot, record| {
            let generation = record.word.generation();
            if self.is_waiting(slot, record)
                && let Some(position) = board.reserve(tails.main())
            {
                let priority = record.call().priority;
                self.counters.repeated.add();
                // The task has two entries now: the second one will be found dead.
                self.slots.count_withdrawn();
                if let Some(reservation) = board.reserve_priority(position, priority, tails, slot) {
                    board.enqueue_again(reservation, slot, generation);
                }
            }
        });
    }

    /// Enqueues again the entries that an exited worker had taken from the ring and not claimed.
    pub(crate) fn enqueue_prefetched_again(&self, seat: SeatIndex) {
        for entry in self.region.board.drain_prefetched(seat) {
            let tail = self.slots.tails.main();
            self.region.board.enqueue_again_from_margin(entry, tail, || {
                self.counters.repeated.add();
                self.slots.count_withdrawn();
            });
        }
    }

    pub(crate) fn has_waiting_task(&self) -> bool {
        let mut slots = 0..self.slots.used();
        slots.any(|slot| self.is_waiting(slot, self.region.board.slot(slot)))
    }

    /// Whether the slot has a task that waits. A stray worker may have written so over any slot.
    fn is_waiting(&self, slot: u32, record: &Slot) -> bool {
        let observed = record.word.observe();
        let key = SlotKey { slot, generation: observed.generation() };
        observed.phase() == Phase::Ready && self.slots.entries.is_in_use(key)
    }

    pub(crate) fn for_each_slot(&self, mut visit: impl FnMut(u32, &Slot)) {
        for slot in 0..self.slots.used() {
            visit(slot, self.region.board.slot(slot));
        }
    }

    /// Visits the tasks that wait to be claimed.
    pub(crate) fn for_each_waiting(&self, mut visit: impl FnMut(SlotKey, &Slot)) {
        self.for_each_slot(|slot, record| {
            if self.is_waiting(slot, record) {
                visit(SlotKey { slot, generation: record.word.generation() }, record);
            }
        });
    }
}
