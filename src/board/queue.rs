//! The order of the tasks that wait: the board's ring, and a ring for each band of other ranks.
//!
//! | submitter ([`Board::post`])               | worker ([`Board::take`])                      |
//! |-------------------------------------------|-----------------------------------------------|
//! | 1. reserve a position, and in the band    | 1. read the features: which bands were used   |
//! | 2. publish the slot                       | 2. for each of these and the board's ring, by |
//! | 3. write the band's entry                 |    rank: claim what is under its head         |
//! | 4. say that the band is used              |                                               |
//! | 5. write a dead entry on the board's ring |                                               |
//! | 6. ring the bell                          |                                               |
//!
//! A worker that is about to sleep looks at the features and the bands between its fence and its sleep,
//! as it looks at the ring: see [`super::bell`]. That a band was used is never taken back, so boards
//! without priorities look at one more word, and no more. The dead entry has the generation before the
//! task's, which is in use no more; it keeps all counts those of one ring.

use super::rank::{Priority, Tails};
use super::ring::{Ring, RingEntry, Tail};
use super::slot::{Change, Claim, GENERATION_MASK, Phase, SeatIndex};
use super::{Board, batch, feature};
use crate::sync::Ordering::*;

/// Positions that were reserved for one task, and must be written.
#[must_use]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reservation {
    pub(crate) position: u64,
    /// The rank, where it has a band, and the position there.
    band: Option<(Priority, u64)>,
}

impl Reservation {
    pub(crate) fn usual(position: u64) -> Reservation {
        Reservation { position, band: None }
    }

    pub(crate) fn in_band(self) -> Option<(usize, u64)> {
        self.band.and_then(|(rank, position)| Some((rank.band()?, position)))
    }
}

impl Board {
    /// Reserves a position for a task. None: the board is full. What is reserved must be posted.
    #[inline(always)]
    pub(crate) fn reserve(&self, tail: &Tail) -> Option<u64> {
        tail.reserve(&self.ring, |entry| !self.is_live(entry))
    }

    /// The same, but no position from `end` on: None also when there is none before it.
    pub(crate) fn reserve_below(&self, tail: &Tail, end: u64) -> Option<u64> {
        let is_dead = |entry| !self.is_live(entry);
        tail.has_room_for(&self.ring, is_dead).then(|| tail.reserve_below(end)).flatten()
    }

    /// Adds a place in the band of a rank to a position that was reserved. None: the band is full, and
    /// the position has a dead entry.
    pub(crate) fn rank(
        &self,
        position: u64,
        rank: Priority,
        tails: &Tails,
        slot: u32,
    ) -> Option<Reservation> {
        let Some(band) = rank.band() else { return Some(Reservation::usual(position)) };
        let ring = self.bands.ring(band);
        match tails.of_band(band).reserve(&ring, |entry| !self.is_live(entry)) {
            Some(place) => Some(Reservation { position, band: Some((rank, place)) }),
            None => {
                let generation = self.slot(slot).word.generation();
                self.ring.write(position, dead(RingEntry { slot, generation }));
                None
            }
        }
    }

    /// Makes a filled slot visible to the workers. The caller rings.
    #[inline(always)]
    pub(crate) fn post(&self, spot: Reservation, entry: RingEntry) {
        self.slot(entry.slot).word.publish(entry.generation);
        self.write(spot, entry);
    }

    #[inline]
    fn write(&self, spot: Reservation, entry: RingEntry) {
        match spot.band {
            None => self.ring.write(spot.position, entry),
            Some((rank, place)) => self.write_in_band(spot.position, rank, place, entry),
        }
    }

    #[cold]
    fn write_in_band(&self, position: u64, rank: Priority, place: u64, entry: RingEntry) {
        if let Some(band) = rank.band() {
            self.bands.ring(band).write(place, entry);
            // Relaxed: the bell's fence follows.
            if self.features() & rank.feature() == 0 {
                self.header.at(0).features.fetch_or(rank.feature(), Relaxed);
            }
        }
        self.ring.write(position, dead(entry));
    }

    /// Whether the entry's task still waits to be claimed.
    pub(super) fn is_live(&self, entry: RingEntry) -> bool {
        self.slots.get(entry.slot as usize).is_some_and(|slot| {
            slot.word.phase() == Phase::Ready && slot.word.generation() == entry.generation
        })
    }

    /// Claims the next task for this seat.
    #[inline]
    pub(crate) fn take(&self, seat: SeatIndex) -> Option<u32> {
        match self.features() & (feature::BANDS | feature::BATCHES) {
            0 => self.take_from_ring(seat),
            features => self.take_by_rank(features, seat),
        }
    }

    /// Notes the entry under the head, moves the head on, and then claims: whoever comes next does not try for
    /// the same slot. A worker that dies in between has noted what may be on the ring no more.
    #[inline]
    fn take_from_ring(&self, seat: SeatIndex) -> Option<u32> {
        let next = &self.seats.at(usize::from(seat.0)).next;
        loop {
            let (position, entry) = self.ring.look();
            let entry = entry?;
            next.store(batch::pack(entry), Relaxed);
            if !self.ring.pass_many(position, 1) {
                // Another one was faster: not in step with it again.
                std::hint::spin_loop();
            } else if self.claim(seat, entry) != Claim::Taken {
                return Some(entry.slot);
            }
        }
    }

    #[cold]
    fn take_by_rank(&self, features: u64, seat: SeatIndex) -> Option<u32> {
        let is_batched = features & feature::BATCHES != 0;
        Priority::all().find_map(|rank| match self.used_band(features, rank) {
            Some(ring) => self.take_from(&ring, seat),
            None if rank != Priority::USUAL => None,
            None if is_batched => self.take_batched(seat),
            None => self.take_from_ring(seat),
        })
    }

    fn used_band(&self, features: u64, rank: Priority) -> Option<Ring> {
        let band = rank.band().filter(|_| features & rank.feature() != 0);
        band.map(|band| self.bands.ring(band))
    }

    #[inline]
    fn take_from(&self, ring: &Ring, seat: SeatIndex) -> Option<u32> {
        loop {
            let (position, entry) = ring.look();
            let entry = entry?;
            let claim = self.claim(seat, entry);
            ring.pass(position);
            if claim == Claim::Yours {
                return Some(entry.slot);
            }
        }
    }

    /// Whether there is something under the ring's head, or a band's, or in a batch; a hint.
    #[inline]
    pub(crate) fn has_task(&self) -> bool {
        if self.ring.look().1.is_some() {
            return true;
        }
        let features = self.features();
        (features & feature::BANDS != 0 && self.has_ranked_task(features))
            || (features & feature::BATCHES != 0 && self.has_batched_task())
    }

    fn has_ranked_task(&self, features: u64) -> bool {
        let mut used = Priority::all().filter_map(|rank| self.used_band(features, rank));
        used.any(|ring| ring.look().1.is_some())
    }

    /// Puts a task back that a worker claimed and left without running, or that is to be run again. It
    /// keeps its rank, and is the last of it.
    pub(crate) fn requeue(&self, slot: u32, seat: SeatIndex, tails: &Tails) -> bool {
        let record = self.slot(slot);
        let word = &record.word;
        let generation = word.generation();
        let rank = record.call().rank;
        let place = rank.band().map(|band| (rank, tails.of_band(band).reserve_anyway()));
        let spot = Reservation { position: tails.reserve_anyway(), band: place };
        let made = word.requeue(seat) != Change::TooLate;
        // The position is ours either way; an entry for a slot that is not ready is a dead one.
        self.write(spot, RingEntry { slot, generation });
        self.bell.ring();
        made
    }

    /// Puts a waiting task on the board's ring once more, in the margin. One of its two entries will be a
    /// dead one.
    pub(crate) fn repeat_anyway(&self, entry: RingEntry, tail: &Tail) {
        let position = self.reserve(tail).unwrap_or_else(|| tail.reserve_anyway());
        self.repeat(Reservation::usual(position), entry.slot, entry.generation);
    }

    /// Puts a waiting task on the ring once more. One of its two entries will be a dead one.
    pub(crate) fn repeat(&self, spot: Reservation, slot: u32, generation: u32) {
        self.write(spot, RingEntry { slot, generation });
        self.bell.ring();
    }

    /// Puts all heads where the tails are. Only while nobody takes.
    pub(crate) fn repair_rings(&self, tails: &Tails) {
        self.ring.repair(tails);
        for band in Priority::all().filter_map(Priority::band) {
            self.bands.ring(band).repair(tails.of_band(band));
        }
    }

    pub(super) fn ring_of(&self, band: usize) -> Ring {
        self.bands.ring(band)
    }
}

/// An entry that nobody can claim.
fn dead(entry: RingEntry) -> RingEntry {
    RingEntry { generation: entry.generation.wrapping_sub(1) & GENERATION_MASK, ..entry }
}
