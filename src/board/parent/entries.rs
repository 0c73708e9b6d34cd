//! The entries of slots, against which the handles of futures are checked.
//!
//! The entry of a slot is a generation and a flag that its future is held. A handle is valid while
//! the entry has its generation as held. Freeing the future clears the flag, and the next use of
//! the slot has the next generation: so a stale handle is recognized for 16 million uses of the
//! slot. Another flag tells whether the slot has a task at all, whatever its word says; and one tells the
//! futures that the library holds for itself, which no caller can look up.
//!
//! A handle may be stale in any way: its future was freed, then its pool, and another thread is
//! freeing the pool that has taken the place. So a check must not touch a pool that no valid handle
//! keeps alive. The entries lie in an [`EntryColumn`] for each place in the table of pools, which
//! lives as long as the process: its memory is never unmapped, and never holds anything else. The
//! next pool in that place uses it again. A freed pool leaves no entry that is held.

use super::slots::{Released, SlotKey};
use crate::board::memory::{LastingSpan, Span};
use crate::board::slot::GENERATION_MASK;
use crate::error::Result;
use crate::sync::{AtomicU32, Ordering::*};

/// In an entry, above the generation: the future is held.
pub(super) const HELD: u32 = 1 << 24;
const ENTRY: u32 = GENERATION_MASK | HELD;
/// The slot has a task, whose future is held or not.
pub(super) const IN_USE: u32 = 1 << 26;
/// A callback or a set may have subscribed to the end of the task.
const SUBSCRIBED: u32 = 1 << 25;
/// The future is the library's own: no call has returned it.
pub(super) const INTERNAL: u32 = 1 << 27;

/// The entries of the pools that have one place in the table of pools, one after the other.
pub(crate) struct EntryColumn(LastingSpan<AtomicU32>);

impl EntryColumn {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> EntryColumn {
        EntryColumn(LastingSpan::new())
    }

    /// The entries for a new pool with this many slots. Only for the pool that has the place.
    pub(crate) fn prepare(&self, slots: usize) -> Result<Entries> {
        self.0.grow(slots)?;
        Ok(self.entries())
    }

    /// Returns the pages to the kernel, before another pool can have the place. Zero is no entry of
    /// a future that is held.
    pub(crate) fn discard(&self) {
        self.0.discard();
    }

    /// The entries for a check.
    #[inline]
    pub(crate) fn entries(&self) -> Entries {
        Entries(self.0.get())
    }
}

/// The entries of the slots of one pool, by slot.
#[derive(Clone, Copy)]
pub(crate) struct Entries(pub(super) Span<AtomicU32>);

impl Entries {
    /// Whether the future of this key is held. False: it was freed, or never existed.
    #[inline]
    pub(crate) fn holds(&self, key: SlotKey) -> bool {
        let entry = self.0.get(key.slot as usize);
        entry.is_some_and(|entry| entry.load(Acquire) & ENTRY == key.generation | HELD)
    }

    /// The generation of a slot that was used: of its task, or of its last one.
    pub(crate) fn generation(&self, slot: u32) -> u32 {
        self.0.at(slot as usize).load(Acquire) & GENERATION_MASK
    }

    /// The generation of a slot whose future is held.
    pub(crate) fn held_generation(&self, slot: u32) -> Option<u32> {
        let entry = self.0.get(slot as usize)?.load(Acquire);
        (entry & HELD != 0).then_some(entry & GENERATION_MASK)
    }

    /// The generation of a slot whose future is held by a caller, and not by the library itself.
    pub(crate) fn generation_for_caller(&self, slot: u32) -> Option<u32> {
        let entry = self.0.get(slot as usize)?.load(Acquire);
        (entry & (HELD | INTERNAL) == HELD).then_some(entry & GENERATION_MASK)
    }

    /// Releases the future, for exactly one caller.
    #[inline]
    pub(crate) fn release(&self, key: SlotKey) -> Released {
        let Some(entry) = self.0.get(key.slot as usize) else { return Released::NotHeld };
        let in_use = key.generation | IN_USE;
        match entry.compare_exchange(in_use | HELD, in_use, AcqRel, Relaxed) {
            Ok(_) => Released::Free,
            Err(_) => release_subscribed(entry, key.generation | HELD),
        }
    }

    /// Whether the slot has a task of this generation.
    pub(crate) fn is_in_use(&self, key: SlotKey) -> bool {
        let expected = key.generation | IN_USE;
        let entry = self.0.get(key.slot as usize);
        entry.is_some_and(|entry| entry.load(Acquire) & (GENERATION_MASK | IN_USE) == expected)
    }

    /// The slot has no task any more. Relaxed: the free list hands it on.
    #[inline]
    pub(super) fn set_unused(&self, slot: u32) {
        let entry = self.0.at(slot as usize);
        entry.store(entry.load(Relaxed) & GENERATION_MASK, Relaxed);
    }

    /// Marks that a callback or a set subscribes to the end of the task.
    pub(crate) fn mark_subscribed(&self, key: SlotKey) {
        self.0.at(key.slot as usize).fetch_or(SUBSCRIBED, Relaxed);
    }
}

/// `release` of a future that may have a subscription, or is the library's own.
#[cold]
fn release_subscribed(entry: &AtomicU32, held: u32) -> Released {
    let free = |entry: u32| (entry & ENTRY == held).then_some(entry & !HELD);
    match entry.fetch_update(AcqRel, Relaxed, free) {
        Ok(entry) if entry & SUBSCRIBED != 0 => Released::Subscribed,
        Ok(_) => Released::Free,
        Err(_) => Released::NotHeld,
    }
}
