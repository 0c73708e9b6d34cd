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
use super::ring::Entry;
use super::slot::{Claim, SeatIndex};
use crate::sync::{AtomicU64, Ordering::*, fence};

impl Board {
    /// Claims the next task for this seat: of its batch, of a new one, or of another's.
    pub(super) fn take_batched(&self, seat: SeatIndex) -> Option<u32> {
        let own = self.seats.at(usize::from(seat.0));
        loop {
            if let Some(slot) = self.take_from_batch(own, seat, true) {
                return Some(slot);
            }
            let (position, entry) = self.ring.look();
            let Some(entry) = entry else { return self.take_from_others(seat) };
            let count = self.batch_len(position, seat);
            if count == 1 {
                let claim = self.claim(seat, entry);
                self.ring.pass(position);
                if claim == Claim::Yours {
                    return Some(entry.slot);
                }
                continue;
            }
            let count = self.note_batch(own, position, count);
            if !self.ring.pass_many(position, count) {
                own.batch.0.iter().for_each(|place| place.store(0, Relaxed));
            }
        }
    }

    /// Notes up to so many entries from this position on; answers how many there are. One that is reserved
    /// and not written yet ends them.
    fn note_batch(&self, own: &Seat, position: u64, count: usize) -> u64 {
        for (index, place) in (0..).zip(&own.batch.0[..count]) {
            let Some(entry) = self.ring.entry(position + index) else { return index };
            place.store(pack(entry), Relaxed);
        }
        count as u64
    }

    /// How many entries this worker takes at once: a cache line of the ring, where there is as much for each
    /// worker; else one. Whoever looked further each time would hold up the submitter who writes there.
    fn batch_len(&self, position: u64, seat: SeatIndex) -> usize {
        if !position.is_multiple_of(BATCH as u64) {
            return 1;
        }
        let crew = &self.header.at(0).crew;
        let place = u64::from(seat.0) + 1;
        if crew.load(Relaxed) < place {
            crew.fetch_max(place, Relaxed);
        }
        let workers = crew.load(Relaxed).min(self.seats.len() as u64);
        // Models have no room for the shares of others.
        let share = BATCH as u64 * if cfg!(loom) { 1 } else { workers };
        if self.ring.entry(position + share - 1).is_some() { BATCH } else { 1 }
    }

    fn take_from_batch(&self, of: &Seat, seat: SeatIndex, is_own: bool) -> Option<u32> {
        for place in &of.batch.0 {
            let Some(entry) = unpack(place.load(Relaxed)) else { continue };
            if !is_own && !self.is_live(entry) {
                continue;
            }
            let claim = self.claim(seat, entry);
            if is_own {
                // After the claim: a task is never in no place.
                place.store(0, Relaxed);
            }
            if claim == Claim::Yours {
                return Some(entry.slot);
            }
        }
        None
    }

    fn take_from_others(&self, seat: SeatIndex) -> Option<u32> {
        self.crew().find_map(|other| self.take_from_batch(other, seat, false))
    }

    /// Whether a task waits in anybody's batch, after the ring was found empty; a hint. The fence pairs with
    /// `Ring::pass_many`: who has seen the head moved sees the batch.
    pub(super) fn has_batched_task(&self) -> bool {
        fence(Acquire);
        let is_waiting = |place: &AtomicU64| {
            unpack(place.load(Relaxed)).is_some_and(|entry| self.is_live(entry))
        };
        self.crew().any(|seat| seat.batch.0.iter().any(is_waiting))
    }

    /// The seats whose workers have taken batches.
    fn crew(&self) -> impl Iterator<Item = &Seat> {
        let count = self.header.at(0).crew.load(Relaxed).min(self.seats.len() as u64);
        (0..count as usize).map(|seat| self.seats.at(seat))
    }

    /// Empties the batch of a worker that is gone; answers which of its tasks still wait.
    pub(crate) fn empty_batch(&self, seat: SeatIndex) -> impl Iterator<Item = Entry> {
        let batch = &self.seats.at(usize::from(seat.0)).batch;
        let entries = batch.0.iter().filter_map(|place| unpack(place.swap(0, Relaxed)));
        entries.filter(|entry| self.is_live(*entry))
    }
}

/// Never 0, which is no entry.
fn pack(entry: Entry) -> u64 {
    u64::from(entry.generation) << 32 | u64::from(entry.slot + 1)
}

fn unpack(packed: u64) -> Option<Entry> {
    let slot = (packed as u32).checked_sub(1)?;
    Some(Entry { slot, generation: (packed >> 32) as u32 })
}
