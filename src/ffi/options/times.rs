//! Options that are times: how long workers may take to start and to end, and the tick of those who wait.

use super::super::User;
use super::super::structs::pool_options_t;
use super::super::types::{POOL_FOREVER, POOL_NOW};
use super::{invalid, unsupported};
use crate::error::Result;
use crate::pool::{PoolKind, StepTimeouts, Tick};
use std::sync::Arc;
use std::time::Duration;

/// Milliseconds by default: from SIGTERM to SIGKILL, for a start, between two ticks.
const KILL_GRACE: i64 = 1000;
const START_TIMEOUT: i64 = 30_000;
const TICK: i64 = 500;

/// Replaces what means a default by its value.
pub(super) fn fill_in(options: &mut pool_options_t, kind: &PoolKind) {
    let fill = |field: &mut i64, value| *field = if *field == 0 { value } else { *field };
    fill(&mut options.kill_grace_ms, KILL_GRACE);
    if matches!(kind, PoolKind::Processes(_)) {
        fill(&mut options.start_timeout_ms, START_TIMEOUT);
    }
    if options.on_tick.is_some() {
        fill(&mut options.tick_ms, TICK);
    }
}

/// Before the defaults are filled in: what only processes can be held to.
pub(super) fn refuse_for(options: &pool_options_t, kind: &PoolKind) -> Result<()> {
    let is_set = options.start_timeout_ms != 0
        || options.initializer_timeout_ms != 0
        || options.finalizer_timeout_ms != 0;
    match kind {
        PoolKind::Threads | PoolKind::Inline if is_set => Err(unsupported(
            "start_timeout_ms, initializer_timeout_ms and finalizer_timeout_ms are for worker processes only: threads cannot be killed",
        )),
        _ => Ok(()),
    }
}

pub(super) fn times_from(options: &pool_options_t) -> Result<StepTimeouts> {
    Ok(StepTimeouts {
        kill_grace: grace_of(options.kill_grace_ms, "kill_grace_ms: POOL_NOW, or not below 0")?,
        start: limit(options.start_timeout_ms, "start_timeout_ms: POOL_FOREVER, or not below 0")?,
        initializer: limit(
            options.initializer_timeout_ms,
            "initializer_timeout_ms: POOL_FOREVER, or not below 0",
        )?,
        finalizer: limit(
            options.finalizer_timeout_ms,
            "finalizer_timeout_ms: POOL_FOREVER, or not below 0",
        )?,
    })
}

fn limit(ms: i64, words: &str) -> Result<Option<Duration>> {
    match ms {
        0 | POOL_FOREVER => Ok(None),
        ms => {
            let ms = u64::try_from(ms).map_err(|_| invalid(words))?;
            Ok(Some(Duration::from_millis(ms)))
        }
    }
}

fn grace_of(ms: i64, words: &str) -> Result<Duration> {
    match ms {
        POOL_NOW => Ok(Duration::ZERO),
        ms => u64::try_from(ms).map(Duration::from_millis).map_err(|_| invalid(words)),
    }
}

/// The grace of pool_terminate; None: the pool's own.
pub(in super::super) fn grace_from(ms: i64) -> Result<Option<Duration>> {
    match ms {
        0 => Ok(None),
        ms => grace_of(ms, "grace_ms: POOL_NOW, or not below 0").map(Some),
    }
}

pub(super) fn tick_from(options: &pool_options_t) -> Result<Option<Tick>> {
    let Some(function) = options.on_tick else {
        return match options.tick_ms {
            0 => Ok(None),
            _ => Err(invalid("tick_ms: there is no on_tick")),
        };
    };
    let every = u64::try_from(options.tick_ms).map_err(|_| invalid("tick_ms: not below 0"))?;
    // Dropped by the options' own.
    let user = User { pointer: options.user, drop: None };
    let call = move || {
        let user = &user;
        // SAFETY: the header: a function that takes this pointer, which is kept until pool_free.
        unsafe { function(user.pointer) };
    };
    Ok(Some(Tick { every: Duration::from_millis(every), call: Arc::new(call) }))
}
