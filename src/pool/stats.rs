//! Statistics: what the tasks and workers of a pool have done; and all there is to tell of a pool, as
//! JSON.
//!
//! To tell more, add a line to one of the functions below.

use super::inspect::{WorkerActivity, WorkerState};
use super::json::Json;
use super::{Pool, PoolHandle, PoolKind};
use crate::board::slot::SeatIndex;
use crate::board::stats::StatsSum;
use crate::error::Result;
use crate::sync::Ordering::Acquire;
use crate::watch::state::pool_flags;
use crate::worker::start::StartMethod;

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
