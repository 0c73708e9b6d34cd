//! Waiting for any of several tasks, and for capacity in a bounded queue.
//!
//! # The completion event
//!
//! One word of the board is shared by all threads that wait for several tasks, or for any. It holds
//! a flag, that a thread sleeps on it, and a count of the notifications. The step that ends or
//! claims a task with a subscription notifies it; the flag shows whether a thread must be woken.
//!
//! # Capacity
//!
//! A task of a bounded queue uses capacity from its submit until it is claimed or cancelled. One
//! word holds the flag that a submitter waits, and is slept on.
//!
//! | submitter ([`Board::wait_for_capacity`]) | worker ([`Board::notify_capacity`])             |
//! |------------------------------------------|-------------------------------------------------|
//! | 1. set the flag                          | 1. count the task as claimed                    |
//! | 2. fence                                 | 2. fence                                        |
//! | 3. check the capacity; none: sleep while | 3. is the flag set? clear it, and wake          |
//! |    the flag is set                       |                                                 |
//!
//! The two fences are ordered. If the submitter's is first, the worker sees the flag; if the
//! worker's is first, the submitter sees the capacity. Waiting submitters form a FIFO, and only the
//! first one sleeps here. If a worker dies in its third step, the supervisor calls
//! [`Board::wake_submitter`].

use super::Board;
use crate::sync::{Deadline, Ordering::*, WaitWord, fence, spin_until};

/// In both words: a thread sleeps on it. In the completion event, the bits above count
/// notifications.
const WAITED: u64 = 1;
const ONE_NOTIFICATION: u64 = 2;

impl Board {
    // ---- the completion event ------------------------------------------------------------------

    /// The word that changes when a task ends or starts after `subscribe_completion` or
    /// `subscribe_start` returned true. A thread that wants to sleep on it calls
    /// [`Board::prepare_wait`] first.
    pub(crate) fn completion_event(&self) -> &WaitWord {
        &self.header.at(0).completion
    }

    /// Announces that the caller is about to sleep on the completion event, of which it has read
    /// `seen`; returns the value to sleep on. None: the event was notified since. Relaxed: flag and
    /// count are one word, so either this step or a notification sees the other.
    pub(crate) fn prepare_wait(&self, seen: u64) -> Option<u64> {
        let now = self.completion_event().fetch_or(WAITED, Relaxed);
        (now | WAITED == seen | WAITED).then_some(seen | WAITED)
    }

    /// Notifies the completion event. Release; pairs with the Acquire load of the event before
    /// [`Board::prepare_wait`].
    pub(crate) fn notify_completion(&self) {
        let notified = |now: u64| Some((now & !WAITED).wrapping_add(ONE_NOTIFICATION));
        let before = self.completion_event().fetch_update(Release, Relaxed, notified);
        if before.is_ok_and(|before| before & WAITED != 0) {
            self.completion_event().wake(i32::MAX, self.scope);
        }
    }

    /// Notifies the completion event again, and wakes all waiters whatever the word says: a stray
    /// worker may have overwritten it.
    pub(crate) fn renotify_completion(&self) {
        self.completion_event().fetch_add(ONE_NOTIFICATION, Release);
        self.completion_event().wake(i32::MAX, self.scope);
    }

    // ---- capacity ------------------------------------------------------------------------------

    /// Waits until `take` succeeds. None: `is_closed` returned true, or the deadline has passed.
    pub(crate) fn wait_for_capacity<T>(
        &self,
        deadline: Deadline,
        take: impl Fn() -> Option<T>,
        is_closed: impl Fn() -> bool,
    ) -> Option<T> {
        // The result of an attempt; None: keep waiting.
        let attempt = || take().map(Some).or_else(|| is_closed().then_some(None));
        let mut result = None;
        let mut has_spun = false;
        loop {
            result = result.or_else(attempt);
            if let Some(taken) = result {
                return taken;
            }
            if deadline.has_passed() {
                return None;
            }
            if !has_spun {
                has_spun = true;
                spin_until(|| {
                    result = attempt();
                    result.is_some()
                });
                continue;
            }
            // A worker that clears the flag after this step wakes this thread. If one cleared it
            // before, the fence makes visible the claim that it announced.
            self.capacity_event().swap(WAITED, Relaxed);
            fence(SeqCst);
            result = attempt();
            if result.is_none() {
                let left = self.scope.limited(deadline.left());
                self.capacity_event().sleep_if(WAITED, self.scope, left);
            }
        }
    }

    /// Announces that a task is no longer waiting, after that was counted.
    pub(crate) fn notify_capacity(&self) {
        fence(SeqCst);
        if self.capacity_event().load(Relaxed) == WAITED {
            self.wake_submitter();
        }
    }

    /// Makes the first waiting submitter check again, whatever it waits for.
    #[cold]
    pub(crate) fn wake_submitter(&self) {
        // Release; pairs with the fence of the submitter that sets the flag next.
        self.capacity_event().swap(0, Release);
        self.capacity_event().wake(1, self.scope);
    }

    fn capacity_event(&self) -> &WaitWord {
        &self.header.at(0).capacity
    }
}
