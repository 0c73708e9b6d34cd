//! Options of a pool: a C struct becomes a checked configuration. What a kind of worker cannot
//! do is refused here.

pub(super) use super::process_options::copy_arrays;
pub(super) use super::options::grace_from;
use super::call::spec_from_function;
use super::enums::{*, pool_lost};
use super::snapshot::Snapshot;
use super::structs::{*, pool_call_t, pool_options_t};
use super::types::{*, POOL_FOREVER, POOL_NOW};
use super::{User, sized, utf8};
use crate::error::{Error, Result, Status};
use crate::pool::{Args, Config, HookSpec, OnLost, OwnedCallee, Plan, PoolKind, StepTimeouts, StopMode, SubmitOptions, TaskOptions, Tick, TimeLimit, TimeLimits, UserData, WORKERS_MAX, available_cpus};
use std::sync::Arc;
use std::time::Duration;
use rustix::process::Signal;

mod exec_context;
mod processes;
mod times;



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
        limits: limits_of_pool(&options, &kind)?,
        observers: super::events::observers_from(&options),
        is_external: is_external(options.driver)?,
        soft_signal: soft_signal_from(&options, &kind)?,
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
        on_lost: on_lost_from(options)?,
        retries: retries_from(options)?,
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

// MERGED ffi.options.times
// Options that are times: how long workers may take to start and to end, and the tick of those who wait.

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
pub(in crate::ffi) fn grace_from(ms: i64) -> Result<Option<Duration>> {
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

// MERGED ffi.limits
// What C says about time limits and about lost workers becomes checked values.

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
