//! Time limits and start deadlines, as submitters set them. The supervisor enforces them.
//!
//! A task that starts sets no timer: while the limit timer is armed
//! ([`crate::board::parent::limit_timer`]), the supervisor checks which tasks run.

use super::config::PoolKind;
use crate::board::parent::limit_timer::LimitTimer;
use crate::board::parent::side_table::TimeLimit;
use crate::board::parent::slots::SlotKey;
use crate::error::{Error, Result, Status};
use crate::sync::plain::AtomicU64;
use crate::sync::{Mutex, Ordering::*};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The time limits of a task, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TimeLimits {
    pub(crate) soft_ms: Option<u64>,
    pub(crate) hard_ms: Option<u64>,
}

impl TimeLimits {
    fn shortest(self) -> Option<u64> {
        self.soft_ms.into_iter().chain(self.hard_ms).min()
    }

    /// Whether tasks of this kind of pool can have such limits.
    pub(crate) fn check(self, kind: &PoolKind) -> Result<()> {
        let refuse = |status, message| Err(Error::new(status, message));
        match (self.soft_ms, self.hard_ms, kind) {
            (_, Some(_), PoolKind::Threads | PoolKind::Inline) => {
                refuse(Status::POOL_ERR_UNSUPPORTED, "a hard limit: threads cannot be killed")
            }
            (Some(_), _, PoolKind::Inline) => refuse(
                Status::POOL_ERR_UNSUPPORTED,
                "a soft limit: an inline pool has no thread that enforces it",
            ),
            (Some(soft), Some(hard), _) if soft >= hard => {
                refuse(Status::POOL_ERR_INVALID, "the soft limit must be below the hard one")
            }
            _ => Ok(()),
        }
    }
}

const NONE: u64 = u64::MAX;

/// The limits of a pool's tasks that set none of their own, and the start deadlines of those that
/// do.
pub(crate) struct LimitSettings {
    pub(crate) timer: LimitTimer,
    /// `NONE` or milliseconds.
    soft_ms: AtomicU64,
    hard_ms: AtomicU64,
    shortest_ms: AtomicU64,
    /// Tasks that must start by a time, in nanoseconds after `epoch`.
    start_deadlines: Mutex<BTreeSet<(u64, SlotKey)>>,
    epoch: Instant,
}

impl LimitSettings {
    pub(super) fn new(limits: TimeLimits) -> LimitSettings {
        let settings = LimitSettings {
            timer: LimitTimer::default(),
            soft_ms: AtomicU64::new(NONE),
            hard_ms: AtomicU64::new(NONE),
            shortest_ms: AtomicU64::new(NONE),
            start_deadlines: Mutex::default(),
            epoch: Instant::now(),
        };
        settings.set_defaults(limits);
        settings
    }

    pub(crate) fn set_defaults(&self, limits: TimeLimits) {
        let [soft, hard] = [limits.soft_ms, limits.hard_ms].map(|limit| limit.unwrap_or(NONE));
        self.soft_ms.store(soft, Relaxed);
        self.hard_ms.store(hard, Relaxed);
        self.shortest_ms.store(soft.min(hard), Relaxed);
    }

    pub(crate) fn defaults(&self) -> TimeLimits {
        let limit = |limit: &AtomicU64| Some(limit.load(Relaxed)).filter(|ms| *ms != NONE);
        TimeLimits { soft_ms: limit(&self.soft_ms), hard_ms: limit(&self.hard_ms) }
    }

    /// The limits of a task with these options.
    pub(crate) fn resolve(&self, soft: TimeLimit, hard: TimeLimit) -> TimeLimits {
        let defaults = self.defaults();
        let resolve = |limit, default| match limit {
            TimeLimit::PoolDefault => default,
            TimeLimit::None => None,
            TimeLimit::Ms(ms) => Some(ms),
        };
        TimeLimits {
            soft_ms: resolve(soft, defaults.soft_ms),
            hard_ms: resolve(hard, defaults.hard_ms),
        }
    }

    /// Arms the timer for a task with the default limits. True: the supervisor must be woken.
    #[inline]
    pub(super) fn arm_default(&self) -> bool {
        let limit_ms = self.shortest_ms.load(Relaxed);
        limit_ms != NONE && self.timer.arm(limit_ms)
    }

    /// Arms the timer for a task with these limits. True: the supervisor must be woken.
    pub(super) fn arm(&self, limits: TimeLimits) -> bool {
        limits.shortest().is_some_and(|limit_ms| self.timer.arm(limit_ms))
    }

    /// Adds a task that must start within this time. True: the supervisor must be woken.
    pub(super) fn add_start_deadline(&self, key: SlotKey, ms: u64) -> bool {
        let Some(at) = Instant::now().checked_add(Duration::from_millis(ms)) else { return false };
        let after = at.saturating_duration_since(self.epoch).as_nanos();
        let deadline = (u64::try_from(after).unwrap_or(u64::MAX), key);
        let mut deadlines = self.start_deadlines.lock();
        deadlines.insert(deadline);
        deadlines.first() == Some(&deadline)
    }

    /// Takes out a task whose start deadline has passed; an error: when the next one passes.
    pub(crate) fn take_overdue_start(
        &self,
        now: Instant,
    ) -> std::result::Result<SlotKey, Option<Instant>> {
        let mut deadlines = self.start_deadlines.lock();
        let Some(&(after, key)) = deadlines.first() else { return Err(None) };
        match self.epoch.checked_add(Duration::from_nanos(after)) {
            Some(at) if at <= now => {
                deadlines.pop_first();
                Ok(key)
            }
            later => Err(later),
        }
    }
}
