//! Looking in: what a pool consists of and does at the moment.

use super::{OwnedCallee, Pool, PoolHandle, TimeLimits, UserData};
use crate::clock;
use crate::error::{Result, Status};
use crate::sync::Ordering::*;
use crate::watch::cancelled::CancelledTask;
use crate::watch::state::pool_flags;
use crate::watch::worker_table::WorkerInfo;
use crate::worker::memory_limit::own_bytes;
use crate::worker::resolve;
use std::sync::{Arc, PoisonError};

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
    let user_data = pool.pool()?.user_data.lock().unwrap_or_else(PoisonError::into_inner).clone();
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
