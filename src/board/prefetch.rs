//! POOL_PREFETCH: a worker takes several entries from the ring at once, and then claims one after the other.
//!
//! ```text
//!            take                        claim
//!   ring ──────────▶ batch of a seat ─────────────▶ running        a task in a batch still is READY
//!     ▲                │        │ claim by another
//!     └────────────────┘        └─────────────────▶ running
//!       its worker is gone
//! ```
//!
//! A batch lies in the worker's seat: entries like those of the ring, which say nothing about whose a
//! task is. They are written before the head is moved past them, so whenever the worker dies, its tasks
//! stand on the ring, or in the batch, or on both. A worker that finds the ring empty takes from the
//! batches of others; so no task waits behind a long one while somebody has nothing to do. What a dead
//! one leaves goes back on the ring ([`Board::drain_prefetched`]).

use super::Board;
use super::region::{PREFETCH_MAX, Seat};
use super::ring::RingEntry;
use super::slot::{Claim, SeatIndex};
use crate::sync::Ordering::*;
use crate::sync::fence;

/// Entries in a cache line of the ring.
const ENTRIES_PER_CACHE_LINE: u64 = if cfg!(loom) { 2 } else { 8 };

impl Board {
    /// Claims the next task for this seat: of its batch, of a new one, or of another's.
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
            let most = if self.has_batch_for_each_from(position) { PREFETCH_MAX } else { 1 };
            let count = self.fill_prefetched(own, position, most);
            if !self.ring.advance(position, count) {
                own.prefetched_left.store(0, Relaxed);
            }
        }
    }

    /// Notes up to so many entries from this position on; answers how many there are. One that is reserved and
    /// not written yet ends them.
    fn fill_prefetched(&self, own: &Seat, position: u64, most: usize) -> u64 {
        let mut entries = [0; PREFETCH_MAX];
        let mut count = 0;
        while count < most
            && let Some(entry) = self.ring.entry(position + count as u64)
        {
            entries[count] = pack(entry);
            count += 1;
        }
        // At the end of the batch: so what is left of it begins where its length says.
        for (place, entry) in own.prefetched.0[PREFETCH_MAX - count..].iter().zip(entries) {
            place.store(entry, Relaxed);
        }
        own.prefetched_left.store(count as u32, Relaxed);
        count as u64
    }

    /// Whether from this position on there is a batch for each worker. From the beginning of a cache line only:
    /// whoever looked further each time would hold up the submitter who writes there.
    fn has_batch_for_each_from(&self, position: u64) -> bool {
        // Models have no room for the shares of others.
        let shares = if cfg!(loom) { 1 } else { self.seats_used() };
        position.is_multiple_of(ENTRIES_PER_CACHE_LINE)
            && self.ring.entry(position + PREFETCH_MAX as u64 * shares - 1).is_some()
    }

    fn take_from_own(&self, own: &Seat, seat: SeatIndex) -> Option<u32> {
        while let left @ 1.. = own.prefetched_left.load(Relaxed) {
            let place = own.prefetched.0.get(PREFETCH_MAX.wrapping_sub(left as usize))?;
            let claim = unpack(place.load(Relaxed)).map(|entry| (self.claim(seat, entry), entry));
            own.prefetched_left.store(left - 1, Relaxed);
            if let Some((Claim::Yours, entry)) = claim {
                return Some(entry.slot);
            }
        }
        None
    }

    /// Claims a task of this batch of another worker.
    fn take_from_other(&self, of: &Seat, seat: SeatIndex) -> Option<u32> {
        let mut entries = remaining(of).filter(|entry| self.is_live(*entry));
        entries.find(|entry| self.claim(seat, *entry) == Claim::Yours).map(|entry| entry.slot)
    }

    fn take_from_others(&self, seat: SeatIndex) -> Option<u32> {
        self.used_seats().find_map(|other| self.take_from_other(other, seat))
    }

    /// Whether a task waits in anybody's batch, after the ring was found empty; a hint. The fence pairs with
    /// `Ring::advance`: who has seen the head moved sees the batch.
    #[inline]
    pub(super) fn has_prefetched_task(&self) -> bool {
        fence(Acquire);
        self.used_seats().any(|seat| remaining(seat).any(|entry| self.is_live(entry)))
    }

    /// A worker is about to start on this seat. Relaxed: starting it comes between.
    pub(super) fn mark_seat_used(&self, seat: SeatIndex) {
        self.header.at(0).seats_used.fetch_max(u64::from(seat.0) + 1, Relaxed);
    }

    /// The seats from here on never had a worker.
    #[inline]
    pub(crate) fn seats_used(&self) -> u64 {
        self.header.at(0).seats_used.load(Relaxed).min(self.seats.len() as u64)
    }

    fn used_seats(&self) -> impl Iterator<Item = &Seat> {
        (0..self.seats_used() as usize).map(|seat| self.seats.at(seat))
    }

    /// Empties the batch of a worker that is gone, and its note of the next task; answers which of these still
    /// wait.
    pub(crate) fn drain_prefetched(&self, seat: SeatIndex) -> impl Iterator<Item = RingEntry> {
        let seat = self.seats.at(usize::from(seat.0));
        // All places, whatever it says of their number.
        let places = seat.prefetched.0.iter().chain([&seat.next]);
        let entries = places.filter_map(|place| unpack(place.swap(0, Relaxed)));
        seat.prefetched_left.store(0, Relaxed);
        entries.filter(|entry| self.is_live(*entry))
    }
}

/// What is left of a batch.
fn remaining(of: &Seat) -> impl Iterator<Item = RingEntry> {
    let left = (of.prefetched_left.load(Relaxed) as usize).min(PREFETCH_MAX);
    of.prefetched.0[PREFETCH_MAX - left..].iter().filter_map(|place| unpack(place.load(Relaxed)))
}

/// Never 0, which is no entry.
pub(super) fn pack(entry: RingEntry) -> u64 {
    u64::from(entry.generation) << 32 | u64::from(entry.slot + 1)
}

fn unpack(packed: u64) -> Option<RingEntry> {
    let slot = (packed as u32).checked_sub(1)?;
    Some(RingEntry { slot, generation: (packed >> 32) as u32 })
}
