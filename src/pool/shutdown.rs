//! Closing, joining, shutting down and freeing pools, and what happens at exit. The supervisor does
//! it; callers wait here, and run the pool's tick meanwhile.

use super::executor::{ClearMode, Executor, InlineWorkers};
use super::handles::PoolHandle;
use super::registry::{self, PoolScan};
use super::{Pool, PoolKind, Tick, callbacks, future};
use crate::board::Stage;
use crate::error::{Error, Result, Status};
use crate::state::commands::{Command, Reply, ReplyReceiver, StopMode, reply};
use crate::state::{PoolState, pool_flags};
use crate::sync::plain::{AtomicU32, AtomicU64};
use crate::sync::{Deadline, Mutex, Ordering::*};
use crate::{process, worker};
use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How much longer than the grace a terminate waits for threads.
const MARGIN: Duration = Duration::from_millis(250);

/// Whether the pool accepts tasks.
pub(crate) fn check(pool: PoolHandle) -> Result<()> {
    pool.pool()?.state.check_open()
}

/// Refuses new tasks.
pub(crate) fn close(pool: PoolHandle) -> Result<()> {
    let state = &pool.pool()?.state;
    state.close_for(StopMode::Drain);
    state.wake_submitters();
    Ok(())
}

/// Waits until the queued tasks have run and the workers have exited.
pub(crate) fn join(pool: PoolHandle, timeout_ms: i64) -> Result<()> {
    let pool = pool.pool()?;
    refuse_own_threads(pool)?;
    if pool.state.flags.load(Acquire) & pool_flags::TERMINATED != 0 {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    let wait = pool.wait_with_tick(Deadline::from_ms(timeout_ms));
    match &pool.executor {
        Executor::Supervised(_) => join_workers(&pool.state, wait),
        Executor::Inline(workers) => join_inline(pool, workers, wait),
        Executor::Promises => Err(Status::POOL_ERR_INVALID.into()),
    }
}

fn join_workers(state: &PoolState, wait: WaitWithTick<'_>) -> Result<()> {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    let number = NUMBERS.fetch_add(1, Relaxed);
    let (sender, receiver) = reply();
    if !state.send(Command::Join(number, sender)) {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    match receive(&receiver, wait) {
        Reply::Received(reply) => reply.map(drop),
        // Shut down meanwhile: every task has run or was cancelled, and the workers have exited.
        Reply::Disconnected => Ok(()),
        Reply::TimedOut => {
            let (sender, receiver) = reply();
            if state.send(Command::CancelJoin(number, sender)) {
                receiver.recv();
            }
            Err(Status::POOL_ERR_TIMEOUT.into())
        }
    }
}

fn join_inline(pool: &Pool, workers: &InlineWorkers, wait: WaitWithTick<'_>) -> Result<()> {
    pool.state.check_broken()?;
    // Tasks that others submit meanwhile are refused.
    pool.state.flags.fetch_or(pool_flags::JOINING, AcqRel);
    let is_clear =
        wait.wait(|until| workers.clear(pool, ClearMode::RunningAndPermits, until).then_some(()));
    pool.state.flags.fetch_and(!pool_flags::JOINING, AcqRel);
    is_clear.ok_or(Status::POOL_ERR_TIMEOUT)?;
    pool.state.check_broken()
}

/// Waits until every task that was submitted before is done, and every background map that was begun
/// before. The pool stays as it is.
pub(crate) fn wait_idle(pool: PoolHandle, timeout_ms: i64) -> Result<()> {
    let pool = pool.pool()?;
    refuse_own_threads(pool)?;
    let deadline = Deadline::from_ms(timeout_ms);
    if !pool.wait_for_background(deadline) {
        return Err(Status::POOL_ERR_TIMEOUT.into());
    }
    let mut slots = 0..pool.state.slots.used();
    slots.try_for_each(|slot| future::wait_for_slot(pool, slot, deadline))
}

/// Shuts the pool down, or makes a shutdown in progress stronger.
pub(crate) fn shutdown(pool: PoolHandle, mode: StopMode, timeout_ms: i64) -> Result<()> {
    let pool = pool.pool()?;
    refuse_own_threads(pool)?;
    stop(pool, mode, pool.wait_with_tick(Deadline::from_ms(timeout_ms)))
}

/// Shuts the pool down without its tick.
fn shutdown_until(pool: PoolHandle, mode: StopMode, deadline: Deadline) -> Result<()> {
    let pool = pool.pool()?;
    refuse_own_threads(pool)?;
    stop(pool, mode, WaitWithTick::until(deadline))
}

/// Stops the pool now; no grace: that of its options. Waits for threads a little longer than the
/// grace, and no more.
pub(crate) fn terminate(pool: PoolHandle, grace: Option<Duration>) -> Result<()> {
    let pool = pool.pool()?;
    refuse_own_threads(pool)?;
    let grace = grace.unwrap_or(pool.state.config.timeouts.kill_grace);
    let end = Instant::now().checked_add(grace.saturating_add(MARGIN));
    let deadline = match (&pool.state.config.kind, end) {
        (PoolKind::Threads | PoolKind::Inline, Some(end)) => Deadline::At(end),
        _ => Deadline::Never,
    };
    let mode = if grace.is_zero() { StopMode::Kill } else { StopMode::Terminate(grace) };
    stop(pool, mode, pool.wait_with_tick(deadline))
}

/// Requests a stop without a lock: async-signal-safe.
pub(crate) fn request_stop(pool: PoolHandle, mode: StopMode) -> Result<()> {
    let pool = pool.pool()?;
    pool.state.request_stop(mode);
    if pool.executor.inline().is_some() && mode.ends_tasks() {
        pool.region().board.set_stage(Stage::Stop);
    }
    Ok(())
}

/// In this order: no task is left, all callbacks have run, the caller returns.
fn stop(pool: &Pool, mode: StopMode, wait: WaitWithTick<'_>) -> Result<()> {
    let is_terminated = pool.state.flags.load(Acquire) & pool_flags::TERMINATED != 0;
    let stopped = match &pool.executor {
        _ if is_terminated => Err(Status::POOL_ERR_CLOSED.into()),
        Executor::Supervised(_) => stop_workers(&pool.state, mode, wait),
        Executor::Inline(workers) => stop_inline(pool, workers, mode, wait),
        Executor::Promises => Err(Status::POOL_ERR_INVALID.into()),
    };
    let stopped = match stopped {
        Err(error) if error.status == Status::POOL_ERR_TIMEOUT => return Err(error),
        // The first caller that waits for a requested stop.
        _ if pool.state.shutdown_request.claim() => Ok(()),
        stopped => stopped,
    };
    let finished = wait.wait(|until| {
        let is_finished = pool.finish_background(until)
            && pool.finish_completions(until)
            && pool.state.callbacks.finish(until);
        is_finished.then_some(())
    });
    finished.ok_or(Status::POOL_ERR_TIMEOUT)?;
    stopped
}

fn stop_workers(state: &PoolState, mode: StopMode, wait: WaitWithTick<'_>) -> Result<()> {
    // Refuses every task that is submitted after this call, however long the supervisor takes to
    // receive the command.
    state.close_for(mode);
    if mode != StopMode::Drain {
        state.withdraw_all();
    }
    let (sender, receiver) = reply();
    if !state.send(Command::Stop(mode, sender)) {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    if mode != StopMode::Drain {
        // The supervisor sets it, too; the workers wake up meanwhile.
        state.region.board.set_stage(Stage::Stop);
    }
    match receive(&receiver, wait) {
        Reply::TimedOut => Err(Status::POOL_ERR_TIMEOUT.into()),
        // Disconnected: another caller's stop was done first.
        Reply::Received(_) | Reply::Disconnected => Ok(()),
    }
}

fn stop_inline(
    pool: &Pool,
    workers: &InlineWorkers,
    mode: StopMode,
    wait: WaitWithTick<'_>,
) -> Result<()> {
    pool.state.close_for(mode);
    if mode.ends_tasks() {
        pool.region().board.set_stage(Stage::Stop);
    }
    let clear_mode = match mode {
        StopMode::Drain => ClearMode::RunningAndPermits,
        _ => ClearMode::Running,
    };
    let clear = wait.wait(|until| workers.clear(pool, clear_mode, until).then_some(()));
    clear.ok_or(Status::POOL_ERR_TIMEOUT)?;
    match pool.state.flags.fetch_or(pool_flags::TERMINATED, AcqRel) & pool_flags::TERMINATED {
        0 => Ok(()),
        _ => Err(Status::POOL_ERR_CLOSED.into()),
    }
}

/// Waits for a reply of the supervisor.
pub(super) fn receive(receiver: &ReplyReceiver, wait: WaitWithTick<'_>) -> Reply {
    let received = wait.wait(|until| match receiver.wait(until) {
        Reply::TimedOut => None,
        received => Some(received),
    });
    received.unwrap_or(Reply::TimedOut)
}

/// The reply; none: the supervisor has ended, because the pool was shut down.
pub(super) fn received_or_closed(reply: Option<Result<u32>>) -> Result<u32> {
    reply.unwrap_or_else(|| Err(Status::POOL_ERR_CLOSED.into()))
}

/// Frees the pool, after shutting it down if it is open.
pub(crate) fn free(handle: PoolHandle) -> Result<()> {
    refuse_own_threads(handle.pool()?)?;
    handle.pool()?.refuse_in_tick()?;
    stop_and_release(handle.close()?, StopMode::Cancel);
    Ok(())
}

/// Stops and frees a pool that has no handle any more.
pub(super) fn stop_and_release(pool: &'static Pool, mode: StopMode) {
    // Nobody can ask for the list any more.
    pool.state.lists_cancelled.store(false, Relaxed);
    // An error means that it was shut down before.
    let _ = stop(pool, mode, WaitWithTick::until(Deadline::Never));
    let threads =
        [pool.executor.take_thread(), pool.take_completion_thread(), pool.state.callbacks.thread()];
    for thread in threads.into_iter().flatten() {
        let _ = thread.join();
    }
    let user_data = pool.user_data.lock().take();
    pool.release_holders();
    drop(user_data);
}

impl Pool {
    /// Closes the slot table when all is done; the last future that is still held frees the pool.
    fn release_holders(&self) {
        for hook in &self.hooks {
            self.cancel_allocation(*hook);
        }
        registry::buffers(self.index).clear();
        let held = self.state.slots.close(self.region());
        registry::adjust_pool_holders(self.index, i64::from(held));
    }
}

/// A thread of the pool would wait for its own end, for ever.
pub(super) fn refuse_own_threads(pool: &Pool) -> Result<()> {
    if worker::is_worker_of(pool.region()) || callbacks::is_own_thread_of(pool) {
        let words = "called from a task or a callback of the same pool";
        return Err(Error::new(Status::POOL_ERR_DEADLOCK, words));
    }
    Ok(())
}

// ---- the tick ---------------------------------------------------------------------------------------

thread_local! {
    /// The pool whose tick this thread runs: the address of its region, or 0.
    static TICKING: Cell<usize> = const { Cell::new(0) };
}

/// How long a caller waits for the end of a pool, and the function that it runs periodically
/// meanwhile.
#[derive(Clone, Copy)]
pub(super) struct WaitWithTick<'a> {
    deadline: Deadline,
    tick: Option<(&'a Tick, usize)>,
}

impl WaitWithTick<'_> {
    /// Waits without a tick.
    pub(super) fn until(deadline: Deadline) -> WaitWithTick<'static> {
        WaitWithTick { deadline, tick: None }
    }

    /// Waits by `wait`, which returns None when the deadline that it gets has passed. No lock may
    /// be held.
    pub(super) fn wait<T>(&self, mut wait: impl FnMut(Deadline) -> Option<T>) -> Option<T> {
        // A tick that waits itself is not called recursively.
        let tick = self.tick.filter(|_| TICKING.get() == 0);
        let Some((tick, address)) = tick else { return wait(self.deadline) };
        let mut next = Instant::now().checked_add(tick.every);
        loop {
            let next_tick = next.map_or(Deadline::Never, Deadline::At);
            if let Some(found) = wait(self.deadline.min(next_tick)) {
                return Some(found);
            }
            if self.deadline.has_passed() {
                return None;
            }
            if next_tick.has_passed() {
                TICKING.set(address);
                (tick.call)();
                TICKING.set(0);
                next = Instant::now().checked_add(tick.every);
            }
        }
    }
}

impl Pool {
    /// Waits with the pool's tick, if it has one.
    fn wait_with_tick(&self, deadline: Deadline) -> WaitWithTick<'_> {
        let tick = self.state.config.tick.as_ref().map(|tick| (tick, self.address()));
        WaitWithTick { deadline, tick }
    }

    /// A tick must not free the pool that its caller waits for.
    fn refuse_in_tick(&self) -> Result<()> {
        if TICKING.get() == self.address() {
            let words = "called from on_tick of the same pool";
            return Err(Error::new(Status::POOL_ERR_DEADLOCK, words));
        }
        Ok(())
    }
}

// ---- exit -------------------------------------------------------------------------------------------
//
// The C library runs `on_exit` in the thread that calls exit, or returns from main: first the
// caller's handlers, in the order in which they were added; then it shuts each pool down as its
// option says. A pool that this very thread works for cannot be waited for; it ends with the
// process.

/// A function of the caller's that runs at exit.
pub(crate) type ExitHandler = Box<dyn FnOnce() + Send>;

static HANDLERS: Mutex<VecDeque<ExitEntry>> = Mutex::new(VecDeque::new());

struct ExitEntry {
    number: u64,
    /// The [`process::fork_generation`] in which it was added.
    generation: u32,
    handler: ExitHandler,
}

/// The [`process::fork_generation`] in which a pool was made or a handler added; `u32::MAX`: none.
static USED_IN: AtomicU32 = AtomicU32::new(u32::MAX);

/// Makes sure that [`on_exit`] is called.
pub(super) fn register_exit_handler() {
    process::count_forks();
    USED_IN.store(process::fork_generation(), Relaxed);
    static REGISTERED: OnceLock<()> = OnceLock::new();
    REGISTERED.get_or_init(|| process::call_at_exit(on_exit));
}

extern "C" fn on_exit() {
    // A forked child that has made nothing leaves the locks alone, which may be held in it for
    // ever.
    if USED_IN.load(Relaxed) != process::fork_generation() {
        return;
    }
    // Errors have no receiver.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        while let Some(handler) = next_handler() {
            handler();
        }
        let scan = PoolScan::begin();
        for pool in scan.open_pools() {
            if let Ok(Some(mode)) = pool.pool().map(|pool| pool.state.config.at_exit) {
                let _ = shutdown_until(pool, mode, Deadline::Never);
            }
        }
    }));
}

/// Handlers that were added before a fork are the parent's.
fn next_handler() -> Option<ExitHandler> {
    let mut handlers = HANDLERS.lock();
    handlers.retain(|entry| entry.generation == process::fork_generation());
    handlers.pop_front().map(|entry| entry.handler)
}

/// Adds a handler; returns its number.
pub(crate) fn add_exit_handler(handler: ExitHandler) -> u64 {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    register_exit_handler();
    let number = NUMBERS.fetch_add(1, Relaxed);
    let generation = process::fork_generation();
    HANDLERS.lock().push_back(ExitEntry { number, generation, handler });
    number
}

pub(crate) fn remove_exit_handler(number: u64) -> Result<()> {
    let mut handlers = HANDLERS.lock();
    let index = handlers.iter().position(|entry| entry.number == number);
    let removed = index.and_then(|index| handlers.remove(index));
    // Dropped without the lock: this may call the user.
    drop(handlers);
    removed.map(drop).ok_or(Status::POOL_ERR_INVALID.into())
}

/// Shuts all open pools of this process down, at the same time.
pub(crate) fn shutdown_all(mode: StopMode, timeout_ms: i64) -> Result<()> {
    let deadline = Deadline::from_ms(timeout_ms);
    let scan = PoolScan::begin();
    let pools = scan.open_pools();
    for pool in &pools {
        // Begins; the second round waits.
        let _ = shutdown_until(*pool, mode, Deadline::from_ms(0));
    }
    let mut outcome = Ok(());
    for pool in pools {
        let stopped = shutdown_until(pool, mode, deadline);
        // That a pool was shut down before, or freed meanwhile, is no failure.
        let is_fine = stopped.as_ref().err().is_none_or(|error| {
            matches!(error.status, Status::POOL_ERR_CLOSED | Status::POOL_ERR_INVALID)
        });
        if !is_fine && outcome.is_ok() {
            outcome = stopped;
        }
    }
    outcome
}
