//! `future_*`: waiting, results, errors, cancelling, callbacks, sets, promises.

use super::enums::CEnum;
use super::structs::*;
use super::types::*;
use super::{
    User, boundary, bytes, callback, catch, handles, required, status_of, utf8, write_error,
    write_out,
};
use crate::board::memory::ResultBytes;
use crate::error::{Result, Status};
use crate::pool::{self, CancelMode, WaitMode};
use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::sync::Arc;

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
    boundary(|| pool::wait(future.into(), timeout_ms))
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
    give_result(data, len, || pool::result(future.into()))
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
        write_error(pool::failure(future.into())?.map_or(Ok(()), Err), Some(error));
        Ok(())
    })
}

/// Where the task stands: one of enum future_state; 0 for a handle that is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_state(future: *const future_t) -> future_state_t {
    pool::future_state(future.into()).map_or(0, |state| state.to_c())
}

/// Whether the task is done in any way. False for a handle that is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_is_done(future: *const future_t) -> bool {
    pool::wait(future.into(), 0).is_ok()
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
    boundary(|| pool::cancel(future.into(), required(CancelMode::from_c(mode))?))
}

/// Whether future_cancel was called, whatever it answered. False for a handle that is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_cancel_requested(future: *const future_t) -> bool {
    pool::is_cancel_requested(future.into()).unwrap_or(false)
}

/// The task's number in its pool, counted from 1; 0 for a handle that is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_id(future: *const future_t) -> u64 {
    pool::future_id(future.into()).unwrap_or(0)
}

/// The pool that the task was submitted to; NULL when that has been freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_pool(future: *const future_t) -> *mut pool_t {
    pool::future_pool(future.into()).map_or(std::ptr::null_mut(), Into::into)
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
    give_pair(queued_ns, running_ns, || pool::duration(future.into()))
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

/// Frees the future. The task goes on, and its result is dropped. NULL is ignored, and so is a
/// future that was freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_free(future: *mut future_t) {
    boundary(|| pool::future_free(future.into()));
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
    // SAFETY: the header: `n` futures.
    let futures = unsafe { handles(futures, n) };
    let found = futures.as_ref().ok().copied().unwrap_or_default();
    let mut status = boundary(|| pool::wait_many(futures?, WaitMode::All, timeout_ms, &mut 0));
    let waited = status;
    for index in 0..n {
        let result = match (waited, found.get(index)) {
            (0 | TIMEOUT, Some(future)) => catch(|| pool::result(*future)),
            _ => Err(Status::POOL_ERR_INVALID.into()),
        };
        if status == 0 {
            status = status_of(&result);
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
    status
}

const TIMEOUT: pool_status_t = Status::POOL_ERR_TIMEOUT as pool_status_t;

/// Calls a function when the future is done: from a thread of the library, or at once from this one
/// when it is done already. Any number may be added; those that were added before it was done are called
/// in that order, one after the other. The function may call whatever it likes, but to join or shut
/// down the future's pool. The pool's shutdown waits for it. Each pool has one thread for all its
/// callbacks: one that takes long holds up those behind it, and nothing else. Where the options say
/// POOL_DRIVER_EXTERNAL, callbacks wait for pool_process_events, also those of futures that are done
/// already; when the pool has been shut down, such ones are called at once.
///
/// The future may be freed before: the function is called all the same, and the handle that it gets
/// is good until it returns.
///
/// @param function  what to call
/// @param user      its last argument
/// @param drop      called once with user after the call, or when there will be none: when it is
///                  removed, or when this call fails; may be NULL
/// @param id        receives a number for future_remove_callback; may be NULL
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_OS: a thread cannot be started;
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
    let mut number = 0;
    let status = boundary(|| {
        let function = required(function)?;
        number = pool::on_done(future.into(), callback(function, Arc::new(user)))?;
        Ok(())
    });
    if let Some(id) = id {
        id.write(number);
    }
    status
}

/// Removes a callback that has not been called.
///
/// @param id  its number, from future_on_done
/// @return POOL_OK: it will not be called; POOL_ERR_STATE: it was called, will be called at once
///         because the future is done, or never was added to this future; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_remove_callback(future: *mut future_t, id: u64) -> pool_status_t {
    boundary(|| pool::remove_callback(future.into(), id))
}

/// Makes a set of futures, of any pools, that gives them out in the order in which they are done.
///
/// @param out  receives the set, to be given to future_set_free; NULL on failure
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_FULL: 4096 sets are alive
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_set_new(
    out: Option<&mut MaybeUninit<*mut future_set_t>>,
) -> pool_status_t {
    status_of(&write_out(out, std::ptr::null_mut(), || Ok(pool::set_new()?.into())))
}

/// Adds a future; at any time, also while somebody waits in future_set_next. One that is added twice
/// comes out twice. It stays yours: one that is freed leaves the set.
///
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_OS; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_set_add(
    set: *mut future_set_t,
    future: *mut future_t,
) -> pool_status_t {
    boundary(|| pool::set_add(set.into(), future.into()))
}

/// Takes the future out of the set that was done first; waits until there is one.
///
/// @param timeout_ms  how long to wait, POOL_FOREVER, or 0: do not block
/// @param out         receives the future; NULL on failure
/// @return POOL_OK; POOL_ERR_END: the set is empty, and more may be added; POOL_ERR_TIMEOUT;
///         POOL_ERR_DEADLOCK: called from a task that all the others wait for; POOL_ERR_INVALID;
///         POOL_ERR_WRONG_PROCESS
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

/// A descriptor that is readable while future_set_next would give a future out at once, for poll and
/// its like. It belongs to the set: do not read from it, nor close it. A future that is freed after it
/// was done may leave it readable until the next future_set_next.
///
/// @return the descriptor; -1 when the handle is not valid or there are no descriptors left
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_set_fd(set: *mut future_set_t) -> i32 {
    catch(|| pool::set_fd(set.into())).unwrap_or(-1)
}

/// Frees the set, not the futures in it. NULL is ignored. No call with the set may be under way in
/// another thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_set_free(set: *mut future_set_t) {
    boundary(|| pool::set_free(set.into()));
}

/// Makes a future that belongs to no pool, and is done when somebody says so: by future_resolve or
/// future_reject, or by future_cancel. Everything else can be done with it as with any other.
///
/// @param out  receives the future, to be given to future_free; NULL on failure
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_NOMEM; POOL_ERR_OS; POOL_ERR_FULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_new_promise(
    out: Option<&mut MaybeUninit<*mut future_t>>,
) -> pool_status_t {
    status_of(&write_out(out, std::ptr::null_mut(), || Ok(pool::new_promise()?.into())))
}

/// Completes a promise with a copy of the bytes as its result.
///
/// @param data  the bytes; may be NULL when len is 0
/// @return POOL_OK; POOL_ERR_STATE: it is done already, or is no promise; POOL_ERR_INVALID;
///         POOL_ERR_WRONG_PROCESS. Where there is no memory for the bytes, the future fails with
///         POOL_ERR_NOMEM
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

/// Fails a promise, with POOL_ERR_TASK.
///
/// @param code     becomes the error's task_code
/// @param message  UTF-8, copied, cut off after 215 bytes; NULL: none
/// @return POOL_OK; POOL_ERR_STATE: it is done already, or is no promise; POOL_ERR_INVALID;
///         POOL_ERR_WRONG_PROCESS
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
