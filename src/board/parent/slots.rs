//! What the parent alone knows of a board: which slots are free, whose they are, and where their
//! arguments lie. It is private memory: no worker can reach it.
//!
//! A slot's entry is a generation and whether somebody holds its future. A handle is good while its
//! generation stands there as held; freeing the future takes the hold away, and the slot's next use
//! has the next generation, so a freed handle is told apart for 16 million uses of the slot.
//!
//! A task whose future nobody holds, because none was wanted or because it was freed early, is
//! *loose*: its slot is swept up by a later submit, when the task is done.

use crate::sync::{Mutex, MutexGuard};
use crate::board::Region;
use crate::board::heap::{Arena, Block, HINTS_PER_SIZE};
use crate::board::memory::{Memory, Span};
use super::free_list::{FreeList, Given};
use super::tail::Tails;
use crate::board::record::BytesLocation;
use super::side_table::SideTable;
use crate::board::slot::{GENERATION_MASK, Phase, SeatIndex};
use crate::error::Result;
use crate::sync::{AtomicU32, AtomicU64, plain};
use crate::sync::Ordering::*;
use std::collections::VecDeque;

/// In a slot's entry, above the generation: somebody holds the future.
const HELD: u32 = 1 << 24;
const ENTRY: u32 = GENERATION_MASK | HELD;
/// Somebody may want to be told when the task is done.
const SUBSCRIBED: u32 = 1 << 25;

/// How many of the oldest loose tasks are looked at for each new one.
const RECLAIMED_AT_ONCE: usize = 2;
/// After so many submits some loose tasks are looked at.
const RECLAIM_EVERY: u64 = 16;
/// How many slots are touched at once at most when the board grows into fresh memory: 256 KiB.
const FRESH_SLOTS: u32 = 2048;
/// The first page is not touched in advance: a small pool needs no other.
const FIRST_SLOTS: u32 = 32;

pub(crate) struct SlotTable {
    pub(crate) tails: Tails,
    pub(crate) side_table: SideTable,
    free: FreeList,
    entries: Span<AtomicU32>,
    /// For each slot: the block of its arguments, packed.
    blocks: Span<AtomicU32>,
    pub(crate) args: Arena,
    /// None after the last sweep.
    detached: Mutex<Option<VecDeque<u32>>>,
    /// Tasks taken back before a worker had claimed them.
    withdrawn: plain::AtomicU64,
    /// Tasks claimed by workers that died before they had counted them.
    uncounted: plain::AtomicU64,
    /// Seats from here on never had a worker.
    seats_used: plain::AtomicU32,
    /// Keeps the handles of one pool apart from those of the next.
    first_generation: u32,
    /// What the windows above look at.
    _memory: Memory,
}

/// How many slots to touch when this one is the next that was never used: as many as there are, up to a
/// bound. So touching costs each task the same, and a pool has at most twice the memory that it needs.
fn fresh_slots(slot: u32) -> Option<u32> {
    let count = slot.min(FRESH_SLOTS);
    (count >= FIRST_SLOTS && count.is_power_of_two() && slot.is_multiple_of(count)).then_some(count)
}

/// A slot in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SlotKey {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl SlotKey {
    pub(crate) fn to_u64(self) -> u64 {
        u64::from(self.slot) << 32 | u64::from(self.generation)
    }

    /// The ticket of this number.
    pub(crate) fn from_u64(number: u64) -> SlotKey {
        SlotKey { slot: (number >> 32) as u32, generation: number as u32 }
    }
}

/// What came of giving a future up.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Released {
    /// Nobody held it.
    NotHeld,
    /// It is nobody's now.
    Free,
    /// It is nobody's now, but somebody may be waiting to be told about it.
    Subscribed,
}

impl SlotTable {
    pub(crate) fn new(region: &Region, first_generation: u32) -> Result<SlotTable> {
        let slots = region.geometry.slots();
        let layout = region.args_layout();
        let (words, hints) = (layout.bit_words(), layout.sizes() * HINTS_PER_SIZE);
        let numbers = words * 8;
        let memory = Memory::private(numbers + (slots * 3 + hints) * 4)?;
        let column = |index: usize| memory.span(numbers + index * slots * 4, slots);
        Ok(SlotTable {
            tails: Tails::new(),
            side_table: SideTable::default(),
            free: FreeList::new(column(0)),
            entries: column(1),
            blocks: column(2),
            args: region
                .args_arena(memory.span(0, words), memory.span(numbers + slots * 12, hints)),
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

    /// A slot for a new task; `is_held`: somebody will hold its future.
    #[inline(always)]
    pub(crate) fn allocate(&self, region: &Region, is_held: bool) -> Option<SlotKey> {
        let hold = if is_held { HELD } else { 0 };
        if self.tails.main().count().is_multiple_of(RECLAIM_EVERY) {
            self.try_reclaim(region);
        }
        let slot = match self.free.take() {
            Some(slot) => slot,
            None => self.reclaim(region).or_else(|| self.take_fresh(region))?,
        };
        region.board.slot(slot).word.clear();
        let entry = self.entries.at(slot as usize);
        let generation = entry.load(Relaxed).wrapping_add(1) & GENERATION_MASK;
        entry.store(generation | hold, Release);
        Some(SlotKey { slot, generation })
    }

    /// A slot that was never used, as if it had been once.
    #[cold]
    fn take_fresh(&self, region: &Region) -> Option<u32> {
        let slot = self.free.take_fresh()?;
        if let Some(count) = fresh_slots(slot) {
            region.populate_slots(slot as usize, count as usize);
        }
        let before = self.first_generation.wrapping_sub(1) & GENERATION_MASK;
        self.entries.at(slot as usize).store(before, Relaxed);
        Some(slot)
    }

    /// Whether this ticket's future is held: false for one that was freed, or never was.
    #[inline]
    pub(crate) fn holds(&self, ticket: SlotKey) -> bool {
        let entry = self.entries.get(ticket.slot as usize);
        entry.is_some_and(|entry| entry.load(Acquire) & ENTRY == ticket.generation | HELD)
    }

    /// The generation of the future that somebody holds of this slot.
    pub(crate) fn held_generation(&self, slot: u32) -> Option<u32> {
        let entry = self.entries.get(slot as usize)?.load(Acquire);
        (entry & HELD != 0).then_some(entry & GENERATION_MASK)
    }

    /// Takes the hold away, for exactly one caller.
    #[inline]
    pub(crate) fn release(&self, ticket: SlotKey) -> Released {
        let Some(entry) = self.entries.get(ticket.slot as usize) else { return Released::NotHeld };
        let held = ticket.generation | HELD;
        match entry.compare_exchange(held, ticket.generation, AcqRel, Relaxed) {
            Ok(_) => Released::Free,
            Err(_) => release_subscribed(entry, held),
        }
    }

    /// Notes that somebody wants to be told when the task is done.
    pub(crate) fn mark_subscribed(&self, ticket: SlotKey) {
        self.entries.at(ticket.slot as usize).fetch_or(SUBSCRIBED, Relaxed);
    }

    /// Notes the block that holds a task's arguments, to be given back with its slot.
    pub(crate) fn set_args_block(&self, slot: u32, block: Option<Block>) {
        self.blocks.at(slot as usize).store(block.map_or(0, Block::pack), Relaxed);
    }

    /// Leaves a slot that nobody holds to the sweep, whether its task is done or not. False: there
    /// is no sweep any more; all tasks are done.
    pub(crate) fn detach(&self, region: &Region, slot: u32) -> bool {
        match &mut *self.detached() {
            Some(detached) => {
                // One comes, a few go: so their results do not pile up.
                self.reclaim_some(region, detached, RECLAIMED_AT_ONCE);
                detached.push_back(slot);
                true
            }
            None => false,
        }
    }

    /// Gives the slot of a task back that is done and not held. `Closed`: the caller counts it.
    #[inline]
    pub(crate) fn recycle(&self, region: &Region, slot: u32) -> Given {
        if self.blocks.at(slot as usize).load(Relaxed) != 0 {
            self.free_args(region, slot);
        }
        // The slot itself is not written to: its lines are the worker's, and the next submit fetches them
        // anyway.
        if !region.board.slot(slot).has_inline_result() {
            self.free_result(region, slot);
        }
        self.side_table.remove(slot);
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
                    if let Some(block) = arena.block_at(far.place) {
                        arena.give(block, &region.memory);
                    }
                }
                Some(BytesLocation::File(far)) => self.side_table.drop_result_file(slot, far.place),
                _ => {}
            }
        }
        // From here on no block is this slot's, whoever looks (see `watch::reap`).
        record.word.clear();
    }

    /// Recycles a few loose tasks that are done, and takes one's slot.
    #[cold]
    fn reclaim(&self, region: &Region) -> Option<u32> {
        if let Some(detached) = &mut *self.detached() {
            self.reclaim_some(region, detached, RECLAIMED_AT_ONCE);
        }
        self.free.take()
    }

    /// The last sweep, when all tasks are done; then closes the books, and says how many slots are
    /// still held.
    pub(crate) fn close(&self, region: &Region) -> u32 {
        // Nobody works any more, so nothing of them is in use, whatever their words say.
        for slot in self.detached().take().unwrap_or_default() {
            let given = self.recycle(region, slot);
            debug_assert_eq!(given, Given::Kept);
        }
        self.free.close()
    }

    /// Results that nobody wants are not kept until slots run out.
    #[cold]
    fn try_reclaim(&self, region: &Region) {
        if let Ok(mut detached) = self.detached.try_lock()
            && let Some(detached) = &mut *detached
        {
            self.reclaim_some(region, detached, RECLAIMED_AT_ONCE);
        }
    }

    fn reclaim_some(&self, region: &Region, detached: &mut VecDeque<u32>, count: usize) {
        for _ in 0..count.min(detached.len()) {
            let Some(slot) = detached.pop_front() else { break };
            if region.board.slot(slot).word.phase().is_done() {
                // The ledger is closed only after the last sweep.
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

    /// Sets the count of a vacant seat right: so many tasks were found to be its worker's. One that is
    /// no longer noted was counted as claimed and as ended, and its worker died before it ended it.
    pub(crate) fn repair_counts(&self, region: &Region, seat: SeatIndex, found: u64) {
        let seat = region.board.seats().at(usize::from(seat.0));
        let (claimed, ended) = (seat.claimed.load(Relaxed), seat.ended.load(Relaxed));
        let was_ended = u64::from(seat.slot.swap(0, Relaxed) == 0);
        let counted = claimed.saturating_sub(ended).max(was_ended);
        self.uncounted.fetch_add(found.saturating_sub(counted), Relaxed);
        seat.ended.store(claimed, Relaxed);
        // The next worker has not begun its first task then.
        seat.started.store(0, Relaxed);
    }

    /// How many tasks wait to be claimed, and how many workers run one. Each seat's count is read
    /// once for both: a task is never seen to wait and to run.
    pub(crate) fn load(&self, region: &Region) -> Load {
        let mut busy = 0;
        let gone = self.dequeued(region, |is_busy| busy += u32::from(is_busy));
        Load { pending: self.tails.main().count().saturating_sub(gone), busy }
    }

    /// How many tasks do not wait any more: claimed, or taken back. `visit` is told of each seat
    /// whether it runs one.
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

    /// Seats from here on never had a worker.
    pub(crate) fn seats_used(&self) -> u16 {
        self.seats_used.load(Relaxed) as u16
    }

    /// A worker starts on this seat.
    pub(crate) fn mark_seat_used(&self, seat: SeatIndex) {
        self.seats_used.fetch_max(u32::from(seat.0) + 1, Relaxed);
    }
}

/// The same for one that somebody may want to be told of.
#[cold]
fn release_subscribed(entry: &AtomicU32, held: u32) -> Released {
    let free = |entry: u32| (entry & ENTRY == held).then_some(entry & !HELD);
    match entry.fetch_update(AcqRel, Relaxed, free) {
        Ok(entry) if entry & SUBSCRIBED != 0 => Released::Subscribed,
        Ok(_) => Released::Free,
        Err(_) => Released::NotHeld,
    }
}

/// What a pool's workers have to do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Load {
    pub(crate) pending: u64,
    pub(crate) busy: u32,
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn fresh_slots_are_touched_once_each_and_in_time() {
        let mut touched = FIRST_SLOTS;
        for slot in 0..5 * FRESH_SLOTS {
            if let Some(count) = fresh_slots(slot) {
                assert_eq!(slot, touched);
                touched += count;
            }
            assert!(slot < touched);
        }
    }
}
