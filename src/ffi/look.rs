//! Looking in: counts, states, workers, options, the tasks that were cancelled.

use super::snapshot::{Snapshot, function_of_callee};
use super::structs::*;
use super::types::*;
use super::{boundary, copy_text, required};
use crate::error::{Error, Result, Status};
use crate::pool::{self, PoolHandle, WorkerActivity};
use std::mem::MaybeUninit;

fn ticket(pool: *const pool_t) -> PoolHandle {
    PoolHandle::from_raw(pool as u64)
}

/// How many workers there are; 0 for a handle that is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_count_workers(pool: *const pool_t) -> u32 {
    pool::counts(ticket(pool)).workers
}

/// How many workers run a task; 0 for a handle that is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_count_busy_workers(pool: *const pool_t) -> u32 {
    pool::counts(ticket(pool)).busy
}

/// How many workers run no task; 0 for a handle that is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_count_free_workers(pool: *const pool_t) -> u32 {
    let counts = pool::counts(ticket(pool));
    counts.workers.saturating_sub(counts.busy)
}

/// How many tasks wait for a worker; 0 for a handle that is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_count_pending_tasks(pool: *const pool_t) -> u64 {
    pool::counts(ticket(pool)).pending
}

/// The pool's state, bits of enum pool_state_bit; 0: open, or not a valid handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_state(pool: *const pool_t) -> u32 {
    pool::state_bits(ticket(pool))
}

/// The workers that there are, by their places.
///
/// @param workers   room for capacity of them, the first with its struct_size set; may be NULL when
///                  capacity is 0
/// @param capacity  how many there is room for
/// @param n         receives how many workers there are, also when they are more; may be NULL
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_VERSION: struct_size is not one that this library
///         knows; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_workers(
    pool: *const pool_t,
    workers: *mut pool_worker_info_t,
    capacity: usize,
    n: Option<&mut MaybeUninit<usize>>,
) -> pool_status_t {
    let mut count = 0;
    let status = boundary(|| {
        let found = pool::workers(ticket(pool))?;
        count = found.len();
        if capacity == 0 {
            return Ok(());
        }
        check_size(workers.cast(), size_of::<pool_worker_info_t>())?;
        for (index, activity) in found.iter().take(capacity).enumerate() {
            // SAFETY: the header: room for `capacity` of them.
            unsafe { workers.wrapping_add(index).write(info_of(activity)) };
        }
        Ok(())
    });
    if let Some(n) = n {
        n.write(count);
    }
    status
}

fn info_of(activity: &WorkerActivity) -> pool_worker_info_t {
    let WorkerActivity { seat, info, task, resident_bytes, .. } = activity;
    let mut function = [0; 64];
    if let Some(task) = task {
        copy_text(task.function.as_bytes(), &mut function);
    }
    pool_worker_info_t {
        struct_size: size_of::<pool_worker_info_t>(),
        index: *seat as u32,
        id: info.number,
        pid: info.pid,
        state: activity.doing() as i32,
        task_id: task.as_ref().map_or(0, |task| task.id),
        function,
        running_ms: task.as_ref().map_or(0, |task| (task.ns / 1_000_000) as i64),
        tasks_done: activity.tasks_done(),
        restarts: info.restarts,
        resident_bytes: *resident_bytes,
        last_gone: info.before.gone as i32,
        last_exit_code: info.before.exit_code,
        last_signal: info.before.signal,
    }
}

/// The options that hold: those that pool_new was given, with the defaults in place of zeros, and what
/// has been changed since, by pool_set_limits for example.
///
/// @param options  filled in; struct_size must be set. What it points to lives until pool_free
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_VERSION: struct_size is not one that this library
///         knows; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_get_options(
    pool: *const pool_t,
    options: *mut pool_options_t,
) -> pool_status_t {
    boundary(|| {
        check_size(options.cast(), size_of::<pool_options_t>())?;
        let kept = pool::user_data_of(ticket(pool))?;
        let snapshot = required(kept.downcast_ref::<Snapshot>())?;
        let idle_timeout_ms = pool::idle_time_of(ticket(pool))?;
        let limits = pool::limits_of(ticket(pool))?;
        let limit = |ms: Option<u64>| ms.map_or(POOL_FOREVER, |ms| ms as i64);
        let (least, most) = pool::size_of(ticket(pool))?;
        // SAFETY: a struct of C types, without anything to be dropped.
        let mut copy = unsafe { std::ptr::read(snapshot.options()) };
        copy.idle_timeout_ms = idle_timeout_ms;
        copy.soft_limit_ms = limit(limits.soft_ms);
        copy.hard_limit_ms = limit(limits.hard_ms);
        (copy.min_workers, copy.max_workers) = (least, most);
        // SAFETY: the header: room for the struct, whose size was checked.
        unsafe { options.write(copy) };
        Ok(())
    })
}

/// How many tasks were cancelled because the pool was shut down or broken, those not counted that
/// were cancelled one by one; 0 for a handle that is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_cancelled_count(pool: *const pool_t) -> usize {
    pool::cancelled_count(ticket(pool))
}

/// One of the tasks that were cancelled because the pool was shut down or broken.
///
/// @param i     which: 0 to pool_cancelled_count - 1, in no particular order
/// @param task  filled in; struct_size must be set. What it points to lives until pool_free
/// @return POOL_OK; POOL_ERR_INVALID: also when there is no such task; POOL_ERR_VERSION: struct_size
///         is not one that this library knows; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_cancelled_task(
    pool: *const pool_t,
    i: usize,
    task: *mut pool_cancelled_t,
) -> pool_status_t {
    boundary(|| {
        check_size(task.cast(), size_of::<pool_cancelled_t>())?;
        let (cancelled, callee) = pool::cancelled_task(ticket(pool), i)?;
        let (args, len) = cancelled.args;
        let function = pool_function_t { args: args.cast(), len, ..function_of_callee(&callee) };
        let struct_size = size_of::<pool_cancelled_t>();
        let found =
            pool_cancelled_t { struct_size, id: cancelled.id, tag: cancelled.tag, task: function };
        // SAFETY: the header: room for the struct, whose size was checked.
        unsafe { task.write(found) };
        Ok(())
    })
}

/// Checks the size that a struct to be filled in begins with.
pub(super) fn check_size(given: *const usize, wanted: usize) -> Result<()> {
    if given.is_null() || !given.is_aligned() {
        return Err(Status::POOL_ERR_INVALID.into());
    }
    // SAFETY: the header: the struct begins with its size.
    match unsafe { given.read() } {
        size if size == wanted => Ok(()),
        0 => Err(Error::new(Status::POOL_ERR_INVALID, "struct_size is not set")),
        _ => Err(Status::POOL_ERR_VERSION.into()),
    }
}
