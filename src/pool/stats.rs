//! Statistics: what the tasks and workers of a pool have done; and all there is to tell of a pool, as
//! JSON.
//!
//! To tell more, add a line to one of the maps below.

use super::json::Json;
use super::look::{Activity, Doing};
use super::{Kind, Pool, PoolTicket};
use crate::board::slot::SeatIndex;
use crate::board::tally::Sums;
use crate::error::Result;
use crate::sync::Ordering::Acquire;
use crate::watch::site::gate;
use crate::worker::start::Start;

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
    pub(crate) sums: Sums,
}

pub(crate) fn stats(pool: PoolTicket) -> Result<Stats> {
    Ok(pool.pool()?.stats())
}

impl Pool {
    fn stats(&self) -> Stats {
        let (site, totals) = (&self.site, &self.site.totals);
        let mut sums = Sums::default();
        for seat in 0..site.ledger.seats_used() {
            self.region().tally(SeatIndex(seat)).add_to(&mut sums);
        }
        Stats {
            completed: sums.completed,
            failed: sums.failed.wrapping_add(totals.failed.get()),
            cancelled: totals.cancelled.get(),
            lost: totals.lost.get(),
            retried: totals.retried.get(),
            soft_limits: totals.soft_limits.get(),
            hard_limits: totals.hard_limits.get(),
            workers_started: site.staff.hired(),
            workers_lost: totals.workers_lost.get(),
            // Last: so there is none that has ended and was not submitted.
            submitted: site.ledger.tail.count().saturating_sub(totals.repeated.get()),
            sums,
        }
    }

    fn settings(&self) -> Vec<(&'static str, Json)> {
        let (config, limits) = (&self.config, self.site.limiter.usual());
        let is_some = |number: u64| Some(number).filter(|number| *number > 0);
        let (kind, start) = match &self.site.kind {
            Kind::Threads => ("thread", None),
            Kind::Inline => ("inline", None),
            Kind::Processes(recipe) => ("process", Some(name_of(recipe.start))),
        };
        let (least, most) = (self.site.workers_min(), self.site.workers_max());
        vec![
            (
                "implementation",
                Json::Map(vec![
                    ("name", env!("CARGO_PKG_NAME").into()),
                    ("version", env!("CARGO_PKG_VERSION").into()),
                ]),
            ),
            ("kind", kind.into()),
            ("start_method", start.into()),
            ("name", self.site.name.as_str().into()),
            ("max_concurrency", most.into()),
            ("min_workers", least.into()),
            ("max_tasks_per_worker", is_some(config.tasks_max).into()),
            ("max_memory_per_worker", is_some(config.memory_max).into()),
            ("put_guarded_by_semaphore", (config.max_pending > 0).into()),
            ("max_pending", is_some(config.max_pending).into()),
            ("retries", self.site.plan.retries.into()),
            (
                "timeouts",
                Json::Map(vec![
                    ("soft_ms", limits.soft_ms.into()),
                    ("hard_ms", limits.hard_ms.into()),
                ]),
            ),
        ]
    }

    fn present(&self, workers: &[Activity]) -> Vec<(&'static str, Json)> {
        let load = self.site.ledger.load(self.region());
        let bits = self.site.gate.load(Acquire) & gate::SHOWN;
        let pids = workers.iter().map(|worker| worker.member.pid).filter(|pid| *pid != 0);
        vec![
            ("num_processes", (workers.len() as u64).into()),
            ("processes", pids.collect()),
            ("workers", Json::List(workers.iter().map(worker_json).collect())),
            ("pending", load.pending.into()),
            ("busy", load.busy.into()),
            (
                "state",
                Json::Map(vec![
                    ("bits", bits.into()),
                    ("closed", (bits & gate::CLOSED != 0).into()),
                    ("broken", (bits & gate::BROKEN != 0).into()),
                    ("terminated", (bits & gate::TERMINATED != 0).into()),
                    ("joining", (bits & gate::JOINING != 0).into()),
                ]),
            ),
        ]
    }

    /// How many tasks each place has been given.
    fn writes(&self) -> Json {
        let seats = self.site.ledger.seats_used();
        let all: Vec<u64> = (0..seats).map(|seat| self.site.claimed(SeatIndex(seat))).collect();
        let total = all.iter().fold(0_u64, |sum, claimed| sum.wrapping_add(*claimed));
        let average = if all.is_empty() { 0.0 } else { total as f64 / all.len() as f64 };
        Json::Map(vec![
            ("total", total.into()),
            ("avg", Json::Fraction(average)),
            ("all", all.into_iter().collect()),
        ])
    }
}

/// All there is to tell, as JSON.
pub(crate) fn info_json(pool: PoolTicket) -> Result<String> {
    let workers = super::workers(pool)?;
    let pool = pool.pool()?;
    let mut entries = pool.settings();
    entries.extend(pool.present(&workers));
    entries.push(("writes", pool.writes()));
    entries.push(("stats", stats_json(&pool.stats())));
    Ok(Json::Map(entries).to_string())
}

fn name_of(start: Start) -> &'static str {
    match start {
        Start::Spawn => "spawn",
        Start::Forkserver => "forkserver",
        Start::Fork { .. } => "fork",
    }
}

fn worker_json(worker: &Activity) -> Json {
    let Activity { seat, member, task, resident_bytes, .. } = worker;
    let state = match worker.doing() {
        Doing::Starting => "starting",
        Doing::Idle => "idle",
        Doing::Busy => "busy",
        Doing::Stopping => "stopping",
    };
    let task = task.as_ref();
    Json::Map(vec![
        ("index", (*seat as u64).into()),
        ("id", member.number.into()),
        ("pid", member.pid.into()),
        ("state", state.into()),
        ("task_id", task.map(|task| task.id).into()),
        ("function", task.map(|task| task.function.as_str()).into()),
        ("running_ms", task.map(|task| task.ns / 1_000_000).into()),
        ("tasks_done", worker.tasks_done().into()),
        ("restarts", member.restarts.into()),
        ("resident_bytes", (*resident_bytes).into()),
    ])
}

fn stats_json(stats: &Stats) -> Json {
    let Stats { sums, .. } = stats;
    Json::Map(vec![
        ("tasks_submitted", stats.submitted.into()),
        ("tasks_completed", stats.completed.into()),
        ("tasks_failed", stats.failed.into()),
        ("tasks_cancelled", stats.cancelled.into()),
        ("tasks_lost", stats.lost.into()),
        ("tasks_retried", stats.retried.into()),
        ("soft_limits", stats.soft_limits.into()),
        ("hard_limits", stats.hard_limits.into()),
        ("workers_started", stats.workers_started.into()),
        ("workers_lost", stats.workers_lost.into()),
        ("args_bytes", sums.args_bytes.into()),
        ("result_bytes", sums.result_bytes.into()),
        ("queue_total_ns", sums.queue_total_ns.into()),
        ("run_total_ns", sums.run_total_ns.into()),
        ("queue_ns", sums.queue_ns.into_iter().collect()),
        ("run_ns", sums.run_ns.into_iter().collect()),
    ])
}
