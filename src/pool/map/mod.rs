//! Maps from array to array: pieces are submitted as long as not too many are under way, and taken in
//! order as they come back.

mod background;
mod chunks;
mod lazy;
mod zip;

use chunks::{ChunkSizer, InFlight, InFlightChunk, OnError, max_workers_of, submit_fixed};
use super::{FutureHandle, OwnedCallee, PoolHandle, TaskOptions, TimeLimit, future, future_free, promise};
use super::promise::PromiseResolver;
use crate::state::config::Callee;
use super::submit::SubmitOptions;
use crate::error::{Error, Result, Status};
use crate::sync::Deadline;
use crate::worker::Completion;
use crate::worker::chunk::{AfterItemError, ChunkHeader};
use std::sync::Arc;

/// How a map is to be done.
pub(crate) struct MapOptions {
    /// 0: by measured time.
    pub(crate) chunk_size: usize,
    /// The most items under way; 0: enough to keep all workers busy.
    pub(crate) window: usize,
    pub(crate) is_ordered: bool,
    pub(crate) on_error: OnError,
    /// For the whole; None: no end.
    pub(crate) deadline_ms: Option<i64>,
    /// For each item, in milliseconds; each is then a task of its own.
    pub(crate) item_hard_ms: Option<u64>,
    pub(crate) on_progress: Option<Box<dyn FnMut(u64, u64) + Send>>,
}

impl MapOptions {
    pub(super) fn options(&self) -> SubmitOptions {
        let limited = |ms| TaskOptions { hard: TimeLimit::Ms(ms), ..TaskOptions::default() };
        SubmitOptions { options: self.item_hard_ms.map(limited), ..SubmitOptions::default() }
    }
}

/// What a map reads and writes: arrays of the caller's.
pub(crate) struct Arrays<'a> {
    pub(crate) items: &'a [u8],
    pub(crate) item_size: usize,
    pub(crate) count: usize,
    pub(crate) results: &'a mut [u8],
    pub(crate) result_size: usize,
    /// One for each item, or none at all.
    pub(crate) statuses: Option<&'a mut [i32]>,
}

/// Pieces under way for each worker: one that runs, and one that waits so that nobody does.
const CHUNKS_PER_WORKER: usize = 2;

struct MapRun<'a> {
    pool: PoolHandle,
    callee: Callee<'a>,
    arrays: Arrays<'a>,
    options: MapOptions,
    sizer: ChunkSizer,
    in_flight: Arc<InFlight>,
    /// Items that were handed out, and items that have come back.
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
    let _admission = pool.pool()?.admit()?;
    let workers = max_workers_of(pool, options.options())?;
    run(pool, workers, callee, arrays, options, Arc::default())
}

/// The same in a thread of its own. The future is done when it has written the last result; to cancel
/// it cancels what is under way.
pub(crate) fn map_async(
    pool: PoolHandle,
    callee: OwnedCallee,
    arrays: Arrays<'static>,
    options: MapOptions,
) -> Result<FutureHandle> {
    let admission = pool.pool()?.admit()?;
    let (workers, in_flight) =
        (max_workers_of(pool, options.options())?, Arc::new(InFlight::default()));
    let (future, keeper) = promise::new_background(in_flight.clone())?;
    let work = move || {
        let _admission = admission;
        let outcome = run(pool, workers, callee.as_callee(), arrays, options, in_flight);
        end(keeper, outcome);
    };
    match pool.pool()?.run_in_background(work) {
        Ok(()) => Ok(future),
        Err(error) => {
            // The keeper was dropped with the work.
            future_free(future)?;
            Err(error)
        }
    }
}

fn end(keeper: PromiseResolver, outcome: Result<()>) {
    match outcome {
        Ok(()) => keeper.end(Completion::Completed(&[])),
        Err(error) => {
            let detail = error.detail().cloned().unwrap_or_default();
            let (status, code, message) = (error.status, detail.task_code, &*detail.message);
            keeper.end(Completion::Failed { status, code, message });
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
    if let Err(why) = run.go(workers, deadline).or_else(|why| run.drain_in_flight(why, deadline)) {
        run.give_up(&why);
    }
    match run.first_error {
        None => Ok(()),
        Some(status) => Err(status.into()),
    }
}

impl MapRun<'_> {
    /// Hands out and takes back, until all is done or something ends it.
    fn go(&mut self, workers: usize, deadline: Deadline) -> Result<()> {
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
                    // So many futures are alive elsewhere; ours will make room.
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
            wait::wait_for(chunk.future, deadline)?;
            self.withdraw(&chunk)?;
        }
    }

    /// Something has ended the map: what runs is waited for, as long as there is time.
    fn drain_in_flight(&mut self, why: Error, deadline: Deadline) -> Result<()> {
        let is_stopped_by_item =
            self.first_error.is_some() && self.options.on_error == OnError::Stop;
        if !is_stopped_by_item {
            self.in_flight.cancel();
        }
        let is_late = matches!(why.status, Status::POOL_ERR_TIMEOUT | Status::POOL_ERR_DEADLOCK);
        let deadline = if is_late { Deadline::from_ms(0) } else { deadline };
        while let Some(chunk) = self.in_flight.first() {
            if wait::wait_for(chunk.future, deadline).is_err() {
                break;
            }
            self.withdraw(&chunk)?;
        }
        Err(why)
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
        let head = ChunkHeader {
            count: size as u64,
            item_size: item_size as u64,
            result_size: result_size as u64,
            after_error: self.options.on_error.after_error() as u64,
        };
        let items = &self.arrays.items[self.next * item_size..(self.next + size) * item_size];
        let submit_deadline = self.in_flight.submit_deadline(deadline);
        let options = SubmitOptions { submit_deadline, ..self.options.options() };
        let future = submit_fixed(self.pool, self.callee, items, head, true, &options)?;
        self.in_flight.push(InFlightChunk { future, first: self.next as u64, count: size });
        self.next += size;
        Ok(())
    }

    /// Takes the results of the oldest piece, which is done.
    fn withdraw(&mut self, chunk: &InFlightChunk) -> Result<()> {
        let _ = self.in_flight.take(|_| true);
        let (first, size) = (chunk.first as usize, self.arrays.result_size);
        let results = &mut self.arrays.results[first * size..(first + chunk.count) * size];
        self.statuses.resize(chunk.count, 0);
        chunk.copy_fixed(results, &mut self.statuses);
        self.sizer.learn(chunk);
        future_free(chunk.future)?;
        let bad = self.statuses.iter().position(|status| *status != 0);
        if let (Some(bad), None) = (bad, self.first_error) {
            self.first_error =
                Status::from_number(self.statuses[bad]).or(Some(Status::POOL_ERR_WORKER_LOST));
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

    /// All that has not come back gets the status that follows from this.
    fn give_up(&mut self, why: &Error) {
        self.in_flight.forget();
        // Where the pool was stopped or broken meanwhile, that is what became of the items, too.
        let status = match why.status {
            status @ (Status::POOL_ERR_TIMEOUT
            | Status::POOL_ERR_DEADLOCK
            | Status::POOL_ERR_NOMEM
            | Status::POOL_ERR_TOO_LARGE
            | Status::POOL_ERR_FUNCTION
            | Status::POOL_ERR_FULL) => status,
            _ => Status::POOL_ERR_CANCELLED,
        };
        let (done, size) = (self.done, self.arrays.result_size);
        self.arrays.results[done * size..].fill(0);
        if let Some(statuses) = &mut self.arrays.statuses {
            statuses[done..].fill(status as i32);
        }
        self.first_error.get_or_insert(status);
    }
}

/// Submits one task that runs the function for all these items, and fails when one of them does.
pub(crate) fn submit_chunk(
    pool: PoolHandle,
    callee: Callee<'_>,
    items: &[u8],
    [item_size, count, result_size]: [usize; 3],
) -> Result<FutureHandle> {
    let head = ChunkHeader {
        count: count as u64,
        item_size: item_size as u64,
        result_size: result_size as u64,
        after_error: AfterItemError::Fail as u64,
    };
    submit_fixed(pool, callee, items, head, false, &SubmitOptions::default())
}
