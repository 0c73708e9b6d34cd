//! Enforces time limits: finds the tasks that run, warns, and kills.

use super::Supervisor;
use super::limits::TimeLimits;
use super::state::PoolKind;
use crate::board::slot::{Phase, SeatIndex};
use crate::board::slots::SlotKey;
use crate::error::Status;
use crate::table::Table;
use std::time::{Duration, Instant};

/// A task that runs.
struct TimedTask {
    seat: SeatIndex,
    started: Instant,
    limits: TimeLimits,
    is_overdue: bool,
    is_kill_pending: bool,
}

/// Why a worker is killed for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doom {
    /// It has run for longer than this.
    HardLimit(u64),
    CancelledTask,
}

impl Doom {
    pub(crate) fn status(self) -> Status {
        match self {
            Doom::HardLimit(_) => Status::POOL_ERR_HARD_LIMIT,
            Doom::CancelledTask => Status::POOL_ERR_CANCELLED,
        }
    }
}

/// A task for which its worker is killed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sentence {
    pub(crate) ticket: SlotKey,
    pub(crate) doom: Doom,
    /// When the worker has had time enough to end by itself; None: it has been killed.
    kill_at: Option<Instant>,
}

/// What the watch knows of the tasks that run.
#[derive(Default)]
pub(super) struct TimedTasks {
    timed: Table<TimedTask>,
    /// When to look again.
    pub(super) next: Option<Instant>,
}

impl Supervisor {
    /// Looks at all that has a time; says in `timing.next` when to look again.
    pub(super) fn check_times(&mut self) {
        let now = Instant::now();
        let next_start = self.state.expire_late(now);
        let next_limit = self.check_limits(now);
        let next_kill = self.kill_pending_workers(now);
        self.timing.next = next_start.into_iter().chain(next_limit).chain(next_kill).min();
    }

    fn check_limits(&mut self, now: Instant) -> Option<Instant> {
        let limit_ms = self.state.limits.alarm.limit_ms()?;
        self.track_running(now);
        let mut next: Option<Instant> = None;
        for number in self.timing.timed.numbers() {
            let at = self.check_limit(SlotKey::from_u64(number), now);
            next = next.into_iter().chain(at).min();
        }
        let state = &self.state;
        let is_idle = || {
            let load = state.slots.load(&state.region);
            load.pending == 0 && load.busy == 0
        };
        if self.timing.timed.is_empty() && is_idle() && state.limits.alarm.disarm(limit_ms, is_idle)
        {
            return None;
        }
        // Whatever starts from now on is seen before its limit is over.
        let soon = now.checked_add(Duration::from_millis(limit_ms));
        next.into_iter().chain(soon).min()
    }

    /// Finds the tasks that run, and forgets those that do not run any more.
    fn track_running(&mut self, now: Instant) {
        let state = &self.state;
        for seat in self.workers.seats() {
            let seat = SeatIndex(seat as u16);
            let Some((ticket, age)) = state.running(seat) else { continue };
            self.timing.timed.get_or_make(ticket.to_u64(), || {
                let options = state.slots.side_table.options(ticket.slot).unwrap_or_default();
                let limits = state.limits.resolve(options.soft, options.hard);
                let started = now.checked_sub(age.unwrap_or_default()).unwrap_or(now);
                TimedTask { seat, started, limits, is_overdue: false, is_kill_pending: false }
            });
        }
        self.timing.timed.retain(|number, timed| {
            let ticket = SlotKey::from_u64(number);
            let word = &state.region.board.slot(ticket.slot).word;
            word.phase() == Phase::Running(timed.seat) && word.generation() == ticket.generation
        });
    }

    /// Does what the time asks for with one task; answers when to look at it again.
    fn check_limit(&mut self, ticket: SlotKey, now: Instant) -> Option<Instant> {
        let timed = self.timing.timed.get_mut(ticket.to_u64())?;
        let (seat, limits) = (timed.seat, timed.limits);
        let end = |ms| timed.started.checked_add(Duration::from_millis(ms));
        let (soft, hard) = (limits.soft_ms.and_then(end), limits.hard_ms.and_then(end));
        if let (Some(at), Some(limit_ms)) = (hard, limits.hard_ms)
            && at <= now
        {
            if std::mem::replace(&mut timed.is_kill_pending, true) {
                return None;
            }
            self.enforce(ticket, seat, limit_ms);
            return None;
        }
        match (soft, limits.soft_ms) {
            (Some(at), Some(limit_ms)) if at <= now && !timed.is_overdue => {
                timed.is_overdue = true;
                self.warn(ticket, seat, limit_ms);
                hard
            }
            _ if timed.is_overdue => hard,
            _ => soft.into_iter().chain(hard).min(),
        }
    }

    /// The soft limit has passed: the task is told, and whoever wants to know.
    fn warn(&self, ticket: SlotKey, seat: SeatIndex, limit_ms: u64) {
        let word = &self.state.region.board.slot(ticket.slot).word;
        let signal = self.state.soft_signal;
        if !word.mark_overdue(seat, ticket.generation, signal.is_some()) {
            return;
        }
        self.state.counters.soft_limits.count();
        if let Some(signal) = signal {
            let worker = self.workers.handles.get(usize::from(seat.0)).and_then(Option::as_ref);
            worker.inspect(|worker| worker.signal(signal));
            word.signal_sent(ticket.generation);
        }
        self.state.task_callbacks.push_timeout(&self.state, ticket, true, limit_ms);
    }

    /// The hard limit has passed: the task ends with its worker.
    fn enforce(&mut self, ticket: SlotKey, seat: SeatIndex, limit_ms: u64) {
        if !matches!(self.state.kind, PoolKind::Processes(_)) {
            return;
        }
        if self.state.region.board.slot(ticket.slot).word.mark_for_kill(ticket.generation)
            != Some(seat)
        {
            return;
        }
        self.state.counters.hard_limits.count();
        self.sentence(ticket, seat, Doom::HardLimit(limit_ms), Duration::ZERO);
        self.state.task_callbacks.push_timeout(&self.state, ticket, false, limit_ms);
    }

    /// Somebody has doomed a running task.
    pub(super) fn kill_for_task(&mut self, ticket: SlotKey) {
        let word = &self.state.region.board.slot(ticket.slot).word;
        let Phase::Running(seat) = word.phase() else { return };
        if word.is_kill_pending(seat, ticket.generation) {
            self.sentence(ticket, seat, Doom::CancelledTask, self.state.plan.times.kill_grace);
        }
    }

    /// A worker is to be killed for its task, which is doomed; it has a while to end by itself.
    fn sentence(&mut self, ticket: SlotKey, seat: SeatIndex, doom: Doom, grace: Duration) {
        let Some(Some(worker)) = self.workers.handles.get_mut(usize::from(seat.0)) else { return };
        let kill_at = Instant::now().checked_add(grace).filter(|_| !grace.is_zero());
        // The first reason stays.
        let doom = worker.sentence.filter(|it| it.ticket == ticket).map_or(doom, |it| it.doom);
        worker.sentence = Some(Sentence { ticket, doom, kill_at });
        match kill_at {
            Some(_) => worker.terminate(),
            None => worker.kill(),
        }
    }

    /// Kills those whose time to end by themselves is over; answers when that of the next one is.
    fn kill_pending_workers(&mut self, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for worker in self.workers.handles.iter_mut().flatten() {
            let Some(at) = worker.sentence.and_then(|sentence| sentence.kill_at) else { continue };
            if at <= now {
                worker.kill();
                worker.sentence.iter_mut().for_each(|sentence| sentence.kill_at = None);
            } else {
                next = next.into_iter().chain([at]).min();
            }
        }
        next
    }

    /// Changes the limits of tasks that start from now on.
    pub(super) fn set_limits(&mut self, limits: TimeLimits) {
        // What runs keeps what it had.
        self.track_running(Instant::now());
        self.state.limits.set(limits);
        if self.state.slots.load(&self.state.region).pending > 0 {
            self.state.arm_limits();
        }
    }
}
