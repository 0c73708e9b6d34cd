//! The C enumerations, and one table that maps them to the library's own. Their doc comments are the header's.
#![allow(non_camel_case_types, reason = "these are the C names")]
#![allow(dead_code, reason = "C uses the constants")]

use super::invalid;
use crate::error::Result;
use crate::pool::{
    CancelMode, FutureState, LogLevel, OnError, RestartMode, ShrinkMode, StopMode, WaitMode,
    WorkerState,
};
use crate::worker::protocol::ExitReason;

/// The kinds of workers.
#[repr(C)]
pub enum pool_kind {
    /// Each worker is a process of its own: a crash costs the one task that crashed.
    POOL_PROCESS = 0,
    /// Each worker is a thread of this process.
    POOL_THREAD = 1,
    /// No workers of its own: a task runs in the thread that submits it, before the submit returns. For
    /// debugging, with the same meaning of everything else; options of workers that wait do nothing.
    POOL_INLINE = 2,
}

/// How a worker process starts.
#[repr(C)]
pub enum pool_start {
    /// A program is executed for each worker. Nothing is inherited that should not be.
    POOL_SPAWN = 0,
    /// A program is executed once, with the first worker; it opens modules and preload, and workers are
    /// forked from it. They are there sooner, and share its memory until they write to it. When it dies
    /// it is executed again; its workers work on.
    POOL_FORKSERVER = 1,
    /// Workers are copies of the caller as it was at pool_new: also those that start later are forked
    /// from a copy that pool_new makes. They see what the caller had in memory by then, and keep what it
    /// had open, which is what makes this dangerous: a file's offset is the caller's too, and the
    /// other end of a pipe or socket sees no end while a worker has a copy. At-exit handlers of the
    /// caller are not run in workers, and what tasks have registered is run where they call exit, not
    /// when a worker leaves. A large caller is slow to copy. Where the process has other threads than
    /// the caller's and the library's own, pool_new answers POOL_ERR_STATE: what they hold, a lock of
    /// malloc's or of their own, would be held in the copy for ever; see fork_with_threads. When the
    /// copy is lost, the pool is broken at the next worker that it needs.
    POOL_FORK = 2,
}

/// How a pool stops. Each is stronger than the one before it in this order: DRAIN, CANCEL, KILL.
#[repr(C)]
pub enum pool_stop {
    /// Tasks that wait are cancelled; tasks that run are waited for.
    POOL_STOP_CANCEL = 0,
    /// All tasks run first.
    POOL_STOP_DRAIN = 1,
    /// Tasks that wait are cancelled; worker processes are killed with the tasks they run. Threads
    /// cannot be killed: they are waited for, and pool_task_cancelled tells their tasks.
    POOL_STOP_KILL = 2,
}

/// Which tasks a cancel reaches.
#[repr(C)]
pub enum pool_cancel {
    /// Only a task that has not started.
    POOL_CANCEL_QUEUED = 0,
    /// Also one that runs: its worker process is ended, see future_cancel.
    POOL_CANCEL_RUNNING = 1,
}

/// What to wait for among many futures.
#[repr(C)]
pub enum pool_wait {
    /// All are done.
    POOL_WAIT_ALL = 0,
    /// One is done.
    POOL_WAIT_FIRST = 1,
    /// One has failed or was cancelled, or all are done.
    POOL_WAIT_FIRST_ERROR = 2,
}

/// What becomes of a task whose worker is lost.
#[repr(C)]
pub enum pool_on_worker_lost {
    /// It fails with POOL_ERR_WORKER_LOST; nothing else is touched.
    POOL_LOST_FAIL_TASK = 0,
    /// It runs again in another worker, as often as its retries say; then it fails like that.
    POOL_LOST_RETRY = 1,
    /// It fails like that, and the pool breaks with POOL_ERR_BROKEN.
    POOL_LOST_BREAK = 2,
}

/// What becomes of a pool that is still open when the program exits.
#[repr(C)]
pub enum pool_exit {
    /// Tasks that wait are cancelled; tasks that run are waited for.
    POOL_EXIT_CANCEL = 0,
    /// All tasks run first.
    POOL_EXIT_DRAIN = 1,
    /// As POOL_STOP_KILL.
    POOL_EXIT_KILL = 2,
    /// Nothing: worker processes leave when they see that their parent is gone.
    POOL_EXIT_NONE = 3,
}

/// How tasks are handed to workers.
#[repr(C)]
pub enum pool_sched {
    /// A worker takes a task when it is free for it.
    POOL_SCHED_FIFO = 0,
    /// Where many tasks wait for each worker, it takes up to 32 from the queue at once: workers with tiny tasks
    /// hinder each other less. They are pending until each is begun: they can be cancelled, and workers with
    /// nothing else to do take them over; but they are no longer begun strictly in order. When their worker
    /// dies, they go back to the queue, at its end. Without effect for POOL_INLINE.
    POOL_SCHED_PREFETCH = 1,
}

/// Who runs callbacks.
#[repr(C)]
pub enum pool_driver {
    /// A thread of the library.
    POOL_DRIVER_INTERNAL = 0,
    /// The caller's event loop: callbacks run in pool_process_events and nowhere else, but for those that are
    /// left at the pool's end: pool_shutdown, pool_terminate and pool_free run them before they return, unless
    /// they time out. So it is in inline pools too.
    POOL_DRIVER_EXTERNAL = 1,
}

/// How grave a log message is.
#[repr(C)]
pub enum pool_log_level {
    /// Something failed.
    POOL_LOG_ERROR = 1,
    /// Something is not as it should be.
    POOL_LOG_WARNING = 2,
    /// Worth knowing.
    POOL_LOG_INFO = 3,
    /// For those who look for a fault.
    POOL_LOG_DEBUG = 4,
}

/// Where a task stands.
#[repr(C)]
pub enum future_state {
    /// It waits for a worker.
    FUTURE_PENDING = 1,
    /// A worker runs it.
    FUTURE_RUNNING = 2,
    /// Its function returned 0.
    FUTURE_COMPLETED = 3,
    /// Its function returned a code, or its worker was lost, or it could not be run.
    FUTURE_FAILED = 4,
    /// It was cancelled, or killed on request.
    FUTURE_CANCELLED = 5,
}

/// The bits of pool_state.
#[repr(C)]
pub enum pool_state_bit {
    /// No new tasks.
    POOL_STATE_CLOSED = 1,
    /// No worker can be started, or a function around a worker's life has failed.
    POOL_STATE_BROKEN = 2,
    /// Shut down; every future is done.
    POOL_STATE_TERMINATED = 4,
    /// A pool_join is under way.
    POOL_STATE_JOINING = 8,
}

/// What a map does after an item has failed.
#[repr(C)]
pub enum pool_on_error {
    /// All items are run.
    POOL_ON_ERROR_CONTINUE = 0,
    /// Nothing more is handed out; what was handed out runs.
    POOL_ON_ERROR_STOP = 1,
    /// What waits is cancelled, too.
    POOL_ON_ERROR_CANCEL_REST = 2,
}

/// What a worker does.
#[repr(C)]
pub enum pool_worker_state {
    /// Its process is starting, or its initializer runs.
    POOL_WORKER_STARTING = 1,
    /// It waits for a task.
    POOL_WORKER_IDLE = 2,
    /// It runs a task.
    POOL_WORKER_BUSY = 3,
    /// It is leaving.
    POOL_WORKER_STOPPING = 4,
}

/// Which workers a pool_shrink reaches.
#[repr(C)]
pub enum pool_shrink {
    /// Only those that run nothing now; all or none.
    POOL_SHRINK_IDLE = 0,
    /// Those that run a task leave after it.
    POOL_SHRINK_WHEN_IDLE = 1,
}

/// How workers are replaced.
#[repr(C)]
pub enum pool_restart {
    /// Each after the task that it runs.
    POOL_RESTART_GRACEFUL = 0,
    /// At once: tasks that run are lost with their worker processes, or run again as their retries say.
    POOL_RESTART_NOW = 1,
}

/// What happened to a worker.
#[repr(C)]
pub enum pool_event_kind {
    /// It is being started.
    POOL_EVENT_STARTING = 1,
    /// It is ready: its initializer has run.
    POOL_EVENT_READY = 2,
    /// It is gone.
    POOL_EVENT_EXITED = 3,
}

/// Why a worker is gone.
#[repr(C)]
pub enum pool_exit_reason {
    /// Nobody had the place before.
    POOL_EXITED_NONE = 0,
    /// The pool was joined, closed, or shut down.
    POOL_EXITED_REQUESTED = 1,
    /// It had nothing to do for too long.
    POOL_EXITED_IDLE_TIMEOUT = 2,
    /// It had run max_tasks_per_worker tasks.
    POOL_EXITED_MAX_TASKS = 3,
    /// It had more memory than max_memory_per_worker.
    POOL_EXITED_MAX_MEMORY = 4,
    /// A pool_restart.
    POOL_EXITED_RESTARTED = 5,
    /// A pool_shrink.
    POOL_EXITED_SHRUNK = 6,
    /// It crashed, left by exit, or was killed by somebody else.
    POOL_EXITED_LOST = 7,
    /// It was killed because its task, initializer or finalizer had run too long.
    POOL_EXITED_TIME_LIMIT = 8,
    /// It was killed with the task that was cancelled.
    POOL_EXITED_CANCELLED = 9,
    /// The pool killed it to stop at once.
    POOL_EXITED_KILLED = 10,
    /// It ended, or took too long, before it was ready.
    POOL_EXITED_START_FAILED = 11,
    /// It left a task to a worker of the main program's image.
    POOL_EXITED_NEEDS_MAIN_PROGRAM = 12,
    /// Its initializer or finalizer failed.
    POOL_EXITED_HOOK_FAILED = 13,
}

/// An enumeration of the library with its numbers in C.
pub(super) trait CEnum: Sized {
    fn to_c(&self) -> i32;
    /// None: no enumerator has this number.
    fn from_c(number: i32) -> Option<Self>;
}

macro_rules! c_enums {
    ($($own:ident = $c:ident { $($variant:ident = $enumerator:ident,)* })*) => {$(
        impl CEnum for $own {
            fn to_c(&self) -> i32 {
                match self {
                    $($own::$variant => $c::$enumerator as i32,)*
                }
            }

            fn from_c(number: i32) -> Option<$own> {
                [$(($c::$enumerator as i32, $own::$variant)),*]
                    .into_iter()
                    .find_map(|(own, variant)| (own == number).then_some(variant))
            }
        }
    )*};
}

c_enums! {
    CancelMode = pool_cancel {
        Queued = POOL_CANCEL_QUEUED,
        Running = POOL_CANCEL_RUNNING,
    }
    WaitMode = pool_wait {
        All = POOL_WAIT_ALL,
        First = POOL_WAIT_FIRST,
        FirstError = POOL_WAIT_FIRST_ERROR,
    }
    LogLevel = pool_log_level {
        Error = POOL_LOG_ERROR,
        Warning = POOL_LOG_WARNING,
        Info = POOL_LOG_INFO,
        Debug = POOL_LOG_DEBUG,
    }
    FutureState = future_state {
        Pending = FUTURE_PENDING,
        Running = FUTURE_RUNNING,
        Completed = FUTURE_COMPLETED,
        Failed = FUTURE_FAILED,
        Cancelled = FUTURE_CANCELLED,
    }
    OnError = pool_on_error {
        Continue = POOL_ON_ERROR_CONTINUE,
        Stop = POOL_ON_ERROR_STOP,
        CancelRest = POOL_ON_ERROR_CANCEL_REST,
    }
    WorkerState = pool_worker_state {
        Starting = POOL_WORKER_STARTING,
        Idle = POOL_WORKER_IDLE,
        Busy = POOL_WORKER_BUSY,
        Stopping = POOL_WORKER_STOPPING,
    }
    ShrinkMode = pool_shrink {
        Idle = POOL_SHRINK_IDLE,
        WhenIdle = POOL_SHRINK_WHEN_IDLE,
    }
    RestartMode = pool_restart {
        Graceful = POOL_RESTART_GRACEFUL,
        Now = POOL_RESTART_NOW,
    }
    ExitReason = pool_exit_reason {
        None = POOL_EXITED_NONE,
        Requested = POOL_EXITED_REQUESTED,
        IdleTimeout = POOL_EXITED_IDLE_TIMEOUT,
        MaxTasks = POOL_EXITED_MAX_TASKS,
        MaxMemory = POOL_EXITED_MAX_MEMORY,
        Restarted = POOL_EXITED_RESTARTED,
        Shrunk = POOL_EXITED_SHRUNK,
        Lost = POOL_EXITED_LOST,
        TimeLimit = POOL_EXITED_TIME_LIMIT,
        Cancelled = POOL_EXITED_CANCELLED,
        Killed = POOL_EXITED_KILLED,
        StartFailed = POOL_EXITED_START_FAILED,
        NeedsMainProgram = POOL_EXITED_NEEDS_MAIN_PROGRAM,
        HookFailed = POOL_EXITED_HOOK_FAILED,
    }
}

/// The value of an enumerator. An error names the field and the enumeration.
pub(super) fn one_of<T, const N: usize>(
    number: i32,
    field_and_enum: [&str; 2],
    table: [(i32, T); N],
) -> Result<T> {
    let found = table.into_iter().find(|row| row.0 == number);
    let [field, name] = field_and_enum;
    found.map(|row| row.1).ok_or_else(|| invalid(&format!("{field} is none of enum {name}")))
}

/// The mode of a stop.
pub(super) fn stop_mode_from(mode: i32) -> Result<StopMode> {
    use pool_stop::*;
    one_of(
        mode,
        ["mode", "pool_stop"],
        [
            (POOL_STOP_CANCEL as i32, StopMode::Cancel),
            (POOL_STOP_DRAIN as i32, StopMode::Drain),
            (POOL_STOP_KILL as i32, StopMode::Kill),
        ],
    )
}
