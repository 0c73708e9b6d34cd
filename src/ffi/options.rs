//! Reading the options of a pool: converts a C struct to a checked configuration. Options that the
//! kind of pool does not support are refused here.

use super::call::task_from;
use super::enums::{one_of, pool_driver, pool_exit, pool_on_worker_lost, pool_sched};
use super::events::observers_from;
use super::process_options::{kind_from, refuse_exec_context};
use super::snapshot::Snapshot;
use super::structs::{pool_function_t, pool_options_t};
use super::types::*;
use super::{User, invalid, sized_prefix, unsupported, utf8};
use crate::error::Result;
use crate::pool::{
    Args, Config, HookSpec, OnLost, OwnedCallee, PoolKind, StepTimeouts, StopMode, Tick,
    TimeLimits, UserData, WORKERS_MAX, available_cpus,
};
use rustix::process::Signal;
use std::sync::Arc;
use std::time::Duration;

/// How many more workers than CPUs a thread pool has by default, because some tasks block.
const THREADS_MORE: u32 = 5;
/// The default idle timeout in milliseconds.
const IDLE_TIMEOUT: i64 = 60_000;
/// The default number of start failures that break a pool, and the window in milliseconds.
const RESTARTS_MAX: u32 = 5;
const RESTART_WINDOW: i64 = 10_000;

/// The configuration of a pool_new, and the snapshot that pool_get_options returns.
///
/// # Safety
/// The header: NULL, or options that begin with their size, with strings and arrays that can be
/// read.
pub(super) unsafe fn config_from(options: *const pool_options_t) -> Result<(Config, UserData)> {
    // SAFETY: the caller's promise.
    let (options, user) = unsafe { read(options) }?;
    // SAFETY: the caller's promise.
    unsafe { config_of(options, user) }
}

/// # Safety
/// The header: NULL, or options that begin with their size.
unsafe fn read(options: *const pool_options_t) -> Result<(pool_options_t, User)> {
    let (options, is_known): (pool_options_t, Result<()>) = match options.is_null() {
        // SAFETY: a struct of C types; zeros are its defaults.
        true => (unsafe { std::mem::zeroed() }, Ok(())),
        // SAFETY: the caller's promise; a struct of C types with its size first, and zeros are its
        // defaults.
        false => unsafe { sized_prefix(options) }?,
    };
    // Dropped also if there are fields that are not known.
    let user = User { pointer: options.user, drop: options.drop };
    is_known.map(|()| (options, user))
}

/// [`config_from`] for a pool of a fixed kind and size, which override those of the options.
///
/// # Safety
/// See [`config_from`].
pub(super) unsafe fn fixed_config_from(
    kind: pool_kind_t,
    workers: u32,
    options: *const pool_options_t,
) -> Result<(Config, UserData)> {
    // SAFETY: the caller's promise.
    let (mut options, user) = unsafe { read(options) }?;
    if workers == 0 {
        return Err(invalid("n: at least 1"));
    }
    (options.kind, options.max_workers) = (kind, workers);
    // SAFETY: the caller's promise.
    unsafe { config_of(options, user) }
}

/// # Safety
/// See [`config_from`].
unsafe fn config_of(mut options: pool_options_t, user: User) -> Result<(Config, UserData)> {
    // SAFETY: the caller's promise.
    let name = unsafe { utf8(options.name) }?.unwrap_or("pool").to_owned();
    if name.contains('/') || name.len() > 64 {
        return Err(invalid("name: at most 64 bytes, and no slash"));
    }
    // SAFETY: the caller's promise.
    let kind = unsafe { kind_from(&options) }?;
    refuse_timeouts(&options, &kind)?;
    refuse_exec_context(&options, &kind)?;
    fill_in_defaults(&mut options, &kind);
    check_workers(&options)?;
    let config = Config {
        name,
        workers_min: options.min_workers,
        workers_max: options.max_workers,
        restarts_max: options.max_restarts,
        restart_window: restart_window_from(options.restart_window_ms)?,
        timeouts: timeouts_from(&options)?,
        on_lost: on_lost_from(options.on_worker_lost)?,
        retries: retries_from(&options)?,
        idle_ms: idle_time_from(options.idle_timeout_ms)?,
        tasks_max: options.max_tasks_per_worker,
        memory_max: options.max_memory_per_worker,
        max_pending: options.max_pending,
        prefetches: prefetches_from(options.sched)?,
        limits: limits_of(&options, &kind)?,
        observers: observers_from(&options),
        is_external: is_external_from(options.driver)?,
        soft_signal: soft_signal_from(&options, &kind)?,
        kind,
        // SAFETY: the caller's promise.
        initializer: unsafe { hook_from(&options.initializer) }?,
        // SAFETY: the caller's promise.
        finalizer: unsafe { hook_from(&options.finalizer) }?,
        at_exit: at_exit_from(options.at_exit)?,
        tick: tick_from(&options)?,
    };
    // SAFETY: the caller's promise.
    let snapshot = unsafe { Snapshot::new(options, &config, user) }?;
    Ok((config, Arc::new(snapshot)))
}

/// Replaces zeros with the defaults that they stand for.
fn fill_in_defaults(options: &mut pool_options_t, kind: &PoolKind) {
    fn fill<T: Default + PartialEq>(field: &mut T, value: T) {
        if *field == T::default() {
            *field = value;
        }
    }
    let more = if matches!(kind, PoolKind::Threads) { THREADS_MORE } else { 0 };
    if options.max_workers == 0 {
        options.max_workers = available_cpus() + more;
    }
    fill(&mut options.idle_timeout_ms, IDLE_TIMEOUT);
    fill(&mut options.max_restarts, RESTARTS_MAX);
    fill(&mut options.restart_window_ms, RESTART_WINDOW);
    if options.on_worker_lost == pool_on_worker_lost::POOL_LOST_RETRY as i32 {
        fill(&mut options.retries, 1);
    }
    fill(&mut options.kill_grace_ms, KILL_GRACE);
    if matches!(kind, PoolKind::Processes(_)) {
        fill(&mut options.start_timeout_ms, START_TIMEOUT);
    }
    if options.on_tick.is_some() {
        fill(&mut options.tick_ms, TICK);
    }
    options.struct_size = size_of::<pool_options_t>();
}

fn check_workers(options: &pool_options_t) -> Result<()> {
    if options.max_workers > WORKERS_MAX {
        return Err(invalid("max_workers: at most 1024"));
    }
    if options.min_workers > options.max_workers {
        return Err(invalid("min_workers: at most max_workers"));
    }
    Ok(())
}

fn restart_window_from(ms: i64) -> Result<Duration> {
    let ms = u64::try_from(ms).map_err(|_| invalid("restart_window_ms: not below 0"))?;
    Ok(Duration::from_millis(ms))
}

/// The idle timeout in milliseconds, POOL_FOREVER, or POOL_NOW.
pub(super) fn idle_time_from(idle_timeout_ms: i64) -> Result<i64> {
    match idle_timeout_ms {
        0 => Ok(IDLE_TIMEOUT),
        POOL_NOW | POOL_FOREVER | 1.. => Ok(idle_timeout_ms),
        _ => Err(invalid("idle_timeout_ms: POOL_FOREVER, POOL_NOW, or not below 0")),
    }
}

/// # Safety
/// See [`config_from`].
unsafe fn hook_from(function: &pool_function_t) -> Result<Option<Arc<HookSpec>>> {
    let is_set = function.pointer.is_some()
        || !function.module.is_null()
        || !function.symbol.is_null()
        || function.len > 0;
    if !is_set {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    let spec = unsafe { task_from(function) }?;
    let Args::Bytes(args) = spec.args else { return Err(invalid("a function with its bytes")) };
    Ok(Some(Arc::new(HookSpec { callee: OwnedCallee::of(spec.callee)?, args: args.to_vec() })))
}

fn is_external_from(driver: pool_driver_t) -> Result<bool> {
    use pool_driver::*;
    one_of(
        driver,
        ["driver", "pool_driver"],
        [(POOL_DRIVER_INTERNAL as i32, false), (POOL_DRIVER_EXTERNAL as i32, true)],
    )
}

fn at_exit_from(mode: pool_exit_t) -> Result<Option<StopMode>> {
    use pool_exit::*;
    one_of(
        mode,
        ["at_exit", "pool_exit"],
        [
            (POOL_EXIT_CANCEL as i32, Some(StopMode::Cancel)),
            (POOL_EXIT_DRAIN as i32, Some(StopMode::Drain)),
            (POOL_EXIT_KILL as i32, Some(StopMode::Kill)),
            (POOL_EXIT_NONE as i32, None),
        ],
    )
}

fn prefetches_from(sched: pool_sched_t) -> Result<bool> {
    use pool_sched::*;
    one_of(
        sched,
        ["sched", "pool_sched"],
        [(POOL_SCHED_FIFO as i32, false), (POOL_SCHED_PREFETCH as i32, true)],
    )
}

// ---- times ------------------------------------------------------------------------------------------

/// Defaults in milliseconds: from SIGTERM to SIGKILL, for a start, between two ticks.
const KILL_GRACE: i64 = 1000;
const START_TIMEOUT: i64 = 30_000;
const TICK: i64 = 500;

/// Refuses timeouts that can be enforced only on processes. Called before defaults are filled in.
fn refuse_timeouts(options: &pool_options_t, kind: &PoolKind) -> Result<()> {
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

fn timeouts_from(options: &pool_options_t) -> Result<StepTimeouts> {
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

/// The grace of pool_terminate; None: that of the pool.
pub(super) fn grace_from(ms: i64) -> Result<Option<Duration>> {
    match ms {
        0 => Ok(None),
        ms => grace_of(ms, "grace_ms: POOL_NOW, or not below 0").map(Some),
    }
}

fn tick_from(options: &pool_options_t) -> Result<Option<Tick>> {
    let Some(function) = options.on_tick else {
        return match options.tick_ms {
            0 => Ok(None),
            _ => Err(invalid("tick_ms: there is no on_tick")),
        };
    };
    let every = u64::try_from(options.tick_ms).map_err(|_| invalid("tick_ms: not below 0"))?;
    // The options drop the pointer.
    let user = User { pointer: options.user, drop: None };
    let call = move || {
        let user = &user;
        // SAFETY: the header: a function that takes this pointer, which stays valid until
        // pool_free.
        unsafe { function(user.pointer) };
    };
    Ok(Some(Tick { every: Duration::from_millis(every), call: Arc::new(call) }))
}

// ---- limits and lost workers ------------------------------------------------------------------------

/// The limits of the pool's tasks.
fn limits_of(options: &pool_options_t, kind: &PoolKind) -> Result<TimeLimits> {
    let limits = limits_from(options.soft_limit_ms, options.hard_limit_ms)?;
    limits.check(kind)?;
    Ok(limits)
}

/// The limits of a task; 0 is none.
pub(super) fn limits_from(soft_ms: i64, hard_ms: i64) -> Result<TimeLimits> {
    let limit = |ms| match ms {
        0 | POOL_FOREVER => Ok(None),
        ms @ 1.. => Ok(Some(ms as u64)),
        _ => Err(invalid("a limit: POOL_FOREVER, or not below 0")),
    };
    Ok(TimeLimits { soft_ms: limit(soft_ms)?, hard_ms: limit(hard_ms)? })
}

fn soft_signal_from(options: &pool_options_t, kind: &PoolKind) -> Result<Option<Signal>> {
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

fn on_lost_from(on_worker_lost: pool_on_worker_lost_t) -> Result<OnLost> {
    use pool_on_worker_lost::*;
    one_of(
        on_worker_lost,
        ["on_worker_lost", "pool_on_worker_lost"],
        [
            (POOL_LOST_FAIL_TASK as i32, OnLost::Continue),
            (POOL_LOST_RETRY as i32, OnLost::Continue),
            (POOL_LOST_BREAK as i32, OnLost::Break),
        ],
    )
}

/// The maximum number of retries of a task that sets none of its own.
fn retries_from(options: &pool_options_t) -> Result<u32> {
    let retries = options.on_worker_lost == pool_on_worker_lost::POOL_LOST_RETRY as i32;
    match (retries, options.retries) {
        (true, retries) => Ok(retries),
        (false, 0) => Ok(0),
        (false, _) => Err(invalid("retries: only with POOL_LOST_RETRY")),
    }
}
