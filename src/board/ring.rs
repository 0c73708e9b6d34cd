//! The order in which tasks are taken: a ring of slot numbers.
//!
//! ```text
//!                head (a hint)               tail (the submitters' own)
//!                  ▼                           ▼
//!   ┌─────┬─────┬─────┬─────┬─────┬─────┬─────┬─────┐
//!   │ old │ old │  7  │  3  │  9  │ ... │  4  │     │      entry: generation | lap | slot
//!   └─────┴─────┴─────┴─────┴─────┴─────┴─────┴─────┘
//! ```
//!
//! An entry says nothing about whose a task is; the slot's word does. So nobody can die holding the
//! ring: a worker notes the entry under the head in its seat, moves the head on, and then claims that slot. When
//! it dies in between, the note tells which task may be on the ring no more, and it is put there again (see
//! [`super::prefetch`]). To claim first and then to move the head would need no note; but then all workers try
//! for the same slot, and two took longer for tiny tasks than one.
//!
//! | submitter                               | worker                                      |
//! |-----------------------------------------|---------------------------------------------|
//! | 1. `reserve` a position                 | 1. read the head, and the entry there       |
//! | 2. publish the slot                     | 2. of this lap? else there is nothing yet   |
//! | 3. write the entry, with the lap        | 3. note the entry                           |
//! |                                         | 4. move the head from what was read in 1    |
//! |                                         | 5. claim the slot, with the generation      |
//!
//! In the ring of a band a worker claims first, and then moves the head.
//!
//! The lap tells an entry of this turn of the ring from what the turn before has left there. The
//! generation tells a task from a later one in the same slot, so that entries of cancelled tasks
//! are dead, and can be skipped when the ring is full of them.

use crate::sync::{Mutex};
use super::memory::Span;
use super::slot::GENERATION_MASK;
use crate::sync::AtomicU64;
use crate::sync::Ordering::*;

const SLOT_BITS: u32 = 24;
const LAP_BITS: u32 = 16;
const LAP_MASK: u64 = (1 << LAP_BITS) - 1;

/// A slot number in the ring, with the generation it was published with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RingEntry {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// The ring as both sides see it.
#[derive(Clone, Copy)]
pub(crate) struct Ring {
    head: Span<AtomicU64>,
    entries: Span<AtomicU64>,
    /// Positions of a lap, as a power of two: dividing by a number would cost as much as a claim.
    lap_shift: u32,
}

impl Ring {
    /// `entries` is a power of two long.
    pub(crate) fn new(head: Span<AtomicU64>, entries: Span<AtomicU64>) -> Ring {
        debug_assert!(entries.len().is_power_of_two() && entries.len() <= 1 << SLOT_BITS);
        Ring { head, entries, lap_shift: entries.len().trailing_zeros() }
    }

    /// The position under the head, and the entry there when it has been written. Acquire; pairs with
    /// `write`: who sees the entry also sees its slot published, and does not take it for a dead one.
    #[inline]
    pub(crate) fn peek(&self) -> (u64, Option<RingEntry>) {
        let mut position = self.head().load(Relaxed);
        loop {
            let packed = self.entry_at(position).load(Acquire);
            if lap_of(packed) == self.lap(position) {
                return (position, Some(unpack(packed)));
            }
            // An old head looks at an entry that a later lap has written over.
            let again = self.head().load(Relaxed);
            if again == position {
                return (position, None);
            }
            position = again;
        }
    }

    /// The entry of a position, when it has been written and not written over. Acquire, as in `look`.
    pub(crate) fn entry(&self, position: u64) -> Option<RingEntry> {
        let packed = self.entry_at(position).load(Acquire);
        (lap_of(packed) == self.lap(position)).then(|| unpack(packed))
    }

    /// Moves the head past so many positions, unless somebody has moved it. Release: who sees that sees
    /// what was written about them before.
    pub(crate) fn advance(&self, position: u64, count: u64) -> bool {
        self.head().compare_exchange(position, position + count, Release, Relaxed).is_ok()
    }

    /// Moves the head past this position, unless somebody has done so. Relaxed: it is a hint.
    #[inline]
    pub(crate) fn skip(&self, position: u64) {
        let _ = self.head().compare_exchange(position, position + 1, Relaxed, Relaxed);
    }

    /// Moves the head to the tail's position. Only while no worker takes.
    pub(crate) fn repair(&self, tail: u64) {
        self.head().store(tail, Relaxed);
    }

    /// Writes the entry of a reserved position. Release; pairs with `look`.
    #[inline(always)]
    pub(crate) fn write(&self, position: u64, entry: RingEntry) {
        let generation = u64::from(entry.generation & GENERATION_MASK);
        let packed = generation << (SLOT_BITS + LAP_BITS)
            | self.lap(position) << SLOT_BITS
            | u64::from(entry.slot);
        self.entry_at(position).store(packed, Release);
    }

    /// How many positions have been passed; a hint.
    pub(crate) fn head_position(&self) -> u64 {
        self.head().load(Relaxed)
    }

    /// How many entries the ring has room for.
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

    /// Never 0, which is what an entry holds that was never written.
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
