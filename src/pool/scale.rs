//! How many workers there are, and replacing them. The watch does it; this is where callers wait.

use super::PoolTicket;
use crate::error::{Result, Status};
use crate::watch::site::StopMode;
use std::time::Duration;

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

pub(crate) fn wait_ready(pool: PoolTicket, count: u32, timeout_ms: i64) -> Result<()> {
    let _ = (pool, count, timeout_ms);
    Err(Status::POOL_ERR_UNSUPPORTED.into())
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

pub(crate) fn terminate(pool: PoolTicket, grace: Option<Duration>) -> Result<()> {
    let _ = (pool, grace);
    Err(Status::POOL_ERR_UNSUPPORTED.into())
}

pub(crate) fn request_stop(pool: PoolTicket, mode: StopMode) -> Result<()> {
    let _ = (pool, mode);
    Err(Status::POOL_ERR_UNSUPPORTED.into())
}
