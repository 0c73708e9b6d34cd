//! Introspection: counts, states, workers, options, statistics, the tasks that were cancelled.

use super::enums::CEnum;
use super::snapshot::{Snapshot, function_of_callee};
use super::structs::*;
use super::types::*;
use super::{boundary, bytes_mut, copy_text, invalid, required};
use crate::error::{Error, Result, Status};
use crate::pool::{self, Stats, WorkerActivity};
use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

/// How many workers there are; 0 for a handle that is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_count_workers(pool: *const pool_t) -> u32 {
    pool::counts(pool.into()).workers
}

/// How many workers run a task; 0 for a handle that is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_count_busy_workers(pool: *const pool_t) -> u32 {
    pool::counts(pool.into()).busy
}

/// How many workers run no task; 0 for a handle that is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_count_free_workers(pool: *const pool_t) -> u32 {
    let counts = pool::counts(pool.into());
    counts.workers.saturating_sub(counts.busy)
}

/// How many tasks wait for a worker; 0 for a handle that is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_count_pending_tasks(pool: *const pool_t) -> u64 {
    pool::counts(pool.into()).pending
}

/// The pool's state, bits of enum pool_state_bit; 0: open, or not a valid handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_state(pool: *const pool_t) -> u32 {
    pool::state_bits(pool.into())
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
        let found = pool::workers(pool.into())?;
        count = found.len();
        if capacity == 0 {
            return Ok(());
        }
        // SAFETY: the header: NULL, or a struct that begins with its size.
        unsafe { check_size(workers) }?;
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
        state: activity.state().to_c(),
        task_id: task.as_ref().map_or(0, |task| task.id),
        function,
        running_ms: task.as_ref().map_or(0, |task| (task.ns / 1_000_000) as i64),
        tasks_done: activity.tasks_done(),
        restarts: info.restarts,
        resident_bytes: *resident_bytes,
        last_exit_reason: info.last_exit.reason.to_c(),
        last_exit_code: info.last_exit.exit_code(),
        last_signal: info.last_exit.signal(),
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
        // SAFETY: the header: NULL, or a struct that begins with its size.
        unsafe { check_size(options) }?;
        let snapshot = pool::user_data_of(pool.into())?;
        let snapshot = required(snapshot.downcast_ref::<Snapshot>())?;
        let idle_timeout_ms = pool::idle_time_of(pool.into())?;
        let limits = pool::limits_of(pool.into())?;
        let limit = |ms: Option<u64>| ms.map_or(POOL_FOREVER, |ms| ms as i64);
        let (min_workers, max_workers) = pool::size_of(pool.into())?;
        let mut copy = *snapshot.options();
        copy.idle_timeout_ms = idle_timeout_ms;
        copy.soft_limit_ms = limit(limits.soft_ms);
        copy.hard_limit_ms = limit(limits.hard_ms);
        (copy.min_workers, copy.max_workers) = (min_workers, max_workers);
        // SAFETY: the header: room for the struct, whose size was checked.
        unsafe { options.write(copy) };
        Ok(())
    })
}

/// How many tasks were cancelled because the pool was shut down or broken, those not counted that
/// were cancelled one by one; 0 for a handle that is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_cancelled_count(pool: *const pool_t) -> usize {
    pool::cancelled_count(pool.into())
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
        // SAFETY: the header: NULL, or a struct that begins with its size.
        unsafe { check_size(task) }?;
        let (cancelled, callee) = pool::cancelled_task(pool.into(), i)?;
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
///
/// # Safety
/// The header: NULL, or a struct that begins with its size.
unsafe fn check_size<T>(given: *const T) -> Result<()> {
    if given.is_null() || !given.is_aligned() {
        return Err(Status::POOL_ERR_INVALID.into());
    }
    // SAFETY: the caller's promise.
    match unsafe { given.cast::<usize>().read() } {
        size if size == size_of::<T>() => Ok(()),
        0 => Err(invalid("struct_size is not set")),
        _ => Err(Status::POOL_ERR_VERSION.into()),
    }
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
        // SAFETY: the header: NULL, or a struct that begins with its size.
        unsafe { check_size(stats) }?;
        let found = stats_of(&pool::stats(pool.into())?);
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
        // SAFETY: the header: `capacity` bytes at `buf`.
        let buffer = unsafe { bytes_mut(buf.cast::<c_void>(), capacity) }?;
        if let Some(first) = buffer.first_mut() {
            *first = 0;
        }
        let text = pool::info_json(pool.into())?;
        text_len = text.len();
        match buffer.get_mut(..=text.len()) {
            Some(buffer) => {
                buffer[..text.len()].copy_from_slice(text.as_bytes());
                buffer[text.len()] = 0;
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
