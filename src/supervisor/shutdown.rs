//! Joining and stopping a pool.

use super::worker_handle::WorkerHandle;
use super::{Supervisor, reap};
use crate::board::Stage;
use crate::board::slot::SeatIndex;
use crate::error::{Result, Status};
use crate::state::PoolState;
use crate::state::commands::{ReplySender, StopMode};
use crate::state::config::PoolKind;
use crate::sync::{LOOK_EVERY, Ordering::*};
use std::time::{Duration, Instant};

/// How long tasks may be queued without one being taken, while workers start and exit.
const STRANDED_MAX: Duration = Duration::from_secs(2);
/// How many times a worker without a task is told that the pool ends: 5 s.
const IDLE_LOOKS: u32 = 10;

impl Supervisor {
    pub(super) fn join(&mut self, number: u64, reply: ReplySender) {
        if let Err(error) = self.state.check_broken() {
            reply.done(Err(error));
            return;
        }
        self.joiners.push((number, reply));
        self.change_life(|life| life.is_joining = true);
    }

    /// This caller does not wait for its join any more. Replies when the pool is open again.
    pub(super) fn cancel_join(&mut self, number: u64, reply: &ReplySender) {
        let had_joiners = !self.joiners.is_empty();
        self.joiners.retain(|(joiner, _)| *joiner != number);
        if had_joiners && self.joiners.is_empty() {
            self.reopen();
        }
        reply.done(Ok(()));
    }

    fn reopen(&mut self) {
        self.change_life(|life| life.is_joining = false);
        if self.life.is_open() {
            // Starts the minimum of workers.
            self.state.wake();
        }
    }

    /// Pauses the pool, or resumes it.
    pub(super) fn pause(&mut self, is_paused: bool) -> Result<()> {
        if is_paused {
            self.state.check_open()?;
        }
        if self.life.stop.is_some() || self.life.is_broken {
            return Err(Status::POOL_ERR_CLOSED.into());
        }
        self.change_life(|life| life.is_paused = is_paused);
        Ok(())
    }

    pub(super) fn stop(&mut self, mode: StopMode, reply: Option<ReplySender>) {
        self.stoppers.extend(reply);
        if let StopMode::Terminate(grace) = mode {
            let end = Instant::now().checked_add(grace);
            self.life.kill_at = [self.life.kill_at, end].into_iter().flatten().min();
        }
        if !self.life.is_stopped_by(mode) {
            return;
        }
        self.change_life(|life| life.stop = Some(mode));
        if self.life.stage() != Stage::Stop {
            return;
        }
        // The caller has withdrawn the queued tasks.
        self.workers.receive_all(&self.state);
        self.workers.kill(|worker| is_killed_at_once(&self.state, mode, worker));
        // The pool needs its fork server no more. A restart, which kills workers too, does.
        if self.workers.iter().any(WorkerHandle::is_killed_when_forked) {
            self.workers.fork_servers.expedite();
        }
        if matches!(mode, StopMode::Terminate(_)) {
            self.workers.iter().for_each(WorkerHandle::terminate);
        }
    }

    /// Replies to the callers of joins and stops if all tasks are done and all workers have exited.
    /// True: the pool is over.
    pub(super) fn finish_if_over(&mut self) -> bool {
        if self.workers.count() > 0 || (self.life.stop.is_none() && self.joiners.is_empty()) {
            return false;
        }
        if self.life.stage() == Stage::Stop {
            // Submits that were in progress when the pool was closed.
            self.state.withdraw_all();
        } else if self.state.permits.load(Acquire) > 0 {
            // They wake the supervisor when they are done.
            return false;
        } else if self.state.has_waiting_task() {
            self.recover_stranded();
            return false;
        }
        self.stranded = None;
        reap::fail_corrupted(&self.state);
        if self.life.stop.is_none() {
            self.reopen();
        }
        for (_, reply) in self.joiners.drain(..) {
            reply.done(Ok(()));
        }
        if self.life.stop.is_none() {
            return false;
        }
        debug_assert_eq!(self.workers.count(), 0, "the pool is over without workers");
        self.workers.close_fork_servers();
        self.change_life(|life| (life.is_over, life.is_joining) = (true, false));
        for reply in self.stoppers.drain(..) {
            reply.done(Ok(()));
        }
        true
    }

    /// Called while tasks are queued and there is no worker. Usually one is about to be started, or
    /// a submit is about to write its entry and wakes the supervisor. But after a stray worker has
    /// overwritten the ring's head or the counts of a seat, `start_needed_workers` must look again.
    fn recover_stranded(&mut self) {
        if self.retry_at.is_some() {
            return;
        }
        if self.state.is_shared() {
            self.end_stranded();
        }
        if self.unlisted_since.is_none() {
            self.state.wake();
        }
    }

    /// Ends the tasks that no worker has taken, although one was started again and again: their
    /// entries cannot be claimed.
    fn end_stranded(&mut self) {
        let (mut count, now) = (0, Instant::now());
        self.state.for_each_waiting(|_, _| count += 1);
        match self.stranded {
            Some((before, since)) if count >= before => {
                if now.duration_since(since) >= STRANDED_MAX && self.failures.is_empty() {
                    self.state.for_each_waiting(|key, _| self.state.end_stray(key));
                }
            }
            _ => self.stranded = Some((count, now)),
        }
    }

    /// When to look at the workers of a pool that ends.
    pub(super) fn next_look_at_end(&self) -> Option<Instant> {
        let is_ending = matches!(self.state.config.kind, PoolKind::Processes(_))
            && !self.life.is_open()
            && self.workers.count() > 0;
        is_ending.then(|| self.look_at.unwrap_or_else(|| Instant::now() + LOOK_EVERY))
    }

    /// A stray worker may have written over the words by which workers learn that the pool ends, or
    /// by which they are woken. So they are told again; and one that has no task, and still does not
    /// exit, is killed.
    pub(super) fn look_at_end(&mut self, now: Instant) {
        let next = self.next_look_at_end();
        let before = std::mem::replace(&mut self.look_at, next);
        if self.look_at.is_none() || before.is_none_or(|at| at > now) {
            return;
        }
        self.look_at = Some(now + LOOK_EVERY);
        self.restore_board();
        let state = &self.state;
        let waits = |worker: &WorkerHandle| worker.is_working();
        for seat in self.workers.seats_if(waits).collect::<Vec<_>>() {
            let index = SeatIndex(seat as u16);
            state.region.board.sleepers.wake(index);
            let runs_task = state.runs_task(index);
            self.workers.count_idle_look(state, seat, runs_task, IDLE_LOOKS);
        }
    }

    /// Whether the stop has killed this worker, if it was killed.
    pub(super) fn is_killed_by_stop(&self, worker: &WorkerHandle) -> bool {
        self.life
            .stop
            .is_some_and(|mode| mode.ends_tasks() || is_killed_at_once(&self.state, mode, worker))
    }
}

/// Whether a stop kills this worker at once. A worker that is still starting has no task, so a stop
/// does not wait for it, unless it may be running the user's initializer.
fn is_killed_at_once(state: &PoolState, mode: StopMode, worker: &WorkerHandle) -> bool {
    match mode {
        StopMode::Kill => true,
        StopMode::Cancel | StopMode::Terminate(_) => {
            !worker.is_ready && state.worker_config.initializer.is_none()
        }
        StopMode::Drain => false,
    }
}
