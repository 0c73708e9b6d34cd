//! What executes the tasks of a pool; and pools without workers, where a task runs in the thread
//! that submits it, before the submit returns.
//!
//! Each inline run has a seat with a worker of its own. A task that submits another one keeps its
//! worker busy, so the nested task runs in the next one:
//!
//! ```text
//!            check_out                          check_in
//!   Vacant ─────────────▶ Busy ──────────────────────────────────────────▶ Idle
//!     ▲                    ▲ │  max_tasks reached: retire                    │
//!     │                    └─┼──────────────── check_out ────────────────────┤
//!     └──────────────────────┴──────────────── clear: retire ────────────────┘
//! ```

use super::Pool;
use crate::board::parent::slots::SlotKey;
use crate::board::slot::SeatIndex;
use crate::error::{Error, Result, Status};
use crate::state::workers::StartedWorker;
use crate::sync::{Deadline, Mutex, Ordering::*};
use crate::worker::resolve::Resolver;
use crate::worker::{ResultFile, Worker};
use std::sync::Condvar;
use std::thread::JoinHandle;

/// What executes the tasks of a pool.
pub(super) enum Executor {
    /// Threads or processes, started by a supervisor. None: its thread was joined.
    Supervised(Mutex<Option<JoinHandle<()>>>),
    Inline(InlineWorkers),
    /// Nothing: the tasks are promises, which callers complete.
    Promises,
}

impl Executor {
    pub(super) fn inline(&self) -> Option<&InlineWorkers> {
        match self {
            Executor::Inline(workers) => Some(workers),
            Executor::Supervised(_) | Executor::Promises => None,
        }
    }

    /// The supervisor's thread, which has ended or is about to.
    pub(super) fn take_thread(&self) -> Option<JoinHandle<()>> {
        match self {
            Executor::Supervised(thread) => thread.lock().take(),
            Executor::Inline(_) | Executor::Promises => None,
        }
    }
}

impl Pool {
    #[inline]
    pub(super) fn is_promise_pool(&self) -> bool {
        matches!(self.executor, Executor::Promises)
    }
}

#[derive(Default)]
pub(super) struct InlineWorkers {
    table: Mutex<InlineTable>,
    /// A worker was checked in, or a permit returned.
    changed: Condvar,
}

#[derive(Default)]
struct InlineTable {
    /// By seat.
    workers: Vec<InlineWorker>,
    busy: usize,
    /// The number of operations that are about to submit more.
    permits: usize,
}

enum InlineWorker {
    Vacant,
    /// Initialized, and runs nothing.
    Idle(Box<Worker>),
    Busy,
}

/// What [`InlineWorkers::clear`] waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClearMode {
    Running,
    /// The tasks that run, and the operations that are about to submit more.
    RunningAndPermits,
}

impl InlineWorkers {
    /// Runs a task that was published, or cancels it if its worker cannot start.
    pub(super) fn run(&self, pool: &Pool, key: SlotKey) -> Result<()> {
        let (seat, worker) = self.check_out(pool).inspect_err(|_| {
            // It was never submitted.
            pool.state.slots.count_withdrawn();
            pool.state.counters.repeated.add();
        })?;
        let Some(worker) = worker else {
            pool.state.withdraw_all();
            return Ok(());
        };
        worker.run_now(key.slot, key.generation);
        let worker = if worker.reached_max_tasks() {
            self.retire(pool, seat, &worker);
            None
        } else {
            Some(worker)
        };
        self.check_in(seat, worker);
        Ok(())
    }

    /// The lowest seat that is not busy, and its worker. No worker: it could not start, and the
    /// pool is broken.
    fn check_out(&self, pool: &Pool) -> Result<(usize, Option<Box<Worker>>)> {
        let mut table = self.table.lock();
        let free = table.workers.iter().position(|worker| !matches!(worker, InlineWorker::Busy));
        let seat = free.unwrap_or(table.workers.len());
        if seat >= pool.region().geometry.seats {
            let words = "tasks are nested, or run at once, more than 1024 deep";
            return Err(Error::new(Status::POOL_ERR_FULL, words));
        }
        if free.is_none() {
            table.workers.push(InlineWorker::Vacant);
        }
        table.busy += 1;
        let worker = std::mem::replace(&mut table.workers[seat], InlineWorker::Busy);
        drop(table);
        if let InlineWorker::Idle(worker) = worker {
            return Ok((seat, Some(worker)));
        }
        let worker = new_worker(pool, seat);
        pool.state.slots.mark_seat_used(worker.seat());
        let claimed = pool.state.claimed(worker.seat());
        let start = || Ok(StartedWorker { worker: (), pid: 0, is_ready: true });
        pool.state.worker_table.add(seat, claimed, start)?;
        pool.state.workers.fetch_add(1, Relaxed);
        match worker.initialize() {
            Ok(()) => Ok((seat, Some(worker))),
            Err(failure) => {
                pool.state.set_broken(failure.into_task_failure());
                remove_worker(pool, seat);
                self.check_in(seat, None);
                Ok((seat, None))
            }
        }
    }

    fn check_in(&self, seat: usize, worker: Option<Box<Worker>>) {
        let mut table = self.table.lock();
        table.workers[seat] = worker.map_or(InlineWorker::Vacant, InlineWorker::Idle);
        table.busy -= 1;
        self.changed.notify_all();
    }

    pub(super) fn add_permit(&self) {
        self.table.lock().permits += 1;
    }

    pub(super) fn remove_permit(&self) {
        self.table.lock().permits -= 1;
        self.changed.notify_all();
    }

    /// Waits until nothing runs, and then retires the workers. False: the deadline has passed.
    pub(super) fn clear(&self, pool: &Pool, mode: ClearMode, deadline: Deadline) -> bool {
        let mut table = self.table.lock();
        let waits_for_permits = mode == ClearMode::RunningAndPermits;
        while table.busy > 0 || (waits_for_permits && table.permits > 0) {
            match deadline.wait_on(&self.changed, table) {
                Some(guard) => table = guard,
                None => return false,
            }
        }
        let workers = std::mem::take(&mut table.workers);
        drop(table);
        for (seat, worker) in workers.into_iter().enumerate() {
            if let InlineWorker::Idle(worker) = worker {
                self.retire(pool, seat, &worker);
            }
        }
        true
    }

    fn retire(&self, pool: &Pool, seat: usize, worker: &Worker) {
        if let Err(failure) = worker.finalize() {
            pool.state.set_broken(failure.into_task_failure());
        }
        remove_worker(pool, seat);
    }
}

fn new_worker(pool: &Pool, seat: usize) -> Box<Worker> {
    let state = pool.state.clone();
    let keep_result_file = Box::new(move |file: ResultFile| {
        state.slots.side_table.insert_result_file(file.key, file.memory);
        Ok(())
    });
    let (region, seat) = (pool.state.region.clone(), SeatIndex(seat as u16));
    let resolver = Resolver::in_main_program();
    Box::new(Worker::new(region, seat, pool.state.worker_config, resolver, keep_result_file))
}

fn remove_worker(pool: &Pool, seat: usize) {
    pool.state.worker_table.remove(seat);
    pool.state.workers.fetch_sub(1, Relaxed);
}
