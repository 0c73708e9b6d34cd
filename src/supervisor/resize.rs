//! Resizing the pool, restarting its workers, and waiting until workers are ready.
//!
//! A worker is asked to exit on the board ([`crate::board::retire`]); it exits between two tasks,
//! and is reaped like any other. A restarted worker is replaced at once. When a pool shrinks there
//! is no replacement, because the maximum is lower.

use super::Supervisor;
use super::workers::WorkerHandle;
use crate::board::slot::SeatIndex;
use crate::error::{Error, Result, Status};
use crate::state::commands::{ReplySender, RestartMode, ShrinkMode};
use crate::state::config::PoolKind;
use crate::worker::protocol::ExitReason;

/// A caller that waits until a number of workers is ready.
pub(super) struct ReadyWaiter {
    /// Identifies the caller.
    number: u64,
    count: u32,
    /// Workers that were ready and have exited since because they were idle: they count as ready.
    idled: u32,
    reply: ReplySender,
}

/// A caller that waits until there are no more workers than the maximum that it has set.
pub(super) struct SizeWaiter {
    /// Identifies the caller.
    number: u64,
    max: u32,
    reply: ReplySender,
}

impl Supervisor {
    // ---- waiting for workers -------------------------------------------------------------------

    pub(super) fn wait_ready(&mut self, number: u64, count: u32, reply: ReplySender) {
        self.ready_waiters.push(ReadyWaiter { number, count, idled: 0, reply });
        self.start_needed_workers();
    }

    pub(super) fn cancel_wait_ready(&mut self, number: u64) {
        self.answer_ready_waiters();
        for waiter in self.ready_waiters.extract_if(.., |waiter| waiter.number == number) {
            waiter.reply.done(Err(Status::POOL_ERR_TIMEOUT.into()));
        }
    }

    /// The number of workers that the callers wait for.
    pub(super) fn ready_wanted(&self) -> u32 {
        let missing = self.ready_waiters.iter().map(|it| it.count.saturating_sub(it.idled));
        missing.max().unwrap_or(0)
    }

    /// Replies to the callers whose workers are ready or will never be ready.
    pub(super) fn answer_ready_waiters(&mut self) {
        if self.ready_waiters.is_empty() {
            return;
        }
        let is_ready =
            |worker: &WorkerHandle| worker.is_ready && !worker.is_old && worker.requested.is_none();
        let ready = self.workers.count_if(is_ready);
        let is_open = self.life.stop.is_none() && self.life.is_open();
        let broken = self.state.check_broken();
        self.ready_waiters.retain(|waiter| {
            let outcome = match &broken {
                Err(error) => {
                    let detail = error.detail().cloned().unwrap_or_default();
                    Err(Error::with_detail(error.status, detail))
                }
                Ok(()) if !is_open => Err(Status::POOL_ERR_CLOSED.into()),
                Ok(()) if ready + waiter.idled >= waiter.count => Ok(()),
                Ok(()) => return true,
            };
            waiter.reply.done(outcome);
            false
        });
    }

    // ---- growing and shrinking -----------------------------------------------------------------

    fn check_resizable(&self) -> Result<()> {
        self.state.check_open()?;
        if self.life.is_open() { Ok(()) } else { Err(Status::POOL_ERR_CLOSED.into()) }
    }

    fn check_room(&self, max: u32) -> Result<()> {
        if max as usize <= self.state.region.geometry.seats {
            return Ok(());
        }
        let message = "address space is limited: the pool has no room for so many workers";
        Err(Error::new(Status::POOL_ERR_FULL, message))
    }

    /// Starts this many workers more, or none, and raises the maximum.
    pub(super) fn grow(&mut self, count: u32) -> Result<()> {
        self.check_resizable()?;
        let max = self.state.workers_max().saturating_add(count);
        self.check_room(max)?;
        let mut started = Vec::new();
        for _ in 0..count {
            match self.start_one() {
                Ok(seat) => started.push(seat),
                Err(error) => {
                    for seat in started {
                        self.retire_worker(seat, ExitReason::Shrunk);
                    }
                    return Err(error);
                }
            }
        }
        self.state.bounds.set_max(max);
        Ok(())
    }

    pub(super) fn shrink(&mut self, count: u32, mode: ShrinkMode) -> Result<()> {
        let max = self.state.workers_max().saturating_sub(count);
        if max == 0 {
            return Err(Error::new(Status::POOL_ERR_INVALID, "n: one worker must be left"));
        }
        self.lower_max(max, mode)
    }

    fn lower_max(&mut self, max: u32, mode: ShrinkMode) -> Result<()> {
        self.check_resizable()?;
        let excess = self.remaining_workers().saturating_sub(max) as usize;
        let stays = |worker: &WorkerHandle| worker.requested != Some(ExitReason::Shrunk);
        let mut idle: Vec<usize> = self.workers.seats_if(stays).collect();
        idle.retain(|seat| self.state.is_idle(SeatIndex(*seat as u16)));
        if mode == ShrinkMode::Idle && idle.len() < excess {
            return Err(Error::new(Status::POOL_ERR_STATE, "too few workers are idle"));
        }
        self.state.bounds.set_max(max);
        // The highest seats first: the remaining seats stay close together.
        for seat in idle.into_iter().rev().take(excess) {
            self.retire_worker(seat, ExitReason::Shrunk);
        }
        // For the rest: the workers that are the first to finish a task.
        self.enforce_max();
        Ok(())
    }

    /// Sets the maximum, and replies when there are no more workers.
    pub(super) fn resize(&mut self, number: u64, max: u32, reply: ReplySender) {
        let resized = match max > self.state.workers_max() {
            true => self.raise_max(max),
            false => self.lower_max(max, ShrinkMode::WhenIdle),
        };
        match resized {
            Ok(()) => self.size_waiters.push(SizeWaiter { number, max, reply }),
            Err(error) => reply.done(Err(error)),
        }
    }

    fn raise_max(&self, max: u32) -> Result<()> {
        self.check_resizable()?;
        self.check_room(max)?;
        self.state.bounds.set_max(max);
        Ok(())
    }

    pub(super) fn cancel_resize(&mut self, number: u64) {
        self.answer_size_waiters();
        for waiter in self.size_waiters.extract_if(.., |waiter| waiter.number == number) {
            waiter.reply.done(Err(Status::POOL_ERR_TIMEOUT.into()));
        }
    }

    /// Replies to the callers whose workers have exited.
    pub(super) fn answer_size_waiters(&mut self) {
        let workers = self.workers.count();
        for waiter in self.size_waiters.extract_if(.., |waiter| workers <= waiter.max) {
            waiter.reply.done(Ok(()));
        }
    }

    /// The number of workers without those that are about to exit because the pool has shrunk.
    fn remaining_workers(&self) -> u32 {
        let taken = self.state.region.board.retire_quota().taken;
        let exiting = taken.wrapping_sub(self.retired_exits) as i32;
        let asked = self.workers.count_if(|it| it.requested == Some(ExitReason::Shrunk));
        let leaving = asked.saturating_add(u32::try_from(exiting).unwrap_or(0));
        self.workers.count().saturating_sub(leaving)
    }

    /// Sets the retire quota to the number of workers above the maximum. It is lowered, too:
    /// workers may have exited for another reason.
    pub(super) fn enforce_max(&mut self) {
        let board = &self.state.region.board;
        if self.workers.count() <= self.state.workers_max() {
            // Corrects the count after a stray worker has overwritten the quota.
            self.retired_exits = board.retire_quota().taken;
        }
        loop {
            let excess = self.remaining_workers().saturating_sub(self.state.workers_max());
            let seen = board.retire_quota();
            if seen.requested == excess || board.request_retire(seen, excess) {
                return;
            }
        }
    }

    fn retire_worker(&mut self, seat: usize, reason: ExitReason) {
        debug_assert!(matches!(reason, ExitReason::Shrunk | ExitReason::Restarted));
        if let Some(worker) = self.workers.get_mut(seat) {
            (worker.requested, worker.is_old) = (Some(reason), false);
            self.state.region.board.retire_seat(SeatIndex(seat as u16));
        }
    }

    /// Counts an exited worker that has taken a request of the retire quota.
    pub(super) fn count_retired(&mut self, seat: usize, worker: &mut WorkerHandle) {
        if self.state.region.board.took_quota(SeatIndex(seat as u16)) {
            self.retired_exits = self.retired_exits.wrapping_add(1);
            worker.requested = Some(ExitReason::Shrunk);
        }
    }

    /// Handles the exit of a worker that has exited voluntarily.
    pub(super) fn on_voluntary_exit(&mut self, worker: &WorkerHandle) {
        match (worker.requested, worker.announced) {
            (Some(ExitReason::Restarted), _) => self.lost += 1,
            (_, Some(ExitReason::IdleTimeout)) => {
                self.ready_waiters.iter_mut().for_each(|waiter| waiter.idled += 1);
            }
            _ => {}
        }
    }

    // ---- restarting ----------------------------------------------------------------------------

    pub(super) fn restart(&mut self, mode: RestartMode) -> Result<()> {
        self.check_resizable()?;
        let is_process_pool = matches!(self.state.config.kind, PoolKind::Processes(_));
        let is_killing = mode == RestartMode::Now && is_process_pool;
        self.workers.receive_all(&self.state);
        for worker in self.workers.iter_mut().filter(|worker| worker.requested.is_none()) {
            if is_killing && worker.is_process() {
                worker.requested = Some(ExitReason::Restarted);
                (worker.is_killed_for_restart, worker.is_old) = (true, false);
            } else {
                worker.is_old = true;
            }
        }
        self.workers.kill(|worker| worker.is_killed_for_restart);
        Ok(())
    }

    /// Asks some of the old workers to exit. At any time at most half of all workers are away, or
    /// one if there is a single worker.
    pub(super) fn continue_restart(&mut self) {
        let old: Vec<usize> = self.workers.seats_if(|worker| worker.is_old).collect();
        if old.is_empty() {
            return;
        }
        let is_away = |worker: &WorkerHandle| worker.requested.is_some() || !worker.is_ready;
        let away = self.workers.count_if(is_away) + self.lost;
        let all = self.workers.count() + self.lost;
        let may_exit = (all / 2).max(1).saturating_sub(away) as usize;
        // Idle workers first: they are replaced at once.
        let is_idle = |seat: &usize| self.state.is_idle(SeatIndex(*seat as u16));
        let (idle, busy): (Vec<_>, Vec<_>) = old.into_iter().partition(is_idle);
        for seat in idle.into_iter().chain(busy).take(may_exit) {
            self.retire_worker(seat, ExitReason::Restarted);
        }
    }
}
