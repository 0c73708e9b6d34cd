//! The end of all: whom a stop kills, and when everything is over.

use super::post::WorkerHandle;
use super::site::{PoolState, StopMode, gate};
use super::{Supervisor, reap};
use crate::board::Stage;
use crate::sync::Ordering::*;
use crate::sync::reply::ReplySender;
use std::time::Instant;

impl Supervisor {
    pub(super) fn stop(&mut self, mode: StopMode, answer: Option<ReplySender>) {
        self.stoppers.extend(answer);
        self.shut(gate::CLOSED);
        if let StopMode::Terminate(grace) = mode {
            let end = Instant::now().checked_add(grace);
            self.kill_at = [self.kill_at, end].into_iter().flatten().min();
        }
        if self.stop.is_some_and(|before| !mode.is_stronger_than(before)) {
            return;
        }
        self.stop = Some(mode);
        if mode == StopMode::Drain && self.site.why_broken.get().is_none() {
            self.set_stage(Stage::Drain);
            return;
        }
        // Who stops so has taken all back that waits.
        self.set_stage(Stage::Stop);
        self.crew.hear_all(&self.site);
        self.crew.kill(|post| is_to_be_killed(&self.site, mode, post));
        if matches!(mode, StopMode::Terminate(_)) {
            self.crew.ask_to_end();
        }
    }

    /// Answers those who wait for the end of everything, when it has come. True: for good.
    pub(super) fn finish_if_over(&mut self) -> bool {
        if self.crew.count() > 0 || (self.stop.is_none() && self.joiners.is_empty()) {
            return false;
        }
        if self.stage == Stage::Stop {
            // Submits that were under way when the gate was shut.
            self.site.take_all_back();
        } else if self.site.insiders.load(Acquire) > 0 {
            // They ring when they have finished.
            return false;
        } else if self.site.has_waiting_task() {
            self.rescue();
            return false;
        }
        reap::settle_strays(&self.site);
        if self.stop.is_none() {
            self.reopen();
        }
        for (_, answer) in self.joiners.drain(..) {
            answer.tell(Ok(()));
        }
        if self.stop.is_none() {
            return false;
        }
        self.crew.close_nursery();
        self.shut(gate::TERMINATED);
        self.site.gate.fetch_and(!gate::JOINING, AcqRel);
        for answer in self.stoppers.drain(..) {
            answer.tell(Ok(()));
        }
        true
    }

    /// Tasks wait and nobody is there. As a rule somebody is about to be started; but where a worker
    /// gone astray has written over the ring's head or over a seat's counts, nobody would be.
    pub(super) fn rescue(&mut self) {
        if !self.site.region.board.has_task() {
            self.site.put_all_back();
        }
        if self.retry_at.is_none() {
            self.lost = self.lost.max(1);
            self.site.ring();
        }
    }

    /// Whether a worker that dies was killed by the stop.
    pub(super) fn is_killed_by_stop(&self, post: &WorkerHandle) -> bool {
        self.stop.is_some_and(|mode| mode.ends_tasks() || is_to_be_killed(&self.site, mode, post))
    }
}

/// Whether a stop kills the worker of this post at once. Who is still starting has no task, and need
/// not be waited for, unless it may be in the user's initializer.
fn is_to_be_killed(site: &PoolState, mode: StopMode, post: &WorkerHandle) -> bool {
    match mode {
        StopMode::Kill => true,
        StopMode::Cancel | StopMode::Terminate(_) => {
            !post.is_up && site.terms.initializer.is_none()
        }
        StopMode::Drain => false,
    }
}
