//! The slot table: which slots are free, which futures are held, and where arguments are stored.
//!
//! It is private memory of the parent: no worker can access it.
//! Handles are checked against its [`Entries`], which outlive it.
//!
//! A task whose future is not held, because none was requested or because it was freed early, is
//! *detached*: a later submit reclaims its slot once the task is done.

use super::entries::{Entries, EntryColumn, HELD, IN_USE, INTERNAL};
use super::free_list::{FreeList, Given};
use super::side_table::SideTable;
use super::tail::Tails;
use crate::board::Region;
use crate::board::heap::{Arena, Block, HINTS_PER_SIZE};
use crate::board::memory::{Memory, ResultBytes, Span};
use crate::board::record::{ARGS_MAX, BytesLocation};
use crate::board::slot::{GENERATION_MASK, Phase, SeatIndex};
use crate::error::Result;
use crate::sync::{AtomicU32, Mutex, MutexGuard, Ordering::*, plain};
use std::collections::VecDeque;

/// How many of the oldest detached tasks are checked at once.
const RECLAIMED_AT_ONCE: usize = 2;
/// Detached tasks are checked once in this number of submits.
const RECLAIM_EVERY: u64 = 16;
/// The most slots that are populated at once when the board grows into fresh memory: 256 KiB.
const FRESH_SLOTS: u32 = 2048;
/// The first page is not populated in advance: a small pool needs no other.
const FIRST_SLOTS: u32 = 32;

/// The slots of a board, as the parent sees them.
pub(crate) struct SlotTable {
    pub(crate) tails: Tails,
    pub(crate) side_table: SideTable,
    free: FreeList,
    pub(crate) entries: Entries,
    /// For each slot: the block of its arguments, packed; 0 is none.
    blocks: Span<AtomicU32>,
    pub(crate) args: Arena,
    /// The slots of detached tasks, oldest first. None: the table is closed.
    detached: Mutex<Option<VecDeque<u32>>>,
    /// Tasks that were cancelled before a worker claimed them.
    withdrawn: plain::AtomicU64,
    /// Tasks claimed by workers that died before they counted them.
    uncounted: plain::AtomicU64,
    /// How many seats ever had a worker: the first ones.
    seats_used: plain::AtomicU32,
    /// The generation of the first use of each slot: keeps the handles of one pool apart from those
    /// of the next.
    first_generation: u32,
    /// The memory of the spans above.
    _memory: Memory,
}

/// How many slots to populate when this one is the next that was never used: as many as are in use,
/// up to a bound. So the cost per task is constant, and a pool has at most twice the memory that it
/// needs.
fn fresh_slots(slot: u32) -> Option<u32> {
    let count = slot.min(FRESH_SLOTS);
    (count >= FIRST_SLOTS && count.is_power_of_two() && slot.is_multiple_of(count)).then_some(count)
}

/// A use of a slot: the slot, and the generation of the use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SlotKey {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// Who holds the future of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// The caller of a submit.
    Held,
    /// The library itself, which frees it: no caller can look it up.
    Internal,
    /// Nobody.
    Detached,
}

/// The result of [`Entries::release`].
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Released {
    /// The future was not held.
    NotHeld,
    /// The future is no longer held.
    Free,
    /// The future is no longer held, but a callback or a set may have subscribed to it.
    Subscribed,
}

impl SlotTable {
    /// `entries`: of its place in the table of pools.
    pub(crate) fn new(
        region: &Region,
        entries: &EntryColumn,
        first_generation: u32,
    ) -> Result<SlotTable> {
        let slots = region.geometry.slots();
        let layout = region.args_layout();
        let (words, hints) = (layout.bit_words(), layout.sizes() * HINTS_PER_SIZE);
        let numbers = words * 8;
        let memory = Memory::private(numbers + (slots * 2 + hints) * 4)?;
        let column = |index: usize| memory.span(numbers + index * slots * 4, slots);
        Ok(SlotTable {
            tails: Tails::new(),
            side_table: SideTable::default(),
            free: FreeList::new(column(0)),
            entries: entries.prepare(slots)?,
            blocks: column(1),
            args: region.args_arena(memory.span(0, words), memory.span(numbers + slots * 8, hints)),
            detached: Mutex::new(Some(VecDeque::new())),
            withdrawn: plain::AtomicU64::new(0),
            uncounted: plain::AtomicU64::new(0),
            seats_used: plain::AtomicU32::new(0),
            first_generation: first_generation & GENERATION_MASK,
            _memory: memory,
        })
    }

    /// All slots in use have lower numbers than this.
    pub(crate) fn used(&self) -> u32 {
        self.free.used()
    }

    /// Allocates a slot for a new task.
    #[inline(always)]
    pub(crate) fn allocate(&self, region: &Region, ownership: Ownership) -> Option<SlotKey> {
        let hold = match ownership {
            Ownership::Held => HELD,
            Ownership::Internal => HELD | INTERNAL,
            Ownership::Detached => 0,
        };
        if self.tails.main().count().is_multiple_of(RECLAIM_EVERY) {
            self.try_reclaim(region);
        }
        let slot = match self.free.take() {
            Some(slot) => slot,
            None => self.reclaim(region).or_else(|| self.take_fresh(region))?,
        };
        region.board.slot(slot).word.clear();
        let entry = self.entries.0.at(slot as usize);
        let generation = entry.load(Relaxed).wrapping_add(1) & GENERATION_MASK;
        entry.store(generation | IN_USE | hold, Release);
        Some(SlotKey { slot, generation })
    }

    /// Takes a slot that was never used, and gives it the generation before its first.
    #[cold]
    fn take_fresh(&self, region: &Region) -> Option<u32> {
        let slot = self.free.take_fresh()?;
        if let Some(count) = fresh_slots(slot) {
            region.populate_slots(slot as usize, count as usize);
        }
        let before = self.first_generation.wrapping_sub(1) & GENERATION_MASK;
        self.entries.0.at(slot as usize).store(before, Relaxed);
        Some(slot)
    }

    /// Records the block of a task's arguments, which is freed with the slot.
    pub(crate) fn set_args_block(&self, slot: u32, block: Option<Block>) {
        self.blocks.at(slot as usize).store(block.map_or(0, Block::pack), Relaxed);
    }

    /// The bytes of a task's arguments. None: a stray worker has changed where they are, or made
    /// them longer than the memory that was allocated for them.
    pub(crate) fn args_bytes<'a>(&self, region: &'a Region, slot: u32) -> Option<ResultBytes<'a>> {
        let block = Block::unpack(self.blocks.at(slot as usize).load(Relaxed));
        let len_max = block.map_or(ARGS_MAX, |block| self.args.len(block));
        region.args_bytes(region.board.slot(slot)).filter(|bytes| bytes.len() <= len_max)
    }

    /// Detaches a slot whose future is not held: it is reclaimed once its task is done. False: the
    /// table is closed; all tasks are done.
    pub(crate) fn detach(&self, region: &Region, slot: u32) -> bool {
        match &mut *self.detached() {
            Some(detached) => {
                // Each new one reclaims a few others, so their results do not pile up.
                self.reclaim_some(region, detached, RECLAIMED_AT_ONCE);
                detached.push_back(slot);
                true
            }
            None => false,
        }
    }

    /// Frees the slot of a task that is done and not held. `Closed`: the caller counts it.
    #[inline]
    pub(crate) fn recycle(&self, region: &Region, slot: u32) -> Given {
        if self.blocks.at(slot as usize).load(Relaxed) != 0 {
            self.free_args(region, slot);
        }
        // The slot itself is not written: the worker's core owns its cache lines, and the next
        // submit has to fetch them anyway.
        if !region.board.slot(slot).has_inline_result() {
            self.free_result(region, slot);
        }
        self.side_table.remove(slot);
        self.entries.set_unused(slot);
        self.free.give(slot)
    }

    #[cold]
    fn free_args(&self, region: &Region, slot: u32) {
        let block = self.blocks.at(slot as usize).swap(0, Relaxed);
        if let Some(block) = Block::unpack(block) {
            self.args.give(block, &region.memory);
        }
    }

    #[cold]
    fn free_result(&self, region: &Region, slot: u32) {
        let record = region.board.slot(slot);
        if let Phase::Completed(seat) | Phase::Failed(seat) = record.word.phase() {
            match record.ending().map(|ending| ending.result) {
                Some(BytesLocation::Heap(far)) if usize::from(seat.0) < region.geometry.seats => {
                    let arena = region.results_arena(seat);
                    if let Some(block) = arena.block_at(far.location) {
                        arena.give(block, &region.memory);
                    }
                }
                // A file is in the side table.
                _ => {}
            }
        }
        // From here on the slot refers to no block, for any reader (see `recover` in the
        // supervisor).
        record.word.clear();
    }

    /// Recycles a few detached tasks that are done, and takes the slot of one.
    #[cold]
    fn reclaim(&self, region: &Region) -> Option<u32> {
        if let Some(detached) = &mut *self.detached() {
            self.reclaim_some(region, detached, RECLAIMED_AT_ONCE);
        }
        self.free.take()
    }

    /// Recycles all detached tasks, when all tasks are done; then closes the table, and returns how
    /// many slots are still held.
    pub(crate) fn close(&self, region: &Region) -> u32 {
        // No worker runs any more, so no slot is in use, whatever its word says.
        for slot in self.detached().take().unwrap_or_default() {
            let given = self.recycle(region, slot);
            debug_assert_eq!(given, Given::Kept);
        }
        self.free.close()
    }

    /// So results that are not wanted are freed before the slots run out.
    #[cold]
    fn try_reclaim(&self, region: &Region) {
        if let Some(mut detached) = self.detached.try_lock()
            && let Some(detached) = &mut *detached
        {
            self.reclaim_some(region, detached, RECLAIMED_AT_ONCE);
        }
    }

    fn reclaim_some(&self, region: &Region, detached: &mut VecDeque<u32>, count: usize) {
        for _ in 0..count.min(detached.len()) {
            let Some(slot) = detached.pop_front() else { break };
            if region.board.slot(slot).word.phase().is_done() {
                // The free list is closed only after the last detached task was recycled.
                let given = self.recycle(region, slot);
                debug_assert_eq!(given, Given::Kept);
            } else {
                detached.push_back(slot);
            }
        }
    }

    fn detached(&self) -> MutexGuard<'_, Option<VecDeque<u32>>> {
        self.detached.lock()
    }

    // ---- counting ------------------------------------------------------------------------------

    pub(crate) fn count_withdrawn(&self) {
        self.withdrawn.fetch_add(1, Relaxed);
    }

    /// Repairs the count of a vacant seat: `found` tasks were claimed by its worker. A found task
    /// that is no longer recorded in the seat was counted as claimed and as ended, and the worker
    /// died before it ended the task.
    pub(crate) fn repair_counts(&self, region: &Region, seat: SeatIndex, found: u64) {
        let seat = region.board.seats().at(usize::from(seat.0));
        // Acquire; pairs with `Board::finish`: if the task was counted as ended, its slot is seen
        // to be no longer recorded.
        let (claimed, ended) = (seat.claimed.load(Relaxed), seat.ended.load(Acquire));
        let was_ended = u64::from(seat.slot.swap(0, Relaxed) == 0);
        let counted = claimed.saturating_sub(ended).max(was_ended);
        self.uncounted.fetch_add(found.saturating_sub(counted), Relaxed);
        seat.ended.store(claimed, Relaxed);
        // So the next worker does not seem to have started a task.
        seat.started.store(0, Relaxed);
    }

    /// How many tasks are not claimed yet, and how many workers run one. The count of each seat is
    /// read once for both: no task is counted as both.
    pub(crate) fn load(&self, region: &Region) -> Load {
        let mut busy = 0;
        let dequeued = self.dequeued(region, |is_busy| busy += u32::from(is_busy));
        Load { pending: self.tails.main().count().saturating_sub(dequeued), busy }
    }

    /// How many tasks have left the queue: claimed, or cancelled before. `visit` is called for each
    /// seat with whether it runs one.
    pub(crate) fn dequeued(&self, region: &Region, mut visit: impl FnMut(bool)) -> u64 {
        let seats = region.board.seats();
        let mut claimed = 0_u64;
        for seat in 0..seats.len().min(self.seats_used.load(Relaxed) as usize) {
            let seat = seats.at(seat);
            let of_seat = seat.claimed.load(Acquire);
            claimed = claimed.wrapping_add(of_seat);
            visit(seat.ended.load(Relaxed) < of_seat);
        }
        claimed
            .wrapping_add(self.uncounted.load(Relaxed))
            .wrapping_add(self.withdrawn.load(Relaxed))
    }

    /// How many seats ever had a worker: the first ones.
    pub(crate) fn seats_used(&self) -> u16 {
        self.seats_used.load(Relaxed) as u16
    }

    /// Records that a worker starts on this seat.
    pub(crate) fn mark_seat_used(&self, seat: SeatIndex) {
        self.seats_used.fetch_max(u32::from(seat.0) + 1, Relaxed);
    }
}

/// The load of a pool: tasks that wait, and workers that run one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Load {
    pub(crate) pending: u64,
    pub(crate) busy: u32,
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn fresh_slots_are_populated_once_and_before_use() {
        let mut populated = FIRST_SLOTS;
        for slot in 0..5 * FRESH_SLOTS {
            if let Some(count) = fresh_slots(slot) {
                assert_eq!(slot, populated);
                populated += count;
            }
            assert!(slot < populated);
        }
    }
}
