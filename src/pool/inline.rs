//! Pools without workers: a task runs in the thread that submits it, before the submit returns.
//!
//! Each such run has a desk, which is a seat with what a worker keeps from task to task. A task that
//! submits another one holds its own desk meanwhile, so the other one gets the next.

use super::Pool;
use crate::board::ledger::SlotKey;
use crate::board::slot::SeatIndex;
use crate::error::{Error, Result, Status};
use crate::sync::{Deadline, Ordering::*};
use crate::worker::resolve::Resolver;
use crate::worker::{ResultFile, Worker};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub(super) struct InlineWorkers {
    book: Mutex<InlineTable>,
    /// A desk has been left.
    left: Condvar,
}

#[derive(Default)]
struct InlineTable {
    desks: Vec<InlineSlot>,
    busy: usize,
    /// Those who are about to submit more.
    admitted: usize,
}

enum InlineSlot {
    Vacant,
    /// Its worker has begun, and runs nothing.
    Idle(Box<Worker>),
    Busy,
}

impl InlineWorkers {
    /// Runs a task that was published, or cancels it where it cannot be run.
    pub(super) fn run(&self, pool: &Pool, ticket: SlotKey) -> Result<()> {
        let (place, worker) = self.sit(pool).inspect_err(|_| {
            // It was never submitted.
            pool.site.slots.count_withdrawn();
            pool.site.totals.repeated.count();
        })?;
        let Some(worker) = worker else {
            pool.site.take_all_back();
            return Ok(());
        };
        worker.run_now(ticket.slot, ticket.generation);
        let worker = if worker.is_worn() {
            self.retire(pool, place, &worker);
            None
        } else {
            Some(worker)
        };
        self.stand(place, worker);
        Ok(())
    }

    /// The lowest desk that is not busy, and its worker. None: its worker could not begin, and the pool
    /// is broken.
    fn sit(&self, pool: &Pool) -> Result<(usize, Option<Box<Worker>>)> {
        let mut book = self.lock();
        let free = book.desks.iter().position(|desk| !matches!(desk, InlineSlot::Busy));
        let place = free.unwrap_or(book.desks.len());
        if place >= pool.region().geometry.seats {
            let words = "tasks are nested, or run at once, more than 1024 deep";
            return Err(Error::new(Status::POOL_ERR_FULL, words));
        }
        if free.is_none() {
            book.desks.push(InlineSlot::Vacant);
        }
        book.busy += 1;
        let desk = std::mem::replace(&mut book.desks[place], InlineSlot::Busy);
        drop(book);
        if let InlineSlot::Idle(worker) = desk {
            return Ok((place, Some(worker)));
        }
        let worker = new_worker(pool, place);
        pool.site.slots.mark_seat_used(worker.seat());
        let claimed = pool.site.claimed(worker.seat());
        pool.site.staff.enroll(place, claimed, || Ok(((), 0, true)))?;
        pool.site.workers.fetch_add(1, Relaxed);
        match worker.begin() {
            Ok(()) => Ok((place, Some(worker))),
            Err(failure) => {
                pool.site.note_break(failure.into_note());
                forget(pool, place);
                self.stand(place, None);
                Ok((place, None))
            }
        }
    }

    fn stand(&self, place: usize, worker: Option<Box<Worker>>) {
        let mut book = self.lock();
        book.desks[place] = worker.map_or(InlineSlot::Vacant, InlineSlot::Idle);
        book.busy -= 1;
        self.left.notify_all();
    }

    pub(super) fn admit(&self) {
        self.lock().admitted += 1;
    }

    pub(super) fn dismiss(&self) {
        self.lock().admitted -= 1;
        self.left.notify_all();
    }

    /// Waits until nothing runs and, to drain, until nobody is about to submit more; and then lets the
    /// workers leave. False: the time is over.
    pub(super) fn clear(&self, pool: &Pool, is_draining: bool, deadline: Deadline) -> bool {
        let mut book = self.lock();
        while book.busy > 0 || (is_draining && book.admitted > 0) {
            match deadline.wait_on(&self.left, book) {
                Some(guard) => book = guard,
                None => return false,
            }
        }
        let desks = std::mem::take(&mut book.desks);
        drop(book);
        for (place, desk) in desks.into_iter().enumerate() {
            if let InlineSlot::Idle(worker) = desk {
                self.retire(pool, place, &worker);
            }
        }
        true
    }

    fn retire(&self, pool: &Pool, place: usize, worker: &Worker) {
        if let Err(failure) = worker.end() {
            pool.site.note_break(failure.into_note());
        }
        forget(pool, place);
    }

    fn lock(&self) -> MutexGuard<'_, InlineTable> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn new_worker(pool: &Pool, place: usize) -> Box<Worker> {
    let site = pool.site.clone();
    let deliver = Box::new(move |parcel: ResultFile| {
        site.slots.side_table.insert_result_file(parcel.task, Some(parcel.memory));
        Ok(())
    });
    let (region, seat) = (pool.site.region.clone(), SeatIndex(place as u16));
    Box::new(Worker::new(region, seat, pool.site.terms, Resolver::new(true), deliver))
}

fn forget(pool: &Pool, place: usize) {
    pool.site.staff.left(place);
    pool.site.workers.fetch_sub(1, Relaxed);
}
