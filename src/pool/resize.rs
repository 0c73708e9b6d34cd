//! How many workers there are, and replacing them. The watch does it; this is where callers wait.

use super::shutdown::{WaitWithTick, closed_if_none, receive};
use super::{PoolHandle, WORKERS_MAX};
use crate::error::{Error, Result, Status};
use crate::sync::reply::{ReplySender, ReplyWait, ask};
use crate::sync::Deadline;
use crate::sync::Ordering::*;
use crate::sync::plain::AtomicU64;
use crate::state::{Command, PoolState, RestartMode, ShrinkMode};
use crate::state::config::PoolKind;

/// Waits until so many workers are up; 0: those that are always to be there, at least one.
pub(crate) fn wait_ready(pool: PoolHandle, count: u32, timeout_ms: i64) -> Result<()> {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    let state = &pool.pool()?.state;
    state.check_open()?;
    let (most, always) = match state.kind {
        PoolKind::Inline => (WORKERS_MAX, 0),
        _ => (state.workers_max(), state.workers_min()),
    };
    let count = if count == 0 { always.max(1) } else { count };
    if count > most {
        return Err(Error::new(Status::POOL_ERR_INVALID, "n: at most max_workers"));
    }
    if matches!(state.kind, PoolKind::Inline) {
        return Ok(());
    }
    let number = NUMBERS.fetch_add(1, Relaxed);
    let (answer, answered) = ask();
    if !state.send(Command::WaitReady(number, count, answer)) {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    match receive(&answered, WaitWithTick::until(Deadline::from_ms(timeout_ms))) {
        ReplyWait::Answer(answer) => answer.map(drop),
        ReplyWait::Nothing => Err(Status::POOL_ERR_CLOSED.into()),
        // The watch looks once more: it may not have come to that yet.
        ReplyWait::Late => match state.send(Command::CancelWaitReady(number)) {
            true => closed_if_none(answered.recv()).map(drop),
            false => Err(Status::POOL_ERR_CLOSED.into()),
        },
    }
}

/// Raises the number of workers that there may be, and starts so many.
pub(crate) fn grow(pool: PoolHandle, count: u32) -> Result<()> {
    let state = site_to_scale(pool)?;
    let room = WORKERS_MAX - state.workers_max().min(WORKERS_MAX);
    if count > room {
        return Err(Error::new(Status::POOL_ERR_INVALID, "n: at most 1024 workers in all"));
    }
    have(state, |answer| Command::Grow(count, answer))
}

/// Lowers the number of workers that there may be.
pub(crate) fn shrink(pool: PoolHandle, count: u32, mode: ShrinkMode) -> Result<()> {
    let state = site_to_scale(pool)?;
    have(state, |answer| Command::Shrink(count, mode, answer))
}

/// Has every worker replaced that there is.
pub(crate) fn restart(pool: PoolHandle, mode: RestartMode) -> Result<()> {
    let state = site_to_scale(pool)?;
    have(state, |answer| Command::Restart(mode, answer))
}

fn site_to_scale(pool: PoolHandle) -> Result<&'static PoolState> {
    let state = &pool.pool()?.state;
    state.check_open()?;
    match state.kind {
        PoolKind::Inline => {
            Err(Error::new(Status::POOL_ERR_UNSUPPORTED, "an inline pool has no workers"))
        }
        _ => Ok(state),
    }
}

/// Waits for the watch to have done it.
fn have(state: &PoolState, command: impl FnOnce(ReplySender) -> Command) -> Result<()> {
    let (answer, answered) = ask();
    if !state.send(command(answer)) {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    closed_if_none(answered.recv()).map(drop)
}
