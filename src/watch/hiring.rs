//! Starting workers: how many, of which image, and what becomes of starts that fail.
//!
//! A start that fails is tried again after a while, twice as long each time. When several have failed
//! one after the other and there is no worker, or when it is certain that the next one will fail too,
//! the pool is broken: its tasks are cancelled, and say why.

use super::site::{Kind, gate};
use super::{Watch, sizing};
use crate::board::Stage;
use crate::board::notes::Note;
use crate::error::{Error, Status};
use crate::sync::Ordering::*;
use crate::worker::start::Image;
use std::time::{Duration, Instant};

/// Workers that may fail to start, one after the other, before the pool is broken.
const FAILURES_MAX: u32 = 5;
/// How long to wait after a worker has failed to start; twice as long after each further one.
pub(super) const BACK_OFF: Duration = Duration::from_millis(10);

impl Watch {
    pub(super) fn hire(&mut self) {
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.retry_at = None;
        if self.stage == Stage::Stop {
            return;
        }
        let load = self.site.ledger.load(&self.site.region);
        let workers = self.crew.count() as u32;
        let facts = sizing::Facts {
            queued: load.pending,
            free: workers.saturating_sub(load.busy),
            workers,
            workers_max: self.site.workers_max,
            lost: std::mem::take(&mut self.lost),
        };
        if self.site.needs_own_image.load(Relaxed) {
            self.image = Image::Own;
        }
        // What seats count may have been written over; without workers the slots are soon looked at.
        let is_stranded = workers == 0 && load.pending == 0 && self.site.has_waiting_task();
        if is_stranded && !self.site.region.board.has_task() {
            self.site.put_all_back();
        }
        for _ in 0..sizing::wanted(facts).max(u32::from(is_stranded)) {
            // Counted before it runs a task, not after.
            self.site.workers.fetch_add(1, Relaxed);
            let started = self.crew.start(&self.site, self.image);
            self.count();
            match (started, &self.site.kind) {
                (Ok(()), Kind::Threads) => self.failures = 0,
                (Ok(()), Kind::Processes(_)) => {}
                (Err(error), _) => {
                    self.start_failed(error);
                    break;
                }
            }
        }
    }

    pub(super) fn count(&self) {
        self.site.workers.store(self.crew.count() as u32, Relaxed);
    }

    pub(super) fn note_arrivals(&mut self, seat: usize) {
        if self.crew.posts.get(seat).and_then(Option::as_ref).is_some_and(|post| post.is_up) {
            self.failures = 0;
        }
    }

    /// A worker could not be started, or ended before it was up.
    pub(super) fn start_failed(&mut self, error: Error) {
        self.failures += 1;
        let is_final = matches!(
            error.status,
            Status::POOL_ERR_VERSION | Status::POOL_ERR_FUNCTION | Status::POOL_ERR_INVALID
        );
        let has_workers = self.crew.count_up() > 0;
        if is_final || (self.failures >= FAILURES_MAX && !has_workers) {
            self.break_pool(&error);
        } else {
            let doublings = self.failures.min(7) - 1;
            self.retry_at = Some(Instant::now() + BACK_OFF * (1 << doublings));
        }
    }

    fn break_pool(&mut self, error: &Error) {
        let mut detail = error.detail().cloned().unwrap_or_default();
        detail.message = format!("no worker can be started: {}", detail.message);
        let note = Note { status: Status::POOL_ERR_BROKEN, detail };
        let note = self.site.why_broken.get_or_init(|| note).clone();
        self.shut(gate::BROKEN);
        self.site.take_all_back(Some(&note));
        self.set_stage(Stage::Stop);
        for (_, answer) in self.joiners.drain(..) {
            let _ = answer.try_send(Err(Error::with_detail(note.status, note.detail.clone())));
        }
    }
}
