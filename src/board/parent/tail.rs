//! The tail of a ring: the submitters' end, in the private memory of the parent.

use crate::board::priority::PRIORITY_RINGS;
use crate::board::ring::{Ring, RingEntry};
use crate::sync::{AtomicU64, Mutex, Ordering::*};

/// The submitters' end of one ring.
///
/// An entry of the ring is reused once `head_seen` has passed the previous position of that entry.
/// Until then it belongs to the thread that moves `head_seen`, which may discard its pages.
pub(crate) struct Tail {
    next: AtomicU64,
    /// The position that the head is known to have reached.
    head_seen: AtomicU64,
    /// Held to move `head_seen`.
    moving: Mutex<()>,
}

impl Tail {
    pub(crate) fn new() -> Tail {
        let (next, head_seen) = (AtomicU64::new(0), AtomicU64::new(0));
        Tail { next, head_seen, moving: Mutex::new(()) }
    }

    /// How many positions were ever reserved.
    #[inline]
    pub(crate) fn count(&self) -> u64 {
        self.next.load(Relaxed)
    }

    /// Reserves a position, which must then be written. None: the ring is full of live entries.
    #[inline(always)]
    pub(crate) fn reserve(&self, ring: &Ring, is_dead: impl Fn(RingEntry) -> bool) -> Option<u64> {
        self.has_room_for(ring, is_dead).then(|| self.next.fetch_add(1, Relaxed))
    }

    /// Reserves a position below `end`. A caller that only uses this never reserves more than
    /// `end`. Relaxed: a count.
    pub(crate) fn reserve_below(&self, end: u64) -> Option<u64> {
        self.next.fetch_update(Relaxed, Relaxed, |next| (next < end).then_some(next + 1)).ok()
    }

    /// Whether there is room for another position, after skipping dead entries.
    #[inline(always)]
    pub(crate) fn has_room_for(&self, ring: &Ring, is_dead: impl Fn(RingEntry) -> bool) -> bool {
        self.has_room(ring) || self.make_room(ring, is_dead).is_some()
    }

    /// Reserves a position in the margin, even if the ring is full: for requeued tasks, of which
    /// there is at most one for each seat.
    pub(crate) fn reserve_from_margin(&self) -> u64 {
        self.next.fetch_add(1, Relaxed)
    }

    /// Acquire; pairs with `advance_head_seen`: pages are discarded before their entries are
    /// reused.
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

    /// Moves `head_seen` to the head. In a large ring it moves by multiples of `TRIM_ENTRIES`, and
    /// `discard` is called with the first position of each: a zeroed entry has no lap, so a late
    /// worker that reads it finds nothing.
    #[cold]
    pub(crate) fn advance_head_seen(&self, ring: &Ring, discard: impl Fn(u64)) {
        let _moving = self.moving.lock();
        let seen = self.head_seen.load(Relaxed);
        // The head is written by workers: it is limited to positions that are possible.
        let head = ring.head_position().clamp(seen, self.count().max(seen));
        let is_large = ring.len() as u64 >= 4 * TRIM_ENTRIES;
        let end = if is_large { head - head % TRIM_ENTRIES } else { head };
        if is_large {
            (seen..end).step_by(TRIM_ENTRIES as usize).for_each(discard);
        }
        self.head_seen.store(end.max(seen), Release);
    }
}

/// The number of entries whose pages are discarded together: 256 KiB. Without that, a pool that has
/// run 16 million tasks would hold 128 MiB for the few that wait.
pub(crate) const TRIM_ENTRIES: u64 = 1 << 15;

/// Positions for submitters between the check and the reservation, and for one requeued task of
/// each seat.
const MARGIN: u64 = if cfg!(loom) { 0 } else { 2048 };

/// The tails of all rings. The first counts all positions: a task in a priority ring has one there,
/// too, with an entry that cannot be claimed.
pub(crate) struct Tails {
    main: Tail,
    priorities: [Tail; PRIORITY_RINGS],
}

impl Tails {
    pub(crate) fn new() -> Tails {
        Tails { main: Tail::new(), priorities: std::array::from_fn(|_| Tail::new()) }
    }

    /// The tail of the main ring.
    #[inline(always)]
    pub(crate) fn main(&self) -> &Tail {
        &self.main
    }

    /// The tail of this priority ring.
    pub(crate) fn priority(&self, index: usize) -> &Tail {
        &self.priorities[index]
    }
}
