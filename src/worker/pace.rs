//! How a worker that has just ended a task goes on: from when the next one counts, and how far the worker
//! reaches for it.

use crate::board::{Board, Reach};
use crate::clock;

/// A task that took less is tiny: workers that take one such after the other hinder each other by more.
const TINY_NS: u64 = 1_000;
/// A task that has run for so long is no tiny one: what stands behind it in its worker's batch is taken over.
const STUCK_NS: u64 = 20_000;
/// So often a worker looks for such tasks, for each worker that there is to look at.
const LOOK_EVERY_NS: u64 = 100_000;

pub(super) struct Pace {
    tiny: u64,
    stuck: u64,
    look_every: u64,
    /// When the last task ended, while nothing has come between.
    ended: Option<u64>,
    /// It may take several tasks at once.
    may_reach: bool,
    was_tiny: bool,
    look_at: u64,
}

impl Pace {
    /// `scale`: of the clock, see [`clock::scale`]. `may_reach`: it will do what it takes.
    pub(super) fn new(scale: u64, may_reach: bool) -> Pace {
        let ticks = |ns: u64| (ns << 31) / scale.max(1);
        Pace {
            tiny: ticks(TINY_NS),
            stuck: ticks(STUCK_NS),
            look_every: ticks(LOOK_EVERY_NS),
            ended: None,
            may_reach,
            was_tiny: false,
            look_at: 0,
        }
    }

    /// When the next task begins: as soon as the last one ended, if it follows at once. To read the clock
    /// takes as long as all else between the two.
    #[inline]
    pub(super) fn start(&self) -> u64 {
        self.ended.unwrap_or_else(clock::now)
    }

    /// How far to reach for the next task.
    #[inline]
    pub(super) fn reach(&self, board: &Board) -> Reach {
        if self.was_tiny && self.may_reach && board.crew_len() > 1 {
            Reach::Several
        } else {
            Reach::One
        }
    }

    /// Whether it is time to look after the others: at those whose task has begun before the stamp.
    #[inline]
    pub(super) fn look(&mut self, board: &Board) -> Option<u64> {
        let ended = self.ended.filter(|ended| *ended >= self.look_at)?;
        self.look_at = ended + self.look_every * board.crew_len().max(1);
        Some(ended.saturating_sub(self.stuck))
    }

    /// There was one: there may be more.
    #[cold]
    pub(super) fn look_again(&mut self) {
        self.look_at = 0;
    }

    /// A task has ended.
    #[inline]
    pub(super) fn ended(&mut self, started: u64, ended: u64) {
        self.was_tiny = ended.saturating_sub(started) < self.tiny;
        self.ended = Some(ended);
    }

    /// Something has come between.
    #[inline]
    pub(super) fn pause(&mut self) {
        self.ended = None;
        self.was_tiny = false;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_tiny_tasks_are_reached_for() {
        // A tick is a nanosecond.
        let mut pace = Pace::new(1 << 31, true);
        assert!(pace.start() > 0);
        pace.look_at = u64::MAX;
        for (took, was_tiny) in [(1, true), (TINY_NS, false), (TINY_NS - 1, true)] {
            pace.ended(5, 5 + took);
            assert_eq!((pace.was_tiny, pace.start()), (was_tiny, 5 + took));
        }
        pace.pause();
        assert_ne!(pace.start(), 5 + TINY_NS - 1);
    }
}
