//! Promises: futures that the caller ends.
//!
//! They are futures of an inline pool of the library's own, which is made for the first of them and
//! goes with the last. So whatever can be done with a future can be done with a promise.

use super::pieces::InFlight;
use super::spec::Args;
use super::{Config, FutureHandle, Pool, PoolKind, TimeLimits, registry};
use crate::board::ledger::SlotKey;
use crate::board::priority::Priority;
use crate::board::record::TaskCall;
use crate::error::{Result, Status};
use crate::sync::{Deadline, Ordering::*};
use crate::watch::news::Observers;
use crate::watch::site::{Plan, gate};
use crate::worker::{self, Completion, ResultFile};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The pool of all promises.
static HOME: Mutex<Option<PromisePool>> = Mutex::new(None);

struct PromisePool {
    pool: &'static Pool,
    /// How many promises there are, and calls and keepers that are about to end one.
    users: usize,
}

/// What is under way for promises that have a keeper.
static KEPT: Mutex<Vec<(SlotKey, Arc<InFlight>)>> = Mutex::new(Vec::new());

fn kept() -> MutexGuard<'static, Vec<(SlotKey, Arc<InFlight>)>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Somebody wants to cancel a promise that has a keeper.
pub(super) fn cancel_kept(ticket: SlotKey) {
    let all = kept();
    let under_way = all.iter().find(|entry| entry.0 == ticket).map(|entry| entry.1.clone());
    drop(all);
    if let Some(under_way) = under_way {
        under_way.cancel();
    }
}

fn forget_kept(ticket: SlotKey) {
    let mut all = kept();
    let place = all.iter().position(|entry| entry.0 == ticket);
    let gone = place.map(|place| all.swap_remove(place));
    // Not under the lock: this may be the last that is known of it.
    drop(all);
    drop(gone);
}

/// A promise that nobody but its keeper can end.
pub(super) struct PromiseResolver {
    pool: &'static Pool,
    ticket: SlotKey,
}

pub(crate) fn new_promise() -> Result<FutureHandle> {
    let (pool, ticket) = make()?;
    Ok(FutureHandle::new(pool.cell, ticket))
}

/// A promise that is running already, and its keeper. To cancel it cancels what is under way for it.
pub(super) fn new_kept(under_way: Arc<InFlight>) -> Result<(FutureHandle, PromiseResolver)> {
    let (pool, ticket) = make()?;
    kept().push((ticket, under_way));
    let claimed = worker::claim_by_hand(pool.region(), ticket.slot, ticket.generation);
    debug_assert!(claimed);
    pool.keep_promises();
    Ok((FutureHandle::new(pool.cell, ticket), PromiseResolver { pool, ticket }))
}

fn make() -> Result<(&'static Pool, SlotKey)> {
    let mut home = lock();
    // A forked child makes one of its own.
    let pool = match &*home {
        Some(home) if registry::is_of_this_process(home.pool.cell) => home.pool,
        _ => open()?,
    };
    let ticket = pool.site.slots.allocate(pool.region(), true).ok_or(Status::POOL_ERR_FULL)?;
    let call = TaskCall { function: 0, is_chunk: false, priority: Priority::DEFAULT };
    if let Err(error) = pool.fill(call, &Args::Bytes(&[]), ticket) {
        pool.undo(ticket);
        return Err(error);
    }
    match &mut *home {
        Some(home) if std::ptr::eq(home.pool, pool) => home.users += 1,
        other => *other = Some(PromisePool { pool, users: 1 }),
    }
    Ok((pool, ticket))
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
        listeners: Observers::default(),
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
    let (pool, ticket) = future.find()?;
    if !pool.is_of_promises() {
        return Err(Status::POOL_ERR_STATE.into());
    }
    // Whoever waits may free the promise as soon as it is done, before we have finished here.
    pool.keep_promises();
    let is_ours = worker::claim_by_hand(pool.region(), ticket.slot, ticket.generation);
    if is_ours {
        pool.end_promise(ticket, how);
    }
    pool.forget_promise();
    if is_ours { Ok(()) } else { Err(Status::POOL_ERR_STATE.into()) }
}

impl PromiseResolver {
    pub(super) fn end(self, how: Completion<'_>) {
        let (pool, ticket) = (self.pool, self.ticket);
        std::mem::forget(self);
        forget_kept(ticket);
        pool.end_promise(ticket, how);
        pool.forget_promise();
    }
}

/// A keeper that goes without a word: its promise is cancelled.
impl Drop for PromiseResolver {
    fn drop(&mut self) {
        let status = Status::POOL_ERR_CANCELLED;
        forget_kept(self.ticket);
        self.pool.end_promise(self.ticket, Completion::Failed { status, code: 0, message: "" });
        self.pool.forget_promise();
    }
}

impl Pool {
    #[inline]
    pub(super) fn is_of_promises(&self) -> bool {
        matches!(self.config.kind, PoolKind::Inline) && self.config.plan.workers_max == 0
    }

    fn end_promise(&self, ticket: SlotKey, how: Completion<'_>) {
        let site = &self.site;
        let deliver = |parcel: ResultFile| {
            site.slots.side_table.insert_result_file(parcel.task, Some(parcel.memory));
            Ok(())
        };
        worker::end_by_hand(&site.region, ticket.slot, how, &deliver);
        site.hint(ticket.slot);
    }

    /// Keeps the pool of promises until [`Pool::forget_promise`].
    pub(super) fn keep_promises(&self) {
        if let Some(home) = lock().as_mut().filter(|home| std::ptr::eq(home.pool, self)) {
            home.users += 1;
        }
    }

    /// A promise was freed, or somebody has ended one.
    pub(super) fn forget_promise(&'static self) {
        let mut home = lock();
        let Some(known) = home.as_mut().filter(|home| std::ptr::eq(home.pool, self)) else {
            return;
        };
        known.users -= 1;
        if known.users > 0 {
            return;
        }
        if super::notice::is_working_for(self) {
            // The thread that looks who is to be told of them does it, when nothing runs in the others.
            self.region().board.notify_completion();
            return;
        }
        *home = None;
        drop(home);
        self.end_promises();
    }

    fn end_promises(&'static self) {
        self.site.gate.fetch_or(gate::CLOSED | gate::TERMINATED, AcqRel);
        self.finish_notices(Deadline::Never);
        if let Some(thread) = self.notice_thread() {
            let _ = thread.join();
        }
        self.end_calls();
        self.settle_books();
    }

    /// Waits for the end of the last callback, which does nothing more for the pool.
    fn end_calls(&self) {
        self.site.outbox.finish(Deadline::Never);
        if let Some(thread) = self.site.outbox.thread() {
            let _ = thread.join();
        }
    }
}

/// Called by the thread that looks who is to be told of promises, when it has nothing to do. True: there are none any
/// more, and no pool: the thread has to end at once.
pub(super) fn close_from_within(pool: &'static Pool) -> bool {
    if !pool.is_of_promises() {
        return false;
    }
    let mut home = lock();
    if home.as_ref().is_none_or(|home| !std::ptr::eq(home.pool, pool) || home.users > 0) {
        return false;
    }
    *home = None;
    drop(home);
    drop(pool.notice_thread());
    pool.end_calls();
    pool.settle_books();
    true
}

fn lock() -> MutexGuard<'static, Option<PromisePool>> {
    HOME.lock().unwrap_or_else(PoisonError::into_inner)
}
