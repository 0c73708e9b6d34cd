//! `future_*`: waiting, results, errors, cancelling.

use super::structs::*;
use super::types::*;
use super::{boundary, give, required, status_of, write_error};
use crate::pool::{self, FutureHandle, WaitMode};
use std::ffi::c_void;
use std::mem::MaybeUninit;

fn ticket(future: *const future_t) -> FutureHandle {
    FutureHandle::from_raw(future as u64)
}

/// Waits until the task is done in any way: completed, failed or cancelled.
///
/// @param timeout_ms  how long to wait, POOL_FOREVER, or 0: do not block
/// In a task of a thread pool, to wait for a task of the same pool that nobody has begun runs it, then
/// and there, on its own stack: so that always ends, also with one worker, unless thousands of such
/// waits stand one inside the other and the stack is too small for them.
///
/// @return POOL_OK: it is done; POOL_ERR_TIMEOUT; POOL_ERR_DEADLOCK: the task would wait for itself;
///         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_wait(future: *mut future_t, timeout_ms: i64) -> pool_status_t {
    boundary(|| pool::wait(ticket(future), timeout_ms))
}

/// The result of a completed task; may be asked again. Does not block, but for a result too large for
/// the pool's memory that is still on its way: it was sent before the task was done.
///
/// @param data  receives the bytes, not to be written to; they live as long as the future. Not NULL
///              after POOL_OK, also when there are none
/// @param len   receives how many; may be NULL
/// @return POOL_OK; POOL_ERR_NOT_DONE; POOL_ERR_CANCELLED; POOL_ERR_TERMINATED; POOL_ERR_TASK,
///         POOL_ERR_WORKER_LOST, POOL_ERR_FUNCTION, POOL_ERR_NOMEM, POOL_ERR_VERSION: the task
///         failed so, future_error has the words; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_result(
    future: *mut future_t,
    data: Option<&mut MaybeUninit<*const c_void>>,
    len: Option<&mut MaybeUninit<usize>>,
) -> pool_status_t {
    give_result(data, len, || pool::result(ticket(future)))
}

/// future_wait, then future_result.
///
/// @return as these two
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_collect(
    future: *mut future_t,
    timeout_ms: i64,
    data: Option<&mut MaybeUninit<*const c_void>>,
    len: Option<&mut MaybeUninit<usize>>,
) -> pool_status_t {
    give_result(data, len, || pool::collect(ticket(future), timeout_ms))
}

fn give_result(
    data: Option<&mut MaybeUninit<*const c_void>>,
    len: Option<&mut MaybeUninit<usize>>,
    find: impl FnOnce() -> crate::error::Result<(*const u8, usize)>,
) -> pool_status_t {
    let mut size = 0;
    let found = give(data, std::ptr::null(), || {
        let (address, bytes) = find()?;
        size = bytes;
        Ok(address.cast())
    });
    if let Some(len) = len {
        len.write(size);
    }
    status_of(&found)
}

/// What went wrong with the task, in numbers and words.
///
/// @param error  filled in; its status is POOL_OK when the task completed
/// @return POOL_OK: error is filled in; POOL_ERR_NOT_DONE; POOL_ERR_INVALID;
///         POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_error(
    future: *mut future_t,
    error: Option<&mut MaybeUninit<pool_error_t>>,
) -> pool_status_t {
    boundary(|| {
        let error = required(error)?;
        write_error(pool::failure(ticket(future))?, Some(error));
        Ok(())
    })
}

/// Where the task stands: one of enum future_state; 0 for a handle that is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_state(future: *const future_t) -> future_state_t {
    pool::future_state(ticket(future)).map_or(0, |state| state as future_state_t)
}

/// Whether the task is done in any way. False for a handle that is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_is_done(future: *const future_t) -> bool {
    pool::wait(ticket(future), 0).is_ok()
}

/// Cancels the task. At once, also while every worker is busy: afterwards it will never run. In a task
/// that runs already, pool_task_cancelled becomes true.
///
/// A task that runs in a worker process ends with it, if mode says so: the process and all that it has
/// started in its group get SIGTERM and, pool_options_t.kill_grace_ms later, SIGKILL. The future is
/// cancelled when the worker is gone; it completes if the function returns before. No other task is hit,
/// also when this one ends at the same moment. Another worker takes the place.
///
/// @param mode  POOL_CANCEL_QUEUED: only if it has not started; POOL_CANCEL_RUNNING: also while it runs
/// @return POOL_OK: it is cancelled, now or before, or its worker is being ended; POOL_ERR_STATE: too
///         late, it runs or is done; POOL_ERR_UNSUPPORTED: POOL_CANCEL_RUNNING, and a thread runs it, which
///         cannot be killed; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_cancel(
    future: *mut future_t,
    mode: pool_cancel_t,
) -> pool_status_t {
    boundary(|| {
        let is_also_running = super::call::is_also_running(mode)?;
        pool::cancel(ticket(future), is_also_running)
    })
}

/// Whether future_cancel was called, whatever it answered. False for a handle that is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_cancel_requested(future: *const future_t) -> bool {
    pool::is_cancel_requested(ticket(future)).unwrap_or(false)
}

/// The task's number in its pool, counted from 1; 0 for a handle that is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_id(future: *const future_t) -> u64 {
    pool::future_id(ticket(future)).unwrap_or(0)
}

/// The pool that the task was submitted to; NULL when that has been freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_pool(future: *const future_t) -> *mut pool_t {
    pool::future_pool(ticket(future))
        .map_or(std::ptr::null_mut(), |pool| pool.to_raw() as *mut pool_t)
}

/// How long the task waited for a worker, and how long it ran, each in nanoseconds of the monotonic
/// clock. Both are 0 until it is done; a task that never ran has only waited.
///
/// @param queued_ns   receives the first; may be NULL
/// @param running_ns  receives the second; may be NULL
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_duration(
    future: *const future_t,
    queued_ns: Option<&mut MaybeUninit<u64>>,
    running_ns: Option<&mut MaybeUninit<u64>>,
) -> pool_status_t {
    give_pair(queued_ns, running_ns, || pool::duration(ticket(future)))
}

/// How far the task said it was, by pool_task_progress; both are 0 when it has not said anything.
///
/// @param done   receives the first; may be NULL
/// @param total  receives the second; may be NULL
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_progress(
    future: *const future_t,
    done: Option<&mut MaybeUninit<u64>>,
    total: Option<&mut MaybeUninit<u64>>,
) -> pool_status_t {
    give_pair(done, total, || pool::progress(ticket(future)))
}

fn give_pair(
    first: Option<&mut MaybeUninit<u64>>,
    second: Option<&mut MaybeUninit<u64>>,
    find: impl FnOnce() -> crate::error::Result<(u64, u64)>,
) -> pool_status_t {
    let mut pair = (0, 0);
    let status = boundary(|| {
        pair = find()?;
        Ok(())
    });
    if let Some(first) = first {
        first.write(pair.0);
    }
    if let Some(second) = second {
        second.write(pair.1);
    }
    status
}

/// Frees the future. The task goes on, and its result is dropped. NULL is ignored, and so is a
/// future that was freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_free(future: *mut future_t) {
    boundary(|| pool::future_free(ticket(future)));
}

/// Waits for many futures, of one pool or of several, with one time for all.
///
/// @param futures     n futures; may be NULL when n is 0. The same one may stand there twice
/// @param mode        see enum pool_wait
/// @param timeout_ms  how long to wait, POOL_FOREVER, or 0: do not block
/// @param n_done      receives how many are done, also after a timeout; may be NULL
/// @return POOL_OK: what was waited for is there; POOL_ERR_TIMEOUT; POOL_ERR_INVALID: one is not a
///         valid handle, or the mode is none; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_wait_many(
    futures: *const *mut future_t,
    n: usize,
    mode: pool_wait_t,
    timeout_ms: i64,
    n_done: Option<&mut MaybeUninit<usize>>,
) -> pool_status_t {
    let mut done = 0;
    let status = boundary(|| {
        let mode = required(WaitMode::from_number(mode))?;
        let futures = super::handles(futures, n)?;
        pool::wait_many(futures, mode, timeout_ms, &mut done)
    });
    if let Some(out) = n_done {
        out.write(done);
    }
    status
}

/// Waits for many futures, with one time for all, and gives out their results.
///
/// @param futures     n futures; may be NULL when n is 0
/// @param timeout_ms  how long to wait, POOL_FOREVER, or 0: do not block
/// @param data        n places, which receive what future_result gives, and NULL where there is none;
///                    may be NULL
/// @param lens        n places for the lengths; may be NULL
/// @return POOL_OK: all have completed; else the status of the first one in order that has not, as
///         future_result says it, or POOL_ERR_TIMEOUT; POOL_ERR_DEADLOCK; POOL_ERR_INVALID;
///         POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_collect_many(
    futures: *const *mut future_t,
    n: usize,
    timeout_ms: i64,
    data: *mut *const c_void,
    lens: *mut usize,
) -> pool_status_t {
    let mut status = boundary(|| {
        let futures = super::handles(futures, n)?;
        pool::wait_many(futures, WaitMode::All, timeout_ms, &mut 0)
    });
    let waited = status;
    for index in 0..n {
        let place = futures.wrapping_add(index);
        let found = match waited {
            0 | TIMEOUT => super::answer(|| {
                // SAFETY: the header: n futures; `handles` has refused NULL.
                pool::result(ticket(unsafe { *place }))
            }),
            _ => Err(crate::error::Status::POOL_ERR_INVALID.into()),
        };
        if status == 0 {
            status = status_of(&found);
        }
        let (address, len) = found.unwrap_or((std::ptr::null(), 0));
        if !data.is_null() {
            // SAFETY: the header: n places.
            unsafe { data.wrapping_add(index).write(address.cast()) };
        }
        if !lens.is_null() {
            // SAFETY: the header: n places.
            unsafe { lens.wrapping_add(index).write(len) };
        }
    }
    status
}

const TIMEOUT: pool_status_t = crate::error::Status::POOL_ERR_TIMEOUT as pool_status_t;
