//! The board's notice: one word for all who wait for several tasks, or for any.
//!
//! It holds a mark, that somebody sleeps on it, and a count of the rings. Whoever makes a task done that
//! somebody has asked about rings it; the mark says whether anybody must be woken.

use super::Board;
use crate::sync::Ordering::*;
use crate::sync::{Deadline, WaitWord, fence, spin_until};

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

// MERGED board.places
// A bounded queue: how a submitter that waits for a place learns of one.
//
// A task takes a place from its submit until it is claimed or taken back. One word tells whether
// somebody waits for one, and is slept on.
//
// | submitter ([`Board::wait_for_capacity`])      | whoever claims ([`Board::notify_capacity`])     |
// |-----------------------------------------|-----------------------------------------------|
// | 1. mark the word                        | 1. count the task as claimed                  |
// | 2. fence                                | 2. fence                                      |
// | 3. look for a place; none: sleep on the | 3. marked? then take the mark away, and wake  |
// |    mark                                 |                                               |
//
// The two fences have an order. If the submitter's is first, the mark is seen; if the other is first,
// the submitter sees the place. Submitters stand in a line, and only the first sleeps here. A worker
// that dies in its third step is followed by [`Board::wake_submitter`].

impl Board {
    /// Waits until `take` finds a place. None: it `is_over`, or the time is.
    pub(crate) fn wait_for_capacity<T>(
        &self,
        deadline: Deadline,
        take: impl Fn() -> Option<T>,
        is_over: impl Fn() -> bool,
    ) -> Option<T> {
        // What came of a look, once something has.
        let look = || take().map(Some).or_else(|| is_over().then_some(None));
        let mut found = None;
        let mut has_spun = false;
        loop {
            found = found.or_else(look);
            if let Some(end) = found {
                return end;
            }
            if deadline.has_passed() {
                return None;
            }
            if !has_spun {
                has_spun = true;
                spin_until(|| {
                    found = look();
                    found.is_some()
                });
                continue;
            }
            // Who takes the mark away after this step wakes us; of one who has done so before, the fence
            // makes visible what it was for.
            self.capacity_event().swap(WAITED, Relaxed);
            fence(SeqCst);
            found = look();
            if found.is_none() {
                self.capacity_event().sleep_if(WAITED, self.scope, deadline.left());
            }
        }
    }

    /// Says that a task does not wait any more, after that was counted.
    pub(crate) fn notify_capacity(&self) {
        fence(SeqCst);
        if self.capacity_event().load(Relaxed) == WAITED {
            self.wake_submitter();
        }
    }

    /// Makes the first submitter in the line look, whatever it waits for.
    #[cold]
    pub(crate) fn wake_submitter(&self) {
        // Release; pairs with the fence of who marks it next.
        self.capacity_event().swap(0, Release);
        self.capacity_event().wake(1, self.scope);
    }

    fn capacity_event(&self) -> &WaitWord {
        &self.header.at(0).capacity.0
    }
}
