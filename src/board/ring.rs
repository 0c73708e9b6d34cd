//! The ring: the order in which tasks are taken, as an array of slot numbers.
//!
//! ```text
//!                head (a hint)               tail (private to the submitters)
//!                  ▼                           ▼
//!   ┌─────┬─────┬─────┬─────┬─────┬─────┬─────┬─────┐
//!   │ old │ old │  7  │  3  │  9  │ ... │  4  │     │      entry: generation | lap | slot
//!   └─────┴─────┴─────┴─────┴─────┴─────┴─────┴─────┘
//! ```
//!
//! An entry does not say who owns a task; the slot's word does. So a worker that dies cannot block
//! the ring: it records the entry at the head in its seat, advances the head, and then claims the
//! slot. If it dies in between, the record shows which task the ring may have lost, and that task
//! is enqueued again (see [`super::prefetch`]). Claiming first and then advancing the head would
//! need no record, but then all workers compete for the same slot: with tiny tasks two workers were
//! slower than one.
//!
//! | submitter                               | worker                                      |
//! |-----------------------------------------|---------------------------------------------|
//! | 1. `reserve` a position                 | 1. read the head, and the entry there       |
//! | 2. publish the slot                     | 2. of this lap? if not, the ring is empty   |
//! | 3. write the entry, with the lap        | 3. record the entry in the seat             |
//! |                                         | 4. advance the head that was read in 1      |
//! |                                         | 5. claim the slot, with the generation      |
//!
//! In a priority ring a worker claims first, and then advances the head.
//!
//! The lap distinguishes an entry of this pass over the ring from one that the pass before has
//! left. The generation distinguishes a task from a later one in the same slot, so that entries of
//! cancelled tasks are dead, and can be skipped when the ring is full of them.

use super::memory::Span;
use super::slot::GENERATION_MASK;
use crate::sync::{AtomicU64, Ordering::*};

const SLOT_BITS: u32 = 24;
const LAP_BITS: u32 = 16;
const LAP_MASK: u64 = (1 << LAP_BITS) - 1;

/// A slot number in the ring, with the generation that was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RingEntry {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// The part of a ring that submitters and workers share.
#[derive(Clone, Copy)]
pub(crate) struct Ring {
    head: Span<AtomicU64>,
    entries: Span<AtomicU64>,
    /// The positions of a lap, as a power of two: a division would cost as much as a claim.
    lap_shift: u32,
}

impl Ring {
    /// The length of `entries` is a power of two.
    pub(crate) fn new(head: Span<AtomicU64>, entries: Span<AtomicU64>) -> Ring {
        debug_assert!(entries.len().is_power_of_two() && entries.len() <= 1 << SLOT_BITS);
        Ring { head, entries, lap_shift: entries.len().trailing_zeros() }
    }

    /// The position at the head, and its entry if it has been written. Acquire; pairs with `write`:
    /// a thread that sees the entry also sees its slot published, and does not take it for a dead
    /// one.
    #[inline]
    pub(crate) fn peek(&self) -> (u64, Option<RingEntry>) {
        let mut position = self.head().load(Relaxed);
        loop {
            let packed = self.entry_at(position).load(Acquire);
            if lap_of(packed) == self.lap(position) {
                return (position, Some(unpack(packed)));
            }
            // The head was stale: a later lap has overwritten the entry.
            let again = self.head().load(Relaxed);
            if again == position {
                return (position, None);
            }
            position = again;
        }
    }

    /// The entry at a position, if it has been written and not overwritten. Acquire; pairs with
    /// `write`, as in `peek`.
    pub(crate) fn entry(&self, position: u64) -> Option<RingEntry> {
        let packed = self.entry_at(position).load(Acquire);
        (lap_of(packed) == self.lap(position)).then(|| unpack(packed))
    }

    /// Moves the head from `position` past `count` entries. False: another worker has moved it.
    /// Release; pairs with the fence of `Board::has_prefetched_task`, which then sees the batch.
    pub(crate) fn advance(&self, position: u64, count: u64) -> bool {
        self.head().compare_exchange(position, position + count, Release, Relaxed).is_ok()
    }

    /// Moves the head past this position, unless another worker has. Relaxed: it is a hint.
    #[inline]
    pub(crate) fn skip(&self, position: u64) {
        let _ = self.head().compare_exchange(position, position + 1, Relaxed, Relaxed);
    }

    /// Moves the head to the tail. Only while no worker takes tasks.
    pub(crate) fn repair(&self, tail: u64) {
        self.head().store(tail, Relaxed);
    }

    /// Writes the entry of a reserved position. Release; pairs with `peek` and `entry`.
    #[inline(always)]
    pub(crate) fn write(&self, position: u64, entry: RingEntry) {
        let generation = u64::from(entry.generation & GENERATION_MASK);
        let packed = generation << (SLOT_BITS + LAP_BITS)
            | self.lap(position) << SLOT_BITS
            | u64::from(entry.slot);
        self.entry_at(position).store(packed, Release);
    }

    /// How many positions the head has passed; a hint.
    pub(crate) fn head_position(&self) -> u64 {
        self.head().load(Relaxed)
    }

    /// The number of entries.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    fn head(&self) -> &AtomicU64 {
        self.head.at(0)
    }

    #[inline]
    fn entry_at(&self, position: u64) -> &AtomicU64 {
        self.entries.at(position as usize & (self.entries.len() - 1))
    }

    /// Never 0, the lap of an entry that was never written.
    #[inline]
    fn lap(&self, position: u64) -> u64 {
        (position >> self.lap_shift) % LAP_MASK + 1
    }
}

#[inline]
fn unpack(packed: u64) -> RingEntry {
    let generation = (packed >> (SLOT_BITS + LAP_BITS)) as u32;
    RingEntry { slot: (packed & ((1 << SLOT_BITS) - 1)) as u32, generation }
}

#[inline]
fn lap_of(packed: u64) -> u64 {
    (packed >> SLOT_BITS) & LAP_MASK
}
