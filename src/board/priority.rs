//! Priorities of tasks, and the rings of those that are not the default.
//!
//! ```text
//!   priority in the C API    7 …  1 │ 0 │ -1 … -8      the default has the main ring;
//!   value of `Priority`      0 …  6 │ 7 │  8 … 15      each other one has a ring of its own
//! ```

use super::memory::Span;
use super::ring::Ring;
use crate::sync::AtomicU64;

/// Lower values come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Priority(u8);

/// The number of priority rings: one for each priority but the default. Models have the first only.
pub(crate) const PRIORITY_RINGS: usize = if cfg!(loom) { 1 } else { 15 };
pub(crate) const PRIORITY_COUNT: usize = 16;
/// The distance of two heads in words: two cache lines each, as CPUs fetch them in pairs.
pub(crate) const HEAD_WORDS: usize = 16;

impl Default for Priority {
    fn default() -> Priority {
        Priority::DEFAULT
    }
}

impl Priority {
    pub(crate) const DEFAULT: Priority = Priority(7);
    #[cfg(loom)]
    pub(crate) const FIRST: Priority = Priority(0);

    /// The priority of this number of the C API, from -8 to 7, higher first.
    pub(crate) fn new(priority: i32) -> Option<Priority> {
        let priority = i32::from(Priority::DEFAULT.0).checked_sub(priority)?;
        u8::try_from(priority)
            .ok()
            .filter(|priority| usize::from(*priority) < PRIORITY_COUNT)
            .map(Priority)
    }

    pub(crate) fn all() -> impl Iterator<Item = Priority> {
        (0..PRIORITY_COUNT as u8).map(Priority)
    }

    /// As four bits, 0 for the default. Any four bits are a priority.
    pub(crate) fn to_bits(self) -> u32 {
        u32::from(self.0 ^ Priority::DEFAULT.0)
    }

    pub(crate) fn from_bits(bits: u32) -> Priority {
        Priority((bits & 15) as u8 ^ Priority::DEFAULT.0)
    }

    /// Its bit among the board's features.
    pub(crate) fn feature_bit(self) -> u64 {
        1 << self.0
    }

    /// The index of its ring; None for the default.
    pub(crate) fn ring_index(self) -> Option<usize> {
        let priority = usize::from(self.0);
        let default = usize::from(Priority::DEFAULT.0);
        let index = if priority < default {
            Some(priority)
        } else {
            priority.checked_sub(default + 1).map(|it| it + default)
        };
        // Models have fewer rings, and use no other priorities.
        index.filter(|index| *index < PRIORITY_RINGS)
    }
}

/// The priority rings: their heads, and their entries, one ring after the other. The memory is
/// sparse, so an unused ring only costs addresses.
#[derive(Clone, Copy)]
pub(crate) struct PriorityRings {
    heads: Span<AtomicU64>,
    entries: Span<AtomicU64>,
}

impl PriorityRings {
    pub(crate) fn new(heads: Span<AtomicU64>, entries: Span<AtomicU64>) -> PriorityRings {
        PriorityRings { heads, entries }
    }

    pub(crate) fn ring(&self, index: usize) -> Ring {
        let (head_words, entries) =
            (self.heads.len() / PRIORITY_RINGS, self.entries.len() / PRIORITY_RINGS);
        Ring::new(
            self.heads.part(index * head_words, 1),
            self.entries.part(index * entries, entries),
        )
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_priority_but_the_default_has_a_ring_of_its_own() {
        let priorities: Vec<Priority> = (-8..=7).rev().filter_map(Priority::new).collect();
        assert_eq!(priorities, Priority::all().collect::<Vec<_>>());
        let rings: Vec<usize> =
            priorities.iter().filter_map(|priority| priority.ring_index()).collect();
        assert_eq!(rings, (0..PRIORITY_RINGS).collect::<Vec<_>>());
        assert_eq!(Priority::new(0), Some(Priority::DEFAULT));
        assert_eq!([-9, 8, i32::MIN, i32::MAX].map(Priority::new), [None; 4]);
        assert!(
            priorities.iter().all(|priority| Priority::from_bits(priority.to_bits()) == *priority)
        );
    }
}
