//! How many workers a pool may have.

use super::config::Plan;
use super::state::PoolState;
use crate::sync::Ordering::*;
use crate::sync::plain::AtomicU32;
use crate::worker::WorkerConfig;

/// How many workers there are to be at least and at most, now. The watch changes it; submitters read it.
pub(super) struct WorkerBounds {
    least: AtomicU32,
    most: AtomicU32,
}

impl WorkerBounds {
    pub(super) fn new(plan: &Plan) -> WorkerBounds {
        let (least, most) = (AtomicU32::new(plan.workers_min), AtomicU32::new(plan.workers_max));
        WorkerBounds { least, most }
    }
}

impl PoolState {
    pub(crate) fn workers_min(&self) -> u32 {
        self.size.least.load(Relaxed)
    }

    #[inline]
    pub(crate) fn workers_max(&self) -> u32 {
        self.size.most.load(Relaxed)
    }

    fn set_max(&self, most: u32) {
        self.size.most.store(most, Relaxed);
        self.size.least.fetch_min(most, Relaxed);
    }

    /// What a worker lives by that starts now.
    pub(super) fn worker_config_now(&self) -> WorkerConfig {
        WorkerConfig { min_workers: self.workers_min(), ..self.worker_config }
    }

    /// Whether the worker of this seat has begun no task that it has not ended.
    fn is_idle(&self, seat: usize) -> bool {
        let seat = self.region.board.seats().at(seat);
        let claimed = seat.claimed.load(Acquire);
        seat.ended.load(Relaxed) >= claimed
    }
}
