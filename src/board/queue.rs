//! The queue of waiting tasks: the main ring, and a ring for each other priority.
//!
//! | submitter ([`Board::enqueue`])            | worker ([`Board::take`])                      |
//! |-------------------------------------------|-----------------------------------------------|
//! | 1. reserve a position in the main ring,   | 1. read the features: which priority rings    |
//! |    and one in the priority ring           |    have been used                             |
//! | 2. publish the slot                       | 2. for each of these and the main ring, by    |
//! | 3. write the entry to the priority ring   |    priority: claim the entry at its head      |
//! | 4. set the feature bit of the priority    |                                               |
//! | 5. write a dead entry to the main ring    |                                               |
//! | 6. notify one sleeper                     |                                               |
//!
//! A worker that is about to sleep checks the features and the priority rings between its fence and
//! its sleep, just as it checks the main ring: see [`super::sleep`]. A feature bit is never
//! cleared, so a board without priorities costs the check of one more word. The dead entry has the
//! generation before the task's, which is no longer in use; because of it, all counts are positions
//! of the main ring.

use super::parent::tail::{Tail, Tails};
use super::priority::Priority;
use super::ring::{Ring, RingEntry};
use super::slot::{Change, Claim, GENERATION_MASK, Phase, SeatIndex};
use super::{Board, feature, prefetch};
use crate::sync::Ordering::*;

/// The reserved ring positions of one task, which must be written.
#[must_use]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reservation {
    pub(crate) position: u64,
    /// The position in the priority ring, and its priority, unless that is the default.
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
    /// Reserves a position for a task, which must then be enqueued. None: the ring is full.
    #[inline(always)]
    pub(crate) fn reserve(&self, tail: &Tail) -> Option<u64> {
        tail.reserve(&self.ring, |entry| !self.is_live(entry))
    }

    /// Like `reserve`, but only a position below `end`. None: the ring is full, or there is no such
    /// position.
    pub(crate) fn reserve_below(&self, tail: &Tail, end: u64) -> Option<u64> {
        let is_dead = |entry| !self.is_live(entry);
        tail.has_room_for(&self.ring, is_dead).then(|| tail.reserve_below(end)).flatten()
    }

    /// Adds a position in the priority ring to a reserved position. None: the priority ring is
    /// full, and a dead entry was written to the position.
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
            Some(in_ring) => {
                Some(Reservation { position, priority_ring: Some((priority, in_ring)) })
            }
            None => {
                let generation = self.slot(slot).word.generation();
                self.ring.write(position, dead(RingEntry { slot, generation }));
                None
            }
        }
    }

    /// Makes a filled slot visible to the workers. The caller then calls `notify_one`.
    #[inline(always)]
    pub(crate) fn enqueue(&self, reservation: Reservation, entry: RingEntry) {
        self.slot(entry.slot).word.publish(entry.generation);
        self.write_entry(reservation, entry);
    }

    #[inline]
    fn write_entry(&self, reservation: Reservation, entry: RingEntry) {
        match reservation.priority_ring {
            None => self.ring.write(reservation.position, entry),
            Some((priority, in_ring)) => {
                self.write_priority_entry(reservation.position, priority, in_ring, entry)
            }
        }
    }

    #[cold]
    fn write_priority_entry(
        &self,
        position: u64,
        priority: Priority,
        in_ring: u64,
        entry: RingEntry,
    ) {
        if let Some(ring) = priority.ring_index() {
            self.priority_rings.ring(ring).write(in_ring, entry);
            // Relaxed: the fence of `Sleepers::notify_one` follows.
            if self.features() & priority.feature_bit() == 0 {
                self.header.at(0).features.fetch_or(priority.feature_bit(), Relaxed);
            }
        }
        self.ring.write(position, dead(entry));
    }

    /// Whether the entry's task is still not claimed.
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

    /// Records the entry at the head, advances the head, and then claims: so the next worker does
    /// not try for the same slot. A worker that dies in between has recorded the entry that the
    /// ring may have lost.
    #[inline]
    fn take_from_ring(&self, seat: SeatIndex) -> Option<u32> {
        let next = &self.seats.at(usize::from(seat.0)).next;
        loop {
            let (position, entry) = self.ring.peek();
            let entry = entry?;
            next.store(prefetch::pack(entry), Relaxed);
            if !self.ring.advance(position, 1) {
                // Another worker was faster. Back off, so that both do not retry in lockstep.
                std::hint::spin_loop();
            } else if self.claim(seat, entry) != Claim::Taken {
                return Some(entry.slot);
            }
        }
    }

    #[cold]
    fn take_by_priority(&self, features: u64, seat: SeatIndex) -> Option<u32> {
        let prefetches = features & feature::PREFETCH != 0;
        Priority::all().find_map(|priority| match self.used_ring(features, priority) {
            Some(ring) => self.take_from(&ring, seat),
            None if priority != Priority::DEFAULT => None,
            None if prefetches => self.take_prefetched(seat),
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

    /// Whether there is an entry at the head of any ring, or a live one in a batch; a hint.
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

    /// Requeues a task that a worker claimed and did not run, or that is to be run again. It keeps
    /// its priority, and is the last of it. `on_reserved` is called once its new position is
    /// reserved, and before a worker can find the task.
    pub(crate) fn requeue(
        &self,
        slot: u32,
        seat: SeatIndex,
        tails: &Tails,
        on_reserved: impl FnOnce(),
    ) -> bool {
        let record = self.slot(slot);
        let word = &record.word;
        let generation = word.generation();
        let priority = record.call().priority;
        let in_ring = priority
            .ring_index()
            .map(|ring| (priority, tails.priority(ring).reserve_from_margin()));
        let reservation =
            Reservation { position: tails.main().reserve_from_margin(), priority_ring: in_ring };
        on_reserved();
        let made = word.requeue(seat) != Change::TooLate;
        // The position is reserved in any case; an entry for a slot that is not READY is a dead
        // one.
        self.write_entry(reservation, RingEntry { slot, generation });
        self.sleepers.notify_one();
        made
    }

    /// Enqueues a waiting task in the main ring once more, in the margin if the ring is full. One
    /// of its two entries will be a dead one. `on_reserved`: as for `requeue`.
    pub(crate) fn enqueue_again_from_margin(
        &self,
        entry: RingEntry,
        tail: &Tail,
        on_reserved: impl FnOnce(),
    ) {
        let position = self.reserve(tail).unwrap_or_else(|| tail.reserve_from_margin());
        on_reserved();
        self.enqueue_again(Reservation::main(position), entry.slot, entry.generation);
    }

    /// Enqueues a waiting task once more. One of its two entries will be a dead one.
    pub(crate) fn enqueue_again(&self, reservation: Reservation, slot: u32, generation: u32) {
        self.write_entry(reservation, RingEntry { slot, generation });
        self.sleepers.notify_one();
    }

    /// Moves all heads to their tails. Only while no worker takes tasks.
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

/// An entry that cannot be claimed.
fn dead(entry: RingEntry) -> RingEntry {
    RingEntry { generation: entry.generation.wrapping_sub(1) & GENERATION_MASK, ..entry }
}
