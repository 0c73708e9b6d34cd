//! Sets of futures, from which the futures are taken in the order of their completion.

use super::callbacks::{self, CompletionAction};
use super::future;
use super::handles::{FutureHandle, SetHandle};
use crate::error::{Error, Result, Status};
use crate::fd::EventPipe;
use crate::handle_table::HandleTable;
use crate::sync::{Deadline, Mutex};
use once_cell::sync::OnceCell;
use std::collections::{HashMap, VecDeque};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Condvar};

static SETS: HandleTable<Arc<CompletionSet>> = HandleTable::new();

/// The futures of a set, and those of them that are done.
#[derive(Default)]
pub(super) struct CompletionSet {
    state: Mutex<SetState>,
    changed: Condvar,
    /// Readable while there is a future to be taken.
    ready_event: OnceCell<EventPipe>,
}

#[derive(Default)]
struct SetState {
    ready: VecDeque<FutureHandle>,
    /// Those that were not delivered yet, and how many times each was added.
    waiting: HashMap<FutureHandle, usize>,
    /// Those that were returned before they were delivered, and how many deliveries are still to
    /// come.
    returned_early: HashMap<FutureHandle, usize>,
}

impl CompletionSet {
    /// The future is done.
    pub(super) fn deliver(&self, future: FutureHandle) {
        let mut state = self.state.lock();
        if !take_one(&mut state.returned_early, future) {
            take_one(&mut state.waiting, future);
            state.ready.push_back(future);
            self.update_event(&state);
        }
        self.changed.notify_all();
    }

    /// The future was freed.
    pub(super) fn remove(&self, future: FutureHandle) {
        let mut state = self.state.lock();
        if !take_one(&mut state.returned_early, future) {
            take_one(&mut state.waiting, future);
        }
        self.changed.notify_all();
    }

    fn update_event(&self, state: &SetState) {
        let Some(event) = self.ready_event.get() else { return };
        if state.ready.is_empty() { event.clear() } else { event.set() }
    }
}

impl SetState {
    /// Takes a future that is done and was not delivered yet; in the order in which those of one
    /// pool are delivered.
    fn take_early(&mut self) -> Option<FutureHandle> {
        let done = self.waiting.keys().filter_map(|future| {
            let position = future::position_if_done(*future)?;
            Some((position, *future))
        });
        let (_, future) = done.min_by_key(|(position, _)| *position)?;
        take_one(&mut self.waiting, future);
        *self.returned_early.entry(future).or_default() += 1;
        Some(future)
    }
}

/// Counts down a future. False: it is not there.
fn take_one(futures: &mut HashMap<FutureHandle, usize>, future: FutureHandle) -> bool {
    let Some(times) = futures.get_mut(&future) else { return false };
    *times -= 1;
    if *times == 0 {
        futures.remove(&future);
    }
    true
}

fn find(set: SetHandle) -> Result<Arc<CompletionSet>> {
    let (index, epoch) = set.unpack()?;
    Ok(SETS.get(index, epoch)?.clone())
}

pub(crate) fn set_new() -> Result<SetHandle> {
    let reserved = SETS.reserve()?;
    let handle = SetHandle::pack(reserved.index, reserved.epoch);
    reserved.fill(Box::default());
    Ok(handle)
}

/// Frees the set, but not its futures.
pub(crate) fn set_free(set: SetHandle) -> Result<()> {
    let (index, epoch) = set.unpack()?;
    SETS.remove(index, epoch)
}

pub(crate) fn set_add(set: SetHandle, future: FutureHandle) -> Result<()> {
    let set = find(set)?;
    future.find()?;
    *set.state.lock().waiting.entry(future).or_default() += 1;
    let subscribed = callbacks::subscribe(future, CompletionAction::Deliver(set.clone()));
    if subscribed.is_err() {
        set.remove(future);
    }
    subscribed
}

/// Takes the next future that is done, and waits for it.
pub(crate) fn set_next(set: SetHandle, timeout_ms: i64) -> Result<FutureHandle> {
    let set = find(set)?;
    let deadline = Deadline::from_ms(timeout_ms);
    let mut state = set.state.lock();
    loop {
        while let Some(future) = state.ready.pop_front() {
            set.update_event(&state);
            // It may have been freed since.
            if future.find().is_ok() {
                return Ok(future);
            }
        }
        if state.waiting.is_empty() {
            return Err(Status::POOL_ERR_END.into());
        }
        if deadline.has_passed() {
            // A future may be done before it is delivered.
            let early = state.take_early();
            // Others may wait for what was the last one.
            early.inspect(|_| set.changed.notify_all());
            return early.ok_or(Status::POOL_ERR_TIMEOUT.into());
        }
        if future::may_run_inline() {
            // Another thread delivers soon what is run here.
            let waiting: Vec<FutureHandle> = state.waiting.keys().copied().collect();
            drop(state);
            future::run_one_inline(&waiting)?;
            state = set.state.lock();
            if !state.ready.is_empty() {
                continue;
            }
        }
        let woken = deadline.wait_on(&set.changed, state);
        state = woken.unwrap_or_else(|| set.state.lock());
    }
}

/// [`set_next`], and with it all that are done. Returns how many were written to `futures`.
pub(crate) fn set_next_many(
    set: SetHandle,
    timeout_ms: i64,
    futures: &mut [FutureHandle],
) -> Result<usize> {
    let (first, rest) = futures.split_first_mut().ok_or(Status::POOL_ERR_INVALID)?;
    *first = set_next(set, timeout_ms)?;
    let taken = rest.iter_mut().map_while(|future| {
        *future = set_next(set, 0).ok()?;
        Some(())
    });
    Ok(1 + taken.count())
}

/// The descriptor that is readable while there is a future to be taken. The set owns it.
pub(crate) fn set_fd(set: SetHandle) -> Result<i32> {
    let set = find(set)?;
    let state = set.state.lock();
    let event = set
        .ready_event
        .get_or_try_init(|| EventPipe::new().map_err(|errno| Error::os("pipe2", errno)))?;
    set.update_event(&state);
    Ok(event.reader().as_raw_fd())
}
