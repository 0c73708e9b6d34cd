//! More workers, fewer, new ones: what the watch does when it is asked to, and who waits for it.
//!
//! A worker that is to go is told so at the board ([`crate::board::retire`]), goes between two tasks, and is
//! reaped like any other. One that is to be replaced leaves a gap that is filled at once; those that are to
//! be fewer do not, because there may be no more than so many.

use super::Supervisor;
use super::handle::{WayOut, WorkerHandle};
use super::state::{Plan, PoolKind, PoolState, RestartMode, ShrinkMode};
use crate::board::Stage;
use crate::board::slot::SeatIndex;
use crate::error::{Error, Result, Status};
use crate::sync::Ordering::*;
use crate::sync::plain::AtomicU32;
use crate::sync::reply::ReplySender;
use crate::worker::WorkerConfig;
use crate::worker::protocol::Leave;

/// Somebody who waits until so many workers are up at once.
pub(super) struct ReadyWaiter {
    number: u64,
    count: u32,
    /// Workers that came up and left since then because they had nothing to do: they count.
    idled: u32,
    answer: ReplySender,
}

impl Supervisor {
    // ---- who waits -----------------------------------------------------------------------------

    pub(super) fn wait_ready(&mut self, number: u64, count: u32, answer: ReplySender) {
        self.waiters.push(ReadyWaiter { number, count, idled: 0, answer });
        self.start_needed_workers();
    }

    pub(super) fn cancel_wait_ready(&mut self, number: u64) {
        self.answer_ready_waiters();
        for waiter in self.waiters.extract_if(.., |waiter| waiter.number == number) {
            waiter.answer.tell(Err(Status::POOL_ERR_TIMEOUT.into()));
        }
    }

    pub(super) fn count_idle_exit(&mut self) {
        self.waiters.iter_mut().for_each(|waiter| waiter.idled += 1);
    }

    /// How many workers somebody waits for.
    pub(super) fn ready_wanted(&self) -> u32 {
        let missing = self.waiters.iter().map(|it| it.count.saturating_sub(it.idled));
        missing.max().unwrap_or(0)
    }

    /// Answers those who wait for workers that are up, or that never will be.
    pub(super) fn answer_ready_waiters(&mut self) {
        if self.waiters.is_empty() {
            return;
        }
        let is_ready =
            |worker: &WorkerHandle| worker.is_ready && !worker.is_old && worker.order.is_none();
        let up = self.workers.count_if(is_ready) as u32;
        let is_over = self.stop.is_some() || self.stage != Stage::Open;
        let state = &self.state;
        self.waiters.retain(|waiter| {
            let answer = match state.broken.get() {
                Some(note) => Err(Error::with_detail(note.status, note.detail.clone())),
                None if is_over => Err(Status::POOL_ERR_CLOSED.into()),
                None if up + waiter.idled >= waiter.count => Ok(()),
                None => return true,
            };
            waiter.answer.tell(answer);
            false
        });
    }

    // ---- more and fewer ------------------------------------------------------------------------

    /// Why nothing is changed any more, if so.
    fn check_open(&self) -> Result<()> {
        self.state.check_open()?;
        match self.stage {
            Stage::Open => Ok(()),
            _ => Err(Status::POOL_ERR_CLOSED.into()),
        }
    }

    /// All or nothing.
    pub(super) fn grow(&mut self, count: u32) -> Result<()> {
        self.check_open()?;
        let before = self.state.workers_max();
        let most = before.saturating_add(count);
        if most as usize > self.state.region.geometry.seats {
            let words = "address space is limited: the pool has no room for so many workers";
            return Err(Error::new(Status::POOL_ERR_FULL, words));
        }
        let mut started = Vec::new();
        for _ in 0..count {
            match self.start_one() {
                Ok(seat) => started.push(seat),
                Err(error) => {
                    started.into_iter().for_each(|seat| self.retire_worker(seat, WayOut::Shrunk));
                    return Err(error);
                }
            }
        }
        self.state.set_max(most);
        Ok(())
    }

    pub(super) fn shrink(&mut self, count: u32, mode: ShrinkMode) -> Result<()> {
        self.check_open()?;
        let most = self.state.workers_max().saturating_sub(count);
        if most == 0 {
            return Err(Error::new(Status::POOL_ERR_INVALID, "n: one worker must be left"));
        }
        let excess = self.remaining_workers().saturating_sub(most) as usize;
        let mut idle = self.seats_if(|worker| worker.order != Some(WayOut::Shrunk));
        idle.retain(|seat| self.state.is_idle(*seat));
        if mode == ShrinkMode::Idle && idle.len() < excess {
            return Err(Error::new(Status::POOL_ERR_STATE, "too few workers are idle"));
        }
        self.state.set_max(most);
        // The highest places first: those that are left stay close together.
        for seat in idle.into_iter().rev().take(excess) {
            self.retire_worker(seat, WayOut::Shrunk);
        }
        // For the rest: whoever is the first to run nothing.
        self.enforce_size();
        Ok(())
    }

    /// How many workers there will be when those have left that are about to.
    fn remaining_workers(&self) -> u32 {
        let taken = self.state.region.board.retire_quota().taken;
        let about_to = taken.wrapping_sub(self.retired_exits) as i32;
        let ordered = self.workers.count_if(|worker| worker.order == Some(WayOut::Shrunk)) as u32;
        let leaving = ordered.saturating_add(u32::try_from(about_to).unwrap_or(0));
        (self.workers.count() as u32).saturating_sub(leaving)
    }

    /// Asks so many workers to leave as there are too many, and no more: some may have left for a reason of
    /// their own.
    pub(super) fn enforce_size(&mut self) {
        let board = &self.state.region.board;
        if self.workers.count() <= self.state.workers_max() as usize {
            // What a worker gone astray may have written there ends here.
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

    fn retire_worker(&mut self, seat: usize, why: WayOut) {
        if let Some(Some(worker)) = self.workers.handles.get_mut(seat) {
            (worker.order, worker.is_old) = (Some(why), false);
            self.state.region.board.retire_seat(SeatIndex(seat as u16));
        }
    }

    fn seats_if(&self, counts: impl Fn(&WorkerHandle) -> bool) -> Vec<usize> {
        let handles = self.workers.handles.iter().enumerate();
        let found = handles.filter(|(_, worker)| worker.as_ref().is_some_and(&counts));
        found.map(|(seat, _)| seat).collect()
    }

    /// The worker of this seat is gone.
    pub(super) fn on_exit_of_seat(&mut self, seat: usize, worker: &mut WorkerHandle) {
        if self.state.region.board.took_quota(SeatIndex(seat as u16)) {
            self.retired_exits = self.retired_exits.wrapping_add(1);
            worker.order = Some(WayOut::Shrunk);
        }
    }

    /// A worker has left in peace.
    pub(super) fn on_voluntary_exit(&mut self, worker: &WorkerHandle) {
        match (worker.order, worker.exit_message) {
            (Some(WayOut::Restarted), _) => self.lost += 1,
            (_, Some(Leave::IdleTimeout)) => self.count_idle_exit(),
            _ => {}
        }
    }

    // ---- new ones ------------------------------------------------------------------------------

    pub(super) fn restart(&mut self, mode: RestartMode) -> Result<()> {
        self.check_open()?;
        let is_killing =
            mode == RestartMode::Now && matches!(self.state.kind, PoolKind::Processes(_));
        self.workers.receive_all(&self.state);
        for worker in
            self.workers.handles.iter_mut().flatten().filter(|worker| worker.order.is_none())
        {
            if is_killing && worker.is_process() {
                (worker.order, worker.is_old) = (Some(WayOut::Killed), false);
            } else {
                worker.is_old = true;
            }
        }
        self.workers.kill(|worker| worker.order == Some(WayOut::Killed));
        Ok(())
    }

    /// Tells those to leave that are to be replaced, some at a time: of all workers half are there, or one
    /// where there is no more than one besides.
    pub(super) fn continue_restart(&mut self) {
        let old = self.seats_if(|worker| worker.is_old);
        if old.is_empty() {
            return;
        }
        let away = self.workers.count_if(|worker| worker.order.is_some() || !worker.is_ready)
            as u32
            + self.lost;
        let all = self.workers.count() as u32 + self.lost;
        let may_go = (all / 2).max(1).saturating_sub(away) as usize;
        // Who runs nothing first: it is soon back.
        let (idle, busy): (Vec<_>, Vec<_>) =
            old.into_iter().partition(|seat| self.state.is_idle(*seat));
        for seat in idle.into_iter().chain(busy).take(may_go) {
            self.retire_worker(seat, WayOut::Restarted);
        }
    }
}
