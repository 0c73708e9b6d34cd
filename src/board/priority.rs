//! Ranks: which tasks come before which, and the rings of those that are not of the usual rank.
//!
//! ```text
//!   priority    7 …  1 │ 0 │ -1 … -8          a task of rank 7 stands on the board's ring;
//!   rank        0 …  6 │ 7 │  8 … 15          of another, on the ring of its rank's band
//! ```

use super::memory::Span;
use super::ring::Ring;
use super::parent::tail::Tail;
use crate::sync::AtomicU64;

/// Lower ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Priority(u8);

/// How many bands there are: all ranks but the usual one. Models have the first.
pub(crate) const PRIORITY_RINGS: usize = if cfg!(loom) { 1 } else { 15 };
pub(crate) const PRIORITY_COUNT: usize = 16;
/// A band's head has two cache lines of its own, as CPUs fetch them in pairs.
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

    /// Of a priority from -8 to 7, higher first.
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

    /// Four bits, 0 for the usual one. Any four bits are a rank.
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

    /// The index of its band; none for the usual one.
    pub(crate) fn ring_index(self) -> Option<usize> {
        let priority = usize::from(self.0);
        let usual = usize::from(Priority::DEFAULT.0);
        let index = if priority < usual {
            Some(priority)
        } else {
            priority.checked_sub(usual + 1).map(|it| it + usual)
        };
        // Models have fewer, and nobody writes others there.
        index.filter(|index| *index < PRIORITY_RINGS)
    }
}

/// The rings of the bands: their heads, and their entries one band behind the other. They are sparse, so a
/// band that is not used costs addresses only.
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
        let (heads, entries) =
            (self.heads.len() / PRIORITY_RINGS, self.entries.len() / PRIORITY_RINGS);
        Ring::new(self.heads.part(index * heads, 1), self.entries.part(index * entries, entries))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_priority_has_a_rank_and_a_band_of_its_own() {
        let ranks: Vec<Priority> = (-8..=7).rev().filter_map(Priority::new).collect();
        assert_eq!(ranks, Priority::all().collect::<Vec<_>>());
        let priority_rings: Vec<usize> =
            ranks.iter().filter_map(|priority| priority.ring_index()).collect();
        assert_eq!(priority_rings, (0..PRIORITY_RINGS).collect::<Vec<_>>());
        assert_eq!(Priority::new(0), Some(Priority::DEFAULT));
        assert_eq!([-9, 8, i32::MIN, i32::MAX].map(Priority::new), [None; 4]);
        assert!(ranks.iter().all(|priority| Priority::from_bits(priority.to_bits()) == *priority));
    }
}
