//! Starting workers: how many, of which image, and what becomes of starts that fail.
//!
//! A start that fails is tried again after a while, twice as long each time. When too many have failed
//! one after the other and there is no worker, or when it is certain that the next one will fail too,
//! the pool is broken: its tasks are cancelled, and say why. So it is when the user's own function at
//! the beginning or the end of a worker's life fails.

use super::reap::{self, Death};
use super::state::{PoolKind, pool_flags};
use super::{Supervisor, sizing};
use crate::board::Stage;
use crate::board::side_table::TaskFailure;
use crate::error::{Detail, Error, Result, Status};
use crate::sync::Ordering::*;
use crate::worker::HookFailure;
use crate::worker::start::Image;
use std::time::{Duration, Instant};

/// How long to wait after a worker has failed to start; twice as long after each further one.
pub(super) const BACK_OFF: Duration = Duration::from_millis(10);
/// So often it is doubled.
const DOUBLINGS_MAX: u32 = 6;

impl Supervisor {
    /// Starts the workers that are needed.
    pub(super) fn start_needed_workers(&mut self) {
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.retry_at = None;
        if self.stage == Stage::Stop {
            return;
        }
        let wanted = self.wanted();
        // What seats count may have been written over; without workers the slots are soon looked at.
        let is_stranded = wanted == 0 && self.workers.count() == 0 && self.state.has_waiting_task();
        if is_stranded && !self.state.region.board.has_task() {
            self.state.enqueue_all_again();
        }
        let _ = self.start_workers(wanted.max(u32::from(is_stranded)));
    }

    fn wanted(&mut self) -> u32 {
        let load = self.state.slots.load(&self.state.region);
        let workers = self.workers.count() as u32;
        let always = self.state.workers_min().max(self.ready_wanted());
        sizing::wanted(sizing::Demand {
            queued: load.pending,
            free: workers.saturating_sub(load.busy),
            workers,
            workers_min: if self.stage == Stage::Open { always } else { 0 },
            workers_max: self.state.workers_max(),
            lost: std::mem::take(&mut self.lost),
        })
    }

    /// Starts workers because somebody asks for them; how many.
    pub(super) fn start_on_request(&mut self, count: i64) -> Result<u32> {
        if self.stage == Stage::Stop {
            self.state.check_open()?;
            return Err(Status::POOL_ERR_CLOSED.into());
        }
        let room = self.state.workers_max().saturating_sub(self.workers.count() as u32);
        match u32::try_from(count) {
            Ok(count) => self.start_workers(count.min(room)),
            Err(_) if count > 0 => self.start_workers(room),
            Err(_) => {
                let wanted = self.wanted();
                self.start_workers(wanted)
            }
        }
    }

    /// Starts so many workers; how many, or why not even one.
    fn start_workers(&mut self, count: u32) -> Result<u32> {
        for started in 0..count {
            if let Err(error) = self.start_one() {
                let why = Error::with_detail(error.status, detail_of(&error));
                self.start_failed(error, Duration::ZERO);
                return if started > 0 { Ok(started) } else { Err(why) };
            }
            if matches!(self.state.kind, PoolKind::Threads) {
                self.failures.clear();
            }
        }
        Ok(count)
    }

    /// Starts a worker; on which seat.
    pub(super) fn start_one(&mut self) -> Result<usize> {
        if self.state.needs_main_program.load(Relaxed) {
            self.image = Image::MainProgram;
        }
        // Counted before it runs a task, not after.
        self.state.workers.fetch_add(1, Relaxed);
        let outcome = self.workers.start(&self.state, self.image);
        self.update_worker_count();
        outcome
    }

    pub(super) fn update_worker_count(&self) {
        self.state.workers.store(self.workers.count() as u32, Relaxed);
    }

    /// A worker has said something.
    pub(super) fn on_worker_message(&mut self, seat: usize) {
        let Some(post) = self.workers.handles.get_mut(seat).and_then(Option::as_mut) else {
            return;
        };
        if post.is_ready {
            self.failures.clear();
        }
        if let Some(failure) = post.failure.take() {
            self.break_by_hook(failure);
        }
    }

    /// A worker could not be started, or ended before it was up. `waited` for in vain: that time does not
    /// count for the window.
    pub(super) fn start_failed(&mut self, error: Error, waited: Duration) {
        let (now, plan) = (Instant::now(), self.state.plan);
        self.failures.push_back((now, waited));
        let mut in_vain = Duration::ZERO;
        let recent = self.failures.iter().rev().take_while(|(at, waited)| {
            let since = now.duration_since(*at).saturating_sub(in_vain);
            in_vain = in_vain.saturating_add(*waited);
            since <= plan.restart_window
        });
        let old = self.failures.len() - recent.count();
        self.failures.drain(..old);
        let is_final = is_final(&error);
        let count = self.failures.len() as u32;
        let is_too_often = plan.restarts_max != u32::MAX && count >= plan.restarts_max;
        if is_final || (is_too_often && self.workers.count_up() == 0) {
            let mut detail = detail_of(&error);
            detail.message = format!("no worker can be started: {}", detail.message);
            let status = if is_final { Status::POOL_ERR_BROKEN } else { Status::POOL_ERR_RESTARTS };
            return self.break_pool(TaskFailure { status, detail });
        }
        let pause = BACK_OFF * (1 << (count - 1).min(DOUBLINGS_MAX));
        // Else so many would never fail within the window.
        let pause = match plan.restarts_max {
            u32::MAX => pause,
            most => pause.min(plan.restart_window / most / 2),
        };
        self.state.log_start_failure(&error, pause);
        self.retry_at = Some(now + pause);
    }

    pub(super) fn break_by_hook(&mut self, failure: HookFailure) {
        self.break_pool(failure.into_note());
    }

    pub(super) fn break_by_death_in_finalizer(&mut self, death: Death) {
        let detail = reap::detail_of(death, "while running the finalizer");
        self.break_pool(TaskFailure { status: Status::POOL_ERR_FINALIZER, detail });
    }

    /// A worker was lost in a pool that is not to go on without it.
    pub(super) fn break_by_loss(&mut self, death: Death) {
        let detail = reap::detail_of(death, "and the pool was made to break by that");
        self.break_pool(TaskFailure { status: Status::POOL_ERR_BROKEN, detail });
    }

    /// No worker works any more. The first reason stays.
    pub(super) fn break_pool(&mut self, note: TaskFailure) {
        let note = self.state.set_broken(note);
        self.state.withdraw_all();
        self.set_stage(Stage::Stop);
        for (_, answer) in self.joiners.drain(..) {
            answer.tell(Err(Error::with_detail(note.status, note.detail.clone())));
        }
        self.state.flags.fetch_and(!pool_flags::JOINING, AcqRel);
    }
}

/// Whether the next start is bound to fail as well: what is not there, or not allowed.
fn is_final(error: &Error) -> bool {
    let errno = error.detail().map_or(0, |detail| detail.os_errno);
    match error.status {
        Status::POOL_ERR_VERSION
        | Status::POOL_ERR_FUNCTION
        | Status::POOL_ERR_INVALID
        | Status::POOL_ERR_BROKEN => true,
        Status::POOL_ERR_OS => [libc::EPERM, libc::EACCES, libc::EINVAL].contains(&errno),
        _ => false,
    }
}

fn detail_of(error: &Error) -> Detail {
    error.detail().cloned().unwrap_or_default()
}
