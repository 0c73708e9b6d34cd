//! Enforces time limits and start deadlines.
//!
//! The supervisor finds the tasks that run, marks those that have passed their soft limit, and
//! kills the workers of those that have passed the hard one. It withdraws tasks that have not
//! started in time.
//!
//! ```text
//!              seen to run            soft limit               hard limit: marked, killed
//!   (nothing) ─────────────▶ timed ─────────────▶ overdue ───────────────────────────────▶ the worker is reaped
//!                              │                     │
//!                              └─────────────────────┴──▶ (nothing): the task is done
//! ```
//!
//! The age of a task counts from the time that its worker has recorded. If that is missing or
//! impossible, it counts from when the supervisor first sees the task run.

use super::Supervisor;
use crate::board::parent::slots::SlotKey;
use crate::board::slot::{CancelReason, Phase, SeatIndex};
use crate::clock;
use crate::state::PoolState;
use crate::state::config::PoolKind;
use crate::state::limits::TimeLimits;
use crate::state::task_callbacks::LimitKind;
use crate::worker::protocol::ExitReason;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A task that runs.
struct TimedTask {
    seat: SeatIndex,
    started: Instant,
    limits: TimeLimits,
    is_overdue: bool,
    is_killed: bool,
}

/// A kill of a worker because of its task.
#[derive(Debug, Clone, Copy)]
pub(super) struct PendingKill {
    pub(super) key: SlotKey,
    /// The hard limit that the task has passed; None: it was cancelled.
    pub(super) limit_ms: Option<u64>,
    /// When SIGKILL follows SIGTERM; None: SIGKILL was sent.
    kill_at: Option<Instant>,
}

impl PendingKill {
    pub(super) fn reason(self) -> ExitReason {
        match self.limit_ms {
            Some(_) => ExitReason::TimeLimit,
            None => ExitReason::Cancelled,
        }
    }
}

/// The tasks that run, as the supervisor has seen them.
#[derive(Default)]
pub(super) struct TimedTasks {
    tasks: HashMap<SlotKey, TimedTask>,
    /// When to check again.
    pub(super) next: Option<Instant>,
}

impl Supervisor {
    /// Checks all limits and start deadlines, and sets `timed.next`.
    pub(super) fn check_limits(&mut self) {
        let now = Instant::now();
        let next_start = self.withdraw_late(now);
        let next_limit = self.check_running(now);
        let next_kill = self.kill_after_grace(now);
        self.timed.next = next_start.into_iter().chain(next_limit).chain(next_kill).min();
    }

    /// Withdraws the tasks that have not started in time; returns when the next start deadline
    /// passes.
    fn withdraw_late(&self, now: Instant) -> Option<Instant> {
        loop {
            let key = match self.state.limits.take_overdue_start(now) {
                Ok(key) => key,
                Err(next) => return next,
            };
            let word = &self.state.region.board.slot(key.slot).word;
            let is_waiting = word.phase() == Phase::Ready && word.generation() == key.generation;
            // One that a worker has taken in time has started, also if it has to be run again.
            if !is_waiting || word.was_claimed_before() {
                continue;
            }
            self.state.withdraw(key, CancelReason::Expired);
        }
    }

    fn check_running(&mut self, now: Instant) -> Option<Instant> {
        let limit_ms = self.state.limits.timer.limit_ms()?;
        self.track_running(now);
        let mut next: Option<Instant> = None;
        let keys: Vec<SlotKey> = self.timed.tasks.keys().copied().collect();
        for key in keys {
            let at = self.check_limits_of(key, now);
            next = next.into_iter().chain(at).min();
        }
        let state = &self.state;
        let is_idle = || {
            let load = state.slots.load(&state.region);
            load.pending == 0 && load.busy == 0
        };
        let has_none = self.timed.tasks.is_empty() && is_idle();
        if has_none && state.limits.timer.disarm(limit_ms, is_idle) {
            return None;
        }
        // A task that starts from now on is seen before its limit has passed.
        let soon = now.checked_add(Duration::from_millis(limit_ms));
        next.into_iter().chain(soon).min()
    }

    /// Adds the tasks that run, and removes those that run no longer.
    fn track_running(&mut self, now: Instant) {
        let state = &self.state;
        for seat in self.workers.seats_if(|_| true) {
            let seat = SeatIndex(seat as u16);
            let Some((key, age)) = running_task(state, seat) else { continue };
            self.timed.tasks.entry(key).or_insert_with(|| {
                let options = state.slots.side_table.options(key.slot).unwrap_or_default();
                let limits = state.limits.resolve(options.soft, options.hard);
                let started = now.checked_sub(age.unwrap_or_default()).unwrap_or(now);
                TimedTask { seat, started, limits, is_overdue: false, is_killed: false }
            });
        }
        self.timed.tasks.retain(|key, task| {
            let word = &state.region.board.slot(key.slot).word;
            word.phase() == Phase::Running(task.seat) && word.generation() == key.generation
        });
    }

    /// Enforces the limits of one task; returns when to check it again.
    fn check_limits_of(&mut self, key: SlotKey, now: Instant) -> Option<Instant> {
        let task = self.timed.tasks.get_mut(&key)?;
        let (seat, limits) = (task.seat, task.limits);
        let end = |ms| task.started.checked_add(Duration::from_millis(ms));
        let (soft, hard) = (limits.soft_ms.and_then(end), limits.hard_ms.and_then(end));
        if let (Some(at), Some(limit_ms)) = (hard, limits.hard_ms)
            && at <= now
        {
            if !std::mem::replace(&mut task.is_killed, true) {
                self.enforce_hard_limit(key, seat, limit_ms);
            }
            return None;
        }
        match (soft, limits.soft_ms) {
            (Some(at), Some(limit_ms)) if at <= now && !task.is_overdue => {
                task.is_overdue = true;
                self.enforce_soft_limit(key, seat, limit_ms);
                hard
            }
            _ if task.is_overdue => hard,
            _ => soft.into_iter().chain(hard).min(),
        }
    }

    /// The soft limit has passed: marks the task, and pushes its callback.
    fn enforce_soft_limit(&self, key: SlotKey, seat: SeatIndex, limit_ms: u64) {
        let word = &self.state.region.board.slot(key.slot).word;
        let signal = self.state.config.soft_signal;
        if !word.mark_overdue(seat, key.generation, signal.is_some()) {
            return;
        }
        self.state.counters.soft_limits.add();
        let worker = self.workers.get(usize::from(seat.0));
        let send = signal.map(|signal| {
            move || {
                worker.inspect(|worker| worker.signal(signal));
            }
        });
        self.state.pass_on_soft_limit(key, send);
        if signal.is_some() {
            word.signal_sent(key.generation);
        }
        let (callbacks, queue) = (&self.state.task_callbacks, &self.state.callbacks);
        callbacks.push_timeout(queue, key, LimitKind::Soft, limit_ms);
    }

    /// The hard limit has passed: kills the worker, and pushes the task's callback.
    fn enforce_hard_limit(&mut self, key: SlotKey, seat: SeatIndex, limit_ms: u64) {
        if !matches!(self.state.config.kind, PoolKind::Processes(_)) {
            return;
        }
        let word = &self.state.region.board.slot(key.slot).word;
        if word.mark_for_kill(key.generation) != Some(seat) {
            return;
        }
        self.state.counters.hard_limits.add();
        self.kill_for(key, seat, Some(limit_ms), Duration::ZERO);
        let (callbacks, queue) = (&self.state.task_callbacks, &self.state.callbacks);
        callbacks.push_timeout(queue, key, LimitKind::Hard, limit_ms);
    }

    /// Kills the worker of a running task that was cancelled and marked for that.
    pub(super) fn kill_for_cancelled_task(&mut self, key: SlotKey) {
        let word = &self.state.region.board.slot(key.slot).word;
        let Phase::Running(seat) = word.phase() else { return };
        if word.is_kill_pending(seat, key.generation) {
            self.kill_for(key, seat, None, self.state.config.timeouts.kill_grace);
        }
    }

    /// Kills the worker of a task that is marked for that, after a grace period.
    fn kill_for(&mut self, key: SlotKey, seat: SeatIndex, limit_ms: Option<u64>, grace: Duration) {
        let Some(worker) = self.workers.get_mut(usize::from(seat.0)) else { return };
        let kill_at = Instant::now().checked_add(grace).filter(|_| !grace.is_zero());
        // The first reason is kept.
        let before = worker.pending_kill.filter(|pending| pending.key == key);
        let limit_ms = before.map_or(limit_ms, |pending| pending.limit_ms);
        worker.pending_kill = Some(PendingKill { key, limit_ms, kill_at });
        match kill_at {
            Some(_) => worker.terminate(),
            None => worker.kill(),
        }
    }

    /// Kills the workers whose grace period is over; returns when the next one is.
    fn kill_after_grace(&mut self, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for worker in self.workers.iter_mut() {
            let Some(pending) = &mut worker.pending_kill else { continue };
            match pending.kill_at {
                Some(at) if at <= now => {
                    pending.kill_at = None;
                    worker.kill();
                }
                at => next = next.into_iter().chain(at).min(),
            }
        }
        next
    }

    /// Changes the limits of tasks that start from now on.
    pub(super) fn set_limits(&mut self, limits: TimeLimits) {
        // Running tasks keep their limits.
        self.track_running(Instant::now());
        self.state.limits.set_defaults(limits);
        if self.state.slots.load(&self.state.region).pending > 0 {
            self.state.arm_limits();
        }
    }
}

/// The task that the worker of this seat has recorded, and how long it has run by that record.
fn running_task(state: &PoolState, seat: SeatIndex) -> Option<(SlotKey, Option<Duration>)> {
    let board = &state.region.board;
    let slot = board.current_task(seat).0.filter(|slot| *slot < state.slots.used())?;
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
