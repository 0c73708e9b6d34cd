//! Time limits: tasks that run for longer than they may, and tasks that have not started in time.
//!
//! ```text
//!              seen to run            soft limit               hard limit: doomed, killed
//!   (nothing) ─────────────▶ timed ─────────────▶ overdue ─────────────────────────────▶ the worker is reaped
//!                              │                     │
//!                              └─────────────────────┴──▶ (nothing): it is done
//! ```
//!
//! Nobody times a task when it starts: the watch looks what runs, while its alarm is armed
//! ([`crate::board::limit_timer`]). A task's age is counted from the moment that its worker has noted; one that notes
//! nothing, or something impossible, is timed from when it was first seen.

use super::Supervisor;
use super::state::{PoolKind, PoolState};
use crate::board::limit_timer::LimitTimer;
use crate::board::side_table::{TaskFailure, TimeLimit};
use crate::board::slot::{Phase, SeatIndex};
use crate::board::slots::SlotKey;
use crate::clock;
use crate::error::{Detail, Error, Result, Status};
use crate::sync::{Ordering::*, plain::AtomicU64};
use crate::table::{Sequence, Table};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The limits of a pool, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TimeLimits {
    pub(crate) soft_ms: Option<u64>,
    pub(crate) hard_ms: Option<u64>,
}

const NONE: u64 = u64::MAX;

/// What submitters and the watch share about limits.
pub(crate) struct LimitSettings {
    alarm: LimitTimer,
    /// What tasks have that bring none of their own; `NONE` or milliseconds.
    soft_ms: AtomicU64,
    hard_ms: AtomicU64,
    shortest_ms: AtomicU64,
    /// Tasks that have to start by a moment, in nanoseconds after `born`.
    starts: Mutex<Sequence>,
    born: Instant,
}

impl LimitSettings {
    pub(crate) fn new(limits: TimeLimits) -> LimitSettings {
        let settings = LimitSettings {
            alarm: LimitTimer::default(),
            soft_ms: AtomicU64::new(NONE),
            hard_ms: AtomicU64::new(NONE),
            shortest_ms: AtomicU64::new(NONE),
            starts: Mutex::default(),
            born: Instant::now(),
        };
        settings.set(limits);
        settings
    }

    fn set(&self, limits: TimeLimits) {
        let [soft, hard] = [limits.soft_ms, limits.hard_ms].map(|limit| limit.unwrap_or(NONE));
        self.soft_ms.store(soft, Relaxed);
        self.hard_ms.store(hard, Relaxed);
        self.shortest_ms.store(soft.min(hard), Release);
    }

    pub(crate) fn usual(&self) -> TimeLimits {
        let limit = |limit: &AtomicU64| Some(limit.load(Relaxed)).filter(|ms| *ms != NONE);
        TimeLimits { soft_ms: limit(&self.soft_ms), hard_ms: limit(&self.hard_ms) }
    }

    /// What limits a task has whose wishes are these.
    pub(crate) fn resolve(&self, soft: TimeLimit, hard: TimeLimit) -> TimeLimits {
        let usual = self.usual();
        let resolve = |limit, usual| match limit {
            TimeLimit::PoolDefault => usual,
            TimeLimit::None => None,
            TimeLimit::Ms(ms) => Some(ms),
        };
        TimeLimits { soft_ms: resolve(soft, usual.soft_ms), hard_ms: resolve(hard, usual.hard_ms) }
    }
}

impl TimeLimits {
    fn shortest(self) -> Option<u64> {
        self.soft_ms.into_iter().chain(self.hard_ms).min()
    }

    /// Whether tasks of this kind of workers can have such limits.
    pub(crate) fn check(self, kind: &PoolKind) -> Result<()> {
        let refuse = |status, words| Err(Error::new(status, words));
        match (self.soft_ms, self.hard_ms, kind) {
            (_, Some(_), PoolKind::Threads | PoolKind::Inline) => {
                refuse(Status::POOL_ERR_UNSUPPORTED, "a hard limit: threads cannot be killed")
            }
            (Some(_), _, PoolKind::Inline) => refuse(
                Status::POOL_ERR_UNSUPPORTED,
                "a soft limit: an inline pool has nobody to watch",
            ),
            (Some(soft), Some(hard), _) if soft >= hard => {
                refuse(Status::POOL_ERR_INVALID, "the soft limit must be below the hard one")
            }
            _ => Ok(()),
        }
    }
}

impl PoolState {
    /// Called after a submit's fence, for a task with the usual limits.
    #[inline]
    pub(crate) fn arm_limits(&self) {
        let limit_ms = self.limits.shortest_ms.load(Relaxed);
        if limit_ms != NONE && self.limits.alarm.arm(limit_ms) {
            self.wake();
        }
    }

    /// The same for a task with these limits.
    pub(crate) fn arm_limits_of(&self, limits: TimeLimits) {
        if limits.shortest().is_some_and(|limit_ms| self.limits.alarm.arm(limit_ms)) {
            self.wake();
        }
    }

    /// Cancels the task unless it starts within this time.
    pub(crate) fn set_start_deadline(&self, ticket: SlotKey, ms: u64) {
        let Some(at) = Instant::now().checked_add(Duration::from_millis(ms)) else { return };
        let after = at.saturating_duration_since(self.limits.born).as_nanos();
        let start = (u64::try_from(after).unwrap_or(u64::MAX), ticket.to_u64());
        let mut starts = self.starts();
        starts.insert(start);
        if starts.first() == Some(&start) {
            drop(starts);
            self.wake();
        }
    }

    fn starts(&self) -> std::sync::MutexGuard<'_, Sequence> {
        self.limits.starts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes those back that have not started in time; answers when the next one is due.
    fn expire_late(&self, now: Instant) -> Option<Instant> {
        loop {
            let next = self.starts().first().copied();
            let (after, number) = next?;
            let at = self.limits.born.checked_add(Duration::from_nanos(after));
            if at.is_none_or(|at| at > now) {
                return at;
            }
            self.starts().remove(&(after, number));
            let ticket = SlotKey::from_u64(number);
            let word = &self.region.board.slot(ticket.slot).word;
            if word.phase() != Phase::Ready || word.generation() != ticket.generation {
                continue;
            }
            let words = "the task had not started by its deadline".to_owned();
            let detail = Detail { message: words, ..Detail::default() };
            self.withdraw(ticket, Some(&TaskFailure { status: Status::POOL_ERR_EXPIRED, detail }));
        }
    }

    /// The task that this seat says it runs, and for how long it says so.
    fn running(&self, seat: SeatIndex) -> Option<(SlotKey, Option<Duration>)> {
        let board = &self.region.board;
        let slot = board.current_task(seat).0.filter(|slot| *slot < self.slots.used())?;
        let record = board.slot(slot);
        if record.word.phase() != Phase::Running(seat) {
            return None;
        }
        let generation = record.word.generation();
        // Read after the word: 0, or this task's start, or that of a later one, which makes it younger.
        let started = board.current_task(seat).1;
        let now = clock::now();
        let is_possible = started >= record.stamp() && started <= now;
        let age = || Duration::from_nanos(clock::ns_of_ticks(now - started));
        Some((SlotKey { slot, generation }, is_possible.then(age)))
    }
}
