//! Options of a pool: a C struct becomes a checked configuration. What a kind of worker cannot
//! do is refused here.

mod exec_context;
mod processes;
mod times;

pub(super) use exec_context::copy_arrays;
pub(super) use times::grace_from;

use super::call::spec_from_function;
use super::enums::*;
use super::snapshot::Snapshot;
use super::structs::*;
use super::types::*;
use super::{User, sized, utf8};
use crate::error::{Error, Result, Status};
use crate::pool::{
    Args, Config, HookSpec, OwnedCallee, Plan, PoolKind, StopMode, UserData, WORKERS_MAX,
    available_cpus,
};
use std::sync::Arc;
use std::time::Duration;

/// How many more workers a thread pool has than CPUs by default: some will wait for something.
const THREADS_MORE: u32 = 5;
/// Milliseconds after which idle workers leave by default.
const IDLE_TIMEOUT: i64 = 60_000;
/// Starts that may fail by default, and in how many milliseconds.
const RESTARTS_MAX: u32 = 5;
const RESTART_WINDOW: i64 = 10_000;

/// The configuration that pool_new is given, and what pool_get_options will answer.
pub(super) fn config_from(options: *const pool_options_t) -> Result<(Config, UserData)> {
    let options = match options.is_null() {
        true => defaults(),
        // SAFETY: a struct of C types with its size first; zeros are its defaults.
        false => unsafe { sized(options) }?,
    };
    let user = User { pointer: options.user, drop: options.drop };
    config_of(options, user)
}

/// The same for a pool of a fixed kind and size, whatever the options say about these.
pub(super) fn fixed_config_from(
    kind: pool_kind_t,
    workers: u32,
    options: *const pool_options_t,
) -> Result<(Config, UserData)> {
    let mut options = match options.is_null() {
        true => defaults(),
        // SAFETY: a struct of C types with its size first; zeros are its defaults.
        false => unsafe { sized(options) }?,
    };
    let user = User { pointer: options.user, drop: options.drop };
    if workers == 0 {
        return Err(invalid("n: at least 1"));
    }
    (options.kind, options.max_workers) = (kind, workers);
    config_of(options, user)
}

fn config_of(mut options: pool_options_t, user: User) -> Result<(Config, UserData)> {
    let name = utf8(options.name)?.unwrap_or("pool").to_owned();
    if name.contains('/') || name.len() > 64 {
        return Err(invalid("name: at most 64 bytes, and no slash"));
    }
    let kind = processes::kind_from(&options)?;
    times::refuse_for(&options, &kind)?;
    exec_context::refuse_for(&options, &kind)?;
    fill_in_defaults(&mut options, &kind);
    times::fill_in(&mut options, &kind);
    let config = Config {
        name,
        plan: plan_from(&options)?,
        idle_ms: idle_time_from(options.idle_timeout_ms)?,
        tasks_max: options.max_tasks_per_worker,
        memory_max: options.max_memory_per_worker,
        max_pending: options.max_pending,
        is_batched: is_batched(options.sched)?,
        limits: super::limits::limits_of_pool(&options, &kind)?,
        observers: super::events::observers_from(&options),
        is_external: is_external(options.driver)?,
        soft_signal: super::limits::soft_signal_from(&options, &kind)?,
        kind,
        initializer: hook_from(&options.initializer)?,
        finalizer: hook_from(&options.finalizer)?,
        at_exit: at_exit_from(options.at_exit)?,
        tick: times::tick_from(&options)?,
    };
    let snapshot = Snapshot::new(options, &config, user)?;
    Ok((config, Arc::new(snapshot)))
}

fn defaults() -> pool_options_t {
    // SAFETY: a struct of C types; zeros are its defaults.
    unsafe { std::mem::zeroed() }
}

/// Replaces what means a default by its value.
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
    if options.on_worker_lost == pool_lost::POOL_LOST_RETRY as i32 {
        fill(&mut options.retries, 1);
    }
    options.struct_size = size_of::<pool_options_t>();
}

fn plan_from(options: &pool_options_t) -> Result<Plan> {
    let (workers_min, workers_max) = (options.min_workers, options.max_workers);
    if workers_max > WORKERS_MAX {
        return Err(invalid("max_workers: at most 1024"));
    }
    if workers_min > workers_max {
        return Err(invalid("min_workers: at most max_workers"));
    }
    let window = u64::try_from(options.restart_window_ms);
    let window = window.map_err(|_| invalid("restart_window_ms: not below 0"))?;
    Ok(Plan {
        workers_min,
        workers_max,
        restarts_max: options.max_restarts,
        restart_window: Duration::from_millis(window),
        times: times::times_from(options)?,
        on_lost: super::limits::on_lost_from(options)?,
        retries: super::limits::retries_from(options)?,
    })
}

/// The time of pool_options_t.idle_timeout_ms, in milliseconds; the special ones as they are.
pub(super) fn idle_time_from(idle_timeout_ms: i64) -> Result<i64> {
    match idle_timeout_ms {
        0 => Ok(IDLE_TIMEOUT),
        POOL_NOW | POOL_FOREVER | 1.. => Ok(idle_timeout_ms),
        _ => Err(invalid("idle_timeout_ms: POOL_FOREVER, POOL_NOW, or not below 0")),
    }
}

fn hook_from(function: &pool_function_t) -> Result<Option<Arc<HookSpec>>> {
    let is_set = function.pointer.is_some()
        || !function.module.is_null()
        || !function.symbol.is_null()
        || function.len > 0;
    if !is_set {
        return Ok(None);
    }
    let spec = spec_from_function(function)?;
    let Args::Bytes(args) = spec.args else { return Err(invalid("a function with its bytes")) };
    Ok(Some(Arc::new(HookSpec { callee: OwnedCallee::of(spec.callee)?, args: args.to_vec() })))
}

fn is_external(driver: pool_driver_t) -> Result<bool> {
    match driver {
        mode if mode == pool_driver::POOL_DRIVER_INTERNAL as i32 => Ok(false),
        mode if mode == pool_driver::POOL_DRIVER_EXTERNAL as i32 => Ok(true),
        _ => Err(invalid("driver is none of enum pool_driver")),
    }
}

fn at_exit_from(mode: pool_exit_t) -> Result<Option<StopMode>> {
    match mode {
        mode if mode == pool_exit::POOL_EXIT_CANCEL as i32 => Ok(Some(StopMode::Cancel)),
        mode if mode == pool_exit::POOL_EXIT_DRAIN as i32 => Ok(Some(StopMode::Drain)),
        mode if mode == pool_exit::POOL_EXIT_KILL as i32 => Ok(Some(StopMode::Kill)),
        mode if mode == pool_exit::POOL_EXIT_NONE as i32 => Ok(None),
        _ => Err(invalid("at_exit is none of enum pool_exit")),
    }
}

fn is_batched(sched: pool_sched_t) -> Result<bool> {
    match sched {
        sched if sched == pool_sched::POOL_FAIR as i32 => Ok(false),
        sched if sched == pool_sched::POOL_PREFETCH as i32 => Ok(true),
        _ => Err(invalid("sched is none of enum pool_sched")),
    }
}

pub(super) fn unsupported(words: &str) -> Error {
    Error::new(Status::POOL_ERR_UNSUPPORTED, words)
}

pub(super) fn invalid(words: &str) -> Error {
    Error::new(Status::POOL_ERR_INVALID, words)
}
