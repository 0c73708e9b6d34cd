//! `future_set_*`, promises and callbacks: being told that futures are done, and saying so.

use super::types::*;
use super::{User, boundary, bytes, callback, give, required, status_of, utf8};
use crate::pool::{self, FutureHandle, SetHandle};
use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::sync::Arc;

fn ticket(future: *const future_t) -> FutureHandle {
    FutureHandle::from_raw(future as u64)
}

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
        number = pool::on_done(ticket(future), callback(function, Arc::new(user)))?;
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
    boundary(|| pool::remove_callback(ticket(future), id))
}

/// Makes a set of futures, of any pools, that gives them out in the order in which they are done.
///
/// @param out  receives the set, to be given to future_set_free; NULL on failure
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_FULL: 4096 sets are alive
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_set_new(
    out: Option<&mut MaybeUninit<*mut future_set_t>>,
) -> pool_status_t {
    status_of(&give(out, std::ptr::null_mut(), || {
        Ok(pool::set_new()?.to_raw() as *mut future_set_t)
    }))
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
    boundary(|| pool::set_add(SetHandle::from_raw(set as u64), ticket(future)))
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
    status_of(&give(out, std::ptr::null_mut(), || {
        let future = pool::set_next(SetHandle::from_raw(set as u64), timeout_ms)?;
        Ok(future.to_raw() as *mut future_t)
    }))
}

/// A descriptor that is readable while future_set_next would give a future out at once, for poll and
/// its like. It belongs to the set: do not read from it, nor close it. A future that is freed after it
/// was done may leave it readable until the next future_set_next.
///
/// @return the descriptor; -1 when the handle is not valid or there are no descriptors left
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_set_fd(set: *mut future_set_t) -> i32 {
    super::answer(|| pool::set_fd(SetHandle::from_raw(set as u64))).unwrap_or(-1)
}

/// Frees the set, not the futures in it. NULL is ignored. No call with the set may be under way in
/// another thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn future_set_free(set: *mut future_set_t) {
    boundary(|| pool::set_free(SetHandle::from_raw(set as u64)));
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
    status_of(&give(out, std::ptr::null_mut(), || {
        Ok(pool::new_promise()?.to_raw() as *mut future_t)
    }))
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
    boundary(|| pool::resolve(ticket(future), bytes(data, len)?))
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
    boundary(|| pool::reject(ticket(future), code, utf8(message)?.unwrap_or("")))
}
