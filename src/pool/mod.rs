//! Pools: made, given tasks, stopped, freed.
//!
//! The last room in which anything is decided: below it, the other side may be another process, or
//! dead. What happens to a task is in `submit`, `wait` and `future`; what happens to a pool in `stop` and
//! `exit`; what is built on tasks in `map` and `lazy`.

mod aide;
mod buffer;
mod config;
mod drive;
mod exit;
mod future;
mod inline;
mod json;
mod lazy;
mod look;
mod map;
mod notice;
mod patience;
mod pieces;
mod present;
mod promise;
mod queue;
mod registry;
mod roll;
mod scale;
mod set;
mod spec;
mod stats;
mod stop;
mod submit;
mod trial;
mod wait;
mod zip;

pub(crate) use crate::board::notes::{TaskOptions, TimeLimit};
pub(crate) use crate::board::priority::Priority;
pub(crate) use crate::watch::heralds::{OnAccept, OnTimeout, TaskCallbacks};
pub(crate) use crate::watch::limits::TimeLimits;
pub(crate) use crate::watch::news::{Observers, WorkerEvent};
pub(crate) use crate::watch::site::{
    OnLost, Plan, PoolKind, RestartMode, ShrinkMode, StepTimeouts, StopMode,
};
pub(crate) use crate::worker::inherited::InheritedFds;
pub(crate) use crate::worker::start::{ProcessConfig, StartMethod, own_environment};
pub(crate) use crate::worker::surroundings::{ExecContext, ResourceLimit};
pub(crate) use buffer::{buffer_free, buffer_new};
pub(crate) use config::{Config, HookSpec, OwnedCallee, Tick, WORKERS_MAX};
pub(crate) use drive::{events_fd, has_events, process_events};
pub(crate) use exit::{add_exit_handler, remove_exit_handler, shutdown_all};
pub(crate) use future::{
    cancel, collect, duration, failure, future_free, future_id, future_pool, future_state,
    is_cancel_requested, progress, result,
};
pub(crate) use lazy::{Source, map_cancel, map_error, map_free, map_next, map_start};
pub(crate) use look::{
    WorkerActivity, available_cpus, cancelled_count, cancelled_task, counts, idle_time_of, kept_of,
    limits_of, size_of, state_bits, workers,
};
pub(crate) use map::{Arrays, MapOptions, map, map_async, submit_chunk};
pub(crate) use notice::{Callback, on_done, remove_callback};
pub(crate) use pieces::OnError;
pub(crate) use promise::{new_promise, reject, resolve};
pub(crate) use queue::cancel_pending;
pub(crate) use registry::{
    BufferHandle, FutureHandle, MapHandle, PoolHandle, SetHandle, count_live,
};
pub(crate) use scale::{grow, restart, shrink, wait_ready};
pub(crate) use set::{set_add, set_fd, set_free, set_new, set_next};
pub(crate) use spec::{Args, Callee, OnTimeoutOf, SubmitCallbacks, SubmitOptions, TaskSpec};
pub(crate) use stats::{Stats, info_json, stats};
pub(crate) use stop::{
    check, close, free, join, request_stop, set_idle_time, set_limits, shutdown, spawn_workers,
    terminate,
};
pub(crate) use submit::{run, submit, submit_and_tell, submit_detached, submit_plain};
pub(crate) use trial::test;
pub(crate) use wait::{WaitMode, wait, wait_many};
pub(crate) use zip::{Column, zip};

use crate::board::Region;
use crate::board::feature;
use crate::board::ledger::{SlotKey, SlotTable};
use crate::board::record::TaskCall;
use crate::clock;
use crate::error::{Error, Result, Status};
use crate::sync::Scope;
use crate::watch::Supervisor;
use crate::watch::limits::LimitSettings;
use crate::watch::line::SubmitQueue;
use crate::watch::site::PoolState;
use crate::worker::template::{self, ForkServerProcess};
use crate::worker::{self, WorkerConfig};
use aide::BackgroundThreads;
use buffer::Buffers;
use inline::InlineWorkers;
use notice::Completions;
use roll::FunctionTable;
use std::any::Any;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

pub(crate) struct Pool {
    site: Arc<PoolState>,
    roll: FunctionTable,
    buffers: Buffers,
    watch: Mutex<Option<JoinHandle<()>>>,
    notice: Completions,
    aides: BackgroundThreads,
    /// Of an inline pool, where its tasks run.
    desks: Option<InlineWorkers>,
    /// The slots of initializer and finalizer.
    hooks: Vec<SlotKey>,
    config: Config,
    /// What the caller wants kept until the pool is freed.
    kept: Mutex<Option<UserData>>,
    cell: u16,
}

pub(crate) type UserData = Arc<dyn Any + Send + Sync>;

/// Process pools may be made in tasks of process pools; so deep.
const DEPTH_MAX: u32 = 8;

/// Makes a pool.
pub(crate) fn open(config: Config, kept: UserData) -> Result<PoolHandle> {
    if worker::boot::has_missed_main() {
        let words = "this process was started as a worker and ran into main: begin main with pool_worker_main";
        return Err(Error::new(Status::POOL_ERR_STATE, words));
    }
    if matches!(config.kind, PoolKind::Processes(_)) && worker::boot::depth() >= DEPTH_MAX {
        let words = format!("pools of processes are nested more than {DEPTH_MAX} deep");
        return Err(Error::new(Status::POOL_ERR_STATE, words));
    }
    exit::prepare();
    clock::start();
    let reserved = registry::reserve()?;
    let (scope, seats) = match config.kind {
        PoolKind::Threads => (Scope::Private, config.plan.workers_max),
        PoolKind::Inline => (Scope::Private, WORKERS_MAX),
        PoolKind::Processes(_) => (Scope::Shared, config.plan.workers_max),
    };
    let region = Region::create("carpool", seats as usize, scope)?;
    region.board.set_idle_time(config.idle_ms);
    let slots = SlotTable::new(&region, registry::first_generation(&reserved))?;
    let (name, kind) = (config.name.clone(), config.kind.clone());
    let (mut site, inbox) =
        PoolState::new(name, kind, config.plan, config.is_external, region, slots)?;
    let roll = FunctionTable::default();
    let mut hooks = Vec::new();
    if !matches!(config.kind, PoolKind::Inline) {
        let bounded = if config.max_pending > 0 { feature::BOUNDED } else { 0 };
        let batched = if config.is_batched { feature::PREFETCH } else { 0 };
        site.line = SubmitQueue::new(config.max_pending);
        site.region.board.set_features(bounded | batched);
    }
    site.limiter = LimitSettings::new(config.limits);
    site.soft_signal = config.soft_signal;
    site.listeners = config.listeners.clone();
    site.terms = terms(&site, &roll, &config, &mut hooks)?;
    let site = Arc::new(site);
    let template = template_for(&site)?;
    if site.listens() {
        site.outbox.prepare()?;
    }
    let (watch, desks) = match config.kind {
        PoolKind::Inline => (None, Some(InlineWorkers::default())),
        _ => (Some(Supervisor::start(site.clone(), inbox, template)?), None),
    };
    let pool = Pool {
        site,
        roll,
        buffers: Buffers::default(),
        watch: Mutex::new(watch),
        notice: Completions::default(),
        aides: BackgroundThreads::default(),
        desks,
        hooks,
        config,
        kept: Mutex::new(Some(kept)),
        cell: reserved.cell,
    };
    Ok(registry::fill(reserved, pool))
}

/// A copy of the caller for workers to be forked from, where that is how they start. Made before the pool
/// has any thread.
fn template_for(site: &PoolState) -> Result<Option<ForkServerProcess>> {
    match &site.kind {
        PoolKind::Processes(recipe) if matches!(recipe.start, StartMethod::Fork { .. }) => {
            template::fork_caller(&site.name, recipe, &site.region).map(Some)
        }
        _ => Ok(None),
    }
}

/// Enters the functions around a worker's life at the board, each in a slot that is never posted.
fn terms(
    site: &PoolState,
    roll: &FunctionTable,
    config: &Config,
    hooks: &mut Vec<SlotKey>,
) -> Result<WorkerConfig> {
    let mut enter = |hook: &Option<Arc<HookSpec>>| -> Result<Option<u32>> {
        let Some(HookSpec { callee, args }) = hook.as_deref() else { return Ok(None) };
        let function = roll.index(site, callee.as_callee())?;
        let ticket = site.slots.allocate(&site.region, false).ok_or(Status::POOL_ERR_FULL)?;
        let call = TaskCall { function, is_chunk: false, priority: Priority::DEFAULT };
        submit::fill_hook(site, call, args, ticket)?;
        hooks.push(ticket);
        Ok(Some(ticket.slot))
    };
    Ok(WorkerConfig {
        keep: config.plan.workers_min,
        tasks_max: config.tasks_max,
        initializer: enter(&config.initializer)?,
        finalizer: enter(&config.finalizer)?,
        depth: 0,
        memory_max: config.memory_max,
        surroundings: match &site.kind {
            PoolKind::Processes(recipe) => recipe.surroundings.len(),
            _ => 0,
        },
        scale: 0,
    })
}

impl Pool {
    #[inline]
    fn region(&self) -> &Region {
        &self.site.region
    }
}
