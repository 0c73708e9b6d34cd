//! `pool_task_*`: how a task's function reads its arguments, sets its result, and observes its
//! state.

use super::types::pool_task_t;
use super::{bytes, c_string};
use crate::error::Status;
use crate::worker::{self, Task};
use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

/// Returns the argument bytes of the task. They are valid until the function returns, and aligned
/// for any type if there are more than 8 of them, otherwise to 8 bytes.
///
/// @param len  receives the number of bytes; may be NULL
/// @return the bytes; in a task never NULL, even if there are none
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

/// Allocates memory for the task's result, to be written in place; it is not copied. future_result
/// returns these bytes once the function has returned 0. Calling it again discards the previous
/// result.
///
/// @param len  size of the result in bytes
/// @return the memory, aligned for any type if len is more than 8; NULL if out of memory, and in a
///         process that the task has forked
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_task_result(task: *mut pool_task_t, len: usize) -> *mut c_void {
    // SAFETY: the header: the task of a function that has not returned.
    let task = unsafe { task_of(task) };
    task.map_or(std::ptr::null_mut(), |task| task.result(len)).cast()
}

/// Sets the task's result to a copy of the bytes.
///
/// @return 0; POOL_ERR_NOMEM if out of memory; POOL_ERR_WRONG_PROCESS in a process that the task has
///         forked; POOL_ERR_INVALID if task is NULL, or data is NULL
///         and len is not 0. A function can therefore end with: return pool_task_return(task, data,
///         len);
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
        // SAFETY: as above; the reference is not used again.
        Ok(data) => unsafe { task.return_copy(data) },
        Err(error) => error.status as i32,
    }
}

/// Sets the message that future_error returns. It takes effect only if the function then returns a
/// nonzero code, and so fails.
///
/// @param code     code to return
/// @param message  UTF-8, copied, truncated after 215 bytes; NULL: none
/// @return code, so that a function can end with: return pool_task_fail(task, 7, "…");
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

/// Like pool_task_fail, and leaves bytes beside the message, such as a serialized exception; the
/// caller gets them from future_failure.
///
/// @param code     code to return
/// @param message  UTF-8, copied, truncated after 215 bytes; NULL: none
/// @param data     the bytes, copied; may be NULL if len is 0. Those of an item of a map are discarded
/// @param len      number of bytes
/// @return code, so that a function can end with: return pool_task_fail_bytes(task, 7, "…", data, len);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_task_fail_bytes(
    task: *mut pool_task_t,
    code: i32,
    message: *const c_char,
    data: *const c_void,
    len: usize,
) -> i32 {
    // SAFETY: the header: the task of a function that has not returned.
    let task = unsafe { task_of(task) };
    // SAFETY: the header: NULL, or a string.
    let message = unsafe { c_string(message) };
    // SAFETY: the header: `len` bytes at `data`.
    let data = unsafe { bytes(data, len) };
    if let Some(task) = task {
        let message = message.map_or(&[] as &[u8], |message| message.to_bytes());
        task.set_failure(data.unwrap_or(&[]), message);
    }
    code
}

/// Lets the worker that runs the task exit after it, for example because the task has left it in a
/// state that no other task should find. A worker that is needed is replaced. Called in an
/// initializer, it takes effect after the worker's first task.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_task_retire(task: *mut pool_task_t) {
    // SAFETY: the header: the task of a function that has not returned.
    let task = unsafe { task_of(task) };
    if let Some(task) = task {
        task.retire_worker();
    }
}

/// Returns the task whose function runs on this thread, the innermost one if a task runs another one
/// inline: for code that is called by a task's function and has no argument for it. Also in an
/// initializer or finalizer.
///
/// @return the task; NULL if this thread runs none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_current_task() -> *mut pool_task_t {
    worker::current_task().cast_mut().cast()
}

/// Returns whether the task should stop early: it is to be cancelled, its soft limit has expired,
/// or its pool is being shut down with POOL_STOP_CANCEL or POOL_STOP_KILL. Cheap enough to call in
/// a loop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_task_cancelled(task: *const pool_task_t) -> bool {
    // SAFETY: the header: the task of a function that has not returned.
    let task = unsafe { task_of(task) };
    task.is_some_and(Task::is_cancelled)
}

/// Returns whether the task's soft limit has expired. Cheap enough to call in a loop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_task_soft_expired(task: *const pool_task_t) -> bool {
    // SAFETY: the header: the task of a function that has not returned.
    let task = unsafe { task_of(task) };
    task.is_some_and(Task::is_overdue)
}

/// Reports the progress of the task, for future_progress. Each number is stored with a precision of
/// eight digits.
///
/// @param done   amount of work done, in a unit chosen by the caller
/// @param total  total amount of work; 0: unknown
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_task_progress(task: *mut pool_task_t, done: u64, total: u64) {
    // SAFETY: the header: the task of a function that has not returned.
    let task = unsafe { task_of(task) };
    if let Some(task) = task {
        task.set_progress(done, total);
    }
}

/// Returns the ID of the task, the same as future_id: its number within the pool, counted from 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_task_id(task: *const pool_task_t) -> u64 {
    // SAFETY: the header: the task of a function that has not returned.
    let task = unsafe { task_of(task) };
    task.map_or(0, Task::id)
}

/// Returns the index of the worker that runs the task, 0 to max_workers - 1; possibly higher after
/// a pool_shrink. A worker that replaces a lost one takes over its index.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_task_worker(task: *const pool_task_t) -> u32 {
    // SAFETY: the header: the task of a function that has not returned.
    let task = unsafe { task_of(task) };
    task.map_or(0, Task::worker)
}

/// Returns the address of a pointer that belongs to the worker, where functions can keep state
/// between tasks. The pointer is NULL when the worker starts, and keeps the value that a task
/// stores for the tasks after it. The library never uses it.
///
/// @return the address of the pointer, valid until the function returns; NULL if task is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_task_state(task: *mut pool_task_t) -> *mut *mut c_void {
    // SAFETY: the header: the task of a function that has not returned.
    let task = unsafe { task_of(task) };
    task.map_or(std::ptr::null_mut(), Task::state)
}

/// The task that a C pointer refers to, if it refers to one.
///
/// # Safety
/// The header: NULL, another handle, or the argument of a task's function that has not returned by
/// the end of `'a`.
#[inline]
unsafe fn task_of<'a>(task: *const pool_task_t) -> Option<&'a Task> {
    // SAFETY: the caller's promise.
    unsafe { Task::from_ptr(task.cast()) }
}
