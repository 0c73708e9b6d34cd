//! Introspection: counts, state, workers, options, statistics, and cancelled tasks.

use super::enums::CEnum;
use super::snapshot::{Snapshot, function_of_callee};
use super::structs::*;
use super::types::*;
use super::{boundary, bytes_mut, copy_text, invalid, required};
use crate::error::{Error, Result, Status};
use crate::pool::{self, Stats, WorkerActivity};
use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

/// Returns the number of workers; 0 if the handle is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_count_workers(pool: *const pool_t) -> u32 {
    pool::counts(pool.into()).workers
}

/// Returns the number of workers that are running a task; 0 if the handle is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_count_busy_workers(pool: *const pool_t) -> u32 {
    pool::counts(pool.into()).busy
}

/// Returns the number of workers that are not running a task; 0 if the handle is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_count_free_workers(pool: *const pool_t) -> u32 {
    let counts = pool::counts(pool.into());
    counts.workers.saturating_sub(counts.busy)
}

/// Returns the number of tasks that are waiting for a worker; 0 if the handle is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_count_pending_tasks(pool: *const pool_t) -> u64 {
    pool::counts(pool.into()).pending
}

/// Returns the state of the pool, bits of enum pool_state_bit; 0 if it is open or the handle is
/// invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_state(pool: *const pool_t) -> u32 {
    pool::state_bits(pool.into())
}

/// Returns information about the existing workers, in order of their indexes.
///
/// @param workers   array with room for capacity elements, the first with its struct_size set; may
///                  be NULL if capacity is 0
/// @param capacity  size of the array in elements
/// @param n         receives the number of workers, even if it exceeds capacity; may be NULL
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_VERSION if struct_size is unknown to this version;
///         POOL_ERR_WRONG_PROCESS
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

/// Returns the options in effect: those passed to pool_new, with zeros replaced by the defaults,
/// and including later changes, for example by pool_set_limits.
///
/// @param options  filled in; struct_size must be set. What it points to is valid until pool_free
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_VERSION if struct_size is unknown to this version;
///         POOL_ERR_WRONG_PROCESS
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

/// Returns the number of tasks that were cancelled because the pool was shut down or broken, not
/// counting those that were cancelled individually; 0 if the handle is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_cancelled_count(pool: *const pool_t) -> usize {
    pool::cancelled_count(pool.into())
}

/// Returns one of the tasks that were cancelled because the pool was shut down or broken.
///
/// @param i     index, 0 to pool_cancelled_count - 1, in no particular order
/// @param task  filled in; struct_size must be set. What it points to is valid until pool_free
/// @return POOL_OK; POOL_ERR_INVALID, also if there is no such task; POOL_ERR_VERSION if
///         struct_size is unknown to this version; POOL_ERR_WRONG_PROCESS
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

/// Returns statistics of the pool's tasks and workers: counters, and histograms of durations.
///
/// @param stats  filled in; struct_size must be set
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_VERSION if struct_size is unknown to this version;
///         POOL_ERR_WRONG_PROCESS
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

/// Returns a complete description of the pool as a JSON object: its settings, its workers and what
/// they are running, its state, the number of submits that are blocked because the queue is full
/// ("waiting_submits"), the number of tasks that each worker index has taken ("writes"), and its
/// statistics.
///
/// @param buf       receives the text in UTF-8, NUL-terminated; may be NULL if capacity is 0
/// @param capacity  size of buf in bytes
/// @param len       receives the length of the text without the NUL, even if it does not fit; may
///                  be NULL
/// @return POOL_OK; POOL_ERR_TOO_LARGE if capacity is not greater than len: only a NUL is written
///         then, if there is room for it; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
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
