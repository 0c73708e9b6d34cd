//! Looking in: counts, states, workers, options, the tasks that were cancelled.

use super::snapshot::{Snapshot, function_of_callee};
use super::structs::*;
use super::types::*;
use super::{boundary, bytes_mut, copy_text, required};
use crate::error::{Error, Result, Status};
use crate::pool;
use crate::pool::{PoolHandle, Stats, WorkerActivity};
use std::mem::MaybeUninit;
use std::ffi::{c_char, c_void};

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

// MERGED ffi.stats
// Statistics, and all there is to tell of a pool.

/// What the tasks and workers of a pool have done since pool_new. Set struct_size before. A chunk of a map
/// is one task.
///
/// When no task waits or runs, tasks_submitted is tasks_completed + tasks_failed + tasks_cancelled. While
/// some do, the numbers are not all of the same moment.
#[repr(C)]
#[allow(non_camel_case_types, reason = "this is the C name")]
#[allow(dead_code, reason = "C uses the fields")]
pub struct pool_stats_t {
    /// sizeof(pool_stats_t); POOL_STATS_INIT sets it.
    pub struct_size: usize,
    /// Tasks that were submitted.
    pub tasks_submitted: u64,
    /// Tasks whose function has returned 0.
    pub tasks_completed: u64,
    /// Tasks that have failed in any way.
    pub tasks_failed: u64,
    /// Tasks that were cancelled, before they ran or while they did.
    pub tasks_cancelled: u64,
    /// How often a task's worker was lost while it ran it. The task has failed, or was run again.
    pub tasks_lost: u64,
    /// How often a task was run again for that.
    pub tasks_retried: u64,
    /// How often a task has passed its soft limit.
    pub soft_limits: u64,
    /// How often a task was stopped by its hard limit.
    pub hard_limits: u64,
    /// Workers that were started.
    pub workers_started: u64,
    /// Workers that have crashed, left by exit, were killed by somebody else, or did not start.
    pub workers_lost: u64,
    /// The argument bytes of the tasks that a worker has ended.
    pub args_bytes: u64,
    /// The result bytes of the tasks that have completed.
    pub result_bytes: u64,
    /// How long the tasks that a worker has ended had waited, together.
    pub queue_total_ns: u64,
    /// How long they ran.
    pub run_total_ns: u64,
    /// How many of them had waited at least 2^i and less than 2^(i+1) nanoseconds; 0 is in entry 0.
    pub queue_ns: [u64; 64],
    /// How many of them ran so long.
    pub run_ns: [u64; 64],
}

fn ticket(pool: *const pool_t) -> PoolHandle {
    PoolHandle::from_raw(pool as u64)
}

/// What the tasks and workers of a pool have done: counters, and histograms of durations.
///
/// @param stats  filled in; struct_size must be set
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_VERSION: struct_size is not one that this library
///         knows; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_stats(
    pool: *const pool_t,
    stats: *mut pool_stats_t,
) -> pool_status_t {
    boundary(|| {
        check_size(stats.cast(), size_of::<pool_stats_t>())?;
        let found = stats_of(&pool::stats(ticket(pool))?);
        // SAFETY: the header: room for the struct, whose size was checked.
        unsafe { stats.write(found) };
        Ok(())
    })
}

fn stats_of(stats: &Stats) -> pool_stats_t {
    let Stats { sums, .. } = stats;
    pool_stats_t {
        struct_size: size_of::<pool_stats_t>(),
        tasks_submitted: stats.submitted,
        tasks_completed: stats.completed,
        tasks_failed: stats.failed,
        tasks_cancelled: stats.cancelled,
        tasks_lost: stats.lost,
        tasks_retried: stats.retried,
        soft_limits: stats.soft_limits,
        hard_limits: stats.hard_limits,
        workers_started: stats.workers_started,
        workers_lost: stats.workers_lost,
        args_bytes: sums.args_bytes,
        result_bytes: sums.result_bytes,
        queue_total_ns: sums.queue_total_ns,
        run_total_ns: sums.run_total_ns,
        queue_ns: sums.queue_ns,
        run_ns: sums.run_ns,
    }
}

/// All there is to tell of a pool, as a JSON object: its settings, its workers and what they run, its
/// state, how many tasks each place was given ("writes"), and its statistics.
///
/// @param buf       receives the text in UTF-8, and a NUL; may be NULL when capacity is 0
/// @param capacity  the bytes of buf
/// @param len       receives the length of the text without the NUL, also when it does not fit; may be
///                  NULL
/// @return POOL_OK; POOL_ERR_TOO_LARGE: capacity is not above len, and no more than a NUL was
///         written; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_info_json(
    pool: *const pool_t,
    buf: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> pool_status_t {
    let mut text_len = 0;
    let status = boundary(|| {
        let room = bytes_mut(buf.cast::<c_void>(), capacity)?;
        if let Some(first) = room.first_mut() {
            *first = 0;
        }
        let text = pool::info_json(ticket(pool))?;
        text_len = text.len();
        match room.get_mut(..=text.len()) {
            Some(room) => {
                room[..text.len()].copy_from_slice(text.as_bytes());
                room[text.len()] = 0;
                Ok(())
            }
            None => Err(Error::new(Status::POOL_ERR_TOO_LARGE, "the text does not fit")),
        }
    });
    if let Some(len) = len {
        len.write(text_len);
    }
    status
}
