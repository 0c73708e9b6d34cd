//! Introspection: what a pool consists of, what it does at the moment, and what it has done.

use super::{OwnedCallee, Pool, PoolHandle, PoolKind, TimeLimits, UserData};
use crate::board::slot::SeatIndex;
use crate::board::stats::StatsSum;
use crate::clock;
use crate::error::{Result, Status};
use crate::process;
use crate::state::cancelled::CancelledTask;
use crate::state::pool_flags;
use crate::state::workers::WorkerInfo;
use crate::sync::Ordering::*;
use crate::worker::config::StartMethod;
use crate::worker::memory_limit::own_bytes;
use serde_json::{Value, json};
use std::sync::Arc;

/// The numbers of workers and tasks.
#[derive(Default)]
pub(crate) struct PoolCounts {
    pub(crate) workers: u32,
    pub(crate) busy: u32,
    pub(crate) pending: u64,
}

/// All zero if the handle is not valid.
pub(crate) fn counts(pool: PoolHandle) -> PoolCounts {
    let Ok(pool) = pool.pool() else { return PoolCounts::default() };
    let load = pool.state.slots.load(pool.region());
    PoolCounts { workers: pool.state.workers.load(Relaxed), busy: load.busy, pending: load.pending }
}

/// 0 if the handle is not valid.
pub(crate) fn state_bits(pool: PoolHandle) -> u32 {
    pool.pool().map_or(0, |pool| pool.state.flags.load(Acquire) & pool_flags::PUBLIC)
}

/// The CPUs that this process may use: by its affinity and its cgroup's quota.
pub(crate) fn available_cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32)
}

/// A worker and its task.
pub(crate) struct WorkerActivity {
    pub(crate) seat: usize,
    pub(crate) info: WorkerInfo,
    /// How many tasks it has claimed.
    pub(crate) claimed: u64,
    pub(crate) task: Option<RunningTask>,
    /// The memory of a worker process without what it shares with others; 0: not known.
    pub(crate) resident_bytes: u64,
}

/// The state of a worker. `pool_worker_state_t` has the same values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkerState {
    Starting = 1,
    Idle = 2,
    Busy = 3,
    Stopping = 4,
}

impl WorkerActivity {
    pub(crate) fn state(&self) -> WorkerState {
        match (self.info.is_ready, self.info.is_stopping, &self.task) {
            (_, true, _) => WorkerState::Stopping,
            // Its message that it is ready may not have been received yet.
            (_, _, Some(_)) => WorkerState::Busy,
            (false, ..) => WorkerState::Starting,
            (_, _, None) => WorkerState::Idle,
        }
    }

    /// How many tasks it has finished.
    pub(crate) fn tasks_done(&self) -> u64 {
        self.claimed.saturating_sub(u64::from(self.task.is_some()))
    }
}

/// The task that a worker runs.
pub(crate) struct RunningTask {
    pub(crate) id: u64,
    pub(crate) function: String,
    pub(crate) ns: u64,
}

/// The workers there are.
pub(crate) fn workers(pool: PoolHandle) -> Result<Vec<WorkerActivity>> {
    let pool = pool.pool()?;
    Ok(pool
        .state
        .worker_table
        .list()
        .into_iter()
        .map(|(seat, info)| pool.activity(seat, info))
        .collect())
}

/// The current idle timeout in milliseconds.
pub(crate) fn idle_time_of(pool: PoolHandle) -> Result<i64> {
    Ok(pool.pool()?.region().board.idle_time())
}

/// The current limits of tasks that set none of their own.
pub(crate) fn limits_of(pool: PoolHandle) -> Result<TimeLimits> {
    Ok(pool.pool()?.state.limits.defaults())
}

/// The current minimum and maximum number of workers.
pub(crate) fn size_of(pool: PoolHandle) -> Result<(u32, u32)> {
    let state = &pool.pool()?.state;
    Ok((state.workers_min(), state.workers_max()))
}

/// What the caller keeps with the pool.
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
        let board_seat = board.seats().at(seat);
        let claimed = board_seat.claimed.load(Acquire);
        let is_busy = board_seat.ended.load(Relaxed) < claimed;
        // The slot it looked at last: most likely its task's.
        let slot = board_seat.slot.load(Relaxed).checked_sub(1);
        let slot = slot.filter(|slot| is_busy && *slot < self.state.slots.used());
        let task = slot.map(|slot| {
            let record = board.slot(slot);
            let function = record.call().function;
            let ticks = clock::now().saturating_sub(board_seat.started.load(Relaxed));
            RunningTask {
                id: record.id(),
                function: self.state.functions.describe(function).unwrap_or_default(),
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
    if pid == 0 || !process::has_own_proc() {
        return None;
    }
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    own_bytes(&text)
}

// ---- statistics -------------------------------------------------------------------------------------

/// What the tasks and workers of a pool have done.
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
    /// What workers have counted; part of `completed` and `failed`.
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
        let (failed, cancelled) = (counters.failed.get(), counters.cancelled.get());
        // Read last, so that no task is counted that has ended and was not submitted; in this order,
        // because a position is reserved before it is counted as a repeated one.
        let repeated = counters.repeated.get();
        let submitted = state.slots.tails.main().count().saturating_sub(repeated);
        Stats {
            completed: sums.completed,
            failed: sums.failed.wrapping_add(failed),
            cancelled,
            lost: counters.lost.get(),
            retried: counters.retried.get(),
            soft_limits: counters.soft_limits.get(),
            hard_limits: counters.hard_limits.get(),
            workers_started: state.worker_table.started_total(),
            workers_lost: counters.workers_lost.get(),
            submitted,
            sums,
        }
    }

    fn settings_json(&self) -> Value {
        let (config, limits) = (&self.state.config, self.state.limits.defaults());
        let nonzero = |number: u64| Some(number).filter(|number| *number > 0);
        let (kind, start) = match &config.kind {
            PoolKind::Threads => ("thread", None),
            PoolKind::Inline => ("inline", None),
            PoolKind::Processes(process_config) => ("process", Some(name_of(process_config.start))),
        };
        json!({
            "implementation": {
                "name": env!("CARGO_PKG_NAME"),
                "version": env!("CARGO_PKG_VERSION"),
            },
            "kind": kind,
            "start_method": start,
            "isolated": config.kind.is_isolated(),
            "name": config.name,
            "max_concurrency": self.state.workers_max(),
            "min_workers": self.state.workers_min(),
            "max_tasks_per_worker": nonzero(config.tasks_max),
            "max_memory_per_worker": nonzero(config.memory_max),
            "put_guarded_by_semaphore": config.max_pending > 0,
            "max_pending": nonzero(config.max_pending),
            "retries": config.retries,
            "timeouts": { "soft_ms": limits.soft_ms, "hard_ms": limits.hard_ms },
        })
    }

    fn activity_json(&self, workers: &[WorkerActivity]) -> Value {
        let load = self.state.slots.load(self.region());
        let bits = self.state.flags.load(Acquire) & pool_flags::PUBLIC;
        let pids = workers.iter().map(|worker| worker.info.pid).filter(|pid| *pid != 0);
        json!({
            "num_processes": workers.len(),
            "processes": pids.collect::<Vec<i64>>(),
            "workers": workers.iter().map(worker_json).collect::<Vec<Value>>(),
            "pending": load.pending,
            "waiting_submits": self.state.submit_queue.waiting(),
            "busy": load.busy,
            "state": {
                "bits": bits,
                "closed": bits & pool_flags::CLOSED != 0,
                "broken": bits & pool_flags::BROKEN != 0,
                "terminated": bits & pool_flags::TERMINATED != 0,
                "joining": bits & pool_flags::JOINING != 0,
                "paused": bits & pool_flags::PAUSED != 0,
            },
        })
    }

    /// How many tasks each seat has claimed.
    fn writes_json(&self) -> Value {
        let seats = self.state.slots.seats_used();
        let all: Vec<u64> = (0..seats).map(|seat| self.state.claimed(SeatIndex(seat))).collect();
        let total = all.iter().fold(0_u64, |sum, claimed| sum.wrapping_add(*claimed));
        let average = total as f64 / all.len().max(1) as f64;
        json!({ "total": total, "avg": (average * 1000.0).round() / 1000.0, "all": all })
    }
}

/// All there is to know about a pool, as JSON.
pub(crate) fn info_json(pool: PoolHandle) -> Result<String> {
    let workers = workers(pool)?;
    let pool = pool.pool()?;
    let parts = [
        pool.settings_json(),
        pool.activity_json(&workers),
        json!({ "writes": pool.writes_json(), "stats": stats_json(&pool.stats()) }),
    ];
    let objects = parts.into_iter().filter_map(|part| match part {
        Value::Object(object) => Some(object),
        _ => None,
    });
    Ok(Value::Object(objects.flatten().collect()).to_string())
}

fn name_of(start: StartMethod) -> &'static str {
    match start {
        StartMethod::Spawn => "spawn",
        StartMethod::Forkserver => "forkserver",
        StartMethod::Fork { .. } => "fork",
    }
}

fn worker_json(worker: &WorkerActivity) -> Value {
    let task = worker.task.as_ref();
    json!({
        "index": worker.seat,
        "id": worker.info.number,
        "pid": worker.info.pid,
        "state": match worker.state() {
            WorkerState::Starting => "starting",
            WorkerState::Idle => "idle",
            WorkerState::Busy => "busy",
            WorkerState::Stopping => "stopping",
        },
        "task_id": task.map(|task| task.id),
        "function": task.map(|task| task.function.as_str()),
        "running_ms": task.map(|task| task.ns / 1_000_000),
        "tasks_done": worker.tasks_done(),
        "restarts": worker.info.restarts,
        "resident_bytes": worker.resident_bytes,
    })
}

fn stats_json(stats: &Stats) -> Value {
    let Stats { sums, .. } = stats;
    json!({
        "tasks_submitted": stats.submitted,
        "tasks_completed": stats.completed,
        "tasks_failed": stats.failed,
        "tasks_cancelled": stats.cancelled,
        "tasks_lost": stats.lost,
        "tasks_retried": stats.retried,
        "soft_limits": stats.soft_limits,
        "hard_limits": stats.hard_limits,
        "workers_started": stats.workers_started,
        "workers_lost": stats.workers_lost,
        "args_bytes": sums.args_bytes,
        "result_bytes": sums.result_bytes,
        "queue_total_ns": sums.queue_total_ns,
        "run_total_ns": sums.run_total_ns,
        "queue_ns": sums.queue_ns.to_vec(),
        "run_ns": sums.run_ns.to_vec(),
    })
}
