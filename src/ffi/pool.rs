//! `pool_*`: making pools, submitting, resizing, stopping.

use super::call::{call_from, task_from};
use super::enums::{CEnum, stop_mode_from};
use super::options::{config_from, fixed_config_from, grace_from, idle_time_from, limits_from};
use super::structs::*;
use super::types::*;
use super::{boundary, bytes, bytes_mut, catch, required, status_of, write_error, write_out};
use crate::error::Result;
use crate::pool::{self, RestartMode, ShrinkMode, SubmitOptions, TaskSpec};
use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

/// Makes a pool. Workers start when there is work for them.
///
/// @param options  NULL: all defaults, a pool of processes, one for each CPU
/// @param out      receives the pool, to be given to pool_free; NULL on failure
/// @param error    filled in on failure; may be NULL
/// @return POOL_OK; POOL_ERR_INVALID: an option is out of range; POOL_ERR_UNSUPPORTED: an option is
///         not for this kind; POOL_ERR_VERSION: the struct is longer than this
///         library knows, and not zero there; POOL_ERR_NOMEM; POOL_ERR_OS; POOL_ERR_FULL: 4096
///         pools are alive, freed ones with futures included; POOL_ERR_STATE: this process is a
///         worker that ran into main, which should begin with pool_worker_main
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_new(
    options: *const pool_options_t,
    out: Option<&mut MaybeUninit<*mut pool_t>>,
    error: Option<&mut MaybeUninit<pool_error_t>>,
) -> pool_status_t {
    let made = write_out(out, std::ptr::null_mut(), || {
        // SAFETY: the header: NULL, or options that begin with their size.
        let (config, snapshot) = unsafe { config_from(options) }?;
        Ok(pool::open(config, snapshot)?.into())
    });
    write_error(made, error)
}

/// Makes a pool of a fixed kind and size, whatever the options say about these. Its workers still
/// start when there is work for them.
///
/// @param n  the number of workers, 1 to 1024
/// @return as pool_new
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_new_fixed(
    kind: pool_kind_t,
    n: u32,
    options: *const pool_options_t,
    out: Option<&mut MaybeUninit<*mut pool_t>>,
    error: Option<&mut MaybeUninit<pool_error_t>>,
) -> pool_status_t {
    let made = write_out(out, std::ptr::null_mut(), || {
        // SAFETY: the header: NULL, or options that begin with their size.
        let (config, snapshot) = unsafe { fixed_config_from(kind, n, options) }?;
        Ok(pool::open(config, snapshot)?.into())
    });
    write_error(made, error)
}

/// Frees the pool, after shutting it down (POOL_STOP_CANCEL, waiting for running tasks) where it
/// still is open. Its futures stay valid. Blocks. NULL is ignored. From a task or a callback of the same
/// pool, or in a forked child, it does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_free(pool: *mut pool_t) {
    boundary(|| pool::free(pool.into()));
}

/// Submits a task: the function will be called by a worker with a copy of the bytes. Waits for nothing,
/// but where pool_options_t.max_pending tasks wait already: then until there is a place, or the pool is
/// closed or broken. A task that submits to its own pool then runs tasks that wait, before the submit
/// returns.
///
/// @param function  a function of this program or of a shared library; it need not be exported.
///                  Worker processes call it in their own copy of that program or library
/// @param args      the argument bytes; may be NULL when len is 0
/// @param out       receives the future, to be given to future_free; NULL: no future is wanted, and
///                  result and errors are dropped
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_CLOSED; POOL_ERR_BROKEN and its like, see
///         pool_check; POOL_ERR_FUNCTION: the function is in no module that a worker
///         process could open; POOL_ERR_FULL: 16 Mi futures are alive, or fewer where address space
///         is limited; POOL_ERR_DEADLOCK: max_pending tasks wait, and 64 tasks run in the middle of one
///         another on this thread because they submit; POOL_ERR_NOMEM; POOL_ERR_WRONG_PROCESS
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

/// Submits a task by names, for callers that have no pointer to the function.
///
/// @param module  the shared library that exports the symbol: a path, or a name as the dynamic
///                loader finds it; NULL: the main program
/// @param symbol  the name of an exported function
/// @return as pool_submit. That module or symbol do not exist shows when the task runs: it fails
///         with POOL_ERR_FUNCTION
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
/// @param call  see pool_call_t
/// @return as pool_submit; POOL_ERR_INVALID: also an option that is out of range; POOL_ERR_UNSUPPORTED: an
///         option is not for this kind; POOL_ERR_VERSION: the struct is longer than this library knows, and not zero there
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_submit_call(
    pool: *mut pool_t,
    call: *const pool_call_t,
    out: Option<&mut MaybeUninit<*mut future_t>>,
) -> pool_status_t {
    let submit = || {
        let mut options = SubmitOptions::default();
        // SAFETY: the header: a call that begins with its size, with strings and bytes that can be read.
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

/// Submits a task, waits for it, and copies its result. When the time is over, the task goes on and
/// its result is dropped.
///
/// @param timeout_ms  how long to wait for a place in the queue and for the end together, POOL_FOREVER,
///                    or 0: do not block
/// @param result      room for the result; may be NULL when capacity is 0
/// @param capacity    how many bytes there are
/// @param result_len  receives the length of the result, also when it is more than capacity; may be
///                    NULL
/// @return as pool_submit and future_collect; POOL_ERR_FULL: also when there was no place in the queue in
///         that time; POOL_ERR_TOO_LARGE: the result is more than capacity,
///         and nothing was copied
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

/// Memory for the arguments of one task of this pool, to be written in place: hand it over in
/// pool_call_t.buffer.
///
/// @param len   how many bytes
/// @param out   receives the buffer; NULL on failure
/// @param data  receives where to write, aligned for any type; NULL on failure. What the bytes are
///              at first is not defined
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_CLOSED; POOL_ERR_NOMEM; POOL_ERR_TOO_LARGE: more
///         than the pool's address space can hold; POOL_ERR_WRONG_PROCESS
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

/// Frees a buffer that no submit has taken over. NULL is ignored. Buffers must be freed before
/// their pool; those that are left are freed with it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_buffer_free(buffer: *mut pool_buffer_t) {
    boundary(|| pool::buffer_free(buffer.into()));
}

/// Whether the pool takes tasks.
///
/// @param error  filled in when it does not; may be NULL
/// @return POOL_OK; POOL_ERR_CLOSED; POOL_ERR_INITIALIZER, POOL_ERR_FINALIZER: that function failed,
///         task_code and the message are its own; POOL_ERR_RESTARTS: workers died too often while
///         they started; POOL_ERR_BROKEN: no worker can be started; the message tells why; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_check(
    pool: *mut pool_t,
    error: Option<&mut MaybeUninit<pool_error_t>>,
) -> pool_status_t {
    write_error(catch(|| pool::check(pool.into())), error)
}

/// Tries the pool's configuration: a second pool of it, with one worker, runs a task of the library's
/// own and a map. This pool is not touched.
///
/// @param timeout_ms  how long to wait for these, POOL_FOREVER, or 0: do not block
/// @param error       filled in on failure, with the reason; may be NULL
/// @return POOL_OK; POOL_ERR_INITIALIZER, POOL_ERR_FINALIZER, POOL_ERR_RESTARTS, POOL_ERR_BROKEN and
///         what else a pool or a task can come to; POOL_ERR_TIMEOUT; POOL_ERR_CLOSED;
///         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_test(
    pool: *mut pool_t,
    timeout_ms: i64,
    error: Option<&mut MaybeUninit<pool_error_t>>,
) -> pool_status_t {
    write_error(catch(|| pool::test(pool.into(), timeout_ms)), error)
}

/// Closes the pool: no new tasks, and what is queued runs. Does not wait. Again: nothing more
/// happens.
///
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_close(pool: *mut pool_t) -> pool_status_t {
    boundary(|| pool::close(pool.into()))
}

/// Waits until everything queued has run and the workers have left. The pool is as open as before
/// afterwards; while it waits, submits answer POOL_ERR_CLOSED.
///
/// @param timeout_ms  how long to wait, POOL_FOREVER, or 0: do not block
/// @return POOL_OK; POOL_ERR_TIMEOUT: the pool is as before; POOL_ERR_CLOSED: it has been shut down;
///         POOL_ERR_DEADLOCK: called from a task or a callback of the same pool; POOL_ERR_BROKEN: no worker can be
///         started; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_join(pool: *mut pool_t, timeout_ms: i64) -> pool_status_t {
    boundary(|| pool::join(pool.into(), timeout_ms))
}

/// Shuts the pool down. Afterwards all workers are gone and every future is done.
///
/// @param mode        see enum pool_stop. Calling again with a stronger one escalates, also from
///                    another thread while a first call waits
/// @param timeout_ms  how long to wait, POOL_FOREVER, or 0: do not block
/// @return POOL_OK; POOL_ERR_TIMEOUT: the pool is closed and goes on stopping; POOL_ERR_CLOSED: it
///         had been shut down before; POOL_ERR_DEADLOCK: called from a task or a callback of the same pool;
///         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
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

/// Cancels every task that has not started, also those of other threads and of maps. What runs goes on,
/// and the pool stays as open as it is; submits that wait for a place go on, too. Tasks cancelled so are
/// not told by pool_cancelled_task: their futures say so.
///
/// @param n  receives how many there were; may be NULL
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_cancel_pending(
    pool: *mut pool_t,
    n: Option<&mut MaybeUninit<u64>>,
) -> pool_status_t {
    let mut count = 0;
    let status = boundary(|| {
        count = pool::cancel_pending(pool.into())?;
        Ok(())
    });
    if let Some(n) = n {
        n.write(count);
    }
    status
}

/// Starts workers before there are tasks for them.
///
/// @param n        how many; below 0: as many as waiting tasks need. Never more than max_workers in all
/// @param spawned  receives how many were started; may be NULL
/// @return POOL_OK; POOL_ERR_CLOSED; POOL_ERR_BROKEN and its like, see pool_check; POOL_ERR_OS,
///         POOL_ERR_NOMEM: not even one could be started; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_spawn_workers(
    pool: *mut pool_t,
    n: i64,
    spawned: Option<&mut MaybeUninit<u32>>,
) -> pool_status_t {
    let mut count = 0;
    let status = boundary(|| {
        count = pool::spawn_workers(pool.into(), n)?;
        Ok(())
    });
    if let Some(spawned) = spawned {
        spawned.write(count);
    }
    status
}

/// Starts as many workers as are missing to max_workers.
///
/// @param spawned  receives how many were started; may be NULL
/// @return as pool_spawn_workers
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_spawn_max_workers(
    pool: *mut pool_t,
    spawned: Option<&mut MaybeUninit<u32>>,
) -> pool_status_t {
    // SAFETY: the same promises as ours.
    unsafe { pool_spawn_workers(pool, i64::MAX, spawned) }
}

/// Changes pool_options_t.idle_timeout_ms, also for workers that are idle now.
///
/// @param ms  0: 60 000; POOL_FOREVER; POOL_NOW: they leave when no task waits
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_set_idle_timeout(pool: *mut pool_t, ms: i64) -> pool_status_t {
    boundary(|| {
        let idle_ms = idle_time_from(ms)?;
        pool::set_idle_time(pool.into(), idle_ms)
    })
}

/// Changes pool_options_t.soft_limit_ms and hard_limit_ms, for tasks that start from now on and have no
/// limits of their own. Tasks that run keep what they have.
///
/// @param soft_ms  0, POOL_FOREVER: no limit
/// @param hard_ms  0, POOL_FOREVER: no limit
/// @return POOL_OK; POOL_ERR_INVALID: also when soft_ms is not less than hard_ms; POOL_ERR_UNSUPPORTED: a hard
///         limit for threads, or any for an inline pool; POOL_ERR_WRONG_PROCESS
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

/// Waits until so many workers are up at once: started, and their initializers run. Starts those that are
/// missing, as pool_spawn_workers does. An inline pool has none, and is ready at once.
///
/// @param n           how many; 0: min_workers, at least 1
/// @param timeout_ms  how long to wait, POOL_FOREVER, or 0: do not block
/// @return POOL_OK; POOL_ERR_TIMEOUT: the workers go on starting; POOL_ERR_INITIALIZER,
///         POOL_ERR_RESTARTS, POOL_ERR_BROKEN and their like, see pool_check: the pool is broken, or
///         breaks meanwhile; POOL_ERR_CLOSED: it is closed, or a join or a shutdown begins meanwhile;
///         POOL_ERR_INVALID: also when n is more than max_workers; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_wait_ready(
    pool: *mut pool_t,
    n: u32,
    timeout_ms: i64,
) -> pool_status_t {
    boundary(|| pool::wait_ready(pool.into(), n, timeout_ms))
}

/// Raises max_workers by n and starts n workers. min_workers stays: those beyond it leave when they have
/// been idle for idle_timeout_ms, and come back when there is work for them. Either all of it happens, or
/// nothing: where a worker cannot be started, those that were leave again.
///
/// @param n  how many; 0: nothing happens
/// @return POOL_OK: they are starting, see pool_wait_ready; POOL_ERR_INVALID: also for more than 1024 in
///         all; POOL_ERR_UNSUPPORTED: an inline pool; POOL_ERR_FULL: address space is limited (RLIMIT_AS),
///         and the pool has no room for so many; POOL_ERR_OS, POOL_ERR_NOMEM: one could not be started;
///         POOL_ERR_CLOSED; POOL_ERR_BROKEN and its like, see pool_check; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_grow(pool: *mut pool_t, n: u32) -> pool_status_t {
    boundary(|| pool::grow(pool.into(), n))
}

/// Lowers max_workers by n, and min_workers to that where it is more. Workers leave until there are no
/// more than max_workers; places that no worker has at the moment are given up first. Tasks are not
/// touched: one that an idle worker takes at the very moment is run before it leaves. Workers that leave
/// run their finalizer. Does not wait for them.
///
/// @param n     how many; 0: nothing happens
/// @param mode  POOL_SHRINK_IDLE: only workers that run no task now leave, those with the highest places
///              first; where there are too few, nothing is changed. POOL_SHRINK_WHEN_IDLE: workers that
///              run no task leave now, and for the rest whichever is the first to end its task
/// @return POOL_OK; POOL_ERR_STATE: too few workers are idle (POOL_SHRINK_IDLE), nothing was changed;
///         POOL_ERR_INVALID: also where no worker would be left; POOL_ERR_UNSUPPORTED: an inline pool;
///         POOL_ERR_CLOSED; POOL_ERR_BROKEN and its like, see pool_check; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_shrink(
    pool: *mut pool_t,
    n: u32,
    mode: pool_shrink_t,
) -> pool_status_t {
    boundary(|| pool::shrink(pool.into(), n, required(ShrinkMode::from_c(mode))?))
}

/// Replaces every worker that there is now by a new one, which runs the initializer again. Does not wait:
/// the ids of pool_workers show who has come. Called again while workers are still being replaced, it
/// replaces also those that have come meanwhile.
///
/// @param mode  POOL_RESTART_GRACEFUL: each worker leaves after its present task and runs its finalizer.
///              At most half of the workers are away at once (of one or two: one), so tasks go on, and
///              none is lost. POOL_RESTART_NOW: worker processes are killed at once, without finalizer;
///              their tasks fail with POOL_ERR_WORKER_LOST, or run again as their retries say. Threads
///              cannot be killed: as POOL_RESTART_GRACEFUL
/// @return POOL_OK; POOL_ERR_UNSUPPORTED: an inline pool; POOL_ERR_CLOSED; POOL_ERR_BROKEN and its like,
///         see pool_check; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_restart(pool: *mut pool_t, mode: pool_restart_t) -> pool_status_t {
    boundary(|| pool::restart(pool.into(), required(RestartMode::from_c(mode))?))
}

/// Stops the pool now. Tasks that wait are cancelled; those that run are asked to end: pool_task_cancelled
/// tells them, and worker processes get SIGTERM, with all that their tasks have started in their process
/// group. It ends a worker unless its tasks handle it. Those that are left after the grace are killed.
/// Futures of tasks that ended so are cancelled, with POOL_ERR_TERMINATED. Waits until everything has
/// ended; threads cannot be killed, and are waited for no longer than the grace and a quarter of a second.
/// While a pool_shutdown is under way, this makes it stronger.
///
/// @param grace_ms  how long tasks have between SIGTERM and SIGKILL; 0: kill_grace_ms of the options;
///                  POOL_NOW: no time
/// @return POOL_OK; POOL_ERR_TIMEOUT: tasks of threads still run; the pool is closed and goes on stopping;
///         POOL_ERR_CLOSED: it had been shut down before; POOL_ERR_DEADLOCK: called from a task or a
///         callback of the same pool; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_terminate(pool: *mut pool_t, grace_ms: i64) -> pool_status_t {
    boundary(|| {
        let grace = grace_from(grace_ms)?;
        pool::terminate(pool.into(), grace)
    })
}

/// Asks the pool to shut down, as pool_shutdown does, without waiting. The only function that may be
/// called in a signal handler: it takes no lock and no memory, and leaves errno as it was. No task is
/// taken any more when it returns. Again with a stronger mode: escalates. The pool's own thread does the
/// rest; a pool_shutdown or pool_terminate after it waits for the end and answers POOL_OK, once, also when
/// all is over already. The handle must not be freed while the handler may run.
///
/// @param mode  see enum pool_stop
/// @return POOL_OK: it is asked to, or had been shut down before; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_request_stop(pool: *mut pool_t, mode: pool_stop_t) -> pool_status_t {
    boundary(|| pool::request_stop(pool.into(), stop_mode_from(mode)?))
}
