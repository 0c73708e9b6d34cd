//! Maps from array to array: chunks are submitted while the window has room, and their results
//! copied in the order of the items.

pub(super) mod chunks;
pub(super) mod lazy;
pub(super) mod zip;

use super::future::{future_free, wait_for};
use super::promise::{self, PromiseResolver};
use super::submit::{Args, Gate, SubmitOptions, TaskSpec, submit};
use super::{Callee, FutureHandle, OwnedCallee, PoolHandle, TaskOptions, TimeLimit};
use crate::error::{Error, Result, Status};
use crate::sync::Deadline;
use crate::worker::Completion;
use crate::worker::chunk::{AfterItemError, ChunkHeader};
use chunks::{ChunkSizer, InFlight, InFlightChunk, OnError, max_workers_of, submit_fixed};
use std::collections::HashSet;
use std::sync::Arc;

/// In which order a lazy map returns its results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResultOrder {
    Input,
    Completion,
}

/// The options of a map.
pub(crate) struct MapOptions {
    /// 0: chosen by measured run time.
    pub(crate) chunk_size: usize,
    /// The maximum number of items in flight; 0: enough to keep all workers busy.
    pub(crate) window: usize,
    pub(crate) order: ResultOrder,
    pub(crate) on_error: OnError,
    /// Of the whole map; None: unlimited.
    pub(crate) deadline_ms: Option<i64>,
    /// The hard limit of each item in milliseconds; each is then a task of its own.
    pub(crate) item_hard_ms: Option<u64>,
    pub(crate) on_progress: Option<Box<dyn FnMut(u64, u64) + Send>>,
}

impl MapOptions {
    fn submit_options(&self) -> SubmitOptions {
        let limited = |ms| TaskOptions { hard: TimeLimit::Ms(ms), ..TaskOptions::default() };
        SubmitOptions { options: self.item_hard_ms.map(limited), ..SubmitOptions::default() }
    }
}

/// The caller's arrays: what a map reads and writes.
pub(crate) struct Arrays<'a> {
    pub(crate) items: &'a [u8],
    pub(crate) item_size: usize,
    pub(crate) count: usize,
    pub(crate) results: &'a mut [u8],
    pub(crate) result_size: usize,
    /// One for each item.
    pub(crate) statuses: Option<&'a mut [i32]>,
}

/// Chunks in flight for each worker: one that runs, and one that is queued behind it.
const CHUNKS_PER_WORKER: usize = 2;

struct MapRun<'a> {
    pool: PoolHandle,
    callee: Callee<'a>,
    arrays: Arrays<'a>,
    options: MapOptions,
    sizer: ChunkSizer,
    in_flight: Arc<InFlight>,
    /// How many items were submitted, and how many have a status.
    next: usize,
    done: usize,
    /// The first item, in order, that did not complete, and why.
    first_error: Option<Status>,
    statuses: Vec<i32>,
}

/// Runs the function for every item. An error is that of the first item, in order, that has one.
pub(crate) fn map(
    pool: PoolHandle,
    callee: Callee<'_>,
    arrays: Arrays<'_>,
    options: MapOptions,
) -> Result<()> {
    if arrays.count == 0 {
        return pool.pool().map(drop);
    }
    let _permit = pool.pool()?.permit()?;
    let workers = max_workers_of(pool, options.submit_options())?;
    run(pool, workers, callee, arrays, options, Arc::default())
}

/// [`map`] in a thread of its own. The future is done when the last result has been written;
/// cancelling it cancels the chunks in flight.
pub(crate) fn map_async(
    pool: PoolHandle,
    callee: OwnedCallee,
    arrays: Arrays<'static>,
    options: MapOptions,
) -> Result<FutureHandle> {
    let permit = pool.pool()?.permit()?;
    let workers = max_workers_of(pool, options.submit_options())?;
    let in_flight = Arc::new(InFlight::default());
    let cancelled = in_flight.clone();
    let (future, resolver) = promise::new_background(pool, Arc::new(move || cancelled.cancel()))?;
    let work = move || {
        let _permit = permit;
        let outcome = run(pool, workers, callee.as_callee(), arrays, options, in_flight);
        complete(resolver, outcome);
    };
    match pool.pool()?.run_in_background(work) {
        Ok(()) => Ok(future),
        Err(error) => {
            // The resolver was dropped with the work.
            future_free(future)?;
            Err(error)
        }
    }
}

fn complete(resolver: PromiseResolver, outcome: Result<()>) {
    match outcome {
        Ok(()) => resolver.complete(Completion::Completed(&[])),
        Err(error) => {
            let detail = error.detail().cloned().unwrap_or_default();
            let (status, code, message) = (error.status, detail.task_code, &*detail.message);
            resolver.complete(Completion::Failed { status, code, message });
        }
    }
}

fn run(
    pool: PoolHandle,
    workers: usize,
    callee: Callee<'_>,
    arrays: Arrays<'_>,
    options: MapOptions,
    in_flight: Arc<InFlight>,
) -> Result<()> {
    let deadline = options.deadline_ms.map_or(Deadline::Never, Deadline::from_ms);
    let sizer = ChunkSizer::new(options.chunk_size, workers, arrays.item_size + arrays.result_size);
    let mut run = MapRun {
        pool,
        callee,
        arrays,
        options,
        sizer,
        in_flight,
        next: 0,
        done: 0,
        first_error: None,
        statuses: Vec::new(),
    };
    if let Err(why) = run.run(workers, deadline) {
        let why = run.drain_in_flight(why, deadline);
        run.fail_rest(&why);
    }
    match run.first_error {
        None => Ok(()),
        Some(status) => Err(status.into()),
    }
}

impl MapRun<'_> {
    /// Submits chunks and copies their results, until all is done or an error ends the map.
    fn run(&mut self, workers: usize, deadline: Deadline) -> Result<()> {
        loop {
            if self.in_flight.is_cancelled() {
                return Err(Status::POOL_ERR_CANCELLED.into());
            }
            while self.next < self.arrays.count && self.has_room(workers) {
                if deadline.has_passed() {
                    return Err(Status::POOL_ERR_TIMEOUT.into());
                }
                if self.first_error.is_some() && self.options.on_error != OnError::Continue {
                    return Err(Status::POOL_ERR_CANCELLED.into());
                }
                match self.submit_next(deadline) {
                    // The slot table is full; our own chunks will make room.
                    Err(error)
                        if error.status == Status::POOL_ERR_FULL
                            && self.in_flight.first().is_some() =>
                    {
                        break;
                    }
                    Err(error)
                        if error.status == Status::POOL_ERR_FULL && deadline.has_passed() =>
                    {
                        return Err(Status::POOL_ERR_TIMEOUT.into());
                    }
                    outcome => outcome?,
                }
            }
            let Some(chunk) = self.in_flight.first() else { return Ok(()) };
            wait_for(chunk.future, deadline)?;
            self.take_results(&chunk, Status::POOL_ERR_CANCELLED)?;
        }
    }

    /// The map has ended early: waits for the chunks that run until the deadline. Returns why all
    /// items fail that were not submitted.
    fn drain_in_flight(&mut self, why: Error, deadline: Deadline) -> Error {
        let is_late = matches!(why.status, Status::POOL_ERR_TIMEOUT | Status::POOL_ERR_DEADLOCK);
        // What was cancelled by now was not cancelled because the map is late.
        let done_before = if is_late { self.in_flight.done() } else { HashSet::new() };
        let is_stopped_by_item =
            self.first_error.is_some() && self.options.on_error == OnError::Stop;
        if !is_stopped_by_item {
            self.in_flight.cancel();
        }
        let mut deadline = if is_late { Deadline::from_ms(0) } else { deadline };
        while let Some(chunk) = self.in_flight.first() {
            if let Err(error) = wait_for(chunk.future, deadline) {
                // Those behind it may be done.
                deadline = Deadline::from_ms(0);
                self.fail_chunk(&chunk, if is_late { &why } else { &error });
                continue;
            }
            let cancelled = match is_late && !done_before.contains(&chunk.future) {
                true => why.status,
                false => status_of_cancelled(&why),
            };
            if let Err(error) = self.take_results(&chunk, cancelled) {
                return error;
            }
        }
        why
    }

    fn has_room(&self, workers: usize) -> bool {
        let (chunks, _) = self.in_flight.count();
        match self.options.window {
            0 => chunks < CHUNKS_PER_WORKER * workers,
            window => chunks == 0 || self.next - self.done < window,
        }
    }

    fn submit_next(&mut self, deadline: Deadline) -> Result<()> {
        let Arrays { item_size, result_size, count, .. } = self.arrays;
        let size = self.sizer.next(count - self.next);
        let size = match self.options.window {
            0 => size,
            window => size.min(window),
        };
        let header = ChunkHeader {
            count: size as u64,
            item_size: item_size as u64,
            result_size: result_size as u64,
            after_error: self.options.on_error.after_error() as u64,
        };
        let items = &self.arrays.items[self.next * item_size..(self.next + size) * item_size];
        let submit_deadline = self.in_flight.submit_deadline(deadline);
        let options = SubmitOptions { submit_deadline, ..self.options.submit_options() };
        let future = submit_fixed(self.pool, self.callee, items, header, &options)?;
        self.in_flight.push(InFlightChunk { future, first: self.next as u64, count: size });
        self.next += size;
        Ok(())
    }

    /// Copies the results of the oldest chunk, which is done. `cancelled` is the status of its
    /// items that were cancelled.
    fn take_results(&mut self, chunk: &InFlightChunk, cancelled: Status) -> Result<()> {
        let _ = self.in_flight.take(|_| true);
        let (first, size) = (chunk.first as usize, self.arrays.result_size);
        let results = &mut self.arrays.results[first * size..(first + chunk.count) * size];
        self.statuses.resize(chunk.count, 0);
        chunk.copy_fixed(results, &mut self.statuses);
        for status in &mut self.statuses {
            if *status == Status::POOL_ERR_CANCELLED as i32 {
                *status = cancelled as i32;
            }
        }
        self.sizer.learn(chunk);
        future_free(chunk.future)?;
        let failed = self.statuses.iter().position(|status| *status != 0);
        if let (Some(failed), None) = (failed, self.first_error) {
            self.first_error =
                Status::from_number(self.statuses[failed]).or(Some(Status::POOL_ERR_WORKER_LOST));
        }
        if let Some(statuses) = &mut self.arrays.statuses {
            statuses[first..first + chunk.count].copy_from_slice(&self.statuses);
        }
        self.done += chunk.count;
        if let Some(on_progress) = &mut self.options.on_progress {
            on_progress(self.done as u64, self.arrays.count as u64);
        }
        Ok(())
    }

    /// Gives up the oldest chunk, which is not done.
    fn fail_chunk(&mut self, chunk: &InFlightChunk, why: &Error) {
        let _ = self.in_flight.take(|_| true);
        let _ = future_free(chunk.future);
        self.fail_items(chunk.first as usize + chunk.count, why);
    }

    /// Sets the status of all items without a result to the one that follows from this error.
    fn fail_rest(&mut self, why: &Error) {
        self.in_flight.clear();
        self.fail_items(self.arrays.count, why);
    }

    /// Sets the status of the items up to this one, from the first without a status.
    fn fail_items(&mut self, end: usize, why: &Error) {
        if self.done == end {
            return;
        }
        // If the pool was stopped meanwhile, the items were cancelled.
        let status = match why.status {
            status @ (Status::POOL_ERR_TIMEOUT
            | Status::POOL_ERR_DEADLOCK
            | Status::POOL_ERR_NOMEM
            | Status::POOL_ERR_TOO_LARGE
            | Status::POOL_ERR_FUNCTION
            | Status::POOL_ERR_FULL) => status,
            _ => status_of_cancelled(why),
        };
        let size = self.arrays.result_size;
        self.arrays.results[self.done * size..end * size].fill(0);
        if let Some(statuses) = &mut self.arrays.statuses {
            statuses[self.done..end].fill(status as i32);
        }
        self.first_error.get_or_insert(status);
        self.done = end;
    }
}

/// The status of items that were cancelled because of this error of the pool: a break says so, whoever
/// was faster to cancel them.
fn status_of_cancelled(why: &Error) -> Status {
    match why.status {
        Status::POOL_ERR_BROKEN
        | Status::POOL_ERR_INITIALIZER
        | Status::POOL_ERR_FINALIZER
        | Status::POOL_ERR_RESTARTS => Status::POOL_ERR_BROKEN,
        _ => Status::POOL_ERR_CANCELLED,
    }
}

/// Submits one task that runs the function for all these items, and fails when one of them does.
pub(crate) fn submit_chunk(
    pool: PoolHandle,
    callee: Callee<'_>,
    items: &[u8],
    [item_size, count, result_size]: [usize; 3],
) -> Result<FutureHandle> {
    let header = ChunkHeader {
        count: count as u64,
        item_size: item_size as u64,
        result_size: result_size as u64,
        after_error: AfterItemError::Fail as u64,
    };
    let bytes = header.to_bytes();
    let args = Args::Chunk([&bytes, items]);
    submit(
        pool,
        TaskSpec { callee, args, gate: Gate::Open, options: Some(&SubmitOptions::default()) },
    )
}
