//! POOL_PREFETCH: a worker takes several entries from the ring at once, and claims them one by one.
//!
//! ```text
//!            fill_prefetched               claim
//!   ring ──────────────────▶ a seat's batch ─────────────▶ RUNNING
//!     ▲                        │        │ claim by another seat
//!     └────────────────────────┘        └────────────────▶ RUNNING
//!       drain_prefetched: its worker has died
//! ```
//!
//! A task in a batch is still READY.
//!
//! A batch is stored in the worker's seat. Its entries are like those of the ring: they do not say
//! who owns a task. They are written before the head is moved past them, so whenever the worker
//! dies, its tasks are on the ring, or in the batch, or in both. A worker that finds the ring empty
//! takes from the batches of other seats, so no task waits behind a long one while a worker is
//! idle. The entries that a dead worker leaves go back to the ring ([`Board::drain_prefetched`]).

use super::Board;
use super::region::{PREFETCH_MAX, Seat};
use super::ring::RingEntry;
use super::slot::{Claim, SeatIndex};
use crate::sync::{Ordering::*, fence};

/// Entries in one cache line of the ring.
const ENTRIES_PER_CACHE_LINE: u64 = if cfg!(loom) { 2 } else { 8 };

impl Board {
    /// Claims the next task for this seat: from its batch, from a new batch, or from another
    /// seat's.
    pub(super) fn take_prefetched(&self, seat: SeatIndex) -> Option<u32> {
        let own = self.seats.at(usize::from(seat.0));
        loop {
            if let Some(slot) = self.take_from_own(own, seat) {
                return Some(slot);
            }
            let (position, entry) = self.ring.peek();
            if entry.is_none() {
                return self.take_from_others(seat);
            }
            let count_max = if self.has_batch_for_each_from(position) { PREFETCH_MAX } else { 1 };
            let count = self.fill_prefetched(own, position, count_max);
            if !self.ring.advance(position, count) {
                own.prefetched_left.store(0, Relaxed);
            }
        }
    }

    /// Stores up to `count_max` entries from this position on in the batch, and returns how many.
    /// It stops at an entry that is reserved and not written yet.
    fn fill_prefetched(&self, own: &Seat, position: u64, count_max: usize) -> u64 {
        let mut entries = [0; PREFETCH_MAX];
        let mut count = 0;
        while count < count_max
            && let Some(entry) = self.ring.entry(position + count as u64)
        {
            entries[count] = pack(entry);
            count += 1;
        }
        // At the end of the array: so the remaining entries begin where their number says.
        for (stored, entry) in own.prefetched.0[PREFETCH_MAX - count..].iter().zip(entries) {
            stored.store(entry, Relaxed);
        }
        own.prefetched_left.store(count as u32, Relaxed);
        count as u64
    }

    /// Whether the ring has a full batch for each worker from this position on. Only at the
    /// beginning of a cache line: checking the far entry more often would delay the submitter that
    /// writes there.
    fn has_batch_for_each_from(&self, position: u64) -> bool {
        // Models are too small for the batches of other seats.
        let batches = if cfg!(loom) { 1 } else { self.seats_used() };
        position.is_multiple_of(ENTRIES_PER_CACHE_LINE)
            && self.ring.entry(position + PREFETCH_MAX as u64 * batches - 1).is_some()
    }

    fn take_from_own(&self, own: &Seat, seat: SeatIndex) -> Option<u32> {
        while let left @ 1.. = own.prefetched_left.load(Relaxed) {
            let stored = own.prefetched.0.get(PREFETCH_MAX.wrapping_sub(left as usize))?;
            let claim = unpack(stored.load(Relaxed)).map(|entry| (self.claim(seat, entry), entry));
            own.prefetched_left.store(left - 1, Relaxed);
            if let Some((Claim::Yours, entry)) = claim {
                return Some(entry.slot);
            }
        }
        None
    }

    /// Claims a task from the batch of another seat.
    fn take_from_other(&self, other: &Seat, seat: SeatIndex) -> Option<u32> {
        let mut entries = remaining(other).filter(|entry| self.is_live(*entry));
        entries.find(|entry| self.claim(seat, *entry) == Claim::Yours).map(|entry| entry.slot)
    }

    fn take_from_others(&self, seat: SeatIndex) -> Option<u32> {
        self.used_seats().find_map(|other| self.take_from_other(other, seat))
    }

    /// Whether any seat's batch has a task that is not claimed, after the ring was found empty; a
    /// hint. The fence pairs with `Ring::advance`: a thread that sees the head moved sees the
    /// batch.
    #[inline]
    pub(super) fn has_prefetched_task(&self) -> bool {
        fence(Acquire);
        self.used_seats().any(|seat| remaining(seat).any(|entry| self.is_live(entry)))
    }

    /// Records that a worker is about to start on this seat. Relaxed: starting the worker
    /// synchronizes.
    pub(super) fn mark_seat_used(&self, seat: SeatIndex) {
        self.header.at(0).seats_used.fetch_max(u64::from(seat.0) + 1, Relaxed);
    }

    /// The number of seats that ever had a worker: the first ones.
    #[inline]
    pub(crate) fn seats_used(&self) -> u64 {
        self.header.at(0).seats_used.load(Relaxed).min(self.seats.len() as u64)
    }

    fn used_seats(&self) -> impl Iterator<Item = &Seat> {
        (0..self.seats_used() as usize).map(|seat| self.seats.at(seat))
    }

    /// Whether a worker has noted that it is about to claim this entry.
    pub(crate) fn is_noted(&self, entry: RingEntry) -> bool {
        self.used_seats().any(|seat| seat.next.load(Relaxed) == pack(entry))
    }

    /// Removes the entries of a dead worker: its batch, and the entry that it was about to claim.
    /// Returns those whose task is still not claimed.
    pub(crate) fn drain_prefetched(&self, seat: SeatIndex) -> impl Iterator<Item = RingEntry> {
        let seat = self.seats.at(usize::from(seat.0));
        // All entries, whatever `prefetched_left` says.
        let stored = seat.prefetched.0.iter().chain([&seat.next]);
        let entries = stored.filter_map(|entry| unpack(entry.swap(0, Relaxed)));
        seat.prefetched_left.store(0, Relaxed);
        entries.filter(|entry| self.is_live(*entry))
    }
}

/// The entries of a batch that its own worker has not tried to claim yet.
fn remaining(seat: &Seat) -> impl Iterator<Item = RingEntry> {
    let left = (seat.prefetched_left.load(Relaxed) as usize).min(PREFETCH_MAX);
    seat.prefetched.0[PREFETCH_MAX - left..].iter().filter_map(|entry| unpack(entry.load(Relaxed)))
}

/// Never 0, which stands for no entry.
pub(super) fn pack(entry: RingEntry) -> u64 {
    u64::from(entry.generation) << 32 | u64::from(entry.slot + 1)
}

fn unpack(packed: u64) -> Option<RingEntry> {
    let slot = (packed as u32).checked_sub(1)?;
    Some(RingEntry { slot, generation: (packed >> 32) as u32 })
}
