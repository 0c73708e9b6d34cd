//! The C types: handles, constants, callbacks. Their doc comments are the header's.
#![allow(non_camel_case_types, reason = "these are the C names")]
#![allow(dead_code, reason = "C uses the constants and the fields")]

use super::structs::pool_event_t;
use crate::pool::{BufferHandle, FutureHandle, MapHandle, PoolHandle, SetHandle};
use std::ffi::{c_char, c_void};

/// What most calls answer: one of enum pool_status, 0 for success.
pub type pool_status_t = i32;
/// One of enum pool_kind.
pub type pool_kind_t = i32;
/// One of enum pool_start.
pub type pool_start_t = i32;
/// One of enum pool_stop.
pub type pool_stop_t = i32;
/// One of enum pool_cancel.
pub type pool_cancel_t = i32;
/// One of enum pool_wait.
pub type pool_wait_t = i32;
/// One of enum pool_on_worker_lost.
pub type pool_on_worker_lost_t = i32;
/// One of enum pool_exit.
pub type pool_exit_t = i32;
/// One of enum pool_sched.
pub type pool_sched_t = i32;
/// One of enum pool_driver.
pub type pool_driver_t = i32;
/// One of enum pool_log_level.
pub type pool_log_level_t = i32;
/// One of enum future_state.
pub type future_state_t = i32;
/// One of enum pool_on_error.
pub type pool_on_error_t = i32;
/// One of enum pool_worker_state.
pub type pool_worker_state_t = i32;
/// One of enum pool_shrink.
pub type pool_shrink_t = i32;
/// One of enum pool_restart.
pub type pool_restart_t = i32;
/// One of enum pool_event_kind.
pub type pool_event_kind_t = i32;
/// One of enum pool_exit_reason.
pub type pool_exit_reason_t = i32;

/// The first number of the library's version.
pub const POOL_VERSION_MAJOR: u32 = 0;
/// The second number of the library's version.
pub const POOL_VERSION_MINOR: u32 = 1;
/// The third number of the library's version.
pub const POOL_VERSION_PATCH: u32 = 0;

/// A time that never comes.
pub const POOL_FOREVER: i64 = -1;
/// At once, where 0 already means the default.
pub const POOL_NOW: i64 = -2;
/// The lowest priority of a task.
pub const POOL_PRIORITY_MIN: i32 = -8;
/// The highest priority of a task.
pub const POOL_PRIORITY_MAX: i32 = 7;

/// A pool: workers and the tasks that wait for them.
///
/// Threads: any thread may use it, also several at once.
/// Lifetime: from pool_new to pool_free. A handle is a checked ticket, not an address: after
/// pool_free every call with it answers POOL_ERR_INVALID. While it is being freed, no other call with
/// the pool may be under way, nor one with a future of it that was freed before; futures that were
/// not freed may be in use.
/// NULL: POOL_ERR_INVALID, and nothing happens.
pub struct pool_t {
    _opaque: [u8; 0],
}

/// The result-to-be of one task.
///
/// Threads: any thread may use it; any number may wait for it.
/// Lifetime: from the submit that made it to future_free, also beyond the pool's. A checked ticket
/// like pool_t. No call with the future may be under way in another thread when it is freed.
/// NULL: POOL_ERR_INVALID.
pub struct future_t {
    _opaque: [u8; 0],
}

/// A task while it runs, as its function sees it.
///
/// Threads: the thread that runs the function, and threads that it started and waits for.
/// Lifetime: until the function returns.
/// NULL: no bytes, no room, 0 or false.
pub struct pool_task_t {
    _opaque: [u8; 0],
}

/// Memory for the arguments of one task, written in place and handed over without a copy.
///
/// Threads: one at a time.
/// Lifetime: from pool_buffer_new until a submit takes it, or pool_buffer_free.
/// NULL: POOL_ERR_INVALID.
pub struct pool_buffer_t {
    _opaque: [u8; 0],
}

/// A task: reads its argument bytes, leaves result bytes, and returns 0, or a code of its own when
/// it fails. It must not throw, nor leave by longjmp or pthread_exit.
pub type pool_task_fn = Option<unsafe extern "C-unwind" fn(task: *mut pool_task_t) -> i32>;
/// A set of futures, to be taken out as they are done.
///
/// Threads: any thread may use it, also several at once.
/// Lifetime: from future_set_new to future_set_free. A checked ticket like pool_t.
/// NULL: POOL_ERR_INVALID.
pub struct future_set_t {
    _opaque: [u8; 0],
}

/// A map over a source of items, whose results are taken one by one.
///
/// Threads: one at a time, but for pool_map_cancel.
/// Lifetime: from pool_map_start to pool_map_free. A checked ticket like pool_t.
/// NULL: POOL_ERR_INVALID.
pub struct pool_map_t {
    _opaque: [u8; 0],
}

/// Called once with a user pointer, after its last use, also when the call it was given to failed.
pub type pool_drop_fn = Option<unsafe extern "C" fn(user: *mut c_void)>;
/// Called when a future is done, which is good until the function returns.
pub type future_done_fn = Option<unsafe extern "C" fn(future: *mut future_t, user: *mut c_void)>;
/// Called when a worker has taken the task.
pub type pool_accept_fn = Option<unsafe extern "C" fn(worker: u32, pid: i64, user: *mut c_void)>;
/// Called when a time limit of a task has passed.
pub type pool_timeout_fn = Option<
    unsafe extern "C" fn(future: *mut future_t, soft: bool, limit_ms: i64, user: *mut c_void),
>;
/// Receives log messages.
pub type pool_log_fn = Option<
    unsafe extern "C" fn(level: pool_log_level_t, message: *const c_char, user: *mut c_void),
>;
/// Receives events of workers.
pub type pool_event_fn =
    Option<unsafe extern "C" fn(event: *const pool_event_t, user: *mut c_void)>;
/// Called now and then by a thread that waits for a pool to end; see pool_options_t.on_tick.
pub type pool_tick_fn = Option<unsafe extern "C" fn(user: *mut c_void)>;
/// Called when the program exits.
pub type pool_exit_fn = Option<unsafe extern "C" fn(user: *mut c_void)>;
/// Told how many items of a map have come back, and how many there are; 0: not known.
pub type pool_progress_fn = Option<unsafe extern "C" fn(done: u64, total: u64, user: *mut c_void)>;
/// Gives the next item of a lazy map: its bytes are copied before the next call. It answers POOL_OK;
/// POOL_ERR_END when there is none; any other status ends the map with it, after the items before.
pub type pool_source_fn = Option<
    unsafe extern "C" fn(
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
