//! Looking in: what a pool consists of and does at the moment.

use super::{OwnedCallee, Pool, PoolHandle, PoolKind, TimeLimits, UserData};
use crate::clock;
use crate::error::{Result, Status};
use crate::sync::Ordering::{*, Acquire};
use crate::state::pending::CancelledTask;
use crate::state::pool_flags;
use crate::state::workers::WorkerInfo;
use crate::worker::memory_limit::own_bytes;
use crate::worker::resolve;
use std::sync::Arc;
use super::json::Json;
use crate::board::slot::SeatIndex;
use crate::board::stats::StatsSum;
use crate::worker::config::StartMethod;

/// What can be counted.
#[derive(Default)]
pub(crate) struct PoolCounts {
    pub(crate) workers: u32,
    pub(crate) busy: u32,
    pub(crate) pending: u64,
}

/// All zero for a handle that is not valid.
pub(crate) fn counts(pool: PoolHandle) -> PoolCounts {
    let Ok(pool) = pool.pool() else { return PoolCounts::default() };
    let load = pool.state.slots.load(pool.region());
    PoolCounts { workers: pool.state.workers.load(Relaxed), busy: load.busy, pending: load.pending }
}

/// 0 for a handle that is not valid.
pub(crate) fn state_bits(pool: PoolHandle) -> u32 {
    pool.pool().map_or(0, |pool| pool.state.flags.load(Acquire) & pool_flags::PUBLIC)
}

/// The CPUs that this process may use: by its affinity and its cgroup's quota.
pub(crate) fn available_cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32)
}

/// A worker, and what it does.
pub(crate) struct WorkerActivity {
    pub(crate) seat: usize,
    pub(crate) info: WorkerInfo,
    /// Tasks that it has begun.
    pub(crate) claimed: u64,
    pub(crate) task: Option<RunningTask>,
    /// Memory of a worker process that is not shared with the board, as far as can be told.
    pub(crate) resident_bytes: u64,
}

/// What a worker does, by the C API's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkerState {
    Starting = 1,
    Idle = 2,
    Busy = 3,
    Stopping = 4,
}

impl WorkerActivity {
    pub(crate) fn doing(&self) -> WorkerState {
        match (self.info.is_ready, self.info.is_stopping, &self.task) {
            (_, true, _) => WorkerState::Stopping,
            // Perhaps it has not been heard yet that it is up.
            (_, _, Some(_)) => WorkerState::Busy,
            (false, ..) => WorkerState::Starting,
            (_, _, None) => WorkerState::Idle,
        }
    }

    /// How many tasks it has ended.
    pub(crate) fn tasks_done(&self) -> u64 {
        self.claimed.saturating_sub(u64::from(self.task.is_some()))
    }
}

/// What a worker runs.
pub(crate) struct RunningTask {
    pub(crate) id: u64,
    pub(crate) function: String,
    pub(crate) ns: u64,
}

/// The workers that there are.
pub(crate) fn workers(pool: PoolHandle) -> Result<Vec<WorkerActivity>> {
    let pool = pool.pool()?;
    Ok(pool
        .state
        .worker_table
        .present()
        .into_iter()
        .map(|(seat, info)| pool.activity(seat, info))
        .collect())
}

/// After how many milliseconds idle workers leave now.
pub(crate) fn idle_time_of(pool: PoolHandle) -> Result<i64> {
    Ok(pool.pool()?.region().board.idle_time())
}

/// The limits of tasks that bring none, now.
pub(crate) fn limits_of(pool: PoolHandle) -> Result<TimeLimits> {
    Ok(pool.pool()?.state.limits.usual())
}

/// How many workers there are to be at least and at most, now.
pub(crate) fn size_of(pool: PoolHandle) -> Result<(u32, u32)> {
    let state = &pool.pool()?.state;
    Ok((state.workers_min(), state.workers_max()))
}

/// What the caller has had kept with the pool.
pub(crate) fn user_data_of(pool: PoolHandle) -> Result<UserData> {
    let user_data = pool.pool()?.user_data.lock().clone();
    user_data.ok_or(Status::POOL_ERR_INVALID.into())
}

pub(crate) fn cancelled_count(pool: PoolHandle) -> usize {
    pool.pool().map_or(0, |pool| pool.state.cancelled.len())
}

/// A task that a stop or a break has cancelled, with its function as it was submitted.
pub(crate) fn cancelled_task(
    pool: PoolHandle,
    index: usize,
) -> Result<(CancelledTask, Arc<OwnedCallee>)> {
    let pool = pool.pool()?;
    let task = pool.state.cancelled.get(index).ok_or(Status::POOL_ERR_INVALID)?;
    let callee = pool.functions.callee(task.function).ok_or(Status::POOL_ERR_INVALID)?;
    Ok((task, callee))
}

impl Pool {
    fn activity(&self, seat: usize, info: WorkerInfo) -> WorkerActivity {
        let board = &self.region().board;
        let place = board.seats().at(seat);
        let claimed = place.claimed.load(Acquire);
        let is_busy = place.ended.load(Relaxed) < claimed;
        // Where it looked last: most likely its task.
        let slot = place.slot.load(Relaxed).checked_sub(1);
        let slot = slot.filter(|slot| is_busy && *slot < self.state.slots.used());
        let task = slot.map(|slot| {
            let record = board.slot(slot);
            let function = record.call().function;
            let function = self.region().functions.read(function, &self.region().memory);
            let ticks = clock::now().saturating_sub(place.started.load(Relaxed));
            RunningTask {
                id: record.id(),
                function: function.map_or_else(String::new, |it| resolve::describe(&it)),
                ns: clock::ns_of_ticks(ticks),
            }
        });
        let claimed = claimed.saturating_sub(info.claimed_before);
        let resident_bytes = resident_bytes(info.pid).unwrap_or(0);
        WorkerActivity { seat, info, claimed, task, resident_bytes }
    }
}

/// Pages that only the process itself has in memory: /proc/PID/statm, resident less shared.
fn resident_bytes(pid: i64) -> Option<u64> {
    if pid == 0 {
        return None;
    }
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    own_bytes(&text)
}

// MERGED pool.stats
// Statistics: what the tasks and workers of a pool have done; and all there is to tell of a pool, as
// JSON.
//
// To tell more, add a line to one of the functions below.

/// What tasks and workers have done.
pub(crate) struct Stats {
    pub(crate) submitted: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
    pub(crate) lost: u64,
    pub(crate) retried: u64,
    pub(crate) soft_limits: u64,
    pub(crate) hard_limits: u64,
    pub(crate) workers_started: u64,
    pub(crate) workers_lost: u64,
    /// What workers have counted; of `completed` and `failed` it is a part.
    pub(crate) sums: StatsSum,
}

pub(crate) fn stats(pool: PoolHandle) -> Result<Stats> {
    Ok(pool.pool()?.stats())
}

impl Pool {
    fn stats(&self) -> Stats {
        let (state, counters) = (&self.state, &self.state.counters);
        let mut sums = StatsSum::default();
        for seat in 0..state.slots.seats_used() {
            self.region().worker_stats(SeatIndex(seat)).add_to(&mut sums);
        }
        Stats {
            completed: sums.completed,
            failed: sums.failed.wrapping_add(counters.failed.get()),
            cancelled: counters.cancelled.get(),
            lost: counters.lost.get(),
            retried: counters.retried.get(),
            soft_limits: counters.soft_limits.get(),
            hard_limits: counters.hard_limits.get(),
            workers_started: state.worker_table.started_total(),
            workers_lost: counters.workers_lost.get(),
            // Last: so there is none that has ended and was not submitted.
            submitted: state.slots.tails.count().saturating_sub(counters.repeated.get()),
            sums,
        }
    }

    fn tell_settings(&self, json: &mut Json) {
        let (config, limits) = (&self.config, self.state.limits.usual());
        let is_some = |number: u64| Some(number).filter(|number| *number > 0);
        let (kind, start) = match &self.state.kind {
            PoolKind::Threads => ("thread", None),
            PoolKind::Inline => ("inline", None),
            PoolKind::Processes(process_config) => ("process", Some(name_of(process_config.start))),
        };
        json.map("implementation", |json| {
            json.text("name", env!("CARGO_PKG_NAME"));
            json.text("version", env!("CARGO_PKG_VERSION"));
        });
        json.text("kind", kind);
        json.text_if("start_method", start);
        json.text("name", &self.state.name);
        json.number("max_concurrency", self.state.workers_max().into());
        json.number("min_workers", self.state.workers_min().into());
        json.number_if("max_tasks_per_worker", is_some(config.tasks_max));
        json.number_if("max_memory_per_worker", is_some(config.memory_max));
        json.yes_or_no("put_guarded_by_semaphore", config.max_pending > 0);
        json.number_if("max_pending", is_some(config.max_pending));
        json.number("retries", self.state.plan.retries.into());
        json.map("timeouts", |json| {
            json.number_if("soft_ms", limits.soft_ms);
            json.number_if("hard_ms", limits.hard_ms);
        });
    }

    fn tell_present(&self, json: &mut Json, workers: &[WorkerActivity]) {
        let load = self.state.slots.load(self.region());
        let bits = self.state.flags.load(Acquire) & pool_flags::PUBLIC;
        let pids = workers.iter().map(|worker| worker.info.pid).filter(|pid| *pid != 0);
        json.number("num_processes", workers.len() as u64);
        json.numbers("processes", &mut pids.map(|pid| pid as u64));
        json.list("workers", |json| {
            workers.iter().for_each(|worker| json.map("", |json| tell_worker(json, worker)));
        });
        json.number("pending", load.pending);
        json.number("busy", load.busy.into());
        json.map("state", |json| {
            json.number("bits", bits.into());
            json.yes_or_no("closed", bits & pool_flags::CLOSED != 0);
            json.yes_or_no("broken", bits & pool_flags::BROKEN != 0);
            json.yes_or_no("terminated", bits & pool_flags::TERMINATED != 0);
            json.yes_or_no("joining", bits & pool_flags::JOINING != 0);
        });
    }

    /// How many tasks each place has been given.
    fn tell_writes(&self, json: &mut Json) {
        let seats = self.state.slots.seats_used();
        let all: Vec<u64> = (0..seats).map(|seat| self.state.claimed(SeatIndex(seat))).collect();
        let total = all.iter().fold(0_u64, |sum, claimed| sum.wrapping_add(*claimed));
        json.number("total", total);
        json.quotient("avg", total, all.len() as u32);
        json.numbers("all", &mut all.into_iter());
    }
}

/// All there is to tell, as JSON.
pub(crate) fn info_json(pool: PoolHandle) -> Result<String> {
    let workers = super::workers(pool)?;
    let pool = pool.pool()?;
    Ok(Json::of_map(|json| {
        pool.tell_settings(json);
        pool.tell_present(json, &workers);
        json.map("writes", |json| pool.tell_writes(json));
        json.map("stats", |json| tell_stats(json, &pool.stats()));
    }))
}

fn name_of(start: StartMethod) -> &'static str {
    match start {
        StartMethod::Spawn => "spawn",
        StartMethod::Forkserver => "forkserver",
        StartMethod::Fork { .. } => "fork",
    }
}

fn tell_worker(json: &mut Json, worker: &WorkerActivity) {
    let WorkerActivity { seat, info, task, resident_bytes, .. } = worker;
    let state = match worker.doing() {
        WorkerState::Starting => "starting",
        WorkerState::Idle => "idle",
        WorkerState::Busy => "busy",
        WorkerState::Stopping => "stopping",
    };
    let task = task.as_ref();
    json.number("index", *seat as u64);
    json.number("id", info.number);
    json.signed("pid", info.pid);
    json.text("state", state);
    json.number_if("task_id", task.map(|task| task.id));
    json.text_if("function", task.map(|task| task.function.as_str()));
    json.number_if("running_ms", task.map(|task| task.ns / 1_000_000));
    json.number("tasks_done", worker.tasks_done());
    json.number("restarts", info.restarts);
    json.number("resident_bytes", *resident_bytes);
}

fn tell_stats(json: &mut Json, stats: &Stats) {
    let Stats { sums, .. } = stats;
    json.number("tasks_submitted", stats.submitted);
    json.number("tasks_completed", stats.completed);
    json.number("tasks_failed", stats.failed);
    json.number("tasks_cancelled", stats.cancelled);
    json.number("tasks_lost", stats.lost);
    json.number("tasks_retried", stats.retried);
    json.number("soft_limits", stats.soft_limits);
    json.number("hard_limits", stats.hard_limits);
    json.number("workers_started", stats.workers_started);
    json.number("workers_lost", stats.workers_lost);
    json.number("args_bytes", sums.args_bytes);
    json.number("result_bytes", sums.result_bytes);
    json.number("queue_total_ns", sums.queue_total_ns);
    json.number("run_total_ns", sums.run_total_ns);
    json.numbers("queue_ns", &mut sums.queue_ns.into_iter());
    json.numbers("run_ns", &mut sums.run_ns.into_iter());
}
