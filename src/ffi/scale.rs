//! `pool_*`: how many workers there are, replacing them, stopping them at once.

use super::types::*;
use super::{boundary, required};
use crate::pool::{self, PoolHandle, RestartMode, ShrinkMode, StopMode};

fn ticket(pool: *mut pool_t) -> PoolHandle {
    PoolHandle::from_raw(pool as u64)
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
    boundary(|| pool::wait_ready(ticket(pool), n, timeout_ms))
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
    boundary(|| pool::grow(ticket(pool), n))
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
    boundary(|| pool::shrink(ticket(pool), n, required(ShrinkMode::from_number(mode))?))
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
    boundary(|| pool::restart(ticket(pool), required(RestartMode::from_number(mode))?))
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
        let grace = super::options::grace_from(grace_ms)?;
        pool::terminate(ticket(pool), grace)
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
    boundary(|| pool::request_stop(ticket(pool), required(StopMode::from_number(mode))?))
}
