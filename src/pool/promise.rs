//! Promises: futures that the caller completes.
//!
//! They are futures of a pool of the library's own, which executes nothing. It is made for the
//! first promise, and lives as long as the process; a forked child makes one of its own. So all
//! that can be done with a future can be done with a promise.

use super::executor::Executor;
use super::{
    Config, FutureHandle, Observers, OnLost, Pool, PoolHandle, PoolKind, StepTimeouts, TimeLimits,
};
use crate::board::parent::slots::{Ownership, SlotKey};
use crate::board::priority::Priority;
use crate::board::record::{BytesLocation, TaskCall};
use crate::error::{Result, Status};
use crate::sync::Mutex;
use crate::worker::{self, Completion, ResultFile};
use std::sync::Arc;
use std::time::Duration;

/// The pool of all promises.
static PROMISE_POOL: Mutex<Option<&'static Pool>> = Mutex::new(None);

/// The seats of the pool. [`worker::claim_external`] uses the first; nothing runs in it.
const SEATS: u32 = 1;

/// Cancels the work whose end a promise stands for.
pub(super) type CancelWork = Arc<dyn Fn() + Send + Sync>;

/// The work behind promises that have a resolver. A forked child has other handles.
static BACKGROUND: Mutex<Vec<(FutureHandle, CancelWork)>> = Mutex::new(Vec::new());

/// Cancels the work behind a promise, if there is any.
pub(super) fn cancel_work(future: FutureHandle) {
    let work = BACKGROUND.lock();
    let cancel = work.iter().find(|entry| entry.0 == future).map(|entry| entry.1.clone());
    drop(work);
    if let Some(cancel) = cancel {
        cancel();
    }
}

fn remove_work(future: FutureHandle) {
    let mut work = BACKGROUND.lock();
    let index = work.iter().position(|entry| entry.0 == future);
    let removed = index.map(|index| work.swap_remove(index));
    // Dropped without the lock: this may drop the work itself.
    drop(work);
    drop(removed);
}

/// The only way to complete a promise that stands for work of the library.
pub(super) struct PromiseResolver {
    pool: &'static Pool,
    key: SlotKey,
}

pub(crate) fn new_promise() -> Result<FutureHandle> {
    let (pool, key) = allocate(&[])?;
    Ok(FutureHandle::new(pool.index, key))
}

/// Makes a promise that is running, and its resolver: it stands for work of `of_pool`. Cancelling the
/// promise calls `cancel`.
pub(super) fn new_background(
    of_pool: PoolHandle,
    cancel: CancelWork,
) -> Result<(FutureHandle, PromiseResolver)> {
    let (pool, key) = allocate(&of_pool.to_raw().to_ne_bytes())?;
    let future = FutureHandle::new(pool.index, key);
    BACKGROUND.lock().push((future, cancel));
    let claimed = worker::claim_external(pool.region(), key.slot, key.generation);
    debug_assert!(claimed, "nobody else knows of it yet");
    Ok((future, PromiseResolver { pool, key }))
}

/// `args`: the handle of the pool that the promise stands for work of, or nothing.
fn allocate(args: &[u8]) -> Result<(&'static Pool, SlotKey)> {
    let pool = promise_pool()?;
    let key = pool.state.slots.allocate(pool.region(), Ownership::Held);
    let key = key.ok_or(Status::POOL_ERR_FULL)?;
    let call = TaskCall { function: 0, is_chunk: false, priority: Priority::DEFAULT };
    pool.publish(call, BytesLocation::Inline { len: args.len() }, args, key);
    Ok((pool, key))
}

/// The pool that a promise stands for work of. An error: it stands for none, or the pool was freed.
pub(super) fn pool_of_work(pool: &Pool, key: SlotKey) -> Result<PoolHandle> {
    let args = pool.state.slots.args_bytes(pool.region(), key.slot);
    let mut raw = [0; size_of::<u64>()];
    let args = args.filter(|args| args.len() == raw.len()).ok_or(Status::POOL_ERR_STATE)?;
    args.copy_to(&mut raw);
    let of_pool = PoolHandle::from_raw(u64::from_ne_bytes(raw));
    of_pool.pool().map(|_| of_pool)
}

fn promise_pool() -> Result<&'static Pool> {
    let mut known = PROMISE_POOL.lock();
    if let Some(pool) = known.filter(|pool| pool.is_of_this_process()) {
        return Ok(pool);
    }
    let handle =
        super::open_as(Arc::new(config()), SEATS, Arc::new(()), |_| Ok(Executor::Promises))?;
    // It has no handle, so no call can close it.
    let pool = handle.close()?;
    *known = Some(pool);
    Ok(pool)
}

fn config() -> Config {
    Config {
        name: "promises".into(),
        kind: PoolKind::Inline,
        workers_min: 0,
        workers_max: 0,
        idle_ms: 0,
        tasks_max: 0,
        memory_max: 0,
        max_pending: 0,
        prefetches: false,
        limits: TimeLimits::default(),
        soft_signal: None,
        timeouts: StepTimeouts::default(),
        restarts_max: 0,
        restart_window: Duration::ZERO,
        on_lost: OnLost::Continue,
        retries: 0,
        observers: Observers::default(),
        is_external: false,
        initializer: None,
        finalizer: None,
        tick: None,
        at_exit: None,
    }
}

pub(crate) fn resolve(future: FutureHandle, data: &[u8]) -> Result<()> {
    complete(future, Completion::Completed(data))
}

pub(crate) fn reject(future: FutureHandle, code: i32, message: &str) -> Result<()> {
    complete(future, Completion::Failed { status: Status::POOL_ERR_TASK, code, message })
}

fn complete(future: FutureHandle, how: Completion<'_>) -> Result<()> {
    let (pool, key) = future.find()?;
    if pool.is_promise_pool() && worker::claim_external(pool.region(), key.slot, key.generation) {
        pool.complete_promise(key, how);
        return Ok(());
    }
    Err(Status::POOL_ERR_STATE.into())
}

impl PromiseResolver {
    pub(super) fn complete(self, how: Completion<'_>) {
        let (pool, key) = (self.pool, self.key);
        std::mem::forget(self);
        remove_work(FutureHandle::new(pool.index, key));
        pool.complete_promise(key, how);
    }
}

/// Cancels the promise, whose work was dropped.
impl Drop for PromiseResolver {
    fn drop(&mut self) {
        let status = Status::POOL_ERR_CANCELLED;
        remove_work(FutureHandle::new(self.pool.index, self.key));
        self.pool.complete_promise(self.key, Completion::Failed { status, code: 0, message: "" });
    }
}

impl Pool {
    fn complete_promise(&self, key: SlotKey, how: Completion<'_>) {
        let state = &self.state;
        let keep_result_file = |file: ResultFile| {
            state.slots.side_table.insert_result_file(file.key, file.memory);
        };
        worker::complete(&state.region, key.slot, how, &keep_result_file);
        state.hint_completion(key.slot);
    }
}
