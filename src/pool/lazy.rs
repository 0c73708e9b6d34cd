//! Maps over a source that is asked for items one by one, as results are taken.
//!
//! ```text
//!            pull, submit              done                 taken by the caller
//!   source ───────────────▶ under way ──────▶ open piece ───────────────────────▶ gone
//!                (not more than the window)     (one, whose results lie there)
//! ```

use super::pieces::{Basket, ItemResult, OnError, Piece, Sizer, UnderWay, workers_of};
use super::registry::{self, MapTicket};
use super::wait::{self, WaitMode};
use super::{Extras, MapOptions, OwnedCallee, PoolTicket, future_free};
use crate::error::{Error, Result, Status};
use crate::sync::Deadline;
use std::sync::{Mutex, MutexGuard, TryLockError};

/// Where items come from.
pub(crate) trait Source: Send {
    /// The next item, if there is one. It is copied before the next call.
    fn pull(&mut self) -> Result<Option<&[u8]>>;
}

pub(crate) struct Map {
    pool: PoolTicket,
    callee: OwnedCallee,
    state: Mutex<State>,
    under_way: UnderWay,
}

struct State {
    source: Box<dyn Source>,
    options: MapOptions,
    sizer: Sizer,
    workers: usize,
    basket: Basket,
    deadline: Option<Deadline>,
    /// How many items were pulled, and how many taken.
    pulled: u64,
    taken: u64,
    /// The piece whose results are being taken, and how many of them were.
    open: Option<(Piece, usize)>,
    /// Nothing more is pulled.
    end: Option<End>,
    last_error: Option<Error>,
}

/// What is told when all items before it have been.
enum End {
    /// That there are no more.
    Done,
    /// What the source has said; once.
    Once(Error),
    /// That the pool is closed, or the time is over; again and again.
    ForGood(Status),
}

/// An item's number, and its result.
pub(crate) type Item = (u64, ItemResult);

pub(crate) fn map_start(
    pool: PoolTicket,
    callee: OwnedCallee,
    source: Box<dyn Source>,
    options: MapOptions,
) -> Result<MapTicket> {
    pool.pool()?.site.check_gate()?;
    let workers = workers_of(pool, options.extras())?;
    let state = State {
        source,
        sizer: Sizer::new(options.chunk_size, workers, 0),
        options,
        workers,
        basket: Basket::default(),
        deadline: None,
        pulled: 0,
        taken: 0,
        open: None,
        end: None,
        last_error: None,
    };
    registry::add_map(Map {
        pool,
        callee,
        state: Mutex::new(state),
        under_way: UnderWay::default(),
    })
}

/// The next item's number and result; waits for it. An error that is not an item's: there is none now,
/// or none any more.
pub(crate) fn map_next(map: MapTicket, timeout_ms: i64) -> Result<Item> {
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
pub(crate) fn map_error(map: MapTicket) -> Result<Result<()>> {
    let state = map.map()?.state()?;
    Ok(state.last_error.as_ref().map_or(Ok(()), |error| Err(copy_of(error))))
}

fn copy_of(error: &Error) -> Error {
    Error::with_detail(error.status, error.detail().cloned().unwrap_or_default())
}

/// Cancels what waits, and pulls nothing more.
pub(crate) fn map_cancel(map: MapTicket) -> Result<()> {
    map.map()?.under_way.cancel();
    Ok(())
}

/// Frees the map; what waits is cancelled.
pub(crate) fn map_free(map: MapTicket) -> Result<()> {
    {
        let map = map.map()?;
        if let Some((piece, _)) = map.state()?.open.take() {
            future_free(piece.future)?;
        }
        map.under_way.cancel();
        map.under_way.forget();
    }
    map.remove()
}

impl Map {
    /// One thread at a time; and none from within its own source.
    fn state(&self) -> Result<MutexGuard<'_, State>> {
        match self.state.try_lock() {
            Ok(state) => Ok(state),
            Err(TryLockError::Poisoned(state)) => Ok(state.into_inner()),
            Err(TryLockError::WouldBlock) => {
                let words = "another call with this map is under way";
                Err(Error::new(Status::POOL_ERR_STATE, words))
            }
        }
    }

    fn next(&self, state: &mut State, deadline: Deadline) -> Result<Item> {
        if let Some((piece, taken)) = state.open {
            if taken < piece.count {
                return Ok(self.take(state, piece, taken));
            }
            state.open = None;
            future_free(piece.future)?;
        }
        self.fill(state, deadline)?;
        let Some(piece) = self.wait_for_piece(state, deadline)? else {
            return Err(match state.end.take() {
                Some(End::Once(error)) => {
                    state.end = Some(End::Done);
                    error
                }
                Some(End::ForGood(status)) => {
                    state.end = Some(End::ForGood(status));
                    status.into()
                }
                done => {
                    state.end = done;
                    Status::POOL_ERR_END.into()
                }
            });
        };
        state.sizer.learn(&piece);
        Ok(self.take(state, piece, 0))
    }

    fn take(&self, state: &mut State, piece: Piece, index: usize) -> Item {
        state.open = Some((piece, index + 1));
        let result = piece.item(index);
        if result.is_err() && state.options.on_error != OnError::Continue {
            end(state, End::Done);
            if state.options.on_error == OnError::CancelRest {
                self.under_way.cancel();
            }
            self.under_way.forget();
            state.open = Some((piece, piece.count));
        }
        (piece.first + index as u64, result)
    }

    /// Pulls and submits as long as there is room in the window. An error: there was no place in the
    /// pool's queue all the time; what was pulled stays in the basket.
    fn fill(&self, state: &mut State, deadline: Deadline) -> Result<()> {
        while state.end.is_none() || state.basket.len() > 0 {
            if self.under_way.is_cancelled() {
                end(state, End::Done);
                break;
            }
            if let Err(error) = self.pool.pool().and_then(|pool| pool.site.check_gate()) {
                end(state, of_pool(error));
                break;
            }
            let size = self.room(state);
            if size == 0 {
                break;
            }
            match self.submit_piece(state, size, deadline) {
                Ok(()) => {}
                Err(error) if error.status != Status::POOL_ERR_FULL => {
                    end(state, of_pool(error));
                }
                // So many tasks wait, or are alive; ours will make room.
                Err(_) if self.under_way.first().is_some() => break,
                Err(_) if deadline.has_passed() => return Err(Status::POOL_ERR_TIMEOUT.into()),
                Err(error) => end(state, of_pool(error)),
            }
        }
        Ok(())
    }

    /// How many items the next piece may have; 0: enough are under way.
    fn room(&self, state: &State) -> usize {
        let (pieces, items) = self.under_way.count();
        match state.options.window {
            0 if pieces >= 2 * state.workers => 0,
            0 => state.sizer.next(usize::MAX),
            window => {
                let share = window.div_ceil(2 * state.workers);
                let size = state.sizer.next(usize::MAX).min(window);
                let size = if state.options.chunk_size == 0 { size.min(share) } else { size };
                // Where a whole piece has no room, it waits for the one before.
                if items + size <= window { size } else { 0 }
            }
        }
    }

    fn submit_piece(&self, state: &mut State, size: usize, deadline: Deadline) -> Result<()> {
        while state.basket.len() < size && state.end.is_none() {
            match state.source.pull() {
                Ok(Some(item)) => state.basket.add(item),
                Ok(None) => state.end = Some(End::Done),
                Err(error) => state.end = Some(End::Once(error)),
            }
        }
        let count = state.basket.len();
        if count == 0 {
            return Ok(());
        }
        let then = state.options.on_error.then();
        let patience = self.under_way.patience(deadline);
        let extras = Extras { patience, ..state.options.extras() };
        let future = state.basket.submit(self.pool, self.callee.as_callee(), then, &extras)?;
        let piece = Piece { future, first: state.pulled, count };
        state.pulled += count as u64;
        self.under_way.push(piece);
        Ok(())
    }

    /// The piece whose results come next, when it is done. None: there is none under way.
    fn wait_for_piece(&self, state: &State, deadline: Deadline) -> Result<Option<Piece>> {
        let futures = self.under_way.futures();
        let Some(first) = futures.first() else { return Ok(None) };
        if state.options.is_ordered {
            wait::wait_many_until(&[*first], WaitMode::All, deadline)?;
            return Ok(self.under_way.take(|_| true));
        }
        wait::wait_many_until(&futures, WaitMode::First, deadline)?;
        Ok(self.under_way.take(|piece| wait::wait(piece.future, 0).is_ok()))
    }

    /// Whether there is nothing more to be told but the end.
    fn is_at_end(&self, state: &State) -> bool {
        let is_taken = state.open.is_none_or(|(piece, taken)| taken == piece.count);
        state.end.is_some()
            && is_taken
            && state.basket.len() == 0
            && self.under_way.first().is_none()
    }

    /// The time for the whole is over: nothing is taken any more.
    fn give_up(&self, state: &mut State) -> Result<Error> {
        state.end = Some(End::ForGood(Status::POOL_ERR_TIMEOUT));
        state.basket = Basket::default();
        if let Some((piece, _)) = state.open.take() {
            future_free(piece.future)?;
        }
        self.under_way.cancel();
        self.under_way.forget();
        Ok(Status::POOL_ERR_TIMEOUT.into())
    }
}

/// What ends the source first stays. What was pulled and not submitted is dropped.
fn end(state: &mut State, how: End) {
    state.basket = Basket::default();
    state.end.get_or_insert(how);
}

/// The pool takes no more. One that was freed is closed.
fn of_pool(error: Error) -> End {
    match error.status {
        Status::POOL_ERR_INVALID | Status::POOL_ERR_CLOSED => End::ForGood(Status::POOL_ERR_CLOSED),
        _ => End::Once(error),
    }
}
