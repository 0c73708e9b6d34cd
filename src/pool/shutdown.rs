//! Closing, joining, shutting down, freeing. The watch does it; this is where callers wait.

use crate::sync::{Mutex, MutexGuard};
use super::executor::InlineWorkers;
use super::{Pool, PoolHandle, callbacks, handles};
use crate::board::Stage;
use crate::error::{Error, Result, Status};
use crate::sync::reply::{ReplyReceiver, ReplyWait, ask};
use crate::sync::Deadline;
use crate::sync::Ordering::*;
use crate::sync::plain::{AtomicU32, AtomicU64};
use crate::state::limits::TimeLimits;
use crate::state::{Command, PoolState, StopMode, pool_flags};
use crate::state::config::{PoolKind, Tick};
use crate::{process, worker};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::cell::Cell;
use super::handles::PoolScan;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How much longer than the grace a terminate waits for threads.
const MARGIN: Duration = Duration::from_millis(250);

/// Whether the pool takes tasks.
pub(crate) fn check(pool: PoolHandle) -> Result<()> {
    pool.pool()?.state.check_open()
}

/// No new tasks.
pub(crate) fn close(pool: PoolHandle) -> Result<()> {
    let state = &pool.pool()?.state;
    state.close_for(StopMode::Drain);
    state.wake_submitters();
    Ok(())
}

/// Starts workers: so many, or below 0 as many as waiting tasks need; never more than may be.
pub(crate) fn spawn_workers(pool: PoolHandle, count: i64) -> Result<u32> {
    let state = &pool.pool()?.state;
    state.check_open()?;
    if matches!(state.kind, PoolKind::Inline) {
        return Ok(0);
    }
    let (answer, answered) = ask();
    if !state.send(Command::StartWorkers(count, answer)) {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    closed_if_none(answered.recv())
}

/// Says after how long idle workers leave, those that sleep included.
pub(crate) fn set_idle_time(pool: PoolHandle, idle_ms: i64) -> Result<()> {
    pool.pool()?.region().board.set_idle_time(idle_ms);
    Ok(())
}

/// Changes the limits of tasks that start from now on and bring none of their own.
pub(crate) fn set_limits(pool: PoolHandle, limits: TimeLimits) -> Result<()> {
    let state = &pool.pool()?.state;
    limits.check(&state.kind)?;
    let (answer, answered) = ask();
    if !matches!(state.kind, PoolKind::Inline) && state.send(Command::SetLimits(limits, answer)) {
        answered.recv();
    }
    Ok(())
}

/// Waits until what is queued has run and the workers have left.
pub(crate) fn join(pool: PoolHandle, timeout_ms: i64) -> Result<()> {
    let pool = pool.pool()?;
    refuse_own_threads(pool)?;
    if pool.state.flags.load(Acquire) & pool_flags::TERMINATED != 0 {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    let submit_deadline = pool.submit_deadline(Deadline::from_ms(timeout_ms));
    match &pool.executor_slots {
        None => join_workers(&pool.state, submit_deadline),
        Some(executor_slots) => {
            pool.state.check_broken()?;
            // Others may submit meanwhile; they are refused.
            pool.state.flags.fetch_or(pool_flags::JOINING, AcqRel);
            let is_clear =
                submit_deadline.wait(|until| executor_slots.clear(pool, true, until).then_some(()));
            pool.state.flags.fetch_and(!pool_flags::JOINING, AcqRel);
            if is_clear.is_none() {
                return Err(Status::POOL_ERR_TIMEOUT.into());
            }
            pool.state.check_broken()
        }
    }
}

fn join_workers(state: &PoolState, submit_deadline: WaitWithTick<'_>) -> Result<()> {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    let number = NUMBERS.fetch_add(1, Relaxed);
    let (answer, answered) = ask();
    if !state.send(Command::Join(number, answer)) {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    match receive(&answered, submit_deadline) {
        ReplyWait::Answer(answer) => answer.map(drop),
        // Shut down meanwhile: everything was run or cancelled, and the workers have left.
        ReplyWait::Nothing => Ok(()),
        ReplyWait::Late => {
            let (answer, answered) = ask();
            if state.send(Command::CancelJoin(number, answer)) {
                answered.recv();
            }
            Err(Status::POOL_ERR_TIMEOUT.into())
        }
    }
}

/// Shuts the pool down, or makes a shutdown that is under way stronger.
pub(crate) fn shutdown(pool: PoolHandle, mode: StopMode, timeout_ms: i64) -> Result<()> {
    let pool = pool.pool()?;
    refuse_own_threads(pool)?;
    stop(pool, mode, pool.submit_deadline(Deadline::from_ms(timeout_ms)))
}

/// Shuts the pool down without its tick.
pub(super) fn shutdown_until(pool: PoolHandle, mode: StopMode, deadline: Deadline) -> Result<()> {
    let pool = pool.pool()?;
    refuse_own_threads(pool)?;
    stop(pool, mode, WaitWithTick::until(deadline))
}

/// Stops the pool now; None: with the grace of its options. Threads are waited for a little longer than
/// that, and no more.
pub(crate) fn terminate(pool: PoolHandle, grace: Option<Duration>) -> Result<()> {
    let pool = pool.pool()?;
    refuse_own_threads(pool)?;
    let grace = grace.unwrap_or(pool.state.plan.times.kill_grace);
    let end = Instant::now().checked_add(grace.saturating_add(MARGIN));
    let deadline = match (&pool.state.kind, end) {
        (PoolKind::Threads | PoolKind::Inline, Some(end)) => Deadline::At(end),
        _ => Deadline::Never,
    };
    let mode = if grace.is_zero() { StopMode::Kill } else { StopMode::Terminate(grace) };
    stop(pool, mode, pool.submit_deadline(deadline))
}

/// Asks for a stop, without a lock: also from the handler of a signal.
pub(crate) fn request_stop(pool: PoolHandle, mode: StopMode) -> Result<()> {
    let pool = pool.pool()?;
    pool.state.request_stop(mode);
    if pool.executor_slots.is_some() && mode.ends_tasks() {
        pool.region().board.set_stage(Stage::Stop);
    }
    Ok(())
}

/// Order: no task is left, everybody has been told, and then the caller.
fn stop(pool: &Pool, mode: StopMode, submit_deadline: WaitWithTick<'_>) -> Result<()> {
    let stopped =
        match (pool.state.flags.load(Acquire) & pool_flags::TERMINATED, &pool.executor_slots) {
            (0, None) => stop_workers(&pool.state, mode, submit_deadline),
            (0, Some(executor_slots)) => stop_inline(pool, executor_slots, mode, submit_deadline),
            _ => Err(Status::POOL_ERR_CLOSED.into()),
        };
    let stopped = match stopped {
        Err(error) if error.status == Status::POOL_ERR_TIMEOUT => return Err(error),
        // The first to wait for a stop that was only asked for.
        _ if pool.state.claim_stop_request() => Ok(()),
        stopped => stopped,
    };
    let told = submit_deadline.wait(|until| {
        let is_told = pool.finish_background(until)
            && pool.finish_completions(until)
            && pool.state.callbacks.finish(until);
        is_told.then_some(())
    });
    told.ok_or(Status::POOL_ERR_TIMEOUT)?;
    stopped
}

fn stop_workers(
    state: &PoolState,
    mode: StopMode,
    submit_deadline: WaitWithTick<'_>,
) -> Result<()> {
    // Nothing that is submitted after this call is taken, however long the watch takes to hear of it.
    state.close_for(mode);
    if mode != StopMode::Drain {
        state.withdraw_all();
    }
    let (answer, answered) = ask();
    if !state.send(Command::Stop(mode, answer)) {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    if mode != StopMode::Drain {
        // The watch will say so, too; the workers wake up while it does.
        state.region.board.set_stage(Stage::Stop);
    }
    match receive(&answered, submit_deadline) {
        ReplyWait::Late => Err(Status::POOL_ERR_TIMEOUT.into()),
        // The watch ended between our order and its answer: somebody else's stop was done first.
        ReplyWait::Answer(_) | ReplyWait::Nothing => Ok(()),
    }
}

fn stop_inline(
    pool: &Pool,
    executor_slots: &InlineWorkers,
    mode: StopMode,
    submit_deadline: WaitWithTick<'_>,
) -> Result<()> {
    pool.state.close_for(mode);
    if mode.ends_tasks() {
        pool.region().board.set_stage(Stage::Stop);
    }
    let is_draining = mode == StopMode::Drain;
    let clear =
        submit_deadline.wait(|until| executor_slots.clear(pool, is_draining, until).then_some(()));
    clear.ok_or(Status::POOL_ERR_TIMEOUT)?;
    match pool.state.flags.fetch_or(pool_flags::TERMINATED, AcqRel) & pool_flags::TERMINATED {
        0 => Ok(()),
        _ => Err(Status::POOL_ERR_CLOSED.into()),
    }
}

/// Waits for an answer of the watch.
pub(super) fn receive(answered: &ReplyReceiver, submit_deadline: WaitWithTick<'_>) -> ReplyWait {
    let found = submit_deadline.wait(|until| match answered.wait(until) {
        ReplyWait::Late => None,
        heard => Some(heard),
    });
    found.unwrap_or(ReplyWait::Late)
}

/// The answer; none: the watch is gone, because the pool has been shut down.
pub(super) fn closed_if_none(heard: Option<Result<u32>>) -> Result<u32> {
    heard.unwrap_or_else(|| Err(Status::POOL_ERR_CLOSED.into()))
}

/// Frees the pool, after shutting it down where it is open.
pub(crate) fn free(key: PoolHandle) -> Result<()> {
    refuse_own_threads(key.pool()?)?;
    key.pool()?.refuse_in_tick()?;
    end(key.close()?, StopMode::Cancel);
    Ok(())
}

/// Stops and frees a pool that has no handle any more.
pub(super) fn end(pool: &'static Pool, mode: StopMode) {
    // Nobody can ask for the list any more.
    pool.state.lists_cancelled.store(false, Relaxed);
    // An error means that it has been shut down before.
    let _ = stop(pool, mode, WaitWithTick::until(Deadline::Never));
    let watch = pool.watch.lock().take();
    let calls = pool.state.callbacks.thread();
    for thread in watch.into_iter().chain(pool.completion_thread()).chain(calls) {
        let _ = thread.join();
    }
    let user_data = pool.user_data.lock().take();
    pool.release_slots();
    drop(user_data);
}

impl Pool {
    /// Closes the books when all is done; the last future that is still held frees the pool.
    pub(super) fn release_slots(&self) {
        for hook in &self.hooks {
            self.cancel_allocation(*hook);
        }
        let held = self.state.slots.close(self.region());
        handles::adjust_pool_holders(self.cell, i64::from(held));
    }
}

/// A thread that waited for its own end would wait for ever.
fn refuse_own_threads(pool: &Pool) -> Result<()> {
    if worker::is_worker_of(pool.region()) || callbacks::is_own_thread_of(pool) {
        let words = "called from a task or a callback of the same pool";
        return Err(Error::new(Status::POOL_ERR_DEADLOCK, words));
    }
    Ok(())
}

// MERGED pool.tick
// How long a caller waits for the end of a pool, and what it does meanwhile: its tick.

thread_local! {
    /// The pool whose tick this thread runs: the address of its region, or 0.
    static TICKING: Cell<usize> = const { Cell::new(0) };
}

#[derive(Clone, Copy)]
pub(super) struct WaitWithTick<'a> {
    pub(super) deadline: Deadline,
    tick: Option<(&'a Tick, usize)>,
}

impl WaitWithTick<'_> {
    /// Waits without a tick.
    pub(super) fn until(deadline: Deadline) -> WaitWithTick<'static> {
        WaitWithTick { deadline, tick: None }
    }

    /// Waits by `wait`, which is to answer None when the time that it gets is over. No lock may be held.
    pub(super) fn wait<T>(&self, mut wait: impl FnMut(Deadline) -> Option<T>) -> Option<T> {
        // A tick that waits itself is not called in its own middle.
        let tick = self.tick.filter(|_| TICKING.get() == 0);
        let Some((tick, address)) = tick else { return wait(self.deadline) };
        let mut next = Instant::now().checked_add(tick.every);
        loop {
            let chunk = next.map_or(Deadline::Never, Deadline::At);
            if let Some(found) = wait(self.deadline.min(chunk)) {
                return Some(found);
            }
            if self.deadline.has_passed() {
                return None;
            }
            if chunk.has_passed() {
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
    pub(super) fn submit_deadline(&self, deadline: Deadline) -> WaitWithTick<'_> {
        let tick = self.config.tick.as_ref().map(|tick| (tick, self.address()));
        WaitWithTick { deadline, tick }
    }

    /// A tick that freed its pool would take it from under the one who waits.
    pub(super) fn refuse_in_tick(&self) -> Result<()> {
        if TICKING.get() == self.address() {
            let words = "called from on_tick of the same pool";
            return Err(Error::new(Status::POOL_ERR_DEADLOCK, words));
        }
        Ok(())
    }
}

// MERGED pool.exit
// What happens to pools that are still open when the program exits.
//
// The C library runs [`on_exit`] in the thread that calls exit, or returns from main: first the
// caller's handlers, in the order in which they were added, then each pool is shut down as its option
// says. A pool that this very thread works for cannot be waited for; it ends with the process.

/// What a caller wants to have called at exit.
pub(crate) type ExitHandler = Box<dyn FnOnce() + Send>;

static HANDLERS: Mutex<VecDeque<(u64, u32, ExitHandler)>> = Mutex::new(VecDeque::new());

/// Of which copy of the process anything here is: see [`process::fork_generation`].
static USED_IN: AtomicU32 = AtomicU32::new(u32::MAX);

/// Makes sure that [`on_exit`] is called.
pub(super) fn prepare() {
    process::count_forks();
    USED_IN.store(process::fork_generation(), Relaxed);
    static PREPARED: OnceLock<()> = OnceLock::new();
    PREPARED.get_or_init(|| process::call_at_exit(on_exit));
}

extern "C" fn on_exit() {
    // A forked child that has made nothing leaves the locks alone, which could be held in it for ever.
    if USED_IN.load(Relaxed) != process::fork_generation() {
        return;
    }
    // What fails here has nobody to be told.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        while let Some(handler) = next_handler() {
            handler();
        }
        let scan = PoolScan::begin();
        for pool in scan.open_pools() {
            if let Ok(Some(mode)) = pool.pool().map(|pool| pool.config.at_exit) {
                let _ = shutdown::shutdown_until(pool, mode, Deadline::Never);
            }
        }
    }));
}

/// Handlers that were added before a fork are the parent's.
fn next_handler() -> Option<ExitHandler> {
    let mut handlers = lock();
    handlers.retain(|(_, forks, _)| *forks == process::fork_generation());
    handlers.pop_front().map(|(_, _, handler)| handler)
}

/// Adds a handler; answers its number.
pub(crate) fn add_exit_handler(handler: ExitHandler) -> u64 {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    process::count_forks();
    prepare();
    let number = NUMBERS.fetch_add(1, Relaxed);
    lock().push_back((number, process::fork_generation(), handler));
    number
}

pub(crate) fn remove_exit_handler(number: u64) -> Result<()> {
    let mut handlers = lock();
    let place = handlers.iter().position(|(own, ..)| *own == number);
    let handler = place.and_then(|place| handlers.remove(place));
    // Dropped when no lock is held: that calls the caller.
    drop(handlers);
    handler.map(drop).ok_or(Status::POOL_ERR_INVALID.into())
}

/// Shuts all open pools of this process down, at the same time.
pub(crate) fn shutdown_all(mode: StopMode, timeout_ms: i64) -> Result<()> {
    let deadline = Deadline::from_ms(timeout_ms);
    let scan = PoolScan::begin();
    let pools = scan.open_pools();
    let mut outcome = Ok(());
    for is_waiting in [false, true] {
        for pool in &pools {
            let until = if is_waiting { deadline } else { Deadline::from_ms(0) };
            let stopped = shutdown::shutdown_until(*pool, mode, until);
            // It is no failure that a pool has been shut down before, or freed meanwhile.
            let is_fine = stopped.as_ref().err().is_none_or(|error| {
                matches!(error.status, Status::POOL_ERR_CLOSED | Status::POOL_ERR_INVALID)
            });
            if is_waiting && !is_fine && outcome.is_ok() {
                outcome = stopped;
            }
        }
    }
    outcome
}

fn lock() -> MutexGuard<'static, VecDeque<(u64, u32, ExitHandler)>> {
    HANDLERS.lock()
}
