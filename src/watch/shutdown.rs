//! The end of all: whom a stop kills, and when everything is over.

use super::handle::WorkerHandle;
use super::state::{PoolState, StopMode, pool_flags};
use super::{Supervisor, reap};
use crate::board::Stage;
use crate::sync::Ordering::*;
use crate::sync::reply::ReplySender;
use std::time::Instant;

impl Supervisor {
    pub(super) fn stop(&mut self, mode: StopMode, answer: Option<ReplySender>) {
        self.stoppers.extend(answer);
        self.shut(pool_flags::CLOSED);
        if let StopMode::Terminate(grace) = mode {
            let end = Instant::now().checked_add(grace);
            self.kill_at = [self.kill_at, end].into_iter().flatten().min();
        }
        if self.stop.is_some_and(|before| !mode.is_stronger_than(before)) {
            return;
        }
        self.stop = Some(mode);
        if mode == StopMode::Drain && self.state.broken.get().is_none() {
            self.set_stage(Stage::Drain);
            return;
        }
        // Who stops so has taken all back that waits.
        self.set_stage(Stage::Stop);
        self.workers.receive_all(&self.state);
        self.workers.kill(|worker| is_to_be_killed(&self.state, mode, worker));
        if matches!(mode, StopMode::Terminate(_)) {
            self.workers.terminate();
        }
    }

    /// Answers those who wait for the end of everything, when it has come. True: for good.
    pub(super) fn finish_if_over(&mut self) -> bool {
        if self.workers.count() > 0 || (self.stop.is_none() && self.joiners.is_empty()) {
            return false;
        }
        if self.stage == Stage::Stop {
            // Submits that were under way when the gate was shut.
            self.state.withdraw_all();
        } else if self.state.permits.load(Acquire) > 0 {
            // They ring when they have finished.
            return false;
        } else if self.state.has_waiting_task() {
            self.recover_stranded();
            return false;
        }
        reap::fail_corrupted(&self.state);
        if self.stop.is_none() {
            self.reopen();
        }
        for (_, answer) in self.joiners.drain(..) {
            answer.tell(Ok(()));
        }
        if self.stop.is_none() {
            return false;
        }
        self.workers.close_fork_servers();
        self.shut(pool_flags::TERMINATED);
        self.state.flags.fetch_and(!pool_flags::JOINING, AcqRel);
        for answer in self.stoppers.drain(..) {
            answer.tell(Ok(()));
        }
        true
    }

    /// Tasks wait and nobody is there. As a rule somebody is about to be started; but where a worker
    /// gone astray has written over the ring's head or over a seat's counts, nobody would be.
    pub(super) fn recover_stranded(&mut self) {
        if !self.state.region.board.has_task() {
            self.state.enqueue_all_again();
        }
        if self.retry_at.is_none() {
            self.lost = self.lost.max(1);
            self.state.wake();
        }
    }

    /// Whether a worker that dies was killed by the stop.
    pub(super) fn is_killed_by_stop(&self, worker: &WorkerHandle) -> bool {
        self.stop
            .is_some_and(|mode| mode.ends_tasks() || is_to_be_killed(&self.state, mode, worker))
    }
}

/// Whether a stop kills the worker of this post at once. Who is still starting has no task, and need
/// not be waited for, unless it may be in the user's initializer.
fn is_to_be_killed(state: &PoolState, mode: StopMode, worker: &WorkerHandle) -> bool {
    match mode {
        StopMode::Kill => true,
        StopMode::Cancel | StopMode::Terminate(_) => {
            !worker.is_ready && state.worker_config.initializer.is_none()
        }
        StopMode::Drain => false,
    }
}
