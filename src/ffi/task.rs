//! `pool_task_*`: what a task's function reads, and the result that it leaves.

use super::types::pool_task_t;
use super::{bytes, c_string};
use crate::error::Status;
use crate::worker::Task;
use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

/// The task's argument bytes. Valid until the function returns; aligned for any type where they are
/// more than 8 bytes, else to 8.
///
/// @param len  receives how many there are; may be NULL
/// @return     the bytes; not NULL in a task, also when there are none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_task_args(
    task: *const pool_task_t,
    len: Option<&mut MaybeUninit<usize>>,
) -> *const c_void {
    // SAFETY: the header: the task of a function that has not returned.
    let task = unsafe { task_of(task) };
    let (data, size) = task.map_or((std::ptr::null(), 0), Task::args);
    if let Some(len) = len {
        len.write(size);
    }
    data.cast()
}

/// Room for the task's result, to be written in place: no copy is made of it. The caller of
/// future_result sees these bytes when the function returns 0. Asking again throws away what was
/// there.
///
/// @param len  how many bytes
/// @return     the room, aligned for any type where len is more than 8; NULL when there is no
///             memory for it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_task_result(task: *mut pool_task_t, len: usize) -> *mut c_void {
    // SAFETY: the header: the task of a function that has not returned.
    let task = unsafe { task_of(task) };
    task.map_or(std::ptr::null_mut(), |task| task.result(len)).cast()
}

/// Leaves a copy of the bytes as the task's result.
///
/// @return 0, so that a function can end with: return pool_task_return(task, data, len);
///         POOL_ERR_NOMEM where there is no room, POOL_ERR_INVALID without a task or without data
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_task_return(
    task: *mut pool_task_t,
    data: *const c_void,
    len: usize,
) -> i32 {
    // SAFETY: the header: the task of a function that has not returned.
    let task = unsafe { task_of(task) };
    let Some(task) = task else { return Status::POOL_ERR_INVALID as i32 };
    // SAFETY: the header: `len` bytes at `data`.
    match unsafe { bytes(data, len) } {
        Ok(data) => task.return_bytes(data),
        Err(error) => error.status as i32,
    }
}

/// Leaves a message for future_error. The task fails when the function then returns a code that is
/// not 0.
///
/// @param message  UTF-8, copied, cut off after 215 bytes; NULL: none
/// @return         code, so that a function can end with: return pool_task_fail(task, 7, "…");
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_task_fail(
    task: *mut pool_task_t,
    code: i32,
    message: *const c_char,
) -> i32 {
    // SAFETY: the header: the task of a function that has not returned.
    let task = unsafe { task_of(task) };
    // SAFETY: the header: NULL, or a string.
    let message = unsafe { c_string(message) };
    if let (Some(task), Some(message)) = (task, message) {
        task.set_message(message.to_bytes());
    }
    code
}

/// Whether the task should stop early: somebody wants it cancelled, its soft limit has passed, or its pool
/// is being shut down by POOL_STOP_CANCEL or POOL_STOP_KILL. Cheap enough to ask in a loop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_task_cancelled(task: *const pool_task_t) -> bool {
    // SAFETY: the header: the task of a function that has not returned.
    let task = unsafe { task_of(task) };
    task.is_some_and(Task::is_cancelled)
}

/// Whether the task's soft limit has passed. Cheap enough to ask in a loop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_task_soft_expired(task: *const pool_task_t) -> bool {
    // SAFETY: the header: the task of a function that has not returned.
    let task = unsafe { task_of(task) };
    task.is_some_and(Task::is_overdue)
}

/// Says how far the task is, for future_progress. Each number is kept to eight digits.
///
/// @param done   how much is done, in a unit of yours
/// @param total  how much there is; 0: not known
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_task_progress(task: *mut pool_task_t, done: u64, total: u64) {
    // SAFETY: the header: the task of a function that has not returned.
    let task = unsafe { task_of(task) };
    if let Some(task) = task {
        task.set_progress(done, total);
    }
}

/// The task's number in its pool, counted from 1; the same as future_id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_task_id(task: *const pool_task_t) -> u64 {
    // SAFETY: the header: the task of a function that has not returned.
    let task = unsafe { task_of(task) };
    task.map_or(0, Task::id)
}

/// The index of the worker that runs the task: 0 to max_workers - 1; after a pool_shrink perhaps higher. A
/// worker that replaces a lost one takes over its index.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_task_worker(task: *const pool_task_t) -> u32 {
    // SAFETY: the header: the task of a function that has not returned.
    let task = unsafe { task_of(task) };
    task.map_or(0, Task::worker)
}

/// A pointer that belongs to the worker, for the functions to keep what they need again: NULL when
/// the worker starts, and what a task left there for the next one. The library never looks at it.
///
/// @return where the pointer is, valid until the function returns; NULL without a task
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_task_state(task: *mut pool_task_t) -> *mut *mut c_void {
    // SAFETY: the header: the task of a function that has not returned.
    let task = unsafe { task_of(task) };
    task.map_or(std::ptr::null_mut(), Task::state)
}

/// The task behind a pointer of C's, if it is one.
///
/// # Safety
/// The header: NULL, another handle, or the argument of a task's function that has not returned by the end of `'a`.
#[inline]
unsafe fn task_of<'a>(task: *const pool_task_t) -> Option<&'a Task> {
    // SAFETY: the caller's promise.
    unsafe { Task::from_ptr(task.cast()) }
}
