//! The board's notice: one word for all who wait for several tasks, or for any.
//!
//! It holds a mark, that somebody sleeps on it, and a count of the rings. Whoever makes a task done that
//! somebody has asked about rings it; the mark says whether anybody must be woken.

use super::Board;
use crate::sync::{Ordering::*, WaitWord};

/// In the notice's word: somebody sleeps on it. The bits above count the rings.
const WAITED: u64 = 1;
const RING: u64 = 2;

impl Board {
    /// A word that is changed when a task is done whose `subscribe_completion` was answered; whoever wants to
    /// sleep on it says so by [`Board::prepare_wait`].
    pub(crate) fn completion_event(&self) -> &WaitWord {
        &self.header.at(0).completion.0
    }

    /// Says that somebody is about to sleep on the notice, of which this was seen; answers what to
    /// sleep on. None: it has been rung since. Relaxed: flag and count are one word, so of this step
    /// and of a ring one sees the other.
    pub(crate) fn prepare_wait(&self, seen: u64) -> Option<u64> {
        let now = self.completion_event().fetch_or(WAITED, Relaxed);
        (now | WAITED == seen | WAITED).then_some(seen | WAITED)
    }

    /// Release; pairs with the Acquire load of the notice by whoever waits for several.
    pub(crate) fn notify_completion(&self) {
        let rung = |now: u64| Some((now & !WAITED).wrapping_add(RING));
        let before = self.completion_event().fetch_update(Release, Relaxed, rung);
        if before.is_ok_and(|before| before & WAITED != 0) {
            self.completion_event().wake(i32::MAX, self.scope);
        }
    }
}
