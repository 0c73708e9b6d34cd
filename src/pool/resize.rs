//! The workers of a pool while it runs: starting, resizing, restarting, their limits. The
//! supervisor does it; callers wait here.

use super::shutdown::{WaitWithTick, receive, received_or_closed, refuse_own_threads};
use super::{PoolHandle, PoolKind, TimeLimits, WORKERS_MAX};
use crate::error::{Error, Result, Status};
use crate::state::commands::{Command, Reply, ReplySender, RestartMode, ShrinkMode, reply};
use crate::state::{PoolState, pool_flags};
use crate::sync::plain::AtomicU64;
use crate::sync::{Deadline, Ordering::*};

/// Starts this many workers, or if negative as many as queued tasks need; never more than the
/// maximum.
pub(crate) fn spawn_workers(pool: PoolHandle, count: i64) -> Result<u32> {
    let state = &pool.pool()?.state;
    state.check_open()?;
    if matches!(state.config.kind, PoolKind::Inline) {
        return Ok(0);
    }
    run(state, |sender| Command::StartWorkers(count, sender))
}

/// Sets the idle timeout of workers, those that sleep included.
pub(crate) fn set_idle_time(pool: PoolHandle, idle_ms: i64) -> Result<()> {
    pool.pool()?.state.set_idle_time(idle_ms);
    Ok(())
}

/// Sets the limits of tasks that start from now on and set none of their own.
pub(crate) fn set_limits(pool: PoolHandle, limits: TimeLimits) -> Result<()> {
    let state = &pool.pool()?.state;
    limits.check(&state.config.kind)?;
    let (sender, receiver) = reply();
    if !matches!(state.config.kind, PoolKind::Inline)
        && state.send(Command::SetLimits(limits, sender))
    {
        receiver.recv();
    }
    Ok(())
}

/// Waits until this many workers are ready; 0: the minimum, but at least one.
pub(crate) fn wait_ready(pool: PoolHandle, count: u32, timeout_ms: i64) -> Result<()> {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    let state = &pool.pool()?.state;
    state.check_open()?;
    let is_inline = matches!(state.config.kind, PoolKind::Inline);
    let (max, min) = match is_inline {
        true => (WORKERS_MAX, 0),
        false => (state.workers_max(), state.workers_min()),
    };
    let count = if count == 0 { min.max(1) } else { count };
    if count > max {
        return Err(Error::new(Status::POOL_ERR_INVALID, "n: at most max_workers"));
    }
    if is_inline {
        return Ok(());
    }
    let number = NUMBERS.fetch_add(1, Relaxed);
    let command = |sender| Command::WaitReady(number, count, sender);
    wait_for_reply(state, command, Command::CancelWaitReady(number), timeout_ms)
}

/// Waits until the supervisor replies to the command; sends `cancel` when the time has passed.
fn wait_for_reply(
    state: &PoolState,
    command: impl FnOnce(ReplySender) -> Command,
    cancel: Command,
    timeout_ms: i64,
) -> Result<()> {
    let (sender, receiver) = reply();
    if !state.send(command(sender)) {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    match receive(&receiver, WaitWithTick::until(Deadline::from_ms(timeout_ms))) {
        Reply::Received(reply) => reply.map(drop),
        Reply::Disconnected => Err(Status::POOL_ERR_CLOSED.into()),
        // The supervisor looks once more: it may not have done so in time.
        Reply::TimedOut => match state.send(cancel) {
            true => received_or_closed(receiver.recv()).map(drop),
            false => Err(Status::POOL_ERR_CLOSED.into()),
        },
    }
}

/// Raises the maximum number of workers by `count`, and starts as many.
pub(crate) fn grow(pool: PoolHandle, count: u32) -> Result<()> {
    let state = resizable_state(pool)?;
    let room = WORKERS_MAX - state.workers_max().min(WORKERS_MAX);
    if count > room {
        return Err(Error::new(Status::POOL_ERR_INVALID, "n: at most 1024 workers in all"));
    }
    run(state, |sender| Command::Grow(count, sender)).map(drop)
}

/// Lowers the maximum number of workers by `count`.
pub(crate) fn shrink(pool: PoolHandle, count: u32, mode: ShrinkMode) -> Result<()> {
    let state = resizable_state(pool)?;
    run(state, |sender| Command::Shrink(count, mode, sender)).map(drop)
}

/// Sets the maximum number of workers, and waits until there are no more.
pub(crate) fn resize(pool: PoolHandle, max: u32, timeout_ms: i64) -> Result<()> {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    refuse_own_threads(pool.pool()?)?;
    let state = resizable_state(pool)?;
    if max == 0 || max > WORKERS_MAX {
        return Err(Error::new(Status::POOL_ERR_INVALID, "max_workers: 1 to 1024"));
    }
    let number = NUMBERS.fetch_add(1, Relaxed);
    let command = |sender| Command::Resize(number, max, sender);
    wait_for_reply(state, command, Command::CancelResize(number), timeout_ms)
}

/// Begins no more tasks; those that run go on.
pub(crate) fn pause(pool: PoolHandle) -> Result<()> {
    let state = resizable_state(pool)?;
    run(state, |sender| Command::Pause(true, sender)).map(drop)
}

/// Begins tasks again, also those of a pool that was closed meanwhile.
pub(crate) fn resume(pool: PoolHandle) -> Result<()> {
    let state = state_with_workers(pool, pool_flags::REFUSE_ALWAYS)?;
    run(state, |sender| Command::Pause(false, sender)).map(drop)
}

/// Replaces every worker there is.
pub(crate) fn restart(pool: PoolHandle, mode: RestartMode) -> Result<()> {
    let state = resizable_state(pool)?;
    run(state, |sender| Command::Restart(mode, sender)).map(drop)
}

fn resizable_state(pool: PoolHandle) -> Result<&'static PoolState> {
    state_with_workers(pool, pool_flags::REFUSE)
}

/// The state of a pool with workers, unless it has one of the flags `refusing`.
fn state_with_workers(pool: PoolHandle, refusing: u32) -> Result<&'static PoolState> {
    let state = &pool.pool()?.state;
    state.check_flags(refusing)?;
    match state.config.kind {
        PoolKind::Inline => {
            Err(Error::new(Status::POOL_ERR_UNSUPPORTED, "an inline pool has no workers"))
        }
        _ => Ok(state),
    }
}

/// Waits until the supervisor has run the command.
fn run(state: &PoolState, command: impl FnOnce(ReplySender) -> Command) -> Result<u32> {
    let (sender, receiver) = reply();
    if !state.send(command(sender)) {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    received_or_closed(receiver.recv())
}
