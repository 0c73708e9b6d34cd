//! Lazy maps, over a source that is pulled one item at a time as results are taken.
//!
//! ```text
//!            pull, submit              done                 taken by the caller
//!   source ───────────────▶ in flight ──────▶ open chunk ───────────────────────▶ freed
//!                (no more than the window)    (one, whose results are being taken)
//! ```

use super::chunks::{ChunkBuilder, ChunkSizer, InFlight, InFlightChunk, OnError, max_workers_of};
use super::{MapOptions, ResultOrder};
use crate::board::memory::ResultBytes;
use crate::error::{Error, Result, Status};
use crate::handle_table::HandleTable;
use crate::pool::future::{WaitMode, future_free, wait, wait_many_until};
use crate::pool::handles::MapHandle;
use crate::pool::submit::SubmitOptions;
use crate::pool::{OwnedCallee, PoolHandle};
use crate::sync::{Deadline, Mutex, MutexGuard};

static MAPS: HandleTable<LazyMap> = HandleTable::new();

/// The source of a map's items.
pub(crate) trait Source: Send {
    /// Returns the next item; None: there are no more. It is copied before the next call.
    fn pull(&mut self) -> Result<Option<&[u8]>>;
}

struct LazyMap {
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
    /// How many items were submitted, and how many results taken.
    pulled: u64,
    taken: u64,
    /// How many items were pulled, and cancelled before they were submitted.
    unsubmitted: usize,
    /// The chunk whose results are being taken, and how many of them were.
    open: Option<(InFlightChunk, usize)>,
    /// Nothing more is pulled; what is returned when all results have been taken.
    end: Option<MapEnd>,
    /// That of the result that was returned last, or the one that has ended the map.
    last_error: Option<Error>,
}

/// How a map ends after its last result.
enum MapEnd {
    /// There are no more items.
    Done,
    /// With an error of the source or a submit, returned once.
    Once(Error),
    /// With this status from then on: the pool is closed, or the deadline has passed.
    ForGood(Status),
}

/// The index of an item, and its result.
pub(crate) type MapItem = (u64, Result<ResultBytes<'static>>);

pub(crate) fn map_start(
    pool: PoolHandle,
    callee: OwnedCallee,
    source: Box<dyn Source>,
    options: MapOptions,
) -> Result<MapHandle> {
    pool.pool()?.state.check_open()?;
    let workers = max_workers_of(pool, options.submit_options())?;
    let state = MapState {
        source,
        sizer: ChunkSizer::new(options.chunk_size, workers, 0),
        options,
        workers,
        builder: ChunkBuilder::default(),
        deadline: None,
        pulled: 0,
        taken: 0,
        unsubmitted: 0,
        open: None,
        end: None,
        last_error: None,
    };
    let reserved = MAPS.reserve()?;
    let handle = MapHandle::pack(reserved.index, reserved.epoch);
    let in_flight = InFlight::default();
    reserved.fill(Box::new(LazyMap { pool, callee, state: Mutex::new(state), in_flight }));
    Ok(handle)
}

fn find(map: MapHandle) -> Result<&'static LazyMap> {
    let (index, epoch) = map.unpack()?;
    MAPS.get(index, epoch)
}

/// Waits for the next result. An error that is not an item's: there is no result yet, or no more.
pub(crate) fn map_next(map: MapHandle, timeout_ms: i64) -> Result<MapItem> {
    let map = find(map)?;
    let mut state = map.lock_state()?;
    let deadline = Deadline::from_ms(timeout_ms);
    let whole = state.options.deadline_ms;
    let whole =
        *state.deadline.get_or_insert_with(|| whole.map_or(Deadline::Never, Deadline::from_ms));
    if whole.has_passed() && !map.is_at_end(&state) {
        return Err(map.time_out(&mut state)?);
    }
    let item = map.next(&mut state, deadline.min(whole));
    if matches!(&item, Err(error) if error.status == Status::POOL_ERR_TIMEOUT) && whole.has_passed()
    {
        return Err(map.time_out(&mut state)?);
    }
    if let Ok((_, result)) = &item {
        state.last_error = result.as_ref().err().map(copy_of);
        state.taken += 1;
        let known = state.pulled + state.unsubmitted as u64;
        let (taken, total) = (state.taken, if state.end.is_some() { known } else { 0 });
        if let Some(on_progress) = &mut state.options.on_progress {
            on_progress(taken, total);
        }
    }
    item
}

/// The error of the item whose result was returned last, or the one that has ended the map since; None:
/// the item has completed.
pub(crate) fn map_error(map: MapHandle) -> Result<Option<Error>> {
    let state = find(map)?.lock_state()?;
    Ok(state.last_error.as_ref().map(copy_of))
}

fn copy_of(error: &Error) -> Error {
    Error::with_detail(error.status, error.detail().cloned().unwrap_or_default())
}

/// Cancels the chunks in flight, and pulls nothing more.
pub(crate) fn map_cancel(map: MapHandle) -> Result<()> {
    find(map)?.in_flight.cancel();
    Ok(())
}

/// Cancels and frees the map.
pub(crate) fn map_free(handle: MapHandle) -> Result<()> {
    let map = find(handle)?;
    if let Some((chunk, _)) = map.lock_state()?.open.take() {
        future_free(chunk.future)?;
    }
    map.in_flight.cancel();
    map.in_flight.clear();
    let (index, epoch) = handle.unpack()?;
    MAPS.remove(index, epoch)
}

impl LazyMap {
    /// For one thread at a time, and not from within its own source.
    fn lock_state(&self) -> Result<MutexGuard<'_, MapState>> {
        self.state.try_lock().ok_or_else(|| {
            Error::new(Status::POOL_ERR_STATE, "another call with this map is in progress")
        })
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
            if state.unsubmitted > 0 {
                state.unsubmitted -= 1;
                state.pulled += 1;
                return Ok((state.pulled - 1, Err(Status::POOL_ERR_CANCELLED.into())));
            }
            return Err(match state.end.take() {
                Some(MapEnd::Once(error)) => {
                    state.end = Some(MapEnd::Done);
                    state.last_error = Some(copy_of(&error));
                    error
                }
                Some(MapEnd::ForGood(status)) => {
                    state.end = Some(MapEnd::ForGood(status));
                    state.last_error = Some(status.into());
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
            self.in_flight.clear();
            state.open = Some((chunk, chunk.count));
        }
        (chunk.first + index as u64, result)
    }

    /// Pulls and submits items as long as the window has room. An error: the pool's queue was full
    /// until the deadline; the items that were pulled stay in the builder.
    fn fill(&self, state: &mut MapState, deadline: Deadline) -> Result<()> {
        while state.end.is_none() || state.builder.len() > 0 {
            if self.in_flight.is_cancelled() {
                end_unsubmitted(state, MapEnd::Done);
                break;
            }
            if let Err(error) = self.pool.pool().and_then(|pool| pool.state.check_open()) {
                end_by_pool(state, error);
                break;
            }
            let size = self.room(state);
            if size == 0 {
                break;
            }
            match self.submit_chunk_of_items(state, size, deadline) {
                Ok(()) => {}
                Err(error) if error.status != Status::POOL_ERR_FULL => end_by_pool(state, error),
                // The queue or the slot table is full; our own chunks will make room.
                Err(_) if self.in_flight.first().is_some() => break,
                Err(_) if deadline.has_passed() => return Err(Status::POOL_ERR_TIMEOUT.into()),
                Err(error) => end(state, end_of_pool(error)),
            }
        }
        Ok(())
    }

    /// How many items the next chunk may have; 0: the window is full.
    fn room(&self, state: &MapState) -> usize {
        let (chunks, items) = self.in_flight.count();
        match state.options.window {
            0 if chunks >= 2 * state.workers => 0,
            0 => state.sizer.next(usize::MAX),
            window => {
                let share = window.div_ceil(2 * state.workers);
                let size = state.sizer.next(usize::MAX).min(window);
                let size = if state.options.chunk_size == 0 { size.min(share) } else { size };
                // A chunk that does not fit waits until an earlier one is done.
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
        let options = SubmitOptions { submit_deadline, ..state.options.submit_options() };
        let future =
            state.builder.submit(self.pool, self.callee.as_callee(), after_error, &options)?;
        let chunk = InFlightChunk { future, first: state.pulled, count };
        state.pulled += count as u64;
        self.in_flight.push(chunk);
        Ok(())
    }

    /// Waits for the chunk whose results come next. None: no chunk is in flight.
    fn wait_for_chunk(
        &self,
        state: &MapState,
        deadline: Deadline,
    ) -> Result<Option<InFlightChunk>> {
        let futures = self.in_flight.futures();
        let Some(first) = futures.first() else { return Ok(None) };
        match state.options.order {
            ResultOrder::Input => {
                wait_many_until(&[*first], WaitMode::All, deadline)?;
                Ok(self.in_flight.take(|_| true))
            }
            ResultOrder::Completion => {
                wait_many_until(&futures, WaitMode::First, deadline)?;
                Ok(self.in_flight.take(|chunk| wait(chunk.future, 0).is_ok()))
            }
        }
    }

    /// Whether all results have been taken.
    fn is_at_end(&self, state: &MapState) -> bool {
        let is_taken = state.open.is_none_or(|(chunk, taken)| taken == chunk.count);
        state.end.is_some()
            && is_taken
            && state.builder.len() == 0
            && state.unsubmitted == 0
            && self.in_flight.first().is_none()
    }

    /// The deadline of the map has passed: no result is returned any more.
    fn time_out(&self, state: &mut MapState) -> Result<Error> {
        state.end = Some(MapEnd::ForGood(Status::POOL_ERR_TIMEOUT));
        state.last_error = Some(Status::POOL_ERR_TIMEOUT.into());
        state.builder = ChunkBuilder::default();
        if let Some((chunk, _)) = state.open.take() {
            future_free(chunk.future)?;
        }
        self.in_flight.cancel();
        self.in_flight.clear();
        Ok(Status::POOL_ERR_TIMEOUT.into())
    }
}

/// Ends the map because its pool refuses tasks: closed, it cancels what was not submitted; otherwise
/// the error stands for it.
fn end_by_pool(state: &mut MapState, error: Error) {
    match end_of_pool(error) {
        how @ MapEnd::ForGood(_) => end_unsubmitted(state, how),
        how => end(state, how),
    }
}

/// Ends the map, unless it has ended. The items that were pulled and not submitted are cancelled.
fn end_unsubmitted(state: &mut MapState, how: MapEnd) {
    state.unsubmitted += state.builder.len();
    state.builder = ChunkBuilder::default();
    state.end.get_or_insert(how);
}

/// Ends the map, unless it has ended. Drops the items that were pulled and not submitted. The end of
/// the source is no end of the map while there are such items.
fn end(state: &mut MapState, how: MapEnd) {
    let drops_items = state.builder.len() > 0;
    state.builder = ChunkBuilder::default();
    match how {
        MapEnd::Once(_) | MapEnd::ForGood(_) if drops_items => state.end = Some(how),
        _ => drop(state.end.get_or_insert(how)),
    }
}

/// The end of a map whose pool refuses tasks. A freed pool counts as closed.
fn end_of_pool(error: Error) -> MapEnd {
    match error.status {
        Status::POOL_ERR_INVALID | Status::POOL_ERR_CLOSED => {
            MapEnd::ForGood(Status::POOL_ERR_CLOSED)
        }
        _ => MapEnd::Once(error),
    }
}
