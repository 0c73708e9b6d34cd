//! `future_*`: waiting, results, errors, cancelling, callbacks, sets, promises.

use super::enums::CEnum;
use super::structs::*;
use super::types::*;
use super::{
    User, boundary, bytes, callback, catch, handles, handles_out, required, status_of, utf8,
    write_error, write_optional, write_out,
};
use crate::board::memory::ResultBytes;
use crate::error::{Result, Status};
use crate::pool::{self, CancelMode, WaitMode};
use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::sync::Arc;

/// Waits until the task is done, that is, completed, failed or cancelled.
///
/// When a task of a thread pool waits for a task of the same pool that has not started, it runs
/// that task inline on its own stack. Such waits cannot deadlock, even with one worker; thousands
/// of nested waits can exhaust the stack.
///
/// @param timeout_ms  maximum time to wait; POOL_FOREVER: no timeout; 0: do not block
/// @return POOL_OK if the task is done; POOL_ERR_TIMEOUT; POOL_ERR_DEADLOCK if the task would wait
///         for itself; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_wait(future: *mut future_t, timeout_ms: i64) -> pool_status_t {
    boundary(|| pool::wait(future.into(), timeout_ms))
}

/// Returns the result of a completed task; may be called repeatedly. Does not block, except for a
/// result too large for the pool's shared memory that has been sent but has not arrived yet.
///
/// @param data  receives the address of the bytes, which are read-only and valid as long as the
///              future. Never NULL after POOL_OK, even if there are none
/// @param len   receives the number of bytes; may be NULL
/// @return POOL_OK; POOL_ERR_NOT_DONE; if the task was cancelled or failed, its status, such as
///         POOL_ERR_CANCELLED, POOL_ERR_EXPIRED, POOL_ERR_BROKEN (it was cancelled because its pool
///         became broken), POOL_ERR_TERMINATED, POOL_ERR_TASK, POOL_ERR_WORKER_LOST, POOL_ERR_HARD_LIMIT, POOL_ERR_FUNCTION, POOL_ERR_NOMEM,
///         POOL_ERR_TOO_LARGE or, for pool_map_async, the status of the map (future_error returns
///         the details); POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_result(
    future: *mut future_t,
    data: Option<&mut MaybeUninit<*const c_void>>,
    len: Option<&mut MaybeUninit<usize>>,
) -> pool_status_t {
    give_result(data, len, || pool::result(future.into()))
}

/// Calls future_wait, then future_result.
///
/// @return as for these two
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_collect(
    future: *mut future_t,
    timeout_ms: i64,
    data: Option<&mut MaybeUninit<*const c_void>>,
    len: Option<&mut MaybeUninit<usize>>,
) -> pool_status_t {
    give_result(data, len, || pool::collect(future.into(), timeout_ms))
}

fn give_result(
    data: Option<&mut MaybeUninit<*const c_void>>,
    len: Option<&mut MaybeUninit<usize>>,
    find: impl FnOnce() -> Result<ResultBytes<'static>>,
) -> pool_status_t {
    let mut size = 0;
    let found = write_out(data, std::ptr::null(), || {
        let result = find()?;
        size = result.len();
        Ok(result.as_ptr().cast())
    });
    if let Some(len) = len {
        len.write(size);
    }
    status_of(&found)
}

/// Returns the details of a task's failure.
///
/// @param error  filled in; its status is POOL_OK if the task completed
/// @return POOL_OK if error was filled in; POOL_ERR_NOT_DONE; POOL_ERR_WORKER_LOST if a worker has
///         written over the task's memory; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_error(
    future: *mut future_t,
    error: Option<&mut MaybeUninit<pool_error_t>>,
) -> pool_status_t {
    boundary(|| {
        let error = required(error)?;
        write_error(pool::failure(future.into())?.map_or(Ok(()), Err), Some(error));
        Ok(())
    })
}

/// Returns the bytes that a failed task has left with pool_task_fail_bytes.
///
/// @param data  receives the address of the bytes, which are read-only and valid as long as the
///              future. Never NULL after POOL_OK, even if there are none
/// @param len   receives the number of bytes; may be NULL
/// @return POOL_OK, also if the task has failed or was cancelled and has left none; POOL_ERR_NOT_DONE;
///         POOL_ERR_STATE if it has completed; POOL_ERR_WORKER_LOST if a worker has written over the
///         task's memory; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_failure(
    future: *mut future_t,
    data: Option<&mut MaybeUninit<*const c_void>>,
    len: Option<&mut MaybeUninit<usize>>,
) -> pool_status_t {
    give_result(data, len, || Ok(pool::failure_data(future.into())?.unwrap_or(ResultBytes::EMPTY)))
}

/// Returns the state of the task, a value of enum future_state; 0 if the handle is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_state(future: *const future_t) -> future_state_t {
    pool::future_state(future.into()).map_or(0, |state| state.to_c())
}

/// Returns whether the task is done, that is, completed, failed or cancelled; false if the handle
/// is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_is_done(future: *const future_t) -> bool {
    pool::wait(future.into(), 0).is_ok()
}

/// Cancels the task. Takes effect immediately, even while every worker is busy: a task that has not
/// started will never run. In a task that is already running, pool_task_cancelled returns true.
///
/// With POOL_CANCEL_RUNNING, a task running in a worker process is terminated together with it: the
/// process, and all processes that it has started in its process group, receive SIGTERM and, after
/// pool_options_t.kill_grace_ms, SIGKILL. The future becomes cancelled when the worker has exited;
/// if the function returns before that, the future completes. No other task is affected, even if
/// this one ends at the same moment. Another worker takes over the index.
///
/// @param mode  POOL_CANCEL_QUEUED: only if the task has not started; POOL_CANCEL_RUNNING: also
///              while it is running
/// @return POOL_OK if the task is cancelled, now or before, or its worker is being terminated;
///         POOL_ERR_STATE if it is too late: the task is running or done; POOL_ERR_UNSUPPORTED if
///         the mode is POOL_CANCEL_RUNNING and the task is running in a thread, which cannot be
///         killed; POOL_ERR_WORKER_LOST if a worker has written over the task's memory;
///         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_cancel(
    future: *mut future_t,
    mode: pool_cancel_t,
) -> pool_status_t {
    boundary(|| pool::cancel(future.into(), required(CancelMode::from_c(mode))?))
}

/// Returns whether future_cancel was called, whatever it returned; false if the handle is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_cancel_requested(future: *const future_t) -> bool {
    pool::is_cancel_requested(future.into()).unwrap_or(false)
}

/// Returns the ID of the task, its number within the pool, counted from 1; 0 if the handle is
/// invalid, or the future is no task: a promise, or that of pool_map_async. A later submit has a
/// higher ID; an ID may be left out when a task is run again, or when a worker exits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_id(future: *const future_t) -> u64 {
    pool::future_id(future.into()).unwrap_or(0)
}

/// Returns pool_call_t.tag; 0 if none was given or the handle is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_tag(future: *const future_t) -> u64 {
    catch(|| pool::future_tag(future.into())).unwrap_or(0)
}

/// Returns the future with this ID that has not been freed: the same handle as the submit returned, not
/// another one to be freed. Takes time in proportion to the number of futures. The library's own
/// futures are not found: those of the chunks of maps, and of pool_run.
///
/// @return the future; NULL if the pool has no such future
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_find_future(pool: *mut pool_t, id: u64) -> *mut future_t {
    catch(|| pool::find_future(pool.into(), id)).map_or(std::ptr::null_mut(), Into::into)
}

/// Returns the pool to which the task was submitted, or that runs the map of pool_map_async; NULL if
/// the pool has been freed, or the future is a promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_pool(future: *const future_t) -> *mut pool_t {
    pool::future_pool(future.into()).map_or(std::ptr::null_mut(), Into::into)
}

/// Returns how long the task was queued and how long it ran, in nanoseconds of the monotonic clock.
/// Both are 0 until the task is done; a task that never ran has only a queue time.
///
/// @param queued_ns   receives the time in the queue; may be NULL
/// @param running_ns  receives the run time; may be NULL
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_duration(
    future: *const future_t,
    queued_ns: Option<&mut MaybeUninit<u64>>,
    running_ns: Option<&mut MaybeUninit<u64>>,
) -> pool_status_t {
    give_pair(queued_ns, running_ns, || pool::duration(future.into()))
}

/// Returns the progress that the task last reported with pool_task_progress; both numbers are 0 if
/// it has not reported any.
///
/// @param done   receives the amount of work done; may be NULL
/// @param total  receives the total amount of work; may be NULL
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_progress(
    future: *const future_t,
    done: Option<&mut MaybeUninit<u64>>,
    total: Option<&mut MaybeUninit<u64>>,
) -> pool_status_t {
    give_pair(done, total, || pool::progress(future.into()))
}

fn give_pair(
    first: Option<&mut MaybeUninit<u64>>,
    second: Option<&mut MaybeUninit<u64>>,
    find: impl FnOnce() -> Result<(u64, u64)>,
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

/// Frees the future. The task keeps running, and its result is discarded. NULL and futures that
/// were already freed are ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_free(future: *mut future_t) {
    boundary(|| pool::future_free(future.into()));
}

/// Frees several futures, like future_free.
///
/// @param futures  array of n futures; NULL and futures that were already freed are ignored
/// @param n        number of futures
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_free_many(futures: *const *mut future_t, n: usize) {
    boundary(|| {
        // SAFETY: the header: `n` futures.
        let futures = unsafe { handles(futures, n) }?;
        futures.iter().for_each(|future| drop(pool::future_free(*future)));
        Ok(())
    });
}

/// Waits for several futures, of one or more pools, with a common timeout.
///
/// @param futures     array of n futures, in which a future may occur more than once; may be NULL
///                    if n is 0
/// @param n           number of futures
/// @param mode        see enum pool_wait
/// @param timeout_ms  maximum time to wait; POOL_FOREVER: no timeout; 0: do not block
/// @param n_done      receives the number of futures that are done, also after a timeout; may be
///                    NULL
/// @return POOL_OK if the condition is met; POOL_ERR_TIMEOUT; POOL_ERR_DEADLOCK if the task would
///         wait for itself; POOL_ERR_INVALID if a handle or the mode is invalid;
///         POOL_ERR_WRONG_PROCESS
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
        let mode = required(WaitMode::from_c(mode))?;
        // SAFETY: the header: `n` futures.
        let futures = unsafe { handles(futures, n) }?;
        pool::wait_many(futures, mode, timeout_ms, &mut done)
    });
    if let Some(out) = n_done {
        out.write(done);
    }
    status
}

/// Waits for several futures, with a common timeout, and returns their results.
///
/// @param futures     array of n futures; may be NULL if n is 0
/// @param n           number of futures
/// @param timeout_ms  maximum time to wait; POOL_FOREVER: no timeout; 0: do not block
/// @param data        array of n elements that receive the data of future_result, or NULL for
///                    futures without a result; may be NULL
/// @param lens        array of n elements that receive the lengths; may be NULL
/// @return POOL_OK if all have completed; otherwise the status of the first future, in order of the
///         array, that has not completed, as returned by future_result, or POOL_ERR_TIMEOUT;
///         POOL_ERR_DEADLOCK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_collect_many(
    futures: *const *mut future_t,
    n: usize,
    timeout_ms: i64,
    data: *mut *const c_void,
    lens: *mut usize,
) -> pool_status_t {
    // SAFETY: the header: `n` futures.
    let futures = unsafe { handles(futures, n) };
    let found = futures.as_ref().ok().copied().unwrap_or_default();
    let waited = boundary(|| pool::wait_many(futures?, WaitMode::All, timeout_ms, &mut 0));
    let (mut first_failed, mut has_pending) = (0, false);
    for index in 0..n {
        let result = match (waited, found.get(index)) {
            (0 | TIMEOUT, Some(future)) => catch(|| pool::result(*future)),
            _ => Err(Status::POOL_ERR_INVALID.into()),
        };
        let status = status_of(&result);
        has_pending |= status == NOT_DONE;
        if first_failed == 0 {
            first_failed = status;
        }
        let (address, len) =
            result.map_or((std::ptr::null(), 0), |result| (result.as_ptr().cast(), result.len()));
        if !data.is_null() {
            // SAFETY: the header: room for `n` pointers.
            unsafe { data.wrapping_add(index).write(address) };
        }
        if !lens.is_null() {
            // SAFETY: the header: room for `n` lengths.
            unsafe { lens.wrapping_add(index).write(len) };
        }
    }
    match waited {
        // All may be done since the timeout: the answer is about the results that were returned.
        0 | TIMEOUT if !has_pending => first_failed,
        _ => waited,
    }
}

const TIMEOUT: pool_status_t = Status::POOL_ERR_TIMEOUT as pool_status_t;
const NOT_DONE: pool_status_t = Status::POOL_ERR_NOT_DONE as pool_status_t;

/// Calls a function when the future is done: from a thread of the library or, if the future is
/// already done, immediately from this thread. Any number of callbacks can be added; those added
/// before the future is done are called one after the other, in the order in which they were added.
/// A callback may call any function, except to join or shut down the future's pool; the pool's
/// shutdown waits for the callback. Each pool has one thread for all its callbacks: a slow callback
/// delays those behind it, and nothing else. No callback may throw an exception.
///
/// With POOL_DRIVER_EXTERNAL, callbacks wait for pool_process_events, also those of futures that
/// are already done. Once the pool has been shut down, callbacks of done futures are called
/// immediately.
///
/// The future may be freed earlier: the function is called nevertheless, and the handle that it
/// receives is valid until it returns.
///
/// @param function  function to call
/// @param user      its last argument
/// @param drop      called once with user after the call, or when it is certain that there will be
///                  no call, because the callback was removed or this function failed; may be NULL
/// @param id        receives a number for future_remove_callback; may be NULL
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_OS if a thread cannot be started;
///         POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_on_done(
    future: *mut future_t,
    function: future_done_fn,
    user: *mut c_void,
    drop: pool_drop_fn,
    id: Option<&mut MaybeUninit<u64>>,
) -> pool_status_t {
    let user = User { pointer: user, drop };
    write_optional(id, || {
        let function = required(function)?;
        pool::on_done(future.into(), callback(function, Arc::new(user)))
    })
}

/// Removes a callback that has not been called.
///
/// @param id  number returned by future_on_done
/// @return POOL_OK: it will not be called; POOL_ERR_STATE if it has been called, is about to be
///         called because the future is done, or was never added to this future; POOL_ERR_INVALID;
///         POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_remove_callback(future: *mut future_t, id: u64) -> pool_status_t {
    boundary(|| pool::remove_callback(future.into(), id))
}

/// Creates a set of futures, of any pools, which returns them in the order in which they finish.
///
/// @param out  receives the set, to be released with future_set_free; NULL on failure
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_FULL if 4096 sets exist
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_set_new(
    out: Option<&mut MaybeUninit<*mut future_set_t>>,
) -> pool_status_t {
    status_of(&write_out(out, std::ptr::null_mut(), || Ok(pool::set_new()?.into())))
}

/// Adds a future; may be called at any time, also while another thread waits in future_set_next. A
/// future that is added twice is returned twice. The caller still owns the future; freeing it
/// removes it from the set.
///
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_OS; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_set_add(
    set: *mut future_set_t,
    future: *mut future_t,
) -> pool_status_t {
    boundary(|| pool::set_add(set.into(), future.into()))
}

/// Removes the future that finished first from the set and returns it. Waits until one is done.
///
/// @param timeout_ms  maximum time to wait; POOL_FOREVER: no timeout; 0: do not block
/// @param out         receives the future; NULL on failure
/// @return POOL_OK; POOL_ERR_END if the set is empty (more may be added); POOL_ERR_TIMEOUT;
///         POOL_ERR_DEADLOCK if called from a task for which all remaining tasks are waiting;
///         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_set_next(
    set: *mut future_set_t,
    timeout_ms: i64,
    out: Option<&mut MaybeUninit<*mut future_t>>,
) -> pool_status_t {
    status_of(&write_out(out, std::ptr::null_mut(), || {
        Ok(pool::set_next(set.into(), timeout_ms)?.into())
    }))
}

/// Removes up to n futures from the set and returns them, those that finished first first. Waits until
/// one is done, and takes with it all that are done.
///
/// @param timeout_ms  maximum time to wait for the first; POOL_FOREVER: no timeout; 0: do not block
/// @param futures     array of n elements; receives the futures, and NULL in the rest
/// @param n           maximum number of futures, at least 1
/// @param taken       receives the number of futures returned
/// @return as for future_set_next, whose errors concern the first future
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_set_next_many(
    set: *mut future_set_t,
    timeout_ms: i64,
    futures: *mut *mut future_t,
    n: usize,
    taken: Option<&mut MaybeUninit<usize>>,
) -> pool_status_t {
    // First, so that they are NULL also without `taken`.
    // SAFETY: the header: room for `n` futures.
    let futures = unsafe { handles_out(futures, n) };
    status_of(&write_out(taken, 0, || {
        pool::set_next_many(set.into(), timeout_ms, required(futures?)?)
    }))
}

/// Returns a descriptor for poll and similar functions that is readable while future_set_next would
/// return a future immediately; it may become so a moment after the future is done. It belongs to
/// the set: do not read from it or close it. If a future is freed after it is done, the descriptor
/// may stay readable until the next future_set_next.
///
/// @return the descriptor; -1 if the handle is invalid or no descriptors are left
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_set_fd(set: *mut future_set_t) -> i32 {
    catch(|| pool::set_fd(set.into())).unwrap_or(-1)
}

/// Frees the set, but not the futures in it. NULL is ignored. No call with the set may be in
/// progress in another thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_set_free(set: *mut future_set_t) {
    boundary(|| pool::set_free(set.into()));
}

/// Creates a promise: a future that belongs to no pool and is completed by future_resolve,
/// future_reject or future_cancel. Otherwise it can be used like any other future.
///
/// @param out  receives the future, to be released with future_free; NULL on failure
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_NOMEM; POOL_ERR_OS; POOL_ERR_FULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_new_promise(
    out: Option<&mut MaybeUninit<*mut future_t>>,
) -> pool_status_t {
    status_of(&write_out(out, std::ptr::null_mut(), || Ok(pool::new_promise()?.into())))
}

/// Completes a promise with a copy of the bytes as its result.
///
/// @param data  the bytes; may be NULL if len is 0
/// @param len   number of bytes
/// @return POOL_OK; POOL_ERR_STATE if the future is already done or not a promise;
///         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS. If there is not enough memory for the bytes,
///         the future fails with POOL_ERR_NOMEM
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_resolve(
    future: *mut future_t,
    data: *const c_void,
    len: usize,
) -> pool_status_t {
    boundary(|| {
        // SAFETY: the header: `len` bytes at `data`.
        let data = unsafe { bytes(data, len) }?;
        pool::resolve(future.into(), data)
    })
}

/// Fails a promise with POOL_ERR_TASK.
///
/// @param code     task_code of the error
/// @param message  UTF-8, copied, truncated after 215 bytes; NULL: none
/// @return POOL_OK; POOL_ERR_STATE if the future is already done or not a promise;
///         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_reject(
    future: *mut future_t,
    code: i32,
    message: *const c_char,
) -> pool_status_t {
    boundary(|| {
        // SAFETY: the header: NULL, or a string.
        let message = unsafe { utf8(message) }?;
        pool::reject(future.into(), code, message.unwrap_or(""))
    })
}
