//! How the watch learns that there are tasks whose time it has to look at, and how it may stop looking.
//!
//! ```text
//!            arm (a submitter)
//!   silent ─────────────────────▶ armed: the shortest limit in force
//!      ▲                            │   ▲ arm: a shorter one
//!      └────────────────────────────┘   └─┘
//!            disarm (the watch): nothing waits and nothing runs
//! ```
//!
//! While it is armed the watch looks at what runs, at the latest when the shortest limit has passed once more:
//! so no task can begin and go past its limit unseen. It lies in private memory.
//!
//! | submitter                     | watch                                             |
//! |-------------------------------|---------------------------------------------------|
//! | 1. make the task visible      | 1. armed → silent, if it still is what was read   |
//! | 2. fence                      | 2. fence                                          |
//! | 3. lower the word; ring if it | 3. look once more; if there is a task, arm with   |
//! |    was higher                 |    what was read                                  |
//!
//! If the submitter's third step comes after the watch's first, the word was silent, and it rings. If it
//! comes before, the word was as low already, or step 1 fails, or step 3 sees the task.

use crate::sync::{AtomicU64, fence};
use crate::sync::Ordering::*;

const SILENT: u64 = u64::MAX;

/// The shortest limit in force, in milliseconds.
pub(crate) struct LimitTimer(AtomicU64);

impl Default for LimitTimer {
    fn default() -> LimitTimer {
        LimitTimer(AtomicU64::new(SILENT))
    }
}

impl LimitTimer {
    /// After a submit's fence: there is a task with this limit. True: the watch has to be rung.
    pub(crate) fn arm(&self, limit_ms: u64) -> bool {
        // Acquire is not needed: who is rung looks at everything. Release; pairs with `disarm`.
        self.0.load(Relaxed) > limit_ms && self.0.fetch_min(limit_ms, AcqRel) > limit_ms
    }

    /// The shortest limit, if there is anything to look at.
    pub(crate) fn limit_ms(&self) -> Option<u64> {
        let limit_ms = self.0.load(Acquire);
        (limit_ms != SILENT).then_some(limit_ms)
    }

    /// Nothing was found to look at, by somebody who had read this limit. `is_idle` looks again.
    pub(crate) fn disarm(&self, limit_ms: u64, is_idle: impl FnOnce() -> bool) -> bool {
        if self.0.compare_exchange(limit_ms, SILENT, AcqRel, Relaxed).is_err() {
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
