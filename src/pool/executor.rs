//! Pools without workers: a task runs in the thread that submits it, before the submit returns.
//!
//! Each such run has a desk, which is a seat with what a worker keeps from task to task. A task that
//! submits another one holds its own desk meanwhile, so the other one gets the next.

use crate::sync::{Mutex, MutexGuard};
use super::Pool;
use crate::board::slot::SeatIndex;
use crate::board::parent::slots::SlotKey;
use crate::error::{Error, Result, Status};
use crate::sync::Deadline;
use crate::sync::Ordering::*;
use crate::worker::resolve::Resolver;
use crate::worker::{ResultFile, Worker};
use std::sync::Condvar;

#[derive(Default)]
pub(super) struct InlineWorkers {
    state: Mutex<InlineTable>,
    /// A desk has been left.
    left: Condvar,
}

#[derive(Default)]
struct InlineTable {
    executor_slots: Vec<InlineSlot>,
    busy: usize,
    /// Those who are about to submit more.
    permits: usize,
}

enum InlineSlot {
    Vacant,
    /// Its worker has begun, and runs nothing.
    Idle(Box<Worker>),
    Busy,
}

impl InlineWorkers {
    /// Runs a task that was published, or cancels it where it cannot be run.
    pub(super) fn run(&self, pool: &Pool, key: SlotKey) -> Result<()> {
        let (place, worker) = self.check_out(pool).inspect_err(|_| {
            // It was never submitted.
            pool.state.slots.count_withdrawn();
            pool.state.counters.repeated.count();
        })?;
        let Some(worker) = worker else {
            pool.state.withdraw_all();
            return Ok(());
        };
        worker.run_now(key.slot, key.generation);
        let worker = if worker.reached_max_tasks() {
            self.retire(pool, place, &worker);
            None
        } else {
            Some(worker)
        };
        self.check_in(place, worker);
        Ok(())
    }

    /// The lowest desk that is not busy, and its worker. None: its worker could not begin, and the pool
    /// is broken.
    fn check_out(&self, pool: &Pool) -> Result<(usize, Option<Box<Worker>>)> {
        let mut state = self.lock();
        let free = state.executor_slots.iter().position(|desk| !matches!(desk, InlineSlot::Busy));
        let place = free.unwrap_or(state.executor_slots.len());
        if place >= pool.region().geometry.seats {
            let words = "tasks are nested, or run at once, more than 1024 deep";
            return Err(Error::new(Status::POOL_ERR_FULL, words));
        }
        if free.is_none() {
            state.executor_slots.push(InlineSlot::Vacant);
        }
        state.busy += 1;
        let desk = std::mem::replace(&mut state.executor_slots[place], InlineSlot::Busy);
        drop(state);
        if let InlineSlot::Idle(worker) = desk {
            return Ok((place, Some(worker)));
        }
        let worker = new_worker(pool, place);
        pool.state.slots.mark_seat_used(worker.seat());
        let claimed = pool.state.claimed(worker.seat());
        pool.state.worker_table.add(place, claimed, || Ok(((), 0, true)))?;
        pool.state.workers.fetch_add(1, Relaxed);
        match worker.begin() {
            Ok(()) => Ok((place, Some(worker))),
            Err(failure) => {
                pool.state.set_broken(failure.into_note());
                forget(pool, place);
                self.check_in(place, None);
                Ok((place, None))
            }
        }
    }

    fn check_in(&self, place: usize, worker: Option<Box<Worker>>) {
        let mut state = self.lock();
        state.executor_slots[place] = worker.map_or(InlineSlot::Vacant, InlineSlot::Idle);
        state.busy -= 1;
        self.left.notify_all();
    }

    pub(super) fn admit(&self) {
        self.lock().permits += 1;
    }

    pub(super) fn take_exited(&self) {
        self.lock().permits -= 1;
        self.left.notify_all();
    }

    /// Waits until nothing runs and, to drain, until nobody is about to submit more; and then lets the
    /// workers leave. False: the time is over.
    pub(super) fn clear(&self, pool: &Pool, is_draining: bool, deadline: Deadline) -> bool {
        let mut state = self.lock();
        while state.busy > 0 || (is_draining && state.permits > 0) {
            match deadline.wait_on(&self.left, state) {
                Some(guard) => state = guard,
                None => return false,
            }
        }
        let executor_slots = std::mem::take(&mut state.executor_slots);
        drop(state);
        for (place, desk) in executor_slots.into_iter().enumerate() {
            if let InlineSlot::Idle(worker) = desk {
                self.retire(pool, place, &worker);
            }
        }
        true
    }

    fn retire(&self, pool: &Pool, place: usize, worker: &Worker) {
        if let Err(failure) = worker.end() {
            pool.state.set_broken(failure.into_note());
        }
        forget(pool, place);
    }

    fn lock(&self) -> MutexGuard<'_, InlineTable> {
        self.state.lock()
    }
}

fn new_worker(pool: &Pool, place: usize) -> Box<Worker> {
    let state = pool.state.clone();
    let deliver = Box::new(move |result_file: ResultFile| {
        state.slots.side_table.insert_result_file(result_file.task, Some(result_file.memory));
        Ok(())
    });
    let (region, seat) = (pool.state.region.clone(), SeatIndex(place as u16));
    Box::new(Worker::new(region, seat, pool.state.worker_config, Resolver::new(true), deliver))
}

fn forget(pool: &Pool, place: usize) {
    pool.state.worker_table.left(place);
    pool.state.workers.fetch_sub(1, Relaxed);
}
