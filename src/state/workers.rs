//! The workers of a pool as callers see them, and their allowed number. Written by the supervisor.

use super::events::LastExit;
use crate::board::slot::SeatIndex;
use crate::error::Result;
use crate::sync::Mutex;
use crate::sync::Ordering::Relaxed;
use crate::sync::plain::AtomicU32;

/// The minimum and the maximum number of workers. They change while the pool lives.
pub(crate) struct WorkerBounds {
    min: AtomicU32,
    max: AtomicU32,
}

impl WorkerBounds {
    pub(super) fn new(min: u32, max: u32) -> WorkerBounds {
        WorkerBounds { min: AtomicU32::new(min), max: AtomicU32::new(max) }
    }

    pub(crate) fn min(&self) -> u32 {
        self.min.load(Relaxed)
    }

    #[inline]
    pub(crate) fn max(&self) -> u32 {
        self.max.load(Relaxed)
    }

    /// Sets the maximum, and lowers the minimum to it.
    pub(crate) fn set_max(&self, max: u32) {
        self.max.store(max, Relaxed);
        self.min.fetch_min(max, Relaxed);
    }
}

/// The worker of a seat.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WorkerInfo {
    /// The number of the worker among all workers of the pool, from 1; 0: the seat is vacant.
    pub(crate) number: u64,
    /// 0: a thread.
    pub(crate) pid: i64,
    pub(crate) is_ready: bool,
    pub(crate) is_stopping: bool,
    /// How many tasks the seat had claimed before this worker.
    pub(crate) claimed_before: u64,
    /// How many workers the seat had before this one, and how the last of them exited.
    pub(crate) restarts: u64,
    pub(crate) last_exit: LastExit,
}

#[derive(Default)]
pub(crate) struct WorkerTable(Mutex<WorkerTableInner>);

#[derive(Default)]
struct WorkerTableInner {
    workers: Vec<WorkerInfo>,
    /// The number of the last worker.
    last_number: u64,
    started: u64,
}

/// A worker that was just started, for [`WorkerTable::add`].
pub(crate) struct StartedWorker<T> {
    pub(crate) worker: T,
    pub(crate) pid: i64,
    pub(crate) is_ready: bool,
}

impl WorkerTable {
    /// Adds the worker that `start` starts; returns it with its number. Readers are locked out
    /// meanwhile, because the worker may run its first task before `start` returns.
    pub(crate) fn add<T>(
        &self,
        seat: usize,
        claimed_before: u64,
        start: impl FnOnce() -> Result<StartedWorker<T>>,
    ) -> Result<(T, u64)> {
        let mut table = self.0.lock();
        let StartedWorker { worker, pid, is_ready } = start()?;
        table.last_number += 1;
        let number = table.last_number;
        if table.workers.len() <= seat {
            table.workers.resize(seat + 1, WorkerInfo::default());
        }
        let WorkerInfo { restarts, last_exit, .. } = table.workers[seat];
        table.workers[seat] = WorkerInfo {
            number,
            pid,
            is_ready,
            is_stopping: false,
            claimed_before,
            restarts,
            last_exit,
        };
        Ok((worker, number))
    }

    /// Counts a worker that has been started, when that is reported. One that a fork server was
    /// requested to fork, and did not, was not started.
    pub(crate) fn count_started(&self) {
        self.0.lock().started += 1;
    }

    /// How many workers have been started.
    pub(crate) fn started_total(&self) -> u64 {
        self.0.lock().started
    }

    pub(crate) fn change(&self, seat: usize, change: impl FnOnce(&mut WorkerInfo)) {
        if let Some(worker) = self.0.lock().workers.get_mut(seat) {
            change(worker);
        }
    }

    /// Removes the worker of this seat, which has exited.
    pub(crate) fn remove(&self, seat: usize) {
        self.change(seat, |worker| {
            let (restarts, last_exit) = (worker.restarts + 1, worker.last_exit);
            *worker = WorkerInfo { restarts, last_exit, ..WorkerInfo::default() };
        });
    }

    pub(crate) fn set_last_exit(&self, seat: usize, last_exit: LastExit) {
        self.change(seat, |worker| worker.last_exit = last_exit);
    }

    /// The process of a seat's worker; 0: a thread, or a vacant seat.
    pub(crate) fn pid(&self, seat: SeatIndex) -> i64 {
        self.0.lock().workers.get(usize::from(seat.0)).map_or(0, |worker| worker.pid)
    }

    /// The number of a seat's worker. None: the seat is vacant.
    pub(crate) fn number(&self, seat: SeatIndex) -> Option<u64> {
        let table = self.0.lock();
        let worker = table.workers.get(usize::from(seat.0));
        worker.map(|worker| worker.number).filter(|number| *number != 0)
    }

    /// The current workers, with their seats.
    pub(crate) fn list(&self) -> Vec<(usize, WorkerInfo)> {
        let table = self.0.lock();
        let workers = table.workers.iter().copied().enumerate();
        workers.filter(|(_, worker)| worker.number != 0).collect()
    }
}
