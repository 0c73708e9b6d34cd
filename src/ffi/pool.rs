//! `pool_*`: creating pools, submitting, resizing, stopping.

use super::call::{call_from, task_from};
use super::enums::{CEnum, stop_mode_from};
use super::options::{config_from, fixed_config_from, grace_from, idle_time_from, limits_from};
use super::structs::*;
use super::types::*;
use super::{
    boundary, bytes, bytes_mut, catch, handles_out, required, status_of, write_error,
    write_optional, write_out,
};
use crate::error::Result;
use crate::pool::{self, RestartMode, ShrinkMode, SubmitOptions, TaskItems, TaskSpec};
use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

/// Creates a pool. Workers start on demand.
///
/// The pool has descriptors of its own. A program that closes them, as closefrom does, breaks it:
/// POOL_ERR_BROKEN. What the program opens under their numbers is left alone.
///
/// A constructor of a library may make a pool and wait for tasks; these must not use the dynamic
/// loader, whose lock dlopen holds while constructors run. If worker processes open the library,
/// its constructor runs in them, too, and can make no pool of processes there.
///
/// A pool reserves many addresses, and uses memory as its tasks do. A program that locks its memory
/// before (mlockall with MCL_FUTURE) locks the stacks of the pool's threads, for which
/// RLIMIT_MEMLOCK must have room, but not the memory of tasks, of which any amount can be used. If it
/// locks memory later (MCL_CURRENT), or a worker process does, only what is in use gets locked,
/// with Linux 6.15 or newer; with an older one MCL_ONFAULT must be set, too. Without CAP_IPC_LOCK
/// MCL_CURRENT counts the addresses, and must come before the first pool.
///
/// @param options  configuration; NULL: all defaults, a process pool with one worker per CPU
/// @param out      receives the pool, to be released with pool_free; NULL on failure
/// @param error    filled in on failure; may be NULL
/// @return POOL_OK; POOL_ERR_INVALID if an option is out of range; POOL_ERR_UNSUPPORTED if an
///         option is not supported by the kind of pool; POOL_ERR_VERSION if the struct has non-zero
///         fields that this version does not know; POOL_ERR_NOMEM; POOL_ERR_OS; POOL_ERR_FULL if
///         4096 pools exist, counting freed ones that still have futures; POOL_ERR_STATE if this
///         process is a worker that ran into main, which must begin with pool_worker_main, if a
///         constructor makes the pool in a worker process that is starting or opening a module, if
///         POOL_FORK is refused because of other threads, if the real and the effective user or
///         group differ (POOL_SPAWN, POOL_FORKSERVER), or if process pools are nested more than 8
///         deep
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_new(
    options: *const pool_options_t,
    out: Option<&mut MaybeUninit<*mut pool_t>>,
    error: Option<&mut MaybeUninit<pool_error_t>>,
) -> pool_status_t {
    // Also without an out-parameter: the options own a pointer, which is then dropped.
    // SAFETY: the header: NULL, or options that begin with their size.
    let config = catch(|| unsafe { config_from(options) });
    let made = write_out(out, std::ptr::null_mut(), || {
        let (config, snapshot) = config?;
        Ok(pool::open(config, snapshot)?.into())
    });
    write_error(made, error)
}

/// Creates a pool of a fixed kind and size, which override those in the options. Its workers, too,
/// start on demand.
///
/// @param kind     kind of the pool
/// @param n        number of workers, 1 to 1024
/// @param options  other options, as for pool_new
/// @return as for pool_new
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_new_fixed(
    kind: pool_kind_t,
    n: u32,
    options: *const pool_options_t,
    out: Option<&mut MaybeUninit<*mut pool_t>>,
    error: Option<&mut MaybeUninit<pool_error_t>>,
) -> pool_status_t {
    // As in `pool_new`.
    // SAFETY: the header: NULL, or options that begin with their size.
    let config = catch(|| unsafe { fixed_config_from(kind, n, options) });
    let made = write_out(out, std::ptr::null_mut(), || {
        let (config, snapshot) = config?;
        Ok(pool::open(config, snapshot)?.into())
    });
    write_error(made, error)
}

/// Frees the pool, after shutting it down if it is still open (POOL_STOP_CANCEL: waits for running
/// tasks). Its futures remain valid. Blocks. NULL is ignored. Does nothing if called from a task or
/// a callback of the same pool, or in a forked child.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_free(pool: *mut pool_t) {
    boundary(|| pool::free(pool.into()));
}

/// Submits a task: a worker calls the function with a copy of the argument bytes. Does not block,
/// unless pool_options_t.max_pending tasks are already queued: then it waits until there is
/// capacity, or until the pool is closed or broken. A task that submits to its own full pool does
/// not wait; instead it runs queued tasks before the submit returns.
///
/// @param function  a function of this program or of a shared library; it need not be exported.
///                  Worker processes call it in their own copy of that program or library
/// @param args      the argument bytes; may be NULL if len is 0
/// @param len       number of argument bytes
/// @param out       receives the future, to be released with future_free; NULL if no future is
///                  needed: the result and any error are then discarded
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_CLOSED; the errors of a broken pool (see
///         pool_check); POOL_ERR_FUNCTION if the function is in no module that a worker process
///         could open; POOL_ERR_FULL if 16 Mi futures exist, or fewer where address space is
///         limited; POOL_ERR_TOO_LARGE if the pool's address space has no room for the arguments;
///         POOL_ERR_DEADLOCK if max_pending tasks are queued and 64 tasks are already nested on
///         this thread because they submit; POOL_ERR_NOMEM; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_submit(
    pool: *mut pool_t,
    function: pool_task_fn,
    args: *const c_void,
    len: usize,
    out: Option<&mut MaybeUninit<*mut future_t>>,
) -> pool_status_t {
    // SAFETY: the header: `len` bytes at `args`.
    let args = || unsafe { bytes(args, len) };
    let Some(out) = out else {
        return submit(pool, None, || Ok(TaskSpec::pointer(required(function)? as usize, args()?)));
    };
    status_of(&write_out(Some(out), std::ptr::null_mut(), || {
        let function = required(function)? as usize;
        Ok(pool::submit_plain(pool.into(), function, args()?)?.into())
    }))
}

/// Submits a task by module and symbol name, for callers that have no pointer to the function.
///
/// @param module  the shared library that exports the symbol: a path, or a name that the dynamic
///                loader finds; NULL: the main program
/// @param symbol  name of an exported function
/// @return as for pool_submit. A module or symbol that does not exist is detected only when the
///         task runs: the task then fails with POOL_ERR_FUNCTION
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_submit_symbol(
    pool: *mut pool_t,
    module: *const c_char,
    symbol: *const c_char,
    args: *const c_void,
    len: usize,
    out: Option<&mut MaybeUninit<*mut future_t>>,
) -> pool_status_t {
    submit(pool, out, || {
        let function = pool_function_t { pointer: None, module, symbol, args, len };
        // SAFETY: the header: two strings or NULL, and `len` bytes at `args`.
        unsafe { task_from(&function) }
    })
}

/// Submits a task with all its options.
///
/// @param call  the task, see pool_call_t
/// @param out   receives the future, as for pool_submit
/// @return as for pool_submit; POOL_ERR_INVALID also if an option is out of range;
///         POOL_ERR_UNSUPPORTED if an option is not supported by the kind of pool; POOL_ERR_VERSION
///         if the struct has non-zero fields that this version does not know; POOL_ERR_FULL also if
///         submit_timeout_ms expired
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_submit_call(
    pool: *mut pool_t,
    call: *const pool_call_t,
    out: Option<&mut MaybeUninit<*mut future_t>>,
) -> pool_status_t {
    let submit = || {
        let mut options = SubmitOptions::default();
        // SAFETY: the header: a call that begins with its size, with strings and bytes that can be
        // read.
        let (spec, callbacks) = unsafe { call_from(call, &mut options) }?;
        match callbacks {
            Some(callbacks) => pool::submit_with_callbacks(pool.into(), spec, callbacks),
            None => pool::submit(pool.into(), spec),
        }
    };
    match out {
        Some(out) => {
            status_of(&write_out(Some(out), std::ptr::null_mut(), || Ok(submit()?.into())))
        }
        None => boundary(|| pool::future_free(submit()?)),
    }
}

fn submit<'a>(
    pool: *mut pool_t,
    out: Option<&mut MaybeUninit<*mut future_t>>,
    spec: impl FnOnce() -> Result<TaskSpec<'a>>,
) -> pool_status_t {
    match out {
        Some(out) => status_of(&write_out(Some(out), std::ptr::null_mut(), || {
            Ok(pool::submit(pool.into(), spec()?)?.into())
        })),
        None => boundary(|| pool::submit_detached(pool.into(), spec()?)),
    }
}

/// Submits one task for each of n items: its argument bytes are a copy of the item.
///
/// @param items      n contiguous items; may be NULL if n or item_size is 0
/// @param item_size  size of an item, in bytes
/// @param n          number of items
/// @param futures    array of n elements that receive the futures, in the order of the items, and
///                   NULL for tasks that were not submitted; NULL if no futures are needed
/// @param submitted  receives the number of tasks submitted: those of the first items; may be NULL
/// @return POOL_OK if all were submitted; else the reason why the next one was not, as for
///         pool_submit
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_submit_many(
    pool: *mut pool_t,
    function: pool_task_fn,
    items: *const c_void,
    item_size: usize,
    n: usize,
    futures: *mut *mut future_t,
    submitted: Option<&mut MaybeUninit<usize>>,
) -> pool_status_t {
    let mut count = 0;
    let status = boundary(|| {
        // First, so that they are NULL whatever is refused.
        // SAFETY: the header: room for `n` futures, or NULL.
        let futures = unsafe { handles_out(futures, n) }?;
        let function = required(function)? as usize;
        let len = required(item_size.checked_mul(n))?;
        // SAFETY: the header: `n` items.
        let bytes = unsafe { bytes(items, len) }?;
        let items = TaskItems { bytes, item_size, n };
        pool::submit_many(pool.into(), function, items, futures, &mut count)
    });
    if let Some(out) = submitted {
        out.write(count);
    }
    status
}

/// Submits a task, waits for it, and copies its result. If the timeout expires, the task keeps
/// running and its result is discarded.
///
/// @param timeout_ms  maximum time to wait, for capacity in the queue and for the result together;
///                    POOL_FOREVER: no timeout; 0: do not block
/// @param result      buffer for the result; may be NULL if capacity is 0
/// @param capacity    size of the buffer in bytes
/// @param result_len  receives the length of the result, even if it exceeds capacity; may be NULL
/// @return as for pool_submit and future_collect; POOL_ERR_FULL also if the queue had no capacity
///         within the timeout; POOL_ERR_TOO_LARGE if the result exceeds capacity; nothing is copied
///         then
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_run(
    pool: *mut pool_t,
    function: pool_task_fn,
    args: *const c_void,
    len: usize,
    timeout_ms: i64,
    result: *mut c_void,
    capacity: usize,
    result_len: Option<&mut MaybeUninit<usize>>,
) -> pool_status_t {
    let mut size = 0;
    let status = boundary(|| {
        // SAFETY: the header: `len` bytes at `args`.
        let args = unsafe { bytes(args, len) }?;
        let spec = TaskSpec::pointer(required(function)? as usize, args);
        // SAFETY: the header: `capacity` bytes at `result`.
        let buffer = unsafe { bytes_mut(result, capacity) }?;
        pool::run(pool.into(), spec, timeout_ms, buffer, &mut size)
    });
    if let Some(out) = result_len {
        out.write(size);
    }
    status
}

/// Allocates memory for the arguments of one task of this pool, to be written in place and passed
/// on in pool_call_t.buffer.
///
/// @param len   size in bytes
/// @param out   receives the buffer; NULL on failure
/// @param data  receives the address of the memory, aligned for any type; NULL on failure. The
///              initial contents are undefined
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_CLOSED; the errors of a broken pool (see
///         pool_check); POOL_ERR_NOMEM; POOL_ERR_TOO_LARGE if the pool's address space has no room
///         for it; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_buffer_new(
    pool: *mut pool_t,
    len: usize,
    out: Option<&mut MaybeUninit<*mut pool_buffer_t>>,
    data: Option<&mut MaybeUninit<*mut c_void>>,
) -> pool_status_t {
    let mut start = std::ptr::null_mut();
    let has_data = data.is_some();
    let made = write_out(out, std::ptr::null_mut(), || {
        required(has_data.then_some(()))?;
        let (buffer, address) = pool::buffer_new(pool.into(), len)?;
        start = address.cast();
        Ok(buffer.into())
    });
    if let Some(data) = data {
        data.write(start);
    }
    status_of(&made)
}

/// Frees a buffer that no submit has taken ownership of. NULL is ignored. Buffers must be freed
/// before their pool; pool_free frees those that remain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_buffer_free(buffer: *mut pool_buffer_t) {
    boundary(|| pool::buffer_free(buffer.into()));
}

/// Checks whether the pool accepts tasks.
///
/// @param error  filled in if it does not; may be NULL
/// @return POOL_OK; POOL_ERR_CLOSED; POOL_ERR_INITIALIZER or POOL_ERR_FINALIZER if that function
///         failed, with its task_code and message; POOL_ERR_RESTARTS if workers failed to start too
///         often; POOL_ERR_BROKEN if the pool is broken for another reason, which the message
///         gives; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_check(
    pool: *mut pool_t,
    error: Option<&mut MaybeUninit<pool_error_t>>,
) -> pool_status_t {
    write_error(catch(|| pool::check(pool.into())), error)
}

/// Tests the pool's configuration: creates a second pool with the same configuration and one
/// worker, and runs a built-in task and a map in it. This pool is not affected.
///
/// @param timeout_ms  maximum time to wait for these; POOL_FOREVER: no timeout; 0: do not block
/// @param error       filled in on failure, with the reason; may be NULL
/// @return POOL_OK; POOL_ERR_INITIALIZER, POOL_ERR_FINALIZER, POOL_ERR_RESTARTS, POOL_ERR_BROKEN
///         and any other error of a pool or task; POOL_ERR_TIMEOUT; POOL_ERR_CLOSED;
///         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_test(
    pool: *mut pool_t,
    timeout_ms: i64,
    error: Option<&mut MaybeUninit<pool_error_t>>,
) -> pool_status_t {
    write_error(catch(|| pool::test(pool.into(), timeout_ms)), error)
}

/// Closes the pool: it accepts no new tasks, and queued tasks still run. Does not wait. Has no
/// further effect if called again.
///
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_close(pool: *mut pool_t) -> pool_status_t {
    boundary(|| pool::close(pool.into()))
}

/// Waits until all queued tasks have run and the workers have exited. While it waits, submits
/// return POOL_ERR_CLOSED; afterwards the pool is as open as before.
///
/// @param timeout_ms  maximum time to wait; POOL_FOREVER: no timeout; 0: do not block
/// @return POOL_OK; POOL_ERR_TIMEOUT, which leaves the pool as before; POOL_ERR_CLOSED if it has
///         been shut down; POOL_ERR_DEADLOCK if called from a task or a callback of the same pool;
///         the errors of a broken pool (see pool_check); POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_join(pool: *mut pool_t, timeout_ms: i64) -> pool_status_t {
    boundary(|| pool::join(pool.into(), timeout_ms))
}

/// Waits until every task that was submitted before the call is done, maps in the background
/// included. The workers stay, and the pool remains open: other threads may go on submitting, and
/// their tasks are not waited for.
///
/// @param timeout_ms  maximum time to wait; POOL_FOREVER: no timeout; 0: do not block
/// @return POOL_OK, also if tasks have failed or the pool is closed or broken: no task of it is left
///         then; POOL_ERR_TIMEOUT; POOL_ERR_DEADLOCK if called from a task or a callback of the same
///         pool; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_wait_idle(pool: *mut pool_t, timeout_ms: i64) -> pool_status_t {
    boundary(|| pool::wait_idle(pool.into(), timeout_ms))
}

/// Shuts the pool down. Afterwards all workers have exited and every future is done.
///
/// @param mode        see enum pool_stop. Another call with a stronger mode escalates, also from
///                    another thread while the first call is waiting
/// @param timeout_ms  maximum time to wait; POOL_FOREVER: no timeout; 0: do not block
/// @return POOL_OK; POOL_ERR_TIMEOUT: the pool is closed and continues to stop; POOL_ERR_CLOSED if
///         it had already been shut down; POOL_ERR_DEADLOCK if called from a task or a callback of
///         the same pool; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_shutdown(
    pool: *mut pool_t,
    mode: pool_stop_t,
    timeout_ms: i64,
) -> pool_status_t {
    boundary(|| {
        let mode = stop_mode_from(mode)?;
        pool::shutdown(pool.into(), mode, timeout_ms)
    })
}

/// Cancels every task that has not started, including those submitted by other threads and by maps.
/// Running tasks continue, the pool stays as open as it is, and submits that wait for capacity
/// continue. Tasks cancelled this way are not reported by pool_cancelled_task, only by their
/// futures.
///
/// @param n  receives the number of cancelled tasks; may be NULL
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_cancel_pending(
    pool: *mut pool_t,
    n: Option<&mut MaybeUninit<u64>>,
) -> pool_status_t {
    write_optional(n, || pool::cancel_pending(pool.into()))
}

/// Starts workers before there are tasks for them.
///
/// @param n        number of workers to start; negative: as many as the queued tasks need. The pool
///                 never has more than max_workers
/// @param spawned  receives the number of workers started; may be NULL
/// @return POOL_OK; POOL_ERR_CLOSED; the errors of a broken pool (see pool_check); POOL_ERR_OS or
///         POOL_ERR_NOMEM if not a single worker could be started; POOL_ERR_INVALID;
///         POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_spawn_workers(
    pool: *mut pool_t,
    n: i64,
    spawned: Option<&mut MaybeUninit<u32>>,
) -> pool_status_t {
    write_optional(spawned, || pool::spawn_workers(pool.into(), n))
}

/// Starts workers until there are max_workers.
///
/// @param spawned  receives the number of workers started; may be NULL
/// @return as for pool_spawn_workers
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_spawn_max_workers(
    pool: *mut pool_t,
    spawned: Option<&mut MaybeUninit<u32>>,
) -> pool_status_t {
    // SAFETY: the same promises as ours.
    unsafe { pool_spawn_workers(pool, i64::MAX, spawned) }
}

/// Changes pool_options_t.idle_timeout_ms, with effect also on workers that are idle now.
///
/// @param ms  0: 60000; POOL_FOREVER: workers never exit because they are idle; POOL_NOW: they exit
///            as soon as no task is queued
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_set_idle_timeout(pool: *mut pool_t, ms: i64) -> pool_status_t {
    boundary(|| {
        let idle_ms = idle_time_from(ms)?;
        pool::set_idle_time(pool.into(), idle_ms)
    })
}

/// Changes pool_options_t.soft_limit_ms and hard_limit_ms for tasks that start from now on and have
/// no limits of their own. Running tasks keep their limits.
///
/// @param soft_ms  0, POOL_FOREVER: no limit
/// @param hard_ms  0, POOL_FOREVER: no limit
/// @return POOL_OK; POOL_ERR_INVALID, also if soft_ms is not less than hard_ms;
///         POOL_ERR_UNSUPPORTED for a hard limit in a thread pool, or any limit in an inline pool;
///         POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_set_limits(
    pool: *mut pool_t,
    soft_ms: i64,
    hard_ms: i64,
) -> pool_status_t {
    boundary(|| {
        let limits = limits_from(soft_ms, hard_ms)?;
        pool::set_limits(pool.into(), limits)
    })
}

/// Waits until n workers are ready at the same time, that is, started and with their initializers
/// run. Starts those that are missing, like pool_spawn_workers. An inline pool has no workers and
/// is always ready.
///
/// @param n           number of workers; 0: min_workers, but at least 1
/// @param timeout_ms  maximum time to wait; POOL_FOREVER: no timeout; 0: do not block
/// @return POOL_OK; POOL_ERR_TIMEOUT: the workers continue to start; the errors of a broken pool
///         (see pool_check), also if it becomes broken meanwhile; POOL_ERR_CLOSED if the pool is
///         closed, or a join or shutdown begins meanwhile; POOL_ERR_INVALID, also if n exceeds
///         max_workers; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_wait_ready(
    pool: *mut pool_t,
    n: u32,
    timeout_ms: i64,
) -> pool_status_t {
    boundary(|| pool::wait_ready(pool.into(), n, timeout_ms))
}

/// Raises max_workers by n and starts n workers. min_workers is unchanged: workers beyond it exit
/// after being idle for idle_timeout_ms, and start again on demand. The operation is all or
/// nothing: if a worker cannot be started, those already started exit again.
///
/// @param n  number of workers to add; 0: no effect
/// @return POOL_OK: the workers are starting, see pool_wait_ready; POOL_ERR_INVALID, also if the
///         total would exceed 1024; POOL_ERR_UNSUPPORTED for an inline pool; POOL_ERR_FULL if
///         address space is limited (RLIMIT_AS) and the pool has no room for that many workers;
///         POOL_ERR_OS or POOL_ERR_NOMEM if a worker could not be started; POOL_ERR_CLOSED; the
///         errors of a broken pool (see pool_check); POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_grow(pool: *mut pool_t, n: u32) -> pool_status_t {
    boundary(|| pool::grow(pool.into(), n))
}

/// Lowers max_workers by n, and min_workers to the new max_workers if it exceeds that. Workers exit
/// until no more than max_workers remain; indexes without a worker are given up first. Tasks are
/// not affected: a task that an idle worker takes at that very moment runs before the worker exits.
/// Exiting workers run their finalizer. Does not wait for them.
///
/// @param n     number of workers to remove; 0: no effect
/// @param mode  POOL_SHRINK_IDLE: only idle workers exit, those with the highest indexes first; if
///              there are too few, nothing changes. POOL_SHRINK_WHEN_IDLE: idle workers exit now,
///              and for the rest the workers that finish a task first
/// @return POOL_OK; POOL_ERR_STATE if too few workers are idle (POOL_SHRINK_IDLE), in which case
///         nothing has changed; POOL_ERR_INVALID, also if no worker would remain;
///         POOL_ERR_UNSUPPORTED for an inline pool; POOL_ERR_CLOSED; the errors of a broken pool
///         (see pool_check); POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_shrink(
    pool: *mut pool_t,
    n: u32,
    mode: pool_shrink_t,
) -> pool_status_t {
    boundary(|| pool::shrink(pool.into(), n, required(ShrinkMode::from_c(mode))?))
}

/// Sets max_workers, and min_workers to the same number if it exceeds that. If the number is lowered,
/// waits until no more than max_workers workers remain: from then on no more tasks run at once.
/// Workers exit as with POOL_SHRINK_WHEN_IDLE, after their current task. If it is raised, workers
/// start on demand.
///
/// @param max_workers  the new number, 1 to 1024
/// @param timeout_ms   maximum time to wait; POOL_FOREVER: no timeout; 0: do not block
/// @return POOL_OK; POOL_ERR_TIMEOUT: max_workers is set, and the workers continue to exit;
///         POOL_ERR_DEADLOCK if called from a task or a callback of the same pool;
///         POOL_ERR_UNSUPPORTED for an inline pool; POOL_ERR_FULL if address space is limited
///         (RLIMIT_AS) and the pool has no room for that many workers; POOL_ERR_CLOSED if the pool is
///         closed, or a shutdown ends meanwhile; the errors of a broken pool (see pool_check);
///         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_resize(
    pool: *mut pool_t,
    max_workers: u32,
    timeout_ms: i64,
) -> pool_status_t {
    boundary(|| pool::resize(pool.into(), max_workers, timeout_ms))
}

/// Pauses the pool: workers begin no more tasks, except one that a worker takes at that very moment.
/// Running tasks go on, and new ones are accepted and queued. A task that waits for a queued task of
/// its own thread pool runs it all the same. pool_join, and a shutdown with POOL_STOP_DRAIN, run the
/// queued tasks as if the pool were not paused. Pausing a paused pool has no effect.
///
/// @return POOL_OK; POOL_ERR_CLOSED, also while the pool is joined; POOL_ERR_UNSUPPORTED for an
///         inline pool; the errors of a broken pool (see pool_check); POOL_ERR_INVALID;
///         POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_pause(pool: *mut pool_t) -> pool_status_t {
    boundary(|| pool::pause(pool.into()))
}

/// Resumes a paused pool, also one that was closed or is joined meanwhile: workers begin the queued
/// tasks. Has no effect if it is not paused.
///
/// @return POOL_OK; POOL_ERR_CLOSED if a shutdown has begun; otherwise as for pool_pause
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_resume(pool: *mut pool_t) -> pool_status_t {
    boundary(|| pool::resume(pool.into()))
}

/// Replaces every existing worker by a new one, which runs the initializer again. Does not wait:
/// the ids in pool_workers show which workers are new. If called again while workers are still
/// being replaced, it also replaces those that have started meanwhile.
///
/// @param mode  POOL_RESTART_GRACEFUL: each worker exits after its current task and runs its
///              finalizer. At most half of the workers are absent at a time (one, if there are only
///              one or two), so tasks continue to run and none is lost. POOL_RESTART_NOW: worker
///              processes are killed immediately, without running their finalizer; their tasks fail
///              with POOL_ERR_WORKER_LOST, or run again if they have retries left. Threads cannot
///              be killed: as POOL_RESTART_GRACEFUL
/// @return POOL_OK; POOL_ERR_UNSUPPORTED for an inline pool; POOL_ERR_CLOSED; the errors of a
///         broken pool (see pool_check); POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_restart(pool: *mut pool_t, mode: pool_restart_t) -> pool_status_t {
    boundary(|| pool::restart(pool.into(), required(RestartMode::from_c(mode))?))
}

/// Stops the pool now. Queued tasks are cancelled and running tasks are asked to end:
/// pool_task_cancelled returns true in them, and worker processes receive SIGTERM, together with
/// all processes that their tasks have started in their process group. SIGTERM ends a worker unless
/// a task handles the signal. Processes that remain after the grace period are killed. The futures
/// of tasks ended this way are cancelled with POOL_ERR_TERMINATED.
///
/// Waits until everything has ended. Threads cannot be killed; the call waits for them no longer
/// than the grace period plus 250 ms. If a pool_shutdown is in progress, it is escalated.
///
/// @param grace_ms  time between SIGTERM and SIGKILL; 0: pool_options_t.kill_grace_ms; POOL_NOW:
///                  none
/// @return POOL_OK; POOL_ERR_TIMEOUT if tasks of a thread pool are still running: the pool is
///         closed and continues to stop; POOL_ERR_CLOSED if it had already been shut down;
///         POOL_ERR_DEADLOCK if called from a task or a callback of the same pool;
///         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_terminate(pool: *mut pool_t, grace_ms: i64) -> pool_status_t {
    boundary(|| {
        let grace = grace_from(grace_ms)?;
        pool::terminate(pool.into(), grace)
    })
}

/// Requests a shutdown, like pool_shutdown, without waiting for it. The only function that may be
/// called in a signal handler: it takes no lock, allocates no memory, and preserves errno. Once it
/// has returned, the pool accepts no more tasks. Another call with a stronger mode escalates.
///
/// The pool's own thread does the rest. A later pool_shutdown or pool_terminate waits for the end
/// and returns POOL_OK, once, even if the pool has already stopped. The handle must not be freed
/// while the signal handler may run.
///
/// @param mode  see enum pool_stop
/// @return POOL_OK if the stop was requested, or the pool had already been shut down;
///         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_request_stop(pool: *mut pool_t, mode: pool_stop_t) -> pool_status_t {
    boundary(|| pool::request_stop(pool.into(), stop_mode_from(mode)?))
}
