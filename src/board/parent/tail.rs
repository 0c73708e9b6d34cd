//! The submitters' end of the rings, in private memory.

use crate::sync::{Mutex};
use crate::board::priority::PRIORITY_RINGS;
use crate::board::ring::{Ring, RingEntry};
use crate::sync::AtomicU64;
use crate::sync::Ordering::*;

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
        used < ring.len() as u64 - MARGIN
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
        let _moving = self.moving.lock();
        let seen = self.head_seen.load(Relaxed);
        // What a worker wrote is believed only as far as it can be true.
        let head = ring.head_position().clamp(seen, self.count().max(seen));
        let is_large = ring.len() as u64 >= 4 * TRIM_ENTRIES;
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

/// The submitters' ends of all rings. All positions are counted by the first: a task of a band has one
/// there, too, with an entry that nobody can claim.
pub(crate) struct Tails {
    main: Tail,
    priorities: [Tail; PRIORITY_RINGS],
}

impl Tails {
    pub(crate) fn new() -> Tails {
        Tails { main: Tail::new(), priorities: std::array::from_fn(|_| Tail::new()) }
    }

    /// The tail of the board's ring.
    #[inline(always)]
    pub(crate) fn main(&self) -> &Tail {
        &self.main
    }

    /// The tail of a priority's ring.
    pub(crate) fn priority(&self, index: usize) -> &Tail {
        &self.priorities[index]
    }
}
