//! Statistics, and all there is to tell of a pool.

use super::look::check_size;
use super::types::*;
use super::{boundary, bytes_mut};
use crate::error::{Error, Status};
use crate::pool::{self, PoolHandle, Stats};
use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

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
