//! Who works at each seat, for those who ask. The watch writes it, rarely; nobody else does.

use super::events::LastExit;
use crate::board::slot::SeatIndex;
use crate::error::Result;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The worker of a seat.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WorkerInfo {
    /// Counts the pool's workers from 1; 0: the seat is vacant.
    pub(crate) number: u64,
    /// 0: a thread.
    pub(crate) pid: i64,
    pub(crate) is_ready: bool,
    pub(crate) is_stopping: bool,
    /// How many tasks the seat had claimed before this worker came.
    pub(crate) claimed_before: u64,
    /// How many workers the seat had before this one, and how the last of them left.
    pub(crate) restarts: u64,
    pub(crate) before: LastExit,
}

#[derive(Default)]
pub(crate) struct WorkerTable(Mutex<WorkerTableState>);

#[derive(Default)]
struct WorkerTableState {
    workers: Vec<WorkerInfo>,
    started_total: u64,
}

impl WorkerTable {
    /// Enters a worker that `start` starts. Whoever asks meanwhile waits: the worker may run its first task
    /// before we are back.
    pub(crate) fn add<T>(
        &self,
        seat: usize,
        claimed_before: u64,
        start: impl FnOnce() -> Result<(T, i64, bool)>,
    ) -> Result<(T, u64)> {
        let mut book = self.lock();
        let (worker, pid, is_ready) = start()?;
        book.started_total += 1;
        let number = book.started_total;
        if book.workers.len() <= seat {
            book.workers.resize(seat + 1, WorkerInfo::default());
        }
        if let Some(info) = book.workers.get_mut(seat) {
            let WorkerInfo { restarts, before, .. } = *info;
            let is_stopping = false;
            *info =
                WorkerInfo { number, pid, is_ready, is_stopping, claimed_before, restarts, before };
        }
        Ok((worker, number))
    }

    /// How many workers the pool has had.
    pub(crate) fn started_total(&self) -> u64 {
        self.lock().started_total
    }

    pub(crate) fn change(&self, seat: usize, change: impl FnOnce(&mut WorkerInfo)) {
        if let Some(info) = self.lock().workers.get_mut(seat) {
            change(info);
        }
    }

    pub(crate) fn left(&self, seat: usize) {
        self.change(seat, |info| {
            let (restarts, before) = (info.restarts + 1, info.before);
            *info = WorkerInfo { restarts, before, ..WorkerInfo::default() };
        });
    }

    /// How the worker left that this seat had last.
    pub(crate) fn set_last_exit(&self, seat: usize, departure: LastExit) {
        self.change(seat, |info| info.before = departure);
    }

    /// The process of a seat's worker; 0: a thread, or nobody.
    pub(crate) fn pid(&self, seat: SeatIndex) -> i64 {
        self.lock().workers.get(usize::from(seat.0)).map_or(0, |info| info.pid)
    }

    /// Who is there, with their seats.
    pub(crate) fn present(&self) -> Vec<(usize, WorkerInfo)> {
        let book = self.lock();
        let workers = book.workers.iter().copied().enumerate();
        workers.filter(|(_, info)| info.number != 0).collect()
    }

    fn lock(&self) -> MutexGuard<'_, WorkerTableState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
