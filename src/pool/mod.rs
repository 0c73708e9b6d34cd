//! What a call of the C API does to a pool, a future, a set or a map.
//!
//! The life of a task is in `submit` and `future`, that of a pool in `shutdown`, `resize` and
//! `executor`; the rest is built on these: callbacks, sets, promises, maps.
#![forbid(unsafe_code)]

mod background;
mod buffers;
mod callbacks;
mod completion_set;
mod current_callback;
mod executor;
mod functions;
mod future;
mod handles;
mod inspect;
mod map;
mod promise;
mod registry;
mod resize;
mod selftest;
mod shutdown;
mod submit;

pub(crate) use crate::board::parent::side_table::{TaskOptions, TimeLimit};
pub(crate) use crate::board::priority::Priority;
pub(crate) use crate::state::commands::{RestartMode, ShrinkMode, StopMode};
pub(crate) use crate::state::config::{
    Callee, Config, HookSpec, OnLost, OwnedCallee, PoolKind, StepTimeouts, Tick, WORKERS_MAX,
};
pub(crate) use crate::state::events::{LogLevel, Observers, WorkerEvent, WorkerEventKind};
pub(crate) use crate::state::limits::TimeLimits;
pub(crate) use crate::state::task_callbacks::{LimitKind, OnAccept};
pub(crate) use buffers::{buffer_free, buffer_new};
pub(crate) use callbacks::{
    Callback, events_fd, has_events, on_done, process_events, remove_callback,
};
pub(crate) use completion_set::{set_add, set_fd, set_free, set_new, set_next, set_next_many};
pub(crate) use future::{
    CancelMode, FutureState, WaitMode, cancel, collect, duration, failure, failure_data,
    find_future, future_free, future_id, future_pool, future_state, future_tag,
    is_cancel_requested, progress, result, wait, wait_many,
};
pub(crate) use handles::{BufferHandle, FutureHandle, MapHandle, PoolHandle, SetHandle};
pub(crate) use inspect::{
    Stats, WorkerActivity, WorkerState, available_cpus, cancelled_count, cancelled_task, counts,
    idle_time_of, info_json, limits_of, size_of, state_bits, stats, user_data_of, workers,
};
pub(crate) use map::chunks::OnError;
pub(crate) use map::lazy::{Source, map_cancel, map_error, map_free, map_next, map_start};
pub(crate) use map::zip::{Column, zip};
pub(crate) use map::{Arrays, MapOptions, ResultOrder, map, map_async, submit_chunk};
pub(crate) use promise::{new_promise, reject, resolve};
pub(crate) use registry::count_live;
pub(crate) use resize::{
    grow, pause, resize, restart, resume, set_idle_time, set_limits, shrink, spawn_workers,
    wait_ready,
};
pub(crate) use selftest::test;
pub(crate) use shutdown::{
    add_exit_handler, check, close, free, join, remove_exit_handler, request_stop, shutdown,
    shutdown_all, terminate, wait_idle,
};
pub(crate) use submit::{
    Args, Gate, OnTimeoutOf, SubmitCallbacks, SubmitOptions, TaskItems, TaskSpec, cancel_pending,
    run, submit, submit_detached, submit_many, submit_plain, submit_with_callbacks,
};

use crate::board::parent::slots::{Ownership, SlotKey, SlotTable};
use crate::board::record::TaskCall;
use crate::board::{Region, feature};
use crate::error::{Error, Result, Status};
use crate::handle_table::Reserved;
use crate::state::PoolState;
use crate::state::commands::CommandReceiver;
use crate::state::isolated::IsolatedBoards;
use crate::supervisor::Supervisor;
use crate::sync::{Mutex, Scope};
use crate::worker::config::{ProcessConfig, StartMethod, WorkerConfig};
use crate::worker::spawn::{self, ForkServerProcess};
use crate::{clock, worker};
use background::BackgroundThreads;
use callbacks::Completions;
use executor::{Executor, InlineWorkers};
use functions::FunctionTable;
use std::any::Any;
use std::sync::Arc;

pub(crate) struct Pool {
    state: Arc<PoolState>,
    executor: Executor,
    functions: FunctionTable,
    completions: Completions,
    background: BackgroundThreads,
    /// The slots of the initializer and the finalizer.
    hooks: Vec<SlotKey>,
    /// What the caller keeps with the pool until it is freed.
    user_data: Mutex<Option<UserData>>,
    /// Of its entry in the table of pools.
    index: u16,
}

pub(crate) type UserData = Arc<dyn Any + Send + Sync>;

/// The seats of an inline pool that have room for large results: for threads that run tasks at the
/// same time. Others have little, and their large results are in memory of their own.
const INLINE_SEATS: u32 = 8;

/// How deep pools of processes may be nested.
const DEPTH_MAX: u32 = 8;

/// Makes a pool.
pub(crate) fn open(config: Config, user_data: UserData) -> Result<PoolHandle> {
    if worker::child::entered_main() {
        let words = "this process was started as a worker, and is none yet: a constructor cannot make a pool in it, and a main that is reached must begin with pool_worker_main";
        return Err(Error::new(Status::POOL_ERR_STATE, words));
    }
    if matches!(config.kind, PoolKind::Processes(_)) && worker::child::depth() >= DEPTH_MAX {
        let words = format!("pools of processes are nested more than {DEPTH_MAX} deep");
        return Err(Error::new(Status::POOL_ERR_STATE, words));
    }
    if matches!(config.kind, PoolKind::Processes(_)) && worker::resolve::is_opening_in_worker() {
        let words = "this worker process is opening a module, and a constructor cannot make a pool of processes in it, whose workers would do the same";
        return Err(Error::new(Status::POOL_ERR_STATE, words));
    }
    if let PoolKind::Processes(process_config) = &config.kind {
        spawn::check_identity(process_config)?;
    }
    shutdown::register_exit_handler();
    let config = Arc::new(config);
    match config.kind {
        PoolKind::Inline => open_as(config, INLINE_SEATS, user_data, |_| {
            Ok(Executor::Inline(InlineWorkers::default()))
        }),
        PoolKind::Threads | PoolKind::Processes(_) => {
            let seats = config.workers_max;
            open_as(config, seats, user_data, |ExecutorParts { state, commands, caller_copy }| {
                let thread = Supervisor::start(state, commands, caller_copy)?;
                Ok(Executor::Supervised(Mutex::new(Some(thread))))
            })
        }
    }
}

/// What an executor is made from.
struct ExecutorParts {
    state: Arc<PoolState>,
    commands: CommandReceiver,
    caller_copy: Option<ForkServerProcess>,
}

fn open_as(
    config: Arc<Config>,
    seats: u32,
    user_data: UserData,
    start: impl FnOnce(ExecutorParts) -> Result<Executor>,
) -> Result<PoolHandle> {
    clock::start();
    let reserved = registry::reserve()?;
    let NewState { state, commands, functions, hooks } = make_state(config, seats, &reserved)?;
    let caller_copy = fork_caller_for(&state)?;
    if !state.config.observers.is_empty() {
        state.callbacks.prepare()?;
    }
    let executor = start(ExecutorParts { state: state.clone(), commands, caller_copy })?;
    let pool = Pool {
        state,
        executor,
        functions,
        completions: Completions::default(),
        background: BackgroundThreads::default(),
        hooks,
        user_data: Mutex::new(Some(user_data)),
        index: reserved.index,
    };
    Ok(registry::add(reserved, pool))
}

/// The state of a pool that has no executor yet.
struct NewState {
    state: Arc<PoolState>,
    commands: CommandReceiver,
    functions: FunctionTable,
    hooks: Vec<SlotKey>,
}

/// Makes the state. Apart from [`open_as`], so that its large values are off the stack when threads
/// are started: the caller's stack may be the smallest that there is (`PTHREAD_STACK_MIN`).
#[inline(never)]
fn make_state(config: Arc<Config>, seats: u32, reserved: &Reserved<Pool>) -> Result<NewState> {
    let (region, isolated) = make_region(&config, seats)?;
    region.board.set_idle_time(config.idle_ms);
    // A task of an inline pool is never queued.
    let is_inline = matches!(config.kind, PoolKind::Inline);
    let bound = if is_inline { 0 } else { config.max_pending };
    let bounded = if bound > 0 { feature::BOUNDED } else { 0 };
    let prefetches = if config.prefetches && !is_inline { feature::PREFETCH } else { 0 };
    region.board.set_features(bounded | prefetches);
    let (mut state, commands) = PoolState::new(config, region, bound, |region| {
        let entries = registry::entries(reserved.index);
        SlotTable::new(region, entries, registry::first_generation(reserved))
    })?;
    let functions = FunctionTable::default();
    let mut hooks = Vec::new();
    let worker_config = worker_config(&state, &functions, &mut hooks)?;
    match Arc::get_mut(&mut state) {
        Some(state) => (state.worker_config, state.isolated) = (worker_config, isolated),
        None => unreachable!("it was just made"),
    }
    Ok(NewState { state, commands, functions, hooks })
}

/// Apart from [`make_state`], as the values of both are large.
#[inline(never)]
fn make_region(config: &Config, seats: u32) -> Result<(Arc<Region>, IsolatedBoards)> {
    let is_isolated = config.kind.is_isolated();
    let scope = match config.kind {
        PoolKind::Processes(_) if !is_isolated => Scope::Shared,
        PoolKind::Processes(_) | PoolKind::Threads | PoolKind::Inline => Scope::Private,
    };
    let region = Arc::new(Region::create("carpool", seats as usize, scope)?);
    if !is_isolated {
        return Ok((region, IsolatedBoards::default()));
    }
    region.memory.keep_from_forks()?;
    // Where no worker can have a board, there is no pool.
    let isolated = IsolatedBoards::new(&region)?;
    Ok((region, isolated))
}

/// Forks a copy of the caller for workers to be forked from, if that is the start method. Called
/// before the pool has a thread.
fn fork_caller_for(state: &PoolState) -> Result<Option<ForkServerProcess>> {
    match &state.config.kind {
        PoolKind::Processes(process_config) if forks_caller(process_config) => {
            spawn::fork_caller(&state.config.name, process_config, &state.region).map(Some)
        }
        _ => Ok(None),
    }
}

fn forks_caller(process_config: &ProcessConfig) -> bool {
    matches!(process_config.start, StartMethod::Fork { .. })
}

/// Writes the initializer and the finalizer to slots that are never enqueued.
#[inline(never)] // Off the stack when threads are started, too.
fn worker_config(
    state: &PoolState,
    functions: &FunctionTable,
    hooks: &mut Vec<SlotKey>,
) -> Result<WorkerConfig> {
    let mut add = |hook: &Option<Arc<HookSpec>>| -> Result<Option<u32>> {
        let Some(HookSpec { callee, args }) = hook.as_deref() else { return Ok(None) };
        let function = functions.intern(state, callee.as_callee())?;
        let key = state.slots.allocate(&state.region, Ownership::Detached);
        let key = key.ok_or(Status::POOL_ERR_FULL)?;
        let call = TaskCall { function, is_chunk: false, priority: Priority::DEFAULT };
        submit::fill_hook(state, call, args, key)?;
        hooks.push(key);
        Ok(Some(key.slot))
    };
    let config = &state.config;
    Ok(WorkerConfig {
        min_workers: config.workers_min,
        tasks_max: config.tasks_max,
        initializer: add(&config.initializer)?,
        finalizer: add(&config.finalizer)?,
        memory_max: config.memory_max,
        soft_signal: config.soft_signal.map_or(0, |signal| signal.as_raw()),
        ..WorkerConfig::default()
    })
}

impl Pool {
    #[inline]
    fn region(&self) -> &Region {
        &self.state.region
    }

    /// The address of the pool's region, which identifies it.
    fn address(&self) -> usize {
        self.region().memory.start().addr()
    }
}
