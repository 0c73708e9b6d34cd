//! How many workers there are, and replacing them. The watch does it; this is where callers wait.

use super::patience::Patience;
use super::stop::receive;
use super::{PoolTicket, WORKERS_MAX};
use crate::error::{Error, Result, Status};
use crate::sync::{Deadline, Ordering::*, plain::AtomicU64};
use crate::watch::site::{Kind, Order};
use crossbeam_channel::{RecvTimeoutError, bounded};

/// Which workers leave when there are to be fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShrinkMode {
    Idle,
    WhenIdle,
}

impl ShrinkMode {
    /// From the C API's number.
    pub(crate) fn from_number(number: i32) -> Option<ShrinkMode> {
        [ShrinkMode::Idle, ShrinkMode::WhenIdle].get(usize::try_from(number).ok()?).copied()
    }
}

/// When a worker is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestartMode {
    Graceful,
    Now,
}

impl RestartMode {
    /// From the C API's number.
    pub(crate) fn from_number(number: i32) -> Option<RestartMode> {
        [RestartMode::Graceful, RestartMode::Now].get(usize::try_from(number).ok()?).copied()
    }
}

/// Waits until so many workers are up; 0: those that are always to be there, at least one.
pub(crate) fn wait_ready(pool: PoolTicket, count: u32, timeout_ms: i64) -> Result<()> {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    let site = &pool.pool()?.site;
    site.check_gate()?;
    let (most, always) = match site.kind {
        Kind::Inline => (WORKERS_MAX, 0),
        _ => (site.plan.workers_max, site.plan.workers_min),
    };
    let count = if count == 0 { always.max(1) } else { count };
    if count > most {
        return Err(Error::new(Status::POOL_ERR_INVALID, "n: at most max_workers"));
    }
    if matches!(site.kind, Kind::Inline) {
        return Ok(());
    }
    let number = NUMBERS.fetch_add(1, Relaxed);
    let (answer, answered) = bounded(1);
    if !site.order(Order::Ready(number, count, answer)) {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    match receive(&answered, Patience::until(Deadline::from_ms(timeout_ms))) {
        Ok(answer) => answer,
        Err(RecvTimeoutError::Disconnected) => Err(Status::POOL_ERR_CLOSED.into()),
        // The watch looks once more: it may not have come to that yet.
        Err(RecvTimeoutError::Timeout) => match site.order(Order::Unready(number)) {
            true => answered.recv().unwrap_or_else(|_| Err(Status::POOL_ERR_CLOSED.into())),
            false => Err(Status::POOL_ERR_CLOSED.into()),
        },
    }
}

pub(crate) fn grow(pool: PoolTicket, count: u32) -> Result<()> {
    let _ = (pool, count);
    Err(Status::POOL_ERR_UNSUPPORTED.into())
}

pub(crate) fn shrink(pool: PoolTicket, count: u32, mode: ShrinkMode) -> Result<()> {
    let _ = (pool, count, mode);
    Err(Status::POOL_ERR_UNSUPPORTED.into())
}

pub(crate) fn restart(pool: PoolTicket, mode: RestartMode) -> Result<()> {
    let _ = (pool, mode);
    Err(Status::POOL_ERR_UNSUPPORTED.into())
}
