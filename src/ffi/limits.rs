//! What C says about time limits and about lost workers becomes checked values.

use super::enums::pool_lost;
use super::options::{invalid, unsupported};
use super::structs::{pool_call_t, pool_options_t};
use super::types::POOL_FOREVER;
use crate::error::Result;
use crate::pool::{OnLost, PoolKind, SubmitOptions, TaskOptions, TimeLimit, TimeLimits};
use rustix::process::Signal;

/// The limits of the pool's tasks.
pub(super) fn limits_of_pool(options: &pool_options_t, kind: &PoolKind) -> Result<TimeLimits> {
    let limits = limits_from(options.soft_limit_ms, options.hard_limit_ms)?;
    limits.check(kind)?;
    Ok(limits)
}

/// Two limits, of which 0 is none.
pub(super) fn limits_from(soft_ms: i64, hard_ms: i64) -> Result<TimeLimits> {
    let limit = |ms| match ms {
        0 | POOL_FOREVER => Ok(None),
        ms @ 1.. => Ok(Some(ms as u64)),
        _ => Err(invalid("a limit: POOL_FOREVER, or not below 0")),
    };
    Ok(TimeLimits { soft_ms: limit(soft_ms)?, hard_ms: limit(hard_ms)? })
}

pub(super) fn soft_signal_from(
    options: &pool_options_t,
    kind: &PoolKind,
) -> Result<Option<Signal>> {
    match options.soft_limit_signal {
        0 => Ok(None),
        _ if !matches!(kind, PoolKind::Processes(_)) => {
            Err(unsupported("soft_limit_signal is for worker processes only"))
        }
        number => match Signal::from_named_raw(number) {
            Some(Signal::KILL | Signal::STOP) | None => {
                Err(invalid("soft_limit_signal: a signal that can be handled"))
            }
            signal => Ok(signal),
        },
    }
}

pub(super) fn on_lost_from(options: &pool_options_t) -> Result<OnLost> {
    match options.on_worker_lost {
        mode if mode == pool_lost::POOL_LOST_FAIL_TASK as i32 => Ok(OnLost::GoOn),
        mode if mode == pool_lost::POOL_LOST_RETRY as i32 => Ok(OnLost::GoOn),
        mode if mode == pool_lost::POOL_LOST_BREAK as i32 => Ok(OnLost::Break),
        _ => Err(invalid("on_worker_lost is none of enum pool_lost")),
    }
}

/// How often a task is run again that does not say so itself.
pub(super) fn retries_from(options: &pool_options_t) -> Result<u32> {
    let retries = options.on_worker_lost == pool_lost::POOL_LOST_RETRY as i32;
    match (retries, options.retries) {
        (true, retries) => Ok(retries),
        (false, 0) => Ok(0),
        (false, _) => Err(invalid("retries: only with POOL_LOST_RETRY")),
    }
}

/// What one task has that others have not.
pub(super) fn extras_from(call: &pool_call_t) -> Result<SubmitOptions> {
    let limit = |ms| match ms {
        0 => Ok(TimeLimit::PoolDefault),
        POOL_FOREVER => Ok(TimeLimit::None),
        ms @ 1.. => Ok(TimeLimit::Ms(ms as u64)),
        _ => Err(invalid("a limit: POOL_FOREVER, or not below 0")),
    };
    let start_within_ms = match call.start_deadline_ms {
        0 | POOL_FOREVER => None,
        ms @ 1.. => Some(ms as u64),
        _ => return Err(invalid("start_deadline_ms: POOL_FOREVER, or not below 0")),
    };
    let (soft, hard) = (limit(call.soft_limit_ms)?, limit(call.hard_limit_ms)?);
    let options = TaskOptions {
        soft,
        hard,
        retries: (call.retries > 0).then_some(call.retries),
        tag: call.tag,
    };
    let options = (options != TaskOptions::default()).then_some(options);
    Ok(SubmitOptions { options, start_within_ms, ..SubmitOptions::default() })
}
