//! Promises: futures that the caller ends.
//!
//! They are futures of an inline pool of the library's own, which is made for the first of them and
//! goes with the last. So whatever can be done with a future can be done with a promise.

use crate::sync::{Mutex, MutexGuard};
use super::map::chunks::InFlight;
use super::submit::Args;
use super::{Config, FutureHandle, Pool, PoolKind, TimeLimits, handles};
use crate::board::priority::Priority;
use crate::board::record::TaskCall;
use crate::board::parent::slots::SlotKey;
use crate::error::{Result, Status};
use crate::sync::Deadline;
use crate::sync::Ordering::*;
use crate::state::events::Observers;
use crate::state::config::Plan;
use crate::state::pool_flags;
use crate::worker;
use crate::worker::{Completion, ResultFile};
use std::sync::Arc;
use std::time::Duration;

/// The pool of all promises.
static HOME: Mutex<Option<PromisePool>> = Mutex::new(None);

struct PromisePool {
    pool: &'static Pool,
    /// How many promises there are, and calls and keepers that are about to end one.
    users: usize,
}

/// What is under way for promises that have a keeper.
static BACKGROUND: Mutex<Vec<(SlotKey, Arc<InFlight>)>> = Mutex::new(Vec::new());

fn user_data() -> MutexGuard<'static, Vec<(SlotKey, Arc<InFlight>)>> {
    BACKGROUND.lock()
}

/// Somebody wants to cancel a promise that has a keeper.
pub(super) fn cancel_background(key: SlotKey) {
    let all = user_data();
    let in_flight = all.iter().find(|entry| entry.0 == key).map(|entry| entry.1.clone());
    drop(all);
    if let Some(in_flight) = in_flight {
        in_flight.cancel();
    }
}

fn remove_background(key: SlotKey) {
    let mut all = user_data();
    let place = all.iter().position(|entry| entry.0 == key);
    let gone = place.map(|place| all.swap_remove(place));
    // Not under the lock: this may be the last that is known of it.
    drop(all);
    drop(gone);
}

/// A promise that nobody but its keeper can end.
pub(super) struct PromiseResolver {
    pool: &'static Pool,
    key: SlotKey,
}

pub(crate) fn new_promise() -> Result<FutureHandle> {
    let (pool, key) = make()?;
    Ok(FutureHandle::new(pool.cell, key))
}

/// A promise that is running already, and its keeper. To cancel it cancels what is under way for it.
pub(super) fn new_background(in_flight: Arc<InFlight>) -> Result<(FutureHandle, PromiseResolver)> {
    let (pool, key) = make()?;
    user_data().push((key, in_flight));
    let claimed = worker::claim_external(pool.region(), key.slot, key.generation);
    debug_assert!(claimed);
    pool.hold_promise_pool();
    Ok((FutureHandle::new(pool.cell, key), PromiseResolver { pool, key }))
}

fn make() -> Result<(&'static Pool, SlotKey)> {
    let mut home = lock();
    // A forked child makes one of its own.
    let pool = match &*home {
        Some(home) if handles::is_of_this_process(home.pool.cell) => home.pool,
        _ => open()?,
    };
    let key = pool.state.slots.allocate(pool.region(), true).ok_or(Status::POOL_ERR_FULL)?;
    let call = TaskCall { function: 0, is_chunk: false, priority: Priority::DEFAULT };
    if let Err(error) = pool.fill(call, &Args::Bytes(&[]), key) {
        pool.cancel_allocation(key);
        return Err(error);
    }
    match &mut *home {
        Some(home) if std::ptr::eq(home.pool, pool) => home.users += 1,
        other => *other = Some(PromisePool { pool, users: 1 }),
    }
    Ok((pool, key))
}

fn open() -> Result<&'static Pool> {
    let plan = Plan { restart_window: Duration::MAX, ..Plan::default() };
    let config = Config {
        name: "promises".into(),
        kind: PoolKind::Inline,
        plan,
        idle_ms: 0,
        tasks_max: 0,
        memory_max: 0,
        max_pending: 0,
        is_batched: false,
        limits: TimeLimits::default(),
        observers: Observers::default(),
        is_external: false,
        soft_signal: None,
        initializer: None,
        finalizer: None,
        tick: None,
        at_exit: None,
    };
    // Closed at once: it has no handle.
    super::open(config, Arc::new(()))?.close()
}

pub(crate) fn resolve(future: FutureHandle, data: &[u8]) -> Result<()> {
    end(future, Completion::Completed(data))
}

pub(crate) fn reject(future: FutureHandle, code: i32, message: &str) -> Result<()> {
    end(future, Completion::Failed { status: Status::POOL_ERR_TASK, code, message })
}

fn end(future: FutureHandle, how: Completion<'_>) -> Result<()> {
    let (pool, key) = future.find()?;
    if !pool.is_promise_pool() {
        return Err(Status::POOL_ERR_STATE.into());
    }
    // Whoever waits may free the promise as soon as it is done, before we have finished here.
    pool.hold_promise_pool();
    let is_ours = worker::claim_external(pool.region(), key.slot, key.generation);
    if is_ours {
        pool.end_promise(key, how);
    }
    pool.release_promise_pool();
    if is_ours { Ok(()) } else { Err(Status::POOL_ERR_STATE.into()) }
}

impl PromiseResolver {
    pub(super) fn end(self, how: Completion<'_>) {
        let (pool, key) = (self.pool, self.key);
        std::mem::forget(self);
        remove_background(key);
        pool.end_promise(key, how);
        pool.release_promise_pool();
    }
}

/// A keeper that goes without a word: its promise is cancelled.
impl Drop for PromiseResolver {
    fn drop(&mut self) {
        let status = Status::POOL_ERR_CANCELLED;
        remove_background(self.key);
        self.pool.end_promise(self.key, Completion::Failed { status, code: 0, message: "" });
        self.pool.release_promise_pool();
    }
}

impl Pool {
    #[inline]
    pub(super) fn is_promise_pool(&self) -> bool {
        matches!(self.config.kind, PoolKind::Inline) && self.config.plan.workers_max == 0
    }

    fn end_promise(&self, key: SlotKey, how: Completion<'_>) {
        let state = &self.state;
        let deliver = |result_file: ResultFile| {
            state.slots.side_table.insert_result_file(result_file.task, Some(result_file.memory));
            Ok(())
        };
        worker::complete(&state.region, key.slot, how, &deliver);
        state.hint(key.slot);
    }

    /// Keeps the pool of promises until [`Pool::release_promise_pool`].
    pub(super) fn hold_promise_pool(&self) {
        if let Some(home) = lock().as_mut().filter(|home| std::ptr::eq(home.pool, self)) {
            home.users += 1;
        }
    }

    /// A promise was freed, or somebody has ended one.
    pub(super) fn release_promise_pool(&'static self) {
        let mut home = lock();
        let Some(known) = home.as_mut().filter(|home| std::ptr::eq(home.pool, self)) else {
            return;
        };
        known.users -= 1;
        if known.users > 0 {
            return;
        }
        if super::callbacks::is_own_thread_of(self) {
            // The thread that looks who is to be told of them does it, when nothing runs in the others.
            self.region().board.notify_completion();
            return;
        }
        *home = None;
        drop(home);
        self.close_promise_pool();
    }

    fn close_promise_pool(&'static self) {
        self.state.flags.fetch_or(pool_flags::CLOSED | pool_flags::TERMINATED, AcqRel);
        self.finish_completions(Deadline::Never);
        if let Some(thread) = self.completion_thread() {
            let _ = thread.join();
        }
        self.finish_callbacks();
        self.release_slots();
    }

    /// Waits for the end of the last callback, which does nothing more for the pool.
    fn finish_callbacks(&self) {
        self.state.callbacks.finish(Deadline::Never);
        if let Some(thread) = self.state.callbacks.thread() {
            let _ = thread.join();
        }
    }
}

/// Called by the thread that looks who is to be told of promises, when it has nothing to do. True: there are none any
/// more, and no pool: the thread has to end at once.
pub(super) fn close_on_own_thread(pool: &'static Pool) -> bool {
    if !pool.is_promise_pool() {
        return false;
    }
    let mut home = lock();
    if home.as_ref().is_none_or(|home| !std::ptr::eq(home.pool, pool) || home.users > 0) {
        return false;
    }
    *home = None;
    drop(home);
    drop(pool.completion_thread());
    pool.finish_callbacks();
    pool.release_slots();
    true
}

fn lock() -> MutexGuard<'static, Option<PromisePool>> {
    HOME.lock()
}
