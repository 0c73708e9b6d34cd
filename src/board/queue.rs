//! The order of the tasks that wait: the board's ring, and a ring for each band of other ranks.
//!
//! | submitter ([`Board::enqueue`])               | worker ([`Board::take`])                      |
//! |-------------------------------------------|-----------------------------------------------|
//! | 1. reserve a position, and in the band    | 1. read the features: which bands were used   |
//! | 2. publish the slot                       | 2. for each of these and the board's ring, by |
//! | 3. write the band's entry                 |    rank: claim what is under its head         |
//! | 4. say that the band is used              |                                               |
//! | 5. write a dead entry on the board's ring |                                               |
//! | 6. ring the bell                          |                                               |
//!
//! A worker that is about to sleep looks at the features and the bands between its fence and its sleep,
//! as it looks at the ring: see [`super::sleep`]. That a band was used is never taken back, so boards
//! without priorities look at one more word, and no more. The dead entry has the generation before the
//! task's, which is in use no more; it keeps all counts those of one ring.

use super::priority::Priority;
use super::parent::tail::{Tail, Tails};
use super::ring::{Ring, RingEntry};
use super::slot::{Change, Claim, GENERATION_MASK, Phase, SeatIndex};
use super::{Board, feature, prefetch};
use crate::sync::Ordering::*;

/// Positions that were reserved for one task, and must be written.
#[must_use]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reservation {
    pub(crate) position: u64,
    /// The rank, where it has a band, and the position there.
    priority_ring: Option<(Priority, u64)>,
}

impl Reservation {
    pub(crate) fn main(position: u64) -> Reservation {
        Reservation { position, priority_ring: None }
    }

    pub(crate) fn in_priority_ring(self) -> Option<(usize, u64)> {
        self.priority_ring.and_then(|(priority, position)| Some((priority.ring_index()?, position)))
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
    pub(crate) fn reserve_priority(
        &self,
        position: u64,
        priority: Priority,
        tails: &Tails,
        slot: u32,
    ) -> Option<Reservation> {
        let Some(index) = priority.ring_index() else { return Some(Reservation::main(position)) };
        let ring = self.priority_rings.ring(index);
        match tails.priority(index).reserve(&ring, |entry| !self.is_live(entry)) {
            Some(place) => Some(Reservation { position, priority_ring: Some((priority, place)) }),
            None => {
                let generation = self.slot(slot).word.generation();
                self.ring.write(position, dead(RingEntry { slot, generation }));
                None
            }
        }
    }

    /// Makes a filled slot visible to the workers. The caller rings.
    #[inline(always)]
    pub(crate) fn enqueue(&self, reservation: Reservation, entry: RingEntry) {
        self.slot(entry.slot).word.publish(entry.generation);
        self.write_entry(reservation, entry);
    }

    #[inline]
    fn write_entry(&self, reservation: Reservation, entry: RingEntry) {
        match reservation.priority_ring {
            None => self.ring.write(reservation.position, entry),
            Some((priority, place)) => {
                self.write_priority_entry(reservation.position, priority, place, entry)
            }
        }
    }

    #[cold]
    fn write_priority_entry(
        &self,
        position: u64,
        priority: Priority,
        place: u64,
        entry: RingEntry,
    ) {
        if let Some(ring) = priority.ring_index() {
            self.priority_rings.ring(ring).write(place, entry);
            // Relaxed: the bell's fence follows.
            if self.features() & priority.feature_bit() == 0 {
                self.header.at(0).features.fetch_or(priority.feature_bit(), Relaxed);
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
        match self.features() & (feature::PRIORITIES | feature::PREFETCH) {
            0 => self.take_from_ring(seat),
            features => self.take_by_priority(features, seat),
        }
    }

    /// Notes the entry under the head, moves the head on, and then claims: whoever comes next does not try for
    /// the same slot. A worker that dies in between has noted what may be on the ring no more.
    #[inline]
    fn take_from_ring(&self, seat: SeatIndex) -> Option<u32> {
        let next = &self.seats.at(usize::from(seat.0)).next;
        loop {
            let (position, entry) = self.ring.peek();
            let entry = entry?;
            next.store(prefetch::pack(entry), Relaxed);
            if !self.ring.advance(position, 1) {
                // Another one was faster: not in step with it again.
                std::hint::spin_loop();
            } else if self.claim(seat, entry) != Claim::Taken {
                return Some(entry.slot);
            }
        }
    }

    #[cold]
    fn take_by_priority(&self, features: u64, seat: SeatIndex) -> Option<u32> {
        let is_batched = features & feature::PREFETCH != 0;
        Priority::all().find_map(|priority| match self.used_ring(features, priority) {
            Some(ring) => self.take_from(&ring, seat),
            None if priority != Priority::DEFAULT => None,
            None if is_batched => self.take_prefetched(seat),
            None => self.take_from_ring(seat),
        })
    }

    fn used_ring(&self, features: u64, priority: Priority) -> Option<Ring> {
        let ring = priority.ring_index().filter(|_| features & priority.feature_bit() != 0);
        ring.map(|ring| self.priority_rings.ring(ring))
    }

    #[inline]
    fn take_from(&self, ring: &Ring, seat: SeatIndex) -> Option<u32> {
        loop {
            let (position, entry) = ring.peek();
            let entry = entry?;
            let claim = self.claim(seat, entry);
            ring.skip(position);
            if claim == Claim::Yours {
                return Some(entry.slot);
            }
        }
    }

    /// Whether there is something under the ring's head, or a band's, or in a batch; a hint.
    #[inline]
    pub(crate) fn has_task(&self) -> bool {
        if self.ring.peek().1.is_some() {
            return true;
        }
        let features = self.features();
        (features & feature::PRIORITIES != 0 && self.has_priority_task(features))
            || (features & feature::PREFETCH != 0 && self.has_prefetched_task())
    }

    fn has_priority_task(&self, features: u64) -> bool {
        let mut used = Priority::all().filter_map(|priority| self.used_ring(features, priority));
        used.any(|ring| ring.peek().1.is_some())
    }

    /// Puts a task back that a worker claimed and left without running, or that is to be run again. It
    /// keeps its rank, and is the last of it.
    pub(crate) fn requeue(&self, slot: u32, seat: SeatIndex, tails: &Tails) -> bool {
        let record = self.slot(slot);
        let word = &record.word;
        let generation = word.generation();
        let priority = record.call().priority;
        let place = priority
            .ring_index()
            .map(|ring| (priority, tails.priority(ring).reserve_from_margin()));
        let reservation =
            Reservation { position: tails.main().reserve_from_margin(), priority_ring: place };
        let made = word.requeue(seat) != Change::TooLate;
        // The position is ours either way; an entry for a slot that is not ready is a dead one.
        self.write_entry(reservation, RingEntry { slot, generation });
        self.sleepers.notify_one();
        made
    }

    /// Puts a waiting task on the board's ring once more, in the margin. One of its two entries will be a
    /// dead one.
    pub(crate) fn enqueue_again_from_margin(&self, entry: RingEntry, tail: &Tail) {
        let position = self.reserve(tail).unwrap_or_else(|| tail.reserve_from_margin());
        self.enqueue_again(Reservation::main(position), entry.slot, entry.generation);
    }

    /// Puts a waiting task on the ring once more. One of its two entries will be a dead one.
    pub(crate) fn enqueue_again(&self, reservation: Reservation, slot: u32, generation: u32) {
        self.write_entry(reservation, RingEntry { slot, generation });
        self.sleepers.notify_one();
    }

    /// Puts all heads where the tails are. Only while nobody takes.
    pub(crate) fn repair_rings(&self, tails: &Tails) {
        self.ring.repair(tails.main().count());
        for ring in Priority::all().filter_map(Priority::ring_index) {
            self.priority_rings.ring(ring).repair(tails.priority(ring).count());
        }
    }

    pub(super) fn ring_of_priority(&self, ring: usize) -> Ring {
        self.priority_rings.ring(ring)
    }
}

/// An entry that nobody can claim.
fn dead(entry: RingEntry) -> RingEntry {
    RingEntry { generation: entry.generation.wrapping_sub(1) & GENERATION_MASK, ..entry }
}
