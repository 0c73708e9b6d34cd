//! The list of free slots: a lock-free stack of slot numbers.
//!
//! ```text
//!   head: tag | slot ──▶ links[slot] ──▶ links[…] ──▶ END        never used: fresh, fresh + 1, …
//! ```
//!
//! The slot that was freed last is taken first: its cache lines are warm. It is a stack of indices
//! (R. K. Treiber, 1986); the tag changes with every step, so that a head that was popped and
//! pushed again meanwhile is not mistaken for the old one. Only submitters and owners of futures
//! use it.
//!
//! When the pool is freed while futures of it are alive, the list is closed: slots freed from then
//! on are only counted, by the caller, and the last one frees the memory. If [`FreeList::give`]
//! returns `Kept`, the caller must not touch the list again.

use crate::board::memory::Span;
use crate::sync::{AtomicU32, AtomicU64, Ordering::*};

const SLOT_BITS: u32 = 25;
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;
const END: u64 = SLOT_MASK;
const CLOSED: u64 = SLOT_MASK - 1;

/// The free slots.
pub(crate) struct FreeList {
    head: AtomicU64,
    links: Span<AtomicU32>,
    /// The first slot that was never used.
    fresh: AtomicU32,
}

/// The result of [`FreeList::give`].
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// The slot is in the list.
    Kept,
    /// The list is closed; the slot still belongs to the caller.
    Closed,
}

impl FreeList {
    pub(crate) fn new(links: Span<AtomicU32>) -> FreeList {
        FreeList { head: AtomicU64::new(END), links, fresh: AtomicU32::new(0) }
    }

    /// How many slots were ever used; all slots in use have lower numbers.
    pub(crate) fn used(&self) -> u32 {
        self.fresh.load(Acquire).min(self.links.len() as u32)
    }

    /// Takes a slot that was freed. Acquire; pairs with `give`.
    #[inline]
    pub(crate) fn take(&self) -> Option<u32> {
        let mut head = self.head.load(Acquire);
        loop {
            // END and CLOSED are out of the bounds of `links`.
            let slot = (head & SLOT_MASK) as u32;
            let next = u64::from(self.links.get(slot as usize)?.load(Relaxed));
            match self.head.compare_exchange_weak(head, retag(head, next), AcqRel, Acquire) {
                Ok(_) => return Some(slot),
                Err(seen) => head = seen,
            }
        }
    }

    /// Takes a slot that was never used.
    pub(crate) fn take_fresh(&self) -> Option<u32> {
        let room = self.links.len() as u32;
        self.fresh.fetch_update(AcqRel, Relaxed, |slot| (slot < room).then_some(slot + 1)).ok()
    }

    /// Frees a slot. Release; pairs with `take` and `close`.
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

    /// Closes the list, and returns how many slots are in use. Acquire; pairs with `give`.
    pub(crate) fn close(&self) -> u32 {
        let mut next = self.head.swap(CLOSED, AcqRel) & SLOT_MASK;
        let mut free = 0;
        while let Some(link) = self.links.get(next as usize) {
            free += 1;
            next = u64::from(link.load(Relaxed));
        }
        self.used() - free
    }
}

/// The next head: the next tag, and this slot.
fn retag(head: u64, slot: u64) -> u64 {
    ((head >> SLOT_BITS).wrapping_add(1) << SLOT_BITS) | slot
}
