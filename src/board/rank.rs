//! Ranks: which tasks come before which, and the rings of those that are not of the usual rank.
//!
//! ```text
//!   priority    7 …  1 │ 0 │ -1 … -8          a task of rank 7 stands on the board's ring;
//!   rank        0 …  6 │ 7 │  8 … 15          of another, on the ring of its rank's band
//! ```

use super::memory::Span;
use super::ring::{Ring, Tail};
use crate::sync::AtomicU64;

/// Lower ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Priority(u8);

/// How many bands there are: all ranks but the usual one. Models have the first.
pub(crate) const BANDS: usize = if cfg!(loom) { 1 } else { 15 };
pub(crate) const RANKS: usize = 16;
/// A band's head has two cache lines of its own, as CPUs fetch them in pairs.
pub(crate) const HEAD_WORDS: usize = 16;

impl Default for Priority {
    fn default() -> Priority {
        Priority::USUAL
    }
}

impl Priority {
    pub(crate) const USUAL: Priority = Priority(7);
    #[cfg(loom)]
    pub(crate) const FIRST: Priority = Priority(0);

    /// Of a priority from -8 to 7, higher first.
    pub(crate) fn of_priority(priority: i32) -> Option<Priority> {
        let rank = i32::from(Priority::USUAL.0).checked_sub(priority)?;
        u8::try_from(rank).ok().filter(|rank| usize::from(*rank) < RANKS).map(Priority)
    }

    pub(crate) fn all() -> impl Iterator<Item = Priority> {
        (0..RANKS as u8).map(Priority)
    }

    /// Four bits, 0 for the usual one. Any four bits are a rank.
    pub(crate) fn to_bits(self) -> u32 {
        u32::from(self.0 ^ Priority::USUAL.0)
    }

    pub(crate) fn from_bits(bits: u32) -> Priority {
        Priority((bits & 15) as u8 ^ Priority::USUAL.0)
    }

    /// Its bit among the board's features.
    pub(crate) fn feature(self) -> u64 {
        1 << self.0
    }

    /// The index of its band; none for the usual one.
    pub(crate) fn band(self) -> Option<usize> {
        let rank = usize::from(self.0);
        let usual = usize::from(Priority::USUAL.0);
        let band = if rank < usual {
            Some(rank)
        } else {
            rank.checked_sub(usual + 1).map(|it| it + usual)
        };
        // Models have fewer, and nobody writes others there.
        band.filter(|band| *band < BANDS)
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

    pub(crate) fn ring(&self, band: usize) -> Ring {
        let (heads, entries) = (self.heads.len() / BANDS, self.entries.len() / BANDS);
        Ring::new(self.heads.part(band * heads, 1), self.entries.part(band * entries, entries))
    }
}

/// The submitters' ends of all rings. All positions are counted by the first: a task of a band has one
/// there, too, with an entry that nobody can claim.
pub(crate) struct Tails {
    all: Tail,
    bands: [Tail; BANDS],
}

impl std::ops::Deref for Tails {
    type Target = Tail;

    fn deref(&self) -> &Tail {
        &self.all
    }
}

impl Tails {
    pub(crate) fn new() -> Tails {
        Tails { all: Tail::new(), bands: std::array::from_fn(|_| Tail::new()) }
    }

    pub(crate) fn of_band(&self, band: usize) -> &Tail {
        &self.bands[band]
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_priority_has_a_rank_and_a_band_of_its_own() {
        let ranks: Vec<Priority> = (-8..=7).rev().filter_map(Priority::of_priority).collect();
        assert_eq!(ranks, Priority::all().collect::<Vec<_>>());
        let bands: Vec<usize> = ranks.iter().filter_map(|rank| rank.band()).collect();
        assert_eq!(bands, (0..BANDS).collect::<Vec<_>>());
        assert_eq!(Priority::of_priority(0), Some(Priority::USUAL));
        assert_eq!([-9, 8, i32::MIN, i32::MAX].map(Priority::of_priority), [None; 4]);
        assert!(ranks.iter().all(|rank| Priority::from_bits(rank.to_bits()) == *rank));
    }
}
