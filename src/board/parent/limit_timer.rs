//! The limit timer: whether there are tasks whose time limits the supervisor has to check.
//!
//! ```text
//!            arm (a submitter)
//!   disarmed ───────────────────▶ armed: the shortest limit in force
//!      ▲                            │   ▲ arm: a shorter one
//!      └────────────────────────────┘   └─┘
//!            disarm (the supervisor): no task waits or runs
//! ```
//!
//! While the timer is armed, the supervisor checks the running tasks at the latest whenever the
//! shortest limit has passed once more: so no task can start and exceed its limit without a check.
//!
//! | submitter                     | supervisor                                        |
//! |-------------------------------|---------------------------------------------------|
//! | 1. make the task visible      | 1. armed → disarmed, if the word is as it was read|
//! | 2. fence                      | 2. fence                                          |
//! | 3. lower the word; wake the   | 3. check once more; if there is a task, arm with  |
//! |    supervisor if it was higher|    the value that was read                        |
//!
//! If the third step of the submitter comes after the first of the supervisor, the timer was
//! disarmed, and the submitter wakes the supervisor. If it comes before, the word was as low
//! already, or step 1 fails, or step 3 sees the task.

use crate::sync::{AtomicU64, Ordering::*, fence};

const DISARMED: u64 = u64::MAX;

/// The shortest limit in force, in milliseconds, or `DISARMED`.
pub(crate) struct LimitTimer(AtomicU64);

impl Default for LimitTimer {
    fn default() -> LimitTimer {
        LimitTimer(AtomicU64::new(DISARMED))
    }
}

impl LimitTimer {
    /// Arms the timer for a task with this limit, after the submit's fence. True: the supervisor
    /// has to be woken.
    pub(crate) fn arm(&self, limit_ms: u64) -> bool {
        // Acquire is not needed: a woken supervisor checks everything. Release; pairs with
        // `disarm`.
        self.0.load(Relaxed) > limit_ms && self.0.fetch_min(limit_ms, AcqRel) > limit_ms
    }

    /// The shortest limit, if the timer is armed.
    pub(crate) fn limit_ms(&self) -> Option<u64> {
        let limit_ms = self.0.load(Acquire);
        (limit_ms != DISARMED).then_some(limit_ms)
    }

    /// Disarms the timer, after the caller has read this limit and found no task. `is_idle` checks
    /// again. False: the timer stays armed.
    pub(crate) fn disarm(&self, limit_ms: u64, is_idle: impl FnOnce() -> bool) -> bool {
        if self.0.compare_exchange(limit_ms, DISARMED, AcqRel, Relaxed).is_err() {
            return false;
        }
        fence(SeqCst);
        if is_idle() {
            return true;
        }
        self.0.fetch_min(limit_ms, AcqRel);
        false
    }
}
