//! Which slots nobody uses: the submitters' own list, last in, first out.
//!
//! ```text
//!   head: tag | slot ──▶ links[slot] ──▶ links[…] ──▶ END            never used yet: fresh, fresh + 1, …
//! ```
//!
//! The slot that was given back last is taken first: its cache lines are warm. It is a stack of
//! indices (R. K. Treiber, 1986); the tag changes with every step, so that a head that was popped
//! and pushed again meanwhile is not mistaken for the old one. It lies in private memory; only
//! submitters and owners of futures use it.
//!
//! When the pool is freed while futures of it are alive, the list is closed: slots that come back
//! from then on are only counted, by the caller, and the last one frees the memory. A slot given
//! back by [`FreeList::give`] with the answer `Kept` was the caller's last touch of it.

use crate::board::memory::Span;
use crate::sync::{AtomicU32, AtomicU64, Ordering::*};

const SLOT_BITS: u32 = 25;
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;
const END: u64 = SLOT_MASK;
const CLOSED: u64 = SLOT_MASK - 1;

pub(crate) struct FreeList {
    head: AtomicU64,
    links: Span<AtomicU32>,
    /// The slots from here on were never used.
    fresh: AtomicU32,
}

#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Given {
    Kept,
    /// The list is closed; the slot is still the caller's.
    Closed,
}

impl FreeList {
    pub(crate) fn new(links: Span<AtomicU32>) -> FreeList {
        FreeList { head: AtomicU64::new(END), links, fresh: AtomicU32::new(0) }
    }

    /// How many slots were ever used: all that is alive has a lower number.
    pub(crate) fn used(&self) -> u32 {
        self.fresh.load(Acquire).min(self.links.len() as u32)
    }

    /// A slot that was given back. Acquire; pairs with `give`.
    #[inline]
    pub(crate) fn take(&self) -> Option<u32> {
        let mut head = self.head.load(Acquire);
        loop {
            // END and CLOSED are beyond the links.
            let slot = (head & SLOT_MASK) as u32;
            let next = u64::from(self.links.get(slot as usize)?.load(Relaxed));
            match self.head.compare_exchange_weak(head, retag(head, next), AcqRel, Acquire) {
                Ok(_) => return Some(slot),
                Err(seen) => head = seen,
            }
        }
    }

    /// A slot that was never used.
    pub(crate) fn take_fresh(&self) -> Option<u32> {
        let room = self.links.len() as u32;
        self.fresh.fetch_update(AcqRel, Relaxed, |slot| (slot < room).then_some(slot + 1)).ok()
    }

    /// Gives a slot back. Release; pairs with `take`.
    #[inline]
    pub(crate) fn give(&self, slot: u32) -> Given {
        let mut head = self.head.load(Relaxed);
        loop {
            if head & SLOT_MASK == CLOSED {
                return Given::Closed;
            }
            self.links.at(slot as usize).store((head & SLOT_MASK) as u32, Relaxed);
            let new = retag(head, u64::from(slot));
            match self.head.compare_exchange_weak(head, new, Release, Relaxed) {
                Ok(_) => return Given::Kept,
                Err(seen) => head = seen,
            }
        }
    }

    /// Closes the list and says how many slots are out. Acquire; pairs with `give`.
    pub(crate) fn close(&self) -> u32 {
        let mut next = self.head.swap(CLOSED, AcqRel) & SLOT_MASK;
        let mut listed = 0;
        while let Some(link) = self.links.get(next as usize) {
            listed += 1;
            next = u64::from(link.load(Relaxed));
        }
        self.used() - listed
    }
}

/// A new head: the next tag, and this slot.
fn retag(head: u64, slot: u64) -> u64 {
    ((head >> SLOT_BITS).wrapping_add(1) << SLOT_BITS) | slot
}
