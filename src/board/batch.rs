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
//! one leaves goes back on the ring ([`Board::empty_batch`]).

use super::Board;
use super::layout::{BATCH, Seat};
use super::ring::RingEntry;
use super::slot::{Claim, SeatIndex};
use crate::sync::{Ordering::*, fence};

/// Entries in a cache line of the ring.
const LINE: u64 = if cfg!(loom) { 2 } else { 8 };

impl Board {
    /// Claims the next task for this seat: of its batch, of a new one, or of another's.
    pub(super) fn take_batched(&self, seat: SeatIndex) -> Option<u32> {
        let own = self.seats.at(usize::from(seat.0));
        loop {
            if let Some(slot) = self.take_from_own_batch(own, seat) {
                return Some(slot);
            }
            let (position, entry) = self.ring.look();
            if entry.is_none() {
                return self.take_from_others(seat);
            }
            let most = if self.is_long_from(position) { BATCH } else { 1 };
            let count = self.note_batch(own, position, most);
            if !self.ring.pass_many(position, count) {
                own.left.store(0, Relaxed);
            }
        }
    }

    /// Notes up to so many entries from this position on; answers how many there are. One that is reserved and
    /// not written yet ends them.
    fn note_batch(&self, own: &Seat, position: u64, most: usize) -> u64 {
        let mut entries = [0; BATCH];
        let mut count = 0;
        while count < most
            && let Some(entry) = self.ring.entry(position + count as u64)
        {
            entries[count] = pack(entry);
            count += 1;
        }
        // At the end of the batch: so what is left of it begins where its length says.
        for (place, entry) in own.batch.0[BATCH - count..].iter().zip(entries) {
            place.store(entry, Relaxed);
        }
        own.left.store(count as u32, Relaxed);
        count as u64
    }

    /// Whether from this position on there is a batch for each worker. From the beginning of a cache line only:
    /// whoever looked further each time would hold up the submitter who writes there.
    fn is_long_from(&self, position: u64) -> bool {
        // Models have no room for the shares of others.
        let shares = if cfg!(loom) { 1 } else { self.crew_len() };
        position.is_multiple_of(LINE)
            && self.ring.entry(position + BATCH as u64 * shares - 1).is_some()
    }

    fn take_from_own_batch(&self, own: &Seat, seat: SeatIndex) -> Option<u32> {
        while let left @ 1.. = own.left.load(Relaxed) {
            let place = own.batch.0.get(BATCH.wrapping_sub(left as usize))?;
            let claim = unpack(place.load(Relaxed)).map(|entry| (self.claim(seat, entry), entry));
            own.left.store(left - 1, Relaxed);
            if let Some((Claim::Yours, entry)) = claim {
                return Some(entry.slot);
            }
        }
        None
    }

    /// Claims a task of this batch of another worker.
    fn take_from_batch(&self, of: &Seat, seat: SeatIndex) -> Option<u32> {
        let mut entries = waiting(of).filter(|entry| self.is_live(*entry));
        entries.find(|entry| self.claim(seat, *entry) == Claim::Yours).map(|entry| entry.slot)
    }

    fn take_from_others(&self, seat: SeatIndex) -> Option<u32> {
        self.crew().find_map(|other| self.take_from_batch(other, seat))
    }

    /// Whether a task waits in anybody's batch, after the ring was found empty; a hint. The fence pairs with
    /// `Ring::pass_many`: who has seen the head moved sees the batch.
    #[inline]
    pub(super) fn has_batched_task(&self) -> bool {
        fence(Acquire);
        self.crew().any(|seat| waiting(seat).any(|entry| self.is_live(entry)))
    }

    /// A worker is about to start on this seat. Relaxed: starting it comes between.
    pub(super) fn join_crew(&self, seat: SeatIndex) {
        self.header.at(0).crew.fetch_max(u64::from(seat.0) + 1, Relaxed);
    }

    /// The seats from here on never had a worker.
    #[inline]
    pub(crate) fn crew_len(&self) -> u64 {
        self.header.at(0).crew.load(Relaxed).min(self.seats.len() as u64)
    }

    fn crew(&self) -> impl Iterator<Item = &Seat> {
        (0..self.crew_len() as usize).map(|seat| self.seats.at(seat))
    }

    /// Empties the batch of a worker that is gone, and its note of the next task; answers which of these still
    /// wait.
    pub(crate) fn empty_batch(&self, seat: SeatIndex) -> impl Iterator<Item = RingEntry> {
        let seat = self.seats.at(usize::from(seat.0));
        // All places, whatever it says of their number.
        let places = seat.batch.0.iter().chain([&seat.next]);
        let entries = places.filter_map(|place| unpack(place.swap(0, Relaxed)));
        seat.left.store(0, Relaxed);
        entries.filter(|entry| self.is_live(*entry))
    }
}

/// What is left of a batch.
fn waiting(of: &Seat) -> impl Iterator<Item = RingEntry> {
    let left = (of.left.load(Relaxed) as usize).min(BATCH);
    of.batch.0[BATCH - left..].iter().filter_map(|place| unpack(place.load(Relaxed)))
}

/// Never 0, which is no entry.
pub(super) fn pack(entry: RingEntry) -> u64 {
    u64::from(entry.generation) << 32 | u64::from(entry.slot + 1)
}

fn unpack(packed: u64) -> Option<RingEntry> {
    let slot = (packed as u32).checked_sub(1)?;
    Some(RingEntry { slot, generation: (packed >> 32) as u32 })
}
