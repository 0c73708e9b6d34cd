//! Maps over a source that is asked for items one by one, as results are taken.
//!
//! ```text
//!            pull, submit              done                 taken by the caller
//!   source ───────────────▶ under way ──────▶ open piece ───────────────────────▶ gone
//!                (not more than the window)     (one, whose results lie there)
//! ```

use crate::sync::{Mutex, MutexGuard};
use super::chunks::{ChunkBuilder, ChunkItem, ChunkSizer, InFlight, InFlightChunk, OnError, max_workers_of};
use crate::pool::{MapOptions, OwnedCallee, PoolHandle, SubmitOptions, future, future_free, handles};
use crate::pool::handles::MapHandle;
use crate::pool::future::WaitMode;
use crate::error::{Error, Result, Status};
use crate::sync::Deadline;
use std::sync::TryLockError;

/// Where items come from.
pub(crate) trait Source: Send {
    /// The next item, if there is one. It is copied before the next call.
    fn pull(&mut self) -> Result<Option<&[u8]>>;
}

pub(crate) struct LazyMap {
    pool: PoolHandle,
    callee: OwnedCallee,
    state: Mutex<MapState>,
    in_flight: InFlight,
}

struct MapState {
    source: Box<dyn Source>,
    options: MapOptions,
    sizer: ChunkSizer,
    workers: usize,
    builder: ChunkBuilder,
    deadline: Option<Deadline>,
    /// How many items were pulled, and how many taken.
    pulled: u64,
    taken: u64,
    /// The piece whose results are being taken, and how many of them were.
    open: Option<(InFlightChunk, usize)>,
    /// Nothing more is pulled.
    end: Option<MapEnd>,
    last_error: Option<Error>,
}

/// What is told when all items before it have been.
enum MapEnd {
    /// That there are no more.
    Done,
    /// What the source has said; once.
    Once(Error),
    /// That the pool is closed, or the time is over; again and again.
    ForGood(Status),
}

/// An item's number, and its result.
pub(crate) type MapItem = (u64, ChunkItem);

pub(crate) fn map_start(
    pool: PoolHandle,
    callee: OwnedCallee,
    source: Box<dyn Source>,
    options: MapOptions,
) -> Result<MapHandle> {
    pool.pool()?.state.check_open()?;
    let workers = max_workers_of(pool, options.options())?;
    let state = MapState {
        source,
        sizer: ChunkSizer::new(options.chunk_size, workers, 0),
        options,
        workers,
        builder: ChunkBuilder::default(),
        deadline: None,
        pulled: 0,
        taken: 0,
        open: None,
        end: None,
        last_error: None,
    };
    handles::add_map(LazyMap {
        pool,
        callee,
        state: Mutex::new(state),
        in_flight: InFlight::default(),
    })
}

/// The next item's number and result; waits for it. An error that is not an item's: there is none now,
/// or none any more.
pub(crate) fn map_next(map: MapHandle, timeout_ms: i64) -> Result<MapItem> {
    let map = map.map()?;
    let mut state = map.state()?;
    let deadline = Deadline::from_ms(timeout_ms);
    let whole = state.options.deadline_ms;
    let whole =
        *state.deadline.get_or_insert_with(|| whole.map_or(Deadline::Never, Deadline::from_ms));
    if whole.has_passed() && !map.is_at_end(&state) {
        return Err(map.give_up(&mut state)?);
    }
    let item = map.next(&mut state, deadline.min(whole));
    if matches!(&item, Err(error) if error.status == Status::POOL_ERR_TIMEOUT) && whole.has_passed()
    {
        return Err(map.give_up(&mut state)?);
    }
    if let Ok((_, result)) = &item {
        state.last_error = result.as_ref().err().map(copy_of);
        state.taken += 1;
        let (taken, total) = (state.taken, if state.end.is_some() { state.pulled } else { 0 });
        if let Some(on_progress) = &mut state.options.on_progress {
            on_progress(taken, total);
        }
    }
    item
}

/// What went wrong with the item that was answered last.
pub(crate) fn map_error(map: MapHandle) -> Result<Result<()>> {
    let state = map.map()?.state()?;
    Ok(state.last_error.as_ref().map_or(Ok(()), |error| Err(copy_of(error))))
}

fn copy_of(error: &Error) -> Error {
    Error::with_detail(error.status, error.detail().cloned().unwrap_or_default())
}

/// Cancels what waits, and pulls nothing more.
pub(crate) fn map_cancel(map: MapHandle) -> Result<()> {
    map.map()?.in_flight.cancel();
    Ok(())
}

/// Frees the map; what waits is cancelled.
pub(crate) fn map_free(map: MapHandle) -> Result<()> {
    {
        let map = map.map()?;
        if let Some((chunk, _)) = map.state()?.open.take() {
            future_free(chunk.future)?;
        }
        map.in_flight.cancel();
        map.in_flight.forget();
    }
    map.remove()
}

impl LazyMap {
    /// One thread at a time; and none from within its own source.
    fn state(&self) -> Result<MutexGuard<'_, MapState>> {
        match self.state.try_lock() {
            Ok(state) => Ok(state),
            Err(TryLockError::Poisoned(state)) => Ok(state.into_inner()),
            Err(TryLockError::WouldBlock) => {
                let words = "another call with this map is under way";
                Err(Error::new(Status::POOL_ERR_STATE, words))
            }
        }
    }

    fn next(&self, state: &mut MapState, deadline: Deadline) -> Result<MapItem> {
        if let Some((chunk, taken)) = state.open {
            if taken < chunk.count {
                return Ok(self.take(state, chunk, taken));
            }
            state.open = None;
            future_free(chunk.future)?;
        }
        self.fill(state, deadline)?;
        let Some(chunk) = self.wait_for_chunk(state, deadline)? else {
            return Err(match state.end.take() {
                Some(MapEnd::Once(error)) => {
                    state.end = Some(MapEnd::Done);
                    error
                }
                Some(MapEnd::ForGood(status)) => {
                    state.end = Some(MapEnd::ForGood(status));
                    status.into()
                }
                done => {
                    state.end = done;
                    Status::POOL_ERR_END.into()
                }
            });
        };
        state.sizer.learn(&chunk);
        Ok(self.take(state, chunk, 0))
    }

    fn take(&self, state: &mut MapState, chunk: InFlightChunk, index: usize) -> MapItem {
        state.open = Some((chunk, index + 1));
        let result = chunk.item(index);
        if result.is_err() && state.options.on_error != OnError::Continue {
            end(state, MapEnd::Done);
            if state.options.on_error == OnError::CancelRest {
                self.in_flight.cancel();
            }
            self.in_flight.forget();
            state.open = Some((chunk, chunk.count));
        }
        (chunk.first + index as u64, result)
    }

    /// Pulls and submits as long as there is room in the window. An error: there was no place in the
    /// pool's queue all the time; what was pulled stays in the basket.
    fn fill(&self, state: &mut MapState, deadline: Deadline) -> Result<()> {
        while state.end.is_none() || state.builder.len() > 0 {
            if self.in_flight.is_cancelled() {
                end(state, MapEnd::Done);
                break;
            }
            if let Err(error) = self.pool.pool().and_then(|pool| pool.state.check_open()) {
                end(state, of_pool(error));
                break;
            }
            let size = self.room(state);
            if size == 0 {
                break;
            }
            match self.submit_chunk_of_items(state, size, deadline) {
                Ok(()) => {}
                Err(error) if error.status != Status::POOL_ERR_FULL => {
                    end(state, of_pool(error));
                }
                // So many tasks wait, or are alive; ours will make room.
                Err(_) if self.in_flight.first().is_some() => break,
                Err(_) if deadline.has_passed() => return Err(Status::POOL_ERR_TIMEOUT.into()),
                Err(error) => end(state, of_pool(error)),
            }
        }
        Ok(())
    }

    /// How many items the next piece may have; 0: enough are under way.
    fn room(&self, state: &MapState) -> usize {
        let (chunks, items) = self.in_flight.count();
        match state.options.window {
            0 if chunks >= 2 * state.workers => 0,
            0 => state.sizer.next(usize::MAX),
            window => {
                let item_result = window.div_ceil(2 * state.workers);
                let size = state.sizer.next(usize::MAX).min(window);
                let size = if state.options.chunk_size == 0 { size.min(item_result) } else { size };
                // Where a whole piece has no room, it waits for the one before.
                if items + size <= window { size } else { 0 }
            }
        }
    }

    fn submit_chunk_of_items(
        &self,
        state: &mut MapState,
        size: usize,
        deadline: Deadline,
    ) -> Result<()> {
        while state.builder.len() < size && state.end.is_none() {
            match state.source.pull() {
                Ok(Some(item)) => state.builder.add(item),
                Ok(None) => state.end = Some(MapEnd::Done),
                Err(error) => state.end = Some(MapEnd::Once(error)),
            }
        }
        let count = state.builder.len();
        if count == 0 {
            return Ok(());
        }
        let after_error = state.options.on_error.after_error();
        let submit_deadline = self.in_flight.submit_deadline(deadline);
        let options = SubmitOptions { submit_deadline, ..state.options.options() };
        let future =
            state.builder.submit(self.pool, self.callee.as_callee(), after_error, &options)?;
        let chunk = InFlightChunk { future, first: state.pulled, count };
        state.pulled += count as u64;
        self.in_flight.push(chunk);
        Ok(())
    }

    /// The piece whose results come next, when it is done. None: there is none under way.
    fn wait_for_chunk(
        &self,
        state: &MapState,
        deadline: Deadline,
    ) -> Result<Option<InFlightChunk>> {
        let futures = self.in_flight.futures();
        let Some(first) = futures.first() else { return Ok(None) };
        if state.options.is_ordered {
            wait::wait_many_until(&[*first], WaitMode::All, deadline)?;
            return Ok(self.in_flight.take(|_| true));
        }
        wait::wait_many_until(&futures, WaitMode::First, deadline)?;
        Ok(self.in_flight.take(|chunk| wait::wait(chunk.future, 0).is_ok()))
    }

    /// Whether there is nothing more to be told but the end.
    fn is_at_end(&self, state: &MapState) -> bool {
        let is_taken = state.open.is_none_or(|(chunk, taken)| taken == chunk.count);
        state.end.is_some()
            && is_taken
            && state.builder.len() == 0
            && self.in_flight.first().is_none()
    }

    /// The time for the whole is over: nothing is taken any more.
    fn give_up(&self, state: &mut MapState) -> Result<Error> {
        state.end = Some(MapEnd::ForGood(Status::POOL_ERR_TIMEOUT));
        state.builder = ChunkBuilder::default();
        if let Some((chunk, _)) = state.open.take() {
            future_free(chunk.future)?;
        }
        self.in_flight.cancel();
        self.in_flight.forget();
        Ok(Status::POOL_ERR_TIMEOUT.into())
    }
}

/// What ends the source first stays. What was pulled and not submitted is dropped.
fn end(state: &mut MapState, how: MapEnd) {
    state.builder = ChunkBuilder::default();
    state.end.get_or_insert(how);
}

/// The pool takes no more. One that was freed is closed.
fn of_pool(error: Error) -> MapEnd {
    match error.status {
        Status::POOL_ERR_INVALID | Status::POOL_ERR_CLOSED => {
            MapEnd::ForGood(Status::POOL_ERR_CLOSED)
        }
        _ => MapEnd::Once(error),
    }
}
