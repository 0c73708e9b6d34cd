//! Pools: made, given tasks, stopped, freed.
//!
//! The last room in which anything is decided: below it, the other side may be another process, or
//! dead. What happens to a task is in `submit`, `wait` and `future`; what happens to a pool in `stop` and
//! `exit`; what is built on tasks in `map` and `lazy`.

mod callbacks;
mod completion_set;
mod executor;
mod functions;
mod future;
mod handles;
mod inspect;
mod json;
mod map;
mod promise;
mod resize;
mod selftest;
mod shutdown;
mod submit;

pub(crate) use crate::board::priority::Priority;
pub(crate) use crate::board::parent::side_table::{TaskOptions, TimeLimit};
pub(crate) use crate::state::events::{Observers, WorkerEvent};
pub(crate) use crate::state::limits::TimeLimits;
pub(crate) use crate::state::config::{Callee, Config, HookSpec, OnLost, OwnedCallee, Plan, PoolKind, StepTimeouts, Tick, WORKERS_MAX};
pub(crate) use crate::state::{RestartMode, ShrinkMode, StopMode};
pub(crate) use crate::state::task_callbacks::{OnAccept, OnTimeout, TaskCallbacks};
pub(crate) use crate::worker::exec_context::{ExecContext, ResourceLimit};
pub(crate) use crate::worker::inherit_fds::InheritedFds;
pub(crate) use crate::worker::config::{ProcessConfig, StartMethod};
pub(crate) use crate::worker::spawn::own_environment;
pub(crate) use submit::{Args, OnTimeoutOf, SubmitCallbacks, SubmitOptions, TaskSpec, buffer_free, buffer_new, cancel_pending, run, submit, submit_detached, submit_plain, submit_with_callbacks};
pub(crate) use callbacks::{Callback, events_fd, has_events, on_done, process_events, remove_callback};
pub(crate) use map::chunks::OnError;
pub(crate) use completion_set::{set_add, set_fd, set_free, set_new, set_next};
pub(crate) use shutdown::{add_exit_handler, check, close, free, join, remove_exit_handler, request_stop, set_idle_time, set_limits, shutdown, shutdown_all, spawn_workers, terminate};
pub(crate) use future::{WaitMode, cancel, collect, duration, failure, future_free, future_id, future_pool, future_state, is_cancel_requested, progress, result, wait, wait_many};
pub(crate) use handles::{BufferHandle, FutureHandle, MapHandle, PoolHandle, SetHandle, count_live};
pub(crate) use inspect::{Stats, WorkerActivity, available_cpus, cancelled_count, cancelled_task, counts, idle_time_of, info_json, limits_of, size_of, state_bits, stats, user_data_of, workers};
pub(crate) use map::lazy::{Source, map_cancel, map_error, map_free, map_next, map_start};
pub(crate) use map::{Arrays, MapOptions, map, map_async, submit_chunk};
pub(crate) use promise::{new_promise, reject, resolve};
pub(crate) use resize::{grow, restart, shrink, wait_ready};
pub(crate) use selftest::test;
pub(crate) use map::zip::{Column, zip};
use crate::sync::{Mutex};
use crate::board::{Region, feature};
use crate::board::record::TaskCall;
use crate::board::parent::slots::{SlotKey, SlotTable};
use crate::{clock, worker};
use crate::error::{Error, Result, Status};
use crate::sync::Scope;
use crate::supervisor::Supervisor;
use crate::state::backpressure::SubmitQueue;
use crate::state::limits::LimitSettings;
use crate::state::PoolState;
use crate::worker::spawn;
use crate::worker::spawn::ForkServerProcess;
use crate::worker::config::WorkerConfig;
use map::background::BackgroundThreads;
use submit::Buffers;
use callbacks::Completions;
use functions::FunctionTable;
use executor::InlineWorkers;
use std::any::Any;
use std::sync::Arc;
use std::thread::JoinHandle;




pub(crate) struct Pool {
    state: Arc<PoolState>,
    functions: FunctionTable,
    buffers: Buffers,
    watch: Mutex<Option<JoinHandle<()>>>,
    notice: Completions,
    background: BackgroundThreads,
    /// Of an inline pool, where its tasks run.
    executor_slots: Option<InlineWorkers>,
    /// The slots of initializer and finalizer.
    hooks: Vec<SlotKey>,
    config: Config,
    /// What the caller wants kept until the pool is freed.
    user_data: Mutex<Option<UserData>>,
    cell: u16,
}

pub(crate) type UserData = Arc<dyn Any + Send + Sync>;

/// Process pools may be made in tasks of process pools; so deep.
const DEPTH_MAX: u32 = 8;

/// Makes a pool.
pub(crate) fn open(config: Config, user_data: UserData) -> Result<PoolHandle> {
    if worker::child::entered_main() {
        let words = "this process was started as a worker and ran into main: begin main with pool_worker_main";
        return Err(Error::new(Status::POOL_ERR_STATE, words));
    }
    if matches!(config.kind, PoolKind::Processes(_)) && worker::child::depth() >= DEPTH_MAX {
        let words = format!("pools of processes are nested more than {DEPTH_MAX} deep");
        return Err(Error::new(Status::POOL_ERR_STATE, words));
    }
    exit::prepare();
    clock::start();
    let reserved = handles::reserve()?;
    let (scope, seats) = match config.kind {
        PoolKind::Threads => (Scope::Private, config.plan.workers_max),
        PoolKind::Inline => (Scope::Private, WORKERS_MAX),
        PoolKind::Processes(_) => (Scope::Shared, config.plan.workers_max),
    };
    let region = Region::create("carpool", seats as usize, scope)?;
    region.board.set_idle_time(config.idle_ms);
    let slots = SlotTable::new(&region, handles::first_generation(&reserved))?;
    let (name, kind) = (config.name.clone(), config.kind.clone());
    let (mut state, commands) =
        PoolState::new(name, kind, config.plan, config.is_external, region, slots)?;
    let functions = FunctionTable::default();
    let mut hooks = Vec::new();
    if !matches!(config.kind, PoolKind::Inline) {
        let bounded = if config.max_pending > 0 { feature::BOUNDED } else { 0 };
        let batched = if config.is_batched { feature::PREFETCH } else { 0 };
        state.submit_queue = SubmitQueue::new(config.max_pending);
        state.region.board.set_features(bounded | batched);
    }
    state.limits = LimitSettings::new(config.limits);
    state.soft_signal = config.soft_signal;
    state.observers = config.observers.clone();
    state.worker_config = worker_config(&state, &functions, &config, &mut hooks)?;
    let state = Arc::new(state);
    let fork_server = caller_copy_for(&state)?;
    if state.has_observers() {
        state.callbacks.prepare()?;
    }
    let (watch, executor_slots) = match config.kind {
        PoolKind::Inline => (None, Some(InlineWorkers::default())),
        _ => (Some(Supervisor::start(state.clone(), commands, fork_server)?), None),
    };
    let pool = Pool {
        state,
        functions,
        buffers: Buffers::default(),
        watch: Mutex::new(watch),
        notice: Completions::default(),
        background: BackgroundThreads::default(),
        executor_slots,
        hooks,
        config,
        user_data: Mutex::new(Some(user_data)),
        cell: reserved.index,
    };
    Ok(handles::fill(reserved, pool))
}

/// A copy of the caller for workers to be forked from, where that is how they start. Made before the pool
/// has any thread.
fn caller_copy_for(state: &PoolState) -> Result<Option<ForkServerProcess>> {
    match &state.kind {
        PoolKind::Processes(process_config)
            if matches!(process_config.start, StartMethod::Fork { .. }) =>
        {
            template::fork_caller(&state.name, process_config, &state.region).map(Some)
        }
        _ => Ok(None),
    }
}

/// Enters the functions around a worker's life at the board, each in a slot that is never posted.
fn worker_config(
    state: &PoolState,
    functions: &FunctionTable,
    config: &Config,
    hooks: &mut Vec<SlotKey>,
) -> Result<WorkerConfig> {
    let mut enter = |hook: &Option<Arc<HookSpec>>| -> Result<Option<u32>> {
        let Some(HookSpec { callee, args }) = hook.as_deref() else { return Ok(None) };
        let function = functions.index(state, callee.as_callee())?;
        let key = state.slots.allocate(&state.region, false).ok_or(Status::POOL_ERR_FULL)?;
        let call = TaskCall { function, is_chunk: false, priority: Priority::DEFAULT };
        submit::fill_hook(state, call, args, key)?;
        hooks.push(key);
        Ok(Some(key.slot))
    };
    Ok(WorkerConfig {
        min_workers: config.plan.workers_min,
        tasks_max: config.tasks_max,
        initializer: enter(&config.initializer)?,
        finalizer: enter(&config.finalizer)?,
        depth: 0,
        memory_max: config.memory_max,
        exec_context_len: match &state.kind {
            PoolKind::Processes(process_config) => process_config.exec_context.len(),
            _ => 0,
        },
        scale: 0,
    })
}

impl Pool {
    #[inline]
    fn region(&self) -> &Region {
        &self.state.region
    }
}
