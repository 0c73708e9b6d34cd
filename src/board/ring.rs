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

use super::memory::Span;
use super::slot::GENERATION_MASK;
use crate::sync::{AtomicU64, Ordering::*};
use std::sync::{Mutex, PoisonError};

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

    /// Puts the head where the tail is. Only while nobody takes.
    pub(crate) fn repair(&self, tail: &Tail) {
        self.head().store(tail.count(), Relaxed);
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

/// The submitters' end. It lies in private memory: a worker cannot touch it.
///
/// A place in the ring is used again when `head_seen` has passed the position that had it before;
/// until then it is whoever moves `head_seen`'s, who may give its pages back.
pub(crate) struct Tail {
    next: AtomicU64,
    /// How far the head is known to have come.
    head_seen: AtomicU64,
    /// Held to move `head_seen`.
    moving: Mutex<()>,
}

impl Tail {
    pub(crate) fn new() -> Tail {
        let (next, head_seen) = (AtomicU64::new(0), AtomicU64::new(0));
        Tail { next, head_seen, moving: Mutex::new(()) }
    }

    /// How many positions have been reserved since the board was made.
    #[inline]
    pub(crate) fn count(&self) -> u64 {
        self.next.load(Relaxed)
    }

    /// Reserves a position, which must then be written. None: the ring is full of live entries.
    #[inline(always)]
    pub(crate) fn reserve(&self, ring: &Ring, is_dead: impl Fn(RingEntry) -> bool) -> Option<u64> {
        self.has_room_for(ring, is_dead).then(|| self.next.fetch_add(1, Relaxed))
    }

    /// Reserves a position before this one, where there is room. Whoever reserves so never has more
    /// than that many reserved. Relaxed: a count.
    pub(crate) fn reserve_below(&self, end: u64) -> Option<u64> {
        self.next.fetch_update(Relaxed, Relaxed, |next| (next < end).then_some(next + 1)).ok()
    }

    /// Whether there is room for another position, after dropping what is dead.
    #[inline(always)]
    pub(crate) fn has_room_for(&self, ring: &Ring, is_dead: impl Fn(RingEntry) -> bool) -> bool {
        self.has_room(ring) || self.make_room(ring, is_dead).is_some()
    }

    /// Reserves a position in the margin, however full the ring is: for tasks that come back, of which
    /// there is one for each seat at most.
    pub(crate) fn reserve_from_margin(&self) -> u64 {
        self.next.fetch_add(1, Relaxed)
    }

    /// Acquire; pairs with `advance_head_seen`: pages are given back before their places are used again.
    #[inline]
    fn has_room(&self, ring: &Ring) -> bool {
        let used = self.next.load(Relaxed).wrapping_sub(self.head_seen.load(Acquire));
        used < ring.entries.len() as u64 - MARGIN
    }

    #[cold]
    fn make_room(&self, ring: &Ring, is_dead: impl Fn(RingEntry) -> bool) -> Option<()> {
        let next = self.next.load(Relaxed);
        while let (position, Some(entry)) = ring.peek() {
            if position >= next || !is_dead(entry) {
                break;
            }
            ring.skip(position);
        }
        self.advance_head_seen(ring, |_| {});
        self.has_room(ring).then_some(())
    }

    /// Moves `head_seen` to where the head is. In a large ring it moves by whole stretches, whose
    /// first positions `discard` is told: zeroed entries are of no lap, so a worker that is late and
    /// looks there finds nothing.
    #[cold]
    pub(crate) fn advance_head_seen(&self, ring: &Ring, discard: impl Fn(u64)) {
        let _moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = self.head_seen.load(Relaxed);
        // What a worker wrote is believed only as far as it can be true.
        let head = ring.head_position().clamp(seen, self.count().max(seen));
        let is_large = ring.entries.len() as u64 >= 4 * TRIM_ENTRIES;
        let end = if is_large { head - head % TRIM_ENTRIES } else { head };
        if is_large {
            (seen..end).step_by(TRIM_ENTRIES as usize).for_each(discard);
        }
        self.head_seen.store(end.max(seen), Release);
    }
}

/// Entries that give their pages back together: 256 KiB. Without that a pool that has done 16
/// million tasks would hold 128 MiB for the few that wait.
pub(crate) const TRIM_ENTRIES: u64 = 1 << 15;

/// Positions for submitters between the check and the reservation, and for a task of each seat that
/// is put back.
const MARGIN: u64 = if cfg!(loom) { 0 } else { 2048 };
