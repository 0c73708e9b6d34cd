//! Waiting for one future, or for several of any pools.

use super::Pool;
use super::future::{FutureState, state};
use super::handles::FutureHandle;
use crate::board::slot::{Phase, Waited};
use crate::board::slots::SlotKey;
use crate::error::{Error, Result, Status};
use crate::sync::{self, Deadline, Ordering::*, Sleeper};
use crate::worker::{self, InlineRun};

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitMode {
    All,
    First,
    FirstError,
}

impl WaitMode {
    /// From the C API's number.
    pub(crate) fn from_number(number: i32) -> Option<WaitMode> {
        let modes = [WaitMode::All, WaitMode::First, WaitMode::FirstError];
        modes.get(usize::try_from(number).ok()?).copied()
    }
}

/// Waits until the task is done in any way.
pub(crate) fn wait(future: FutureHandle, timeout_ms: i64) -> Result<()> {
    let (pool, key) = future.get()?;
    if is_done(pool, key) {
        return Ok(());
    }
    wait_until(pool, key, Deadline::from_ms(timeout_ms))
}

/// Waits like [`wait`], until a deadline.
pub(super) fn wait_for(future: FutureHandle, deadline: Deadline) -> Result<()> {
    let (pool, key) = future.get()?;
    wait_until(pool, key, deadline)
}

/// Whether this thread could run a task that it waits for.
pub(super) fn may_run_inline() -> bool {
    worker::is_worker()
}

/// In a task, runs the one that is waited for, if nobody has begun it. True: it is done.
fn help(pool: &Pool, key: SlotKey, deadline: Deadline) -> Result<bool> {
    if !may_run_inline() || deadline.has_passed() {
        return Ok(false);
    }
    match worker::run_inline(pool.region(), key.slot, key.generation) {
        InlineRun::Ran => {
            // It was not its turn on the ring.
            pool.state.hint(key.slot);
            Ok(true)
        }
        InlineRun::NotRun => Ok(false),
        InlineRun::Deadlock => {
            let words = "a task would wait for itself, or for one that waits for it";
            Err(Error::new(Status::POOL_ERR_DEADLOCK, words))
        }
    }
}

/// In a task, runs one of these if nobody has begun it; there must be one that another thread may end.
pub(super) fn run_one_inline(futures: &[FutureHandle]) -> Result<()> {
    let mut deadlock = Ok(());
    let mut others = 0;
    for (pool, key) in futures.iter().filter_map(|future| future.find().ok()) {
        match help(pool, key, Deadline::Never) {
            Ok(true) => return Ok(()),
            Ok(false) => others += 1,
            Err(error) => deadlock = Err(error),
        }
    }
    if others > 0 { Ok(()) } else { deadlock }
}

#[inline]
pub(super) fn is_done(pool: &Pool, key: SlotKey) -> bool {
    pool.region().board.slot(key.slot).word.is_done()
}

/// Waits until the task is done in any way.
pub(super) fn wait_until(pool: &Pool, key: SlotKey, deadline: Deadline) -> Result<()> {
    if help(pool, key, deadline)? {
        return Ok(());
    }
    let board = &pool.region().board;
    let word = &board.slot(key.slot).word;
    let wake_if_queued = |phase| {
        if phase == Phase::Ready {
            board.sleepers.wake_one();
        }
    };
    match word.wait(key.generation, board.scope(), deadline, wake_if_queued) {
        Waited::Done => Ok(()),
        Waited::TimedOut => Err(Status::POOL_ERR_TIMEOUT.into()),
        Waited::Freed => Err(Status::POOL_ERR_INVALID.into()),
    }
}

type FoundFuture = (&'static Pool, SlotKey);

/// Waits for several futures; `n_done` becomes the number of those that are done.
pub(crate) fn wait_many(
    futures: &[u64],
    mode: WaitMode,
    timeout_ms: i64,
    n_done: &mut usize,
) -> Result<()> {
    let waited = wait_many_until(futures, mode, Deadline::from_ms(timeout_ms));
    *n_done = match (mode, &waited) {
        (WaitMode::All, Ok(())) => futures.len(),
        (_, Err(error)) if error.status == Status::POOL_ERR_INVALID => 0,
        _ => count_done(futures),
    };
    waited
}

fn count_done(futures: &[u64]) -> usize {
    let found = futures.iter().filter_map(|raw| FutureHandle::from_raw(*raw).find().ok());
    found.filter(|(pool, key)| is_done(pool, *key)).count()
}

/// Waits for several futures until a deadline.
pub(super) fn wait_many_until(futures: &[u64], mode: WaitMode, deadline: Deadline) -> Result<()> {
    let mut found = futures.iter().map(|raw| FutureHandle::from_raw(*raw).find());
    match mode {
        WaitMode::All => {
            found.try_for_each(|one| one.map(drop))?;
            wait_all(futures, deadline)
        }
        WaitMode::First | WaitMode::FirstError => {
            wait_any(&found.collect::<Result<Vec<FoundFuture>>>()?, mode, deadline)
        }
    }
}

/// So many futures before they are looked at their slots are fetched: as many as one that comes from memory
/// takes.
const AHEAD: usize = 8;

/// Waits for the last one first: when that is done, as a rule the others are, and the workers were not
/// disturbed in the slots that they had in hand.
fn wait_all(futures: &[u64], deadline: Deadline) -> Result<()> {
    if may_run_inline() {
        // A task runs those that nobody has begun itself: in their order.
        let mut futures = futures.iter().map(|raw| FutureHandle::from_raw(*raw));
        return futures.try_for_each(|future| wait_for(future, deadline));
    }
    for (index, raw) in futures.iter().enumerate().rev() {
        let (pool, key) = FutureHandle::from_raw(*raw).get()?;
        if let Some(later) = index.checked_sub(AHEAD) {
            pool.region().board.prefetch_slot(FutureHandle::from_raw(futures[later]).slot());
        }
        if !is_done(pool, key) {
            wait_until(pool, key, deadline)?;
        }
    }
    Ok(())
}

/// Asks each task's pool for a notice, and sleeps on the notices of all pools. What is seen of a
/// notice is read before the tasks are asked: a task that is done after that changes it.
fn wait_any(futures: &[FoundFuture], mode: WaitMode, deadline: Deadline) -> Result<()> {
    let mut pools: Vec<&Pool> = Vec::new();
    for (pool, _) in futures {
        if !pools.iter().any(|known| std::ptr::eq(*known, *pool)) {
            pools.push(pool);
        }
    }
    loop {
        // Acquire; pairs with the Release of `Board::notify_completion`.
        let mut sleepers: Vec<Sleeper<'_>> = pools
            .iter()
            .map(|pool| {
                let board = &pool.region().board;
                let word = board.completion_event();
                Sleeper { word, seen: word.load(Acquire), scope: board.scope() }
            })
            .collect();
        if is_enough(futures, mode)? {
            return Ok(());
        }
        if deadline.has_passed() {
            return Err(Status::POOL_ERR_TIMEOUT.into());
        }
        if may_run_inline() {
            let tickets: Vec<FutureHandle> = pending(futures).collect();
            run_one_inline(&tickets)?;
        }
        subscribe_all(futures);
        // A task that was done before we asked has rung nobody; it is seen here.
        if is_enough(futures, mode)? {
            return Ok(());
        }
        if prepare_wait_all(&pools, &mut sleepers) {
            for pool in &pools {
                pool.region().board.sleepers.wake_one();
            }
            sync::sleep_on_any(&sleepers, deadline.left());
        }
    }
}

fn pending(futures: &[FoundFuture]) -> impl Iterator<Item = FutureHandle> {
    let pending = futures.iter().filter(|(pool, key)| !is_done(pool, *key));
    pending.map(|(pool, key)| FutureHandle::new(pool.cell, *key))
}

/// Says that we are about to sleep on the notices. False: one was rung since it was read.
fn prepare_wait_all(pools: &[&Pool], sleepers: &mut [Sleeper<'_>]) -> bool {
    pools.iter().zip(sleepers).all(|(pool, sleeper)| {
        let heeded = pool.region().board.prepare_wait(sleeper.seen);
        sleeper.seen = heeded.unwrap_or(sleeper.seen);
        heeded.is_some()
    })
}

/// Whether what is waited for has come. An empty list has nothing to wait for.
fn is_enough(futures: &[FoundFuture], mode: WaitMode) -> Result<bool> {
    let mut are_all_done = true;
    for (pool, key) in futures {
        match (state(pool, *key)?, mode) {
            (FutureState::Pending | FutureState::Running, _) => are_all_done = false,
            (FutureState::Completed, WaitMode::FirstError) => {}
            _ => return Ok(true),
        }
    }
    Ok(are_all_done)
}

/// Asks for a notice of every task that is not done.
fn subscribe_all(futures: &[FoundFuture]) {
    for (pool, key) in futures {
        pool.region().board.slot(key.slot).word.subscribe_completion(key.generation);
    }
}
