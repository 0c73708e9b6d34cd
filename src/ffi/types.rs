//! The C types: handles, constants, callbacks. Their doc comments become the header's.
#![allow(non_camel_case_types, reason = "these are the C names")]
#![allow(dead_code, reason = "C uses the constants and the fields")]

use super::structs::pool_event_t;
use crate::pool::{BufferHandle, FutureHandle, MapHandle, PoolHandle, SetHandle};
use std::ffi::{c_char, c_void};

/// Status returned by most functions: a value of enum pool_status, 0 on success.
pub type pool_status_t = i32;
/// A value of enum pool_kind.
pub type pool_kind_t = i32;
/// A value of enum pool_start.
pub type pool_start_t = i32;
/// A value of enum pool_stop.
pub type pool_stop_t = i32;
/// A value of enum pool_cancel.
pub type pool_cancel_t = i32;
/// A value of enum pool_wait.
pub type pool_wait_t = i32;
/// A value of enum pool_on_worker_lost.
pub type pool_on_worker_lost_t = i32;
/// A value of enum pool_exit.
pub type pool_exit_t = i32;
/// A value of enum pool_sched.
pub type pool_sched_t = i32;
/// A value of enum pool_sandbox.
pub type pool_sandbox_t = i32;
/// A value of enum pool_isolation.
pub type pool_isolation_t = i32;
/// A value of enum pool_driver.
pub type pool_driver_t = i32;
/// A value of enum pool_log_level.
pub type pool_log_level_t = i32;
/// A value of enum future_state.
pub type future_state_t = i32;
/// A value of enum pool_on_error.
pub type pool_on_error_t = i32;
/// A value of enum pool_worker_state.
pub type pool_worker_state_t = i32;
/// A value of enum pool_shrink.
pub type pool_shrink_t = i32;
/// A value of enum pool_restart.
pub type pool_restart_t = i32;
/// A value of enum pool_event_kind.
pub type pool_event_kind_t = i32;
/// A value of enum pool_exit_reason.
pub type pool_exit_reason_t = i32;

/// Major version of the library.
pub const POOL_VERSION_MAJOR: u32 = 0;
/// Minor version of the library.
pub const POOL_VERSION_MINOR: u32 = 1;
/// Patch version of the library.
pub const POOL_VERSION_PATCH: u32 = 0;

/// No timeout.
pub const POOL_FOREVER: i64 = -1;
/// Zero timeout, for options whose 0 means "default".
pub const POOL_NOW: i64 = -2;
/// Lowest priority of a task.
pub const POOL_PRIORITY_MIN: i32 = -8;
/// Highest priority of a task.
pub const POOL_PRIORITY_MAX: i32 = 7;

/// A pool: workers and a queue of tasks for them.
///
/// Threads: may be used by any thread, and by several at once.
/// Lifetime: from pool_new to pool_free. A handle is not an address, and it is checked: after
/// pool_free, every call with it returns POOL_ERR_INVALID. During pool_free, no other call with the
/// pool may be in progress, nor a call with one of its futures that was already freed; futures that
/// were not freed may be in use.
/// NULL: returns POOL_ERR_INVALID and has no effect.
pub struct pool_t {
    _opaque: [u8; 0],
}

/// The future result of a task.
///
/// Threads: may be used by any thread, and by several at once; any number may wait for it.
/// Lifetime: from the submit that creates it to future_free; it may outlive its pool. The handle is
/// checked, as for pool_t. When the future is freed, no call with it may be in progress in another
/// thread.
/// NULL: returns POOL_ERR_INVALID.
pub struct future_t {
    _opaque: [u8; 0],
}

/// A running task, as seen by its function.
///
/// Threads: the thread that runs the function, and threads that it starts and waits for.
/// Lifetime: until the function returns.
/// NULL: functions return no bytes, no memory, 0 or false.
pub struct pool_task_t {
    _opaque: [u8; 0],
}

/// Memory for the arguments of one task, written in place and passed on without a copy.
///
/// Threads: one at a time.
/// Lifetime: from pool_buffer_new until a submit takes ownership of it, or pool_buffer_free.
/// NULL: returns POOL_ERR_INVALID.
pub struct pool_buffer_t {
    _opaque: [u8; 0],
}

/// A task function: reads the argument bytes, writes result bytes, and returns 0 on success or an
/// error code of its own. A C++ exception that leaves it fails the task with POOL_ERR_TASK: its
/// task_code is INT32_MIN, and its message consists of the exception's type and its what(), if the
/// C++ runtime that has thrown it exports its functions. So does pthread_exit, and the thread
/// continues. It must not leave through longjmp.
pub type pool_task_fn = Option<unsafe extern "C-unwind" fn(task: *mut pool_task_t) -> i32>;
/// A set of futures, from which they are taken as they finish.
///
/// Threads: may be used by any thread, and by several at once.
/// Lifetime: from future_set_new to future_set_free. The handle is checked, as for pool_t.
/// NULL: returns POOL_ERR_INVALID.
pub struct future_set_t {
    _opaque: [u8; 0],
}

/// A lazy map: applies a function to the items of a source and returns the results one by one.
///
/// Threads: one at a time, except for pool_map_cancel.
/// Lifetime: from pool_map_start to pool_map_free. The handle is checked, as for pool_t.
/// NULL: returns POOL_ERR_INVALID.
pub struct pool_map_t {
    _opaque: [u8; 0],
}

/// Called exactly once with a user pointer after its last use, even if the call that took the
/// pointer failed. Not called if the struct with the pointer could not be read: it is NULL, or its
/// struct_size is that of no version.
pub type pool_drop_fn = Option<unsafe extern "C-unwind" fn(user: *mut c_void)>;
/// Called when a future is done. The handle is valid until the function returns.
pub type future_done_fn =
    Option<unsafe extern "C-unwind" fn(future: *mut future_t, user: *mut c_void)>;
/// Called when a worker has taken the task.
pub type pool_accept_fn =
    Option<unsafe extern "C-unwind" fn(worker: u32, pid: i64, user: *mut c_void)>;
/// Called when a time limit of a task has expired.
pub type pool_timeout_fn = Option<
    unsafe extern "C-unwind" fn(
        future: *mut future_t,
        soft: bool,
        limit_ms: i64,
        user: *mut c_void,
    ),
>;
/// Called with each log message.
pub type pool_log_fn = Option<
    unsafe extern "C-unwind" fn(level: pool_log_level_t, message: *const c_char, user: *mut c_void),
>;
/// Called with each worker event.
pub type pool_event_fn =
    Option<unsafe extern "C-unwind" fn(event: *const pool_event_t, user: *mut c_void)>;
/// Called periodically by a thread that waits for a pool to stop; see pool_options_t.on_tick.
pub type pool_tick_fn = Option<unsafe extern "C-unwind" fn(user: *mut c_void)>;
/// Called when the program exits.
pub type pool_exit_fn = Option<unsafe extern "C-unwind" fn(user: *mut c_void)>;
/// Called with the number of items of a map whose results have been taken, and the total number of
/// items; 0: unknown.
pub type pool_progress_fn =
    Option<unsafe extern "C-unwind" fn(done: u64, total: u64, user: *mut c_void)>;
/// Supplies the next item of a lazy map. The bytes of the item are copied before the next call.
///
/// @return POOL_OK; POOL_ERR_END if there are no more items; any other status ends the map with
///         that status, after the results of the items before it
pub type pool_source_fn = Option<
    unsafe extern "C-unwind" fn(
        user: *mut c_void,
        item: *mut *const c_void,
        len: *mut usize,
    ) -> pool_status_t,
>;

macro_rules! handles {
    ($($c:ident = $handle:ident,)*) => {$(
        impl From<*const $c> for $handle {
            #[inline]
            fn from(pointer: *const $c) -> $handle {
                $handle::from_raw(pointer as u64)
            }
        }

        impl From<*mut $c> for $handle {
            #[inline]
            fn from(pointer: *mut $c) -> $handle {
                $handle::from_raw(pointer as u64)
            }
        }

        impl From<$handle> for *mut $c {
            #[inline]
            fn from(handle: $handle) -> *mut $c {
                handle.to_raw() as *mut $c
            }
        }
    )*};
}

handles! {
    pool_t = PoolHandle,
    future_t = FutureHandle,
    pool_buffer_t = BufferHandle,
    future_set_t = SetHandle,
    pool_map_t = MapHandle,
}
