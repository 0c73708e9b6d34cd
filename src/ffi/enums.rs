//! The C enumerations, and one table that maps them to the library's own. Their doc comments become
//! the header's.
#![allow(non_camel_case_types, reason = "these are the C names")]
#![allow(dead_code, reason = "C uses the constants")]

use super::invalid;
use crate::error::Result;
use crate::pool::{
    CancelMode, FutureState, LogLevel, OnError, RestartMode, ShrinkMode, StopMode, WaitMode,
    WorkerState,
};
use crate::worker::protocol::ExitReason;

/// Kinds of workers.
#[repr(C)]
pub enum pool_kind {
    /// Each worker is a separate process: a crash costs only the task that crashed.
    ///
    /// A worker is in a process group of its own, and ignores SIGINT, SIGTTOU and SIGTTIN: what an
    /// interrupt from the terminal means is left to the caller, and a task may print on the
    /// terminal, but reading from it fails with EIO. Programs that a task starts ignore these
    /// signals, too, unless it resets them.
    ///
    /// /dev/null is needed, unless worker_stdin is set or descriptor 0 is inherited; /proc is needed
    /// for functions of the main program, with POOL_FORK, and for max_memory_per_worker.
    POOL_PROCESS = 0,
    /// Each worker is a thread of this process.
    POOL_THREAD = 1,
    /// No separate workers: a task runs in the thread that submits it, before the submit returns.
    /// Intended for debugging: everything behaves as with the other kinds, but options that concern
    /// idle workers or queued tasks have no effect.
    POOL_INLINE = 2,
}

/// How worker processes are started: always by a server process of the pool, which is no child of
/// the caller. The caller gets no SIGCHLD for what the library starts, and its wait() finds nothing
/// of it. Only a caller that adopts orphans (PR_SET_CHILD_SUBREAPER, or as process 1) becomes the
/// parent of the server, and of workers whose server has died; the library waits for them by their
/// process IDs. A process 1 that never waits keeps a zombie of each server that has ended.
///
/// Workers keep the user that the caller was when they, or the process that they were forked from,
/// started; they can be stopped also after the caller has given up its privileges.
#[repr(C)]
pub enum pool_start {
    /// Each worker executes a program of its own. It inherits nothing that is not explicitly passed
    /// on; what is the caller's, such as the working directory and resource limits, is as it was
    /// when the first worker started.
    POOL_SPAWN = 0,
    /// A fork server executes a program once, along with the first worker, opens modules and
    /// preload, and then forks all workers. Workers are ready sooner, and share the server's memory
    /// until they write to it. If the server dies, it is executed again; its workers keep running.
    POOL_FORKSERVER = 1,
    /// Workers are copies of the caller as it was in pool_new; those that start later are forked
    /// from a copy that pool_new makes. They see the memory contents of the caller at that time,
    /// and keep its open descriptors. That is dangerous: file offsets are shared with the caller,
    /// and the peer of a pipe or socket sees no end of file while a worker holds a copy of it.
    ///
    /// At-exit handlers of the caller do not run in workers. Handlers that tasks register run if a
    /// task calls exit, but not when a worker exits normally. Copying a large caller is slow.
    ///
    /// If the process has threads other than the calling one and the library's own, pool_new
    /// returns POOL_ERR_STATE, because locks that they hold, those of malloc included, would stay
    /// locked forever in the copy; see fork_with_threads. If the copy is lost, the pool becomes
    /// broken the next time it has to start a worker.
    POOL_FORK = 2,
}

/// How a pool stops. In order of increasing strength: DRAIN, CANCEL, KILL.
#[repr(C)]
pub enum pool_stop {
    /// Cancels queued tasks and waits for running ones.
    POOL_STOP_CANCEL = 0,
    /// Runs all tasks first.
    POOL_STOP_DRAIN = 1,
    /// Cancels queued tasks and kills worker processes together with the tasks that they run.
    /// Threads cannot be killed: pool_task_cancelled returns true in their tasks, and the pool
    /// waits for them.
    POOL_STOP_KILL = 2,
}

/// Which tasks are cancelled.
#[repr(C)]
pub enum pool_cancel {
    /// Only a task that has not started.
    POOL_CANCEL_QUEUED = 0,
    /// Also a running task: its worker process is terminated, see future_cancel.
    POOL_CANCEL_RUNNING = 1,
}

/// Condition for waiting on several futures.
#[repr(C)]
pub enum pool_wait {
    /// All futures are done.
    POOL_WAIT_ALL = 0,
    /// At least one future is done.
    POOL_WAIT_FIRST = 1,
    /// At least one future has failed or was cancelled, or all are done.
    POOL_WAIT_FIRST_ERROR = 2,
}

/// What happens to a task whose worker is lost.
#[repr(C)]
pub enum pool_on_worker_lost {
    /// The task fails with POOL_ERR_WORKER_LOST. Nothing else is affected.
    POOL_LOST_FAIL_TASK = 0,
    /// The task runs again in another worker until its retries are used up; then it fails with
    /// POOL_ERR_WORKER_LOST.
    POOL_LOST_RETRY = 1,
    /// The task fails with POOL_ERR_WORKER_LOST and the pool becomes broken: queued tasks are
    /// cancelled with POOL_ERR_BROKEN, and tasks that other workers run end normally. The pool is
    /// broken before the future of the lost task is done. A worker that is lost while it is idle
    /// breaks the pool, too. One that is lost before it is ready does not; it counts as a failed
    /// start, see pool_options_t.max_restarts.
    POOL_LOST_BREAK = 2,
}

/// What happens at program exit to a pool that is still open.
#[repr(C)]
pub enum pool_exit {
    /// Cancels queued tasks and waits for running ones.
    POOL_EXIT_CANCEL = 0,
    /// Runs all tasks first.
    POOL_EXIT_DRAIN = 1,
    /// As POOL_STOP_KILL.
    POOL_EXIT_KILL = 2,
    /// Does nothing: worker processes exit when they detect that their parent has died.
    POOL_EXIT_NONE = 3,
}

/// What a worker process may do from the end of its initializer on.
#[repr(C)]
pub enum pool_sandbox {
    /// Whatever its user may do.
    POOL_SANDBOX_NONE = 0,
    /// Compute, allocate memory, and return results; for code that reads untrusted data. Other
    /// system calls fail with EPERM, in all threads of the worker: none opens a file or a socket,
    /// starts a process, a thread or a program, maps executable memory, or signals or traces
    /// another process. Calls that remain are those for memory, time, sleeping, signal handlers,
    /// random numbers, and for reading, writing and closing descriptors that are open already: the
    /// standard streams, inherit_fds, and what the initializer has opened. With POOL_FORK, the
    /// caller's other descriptors are closed before the initializer runs.
    POOL_SANDBOX_COMPUTE = 1,
}

/// What worker processes share with each other.
#[repr(C)]
pub enum pool_isolation {
    /// The memory of the pool: a worker can reach the arguments and results of all its tasks.
    POOL_SHARED = 0,
    /// Nothing: a worker has memory of its own, with the one task that it runs. The library copies
    /// arguments there, and results from there to memory that no worker reaches before their task is
    /// done. So no task reads or changes the arguments or the result of a task of another worker, or a
    /// result that is done, by whatever it reads or writes in its own memory. A task that runs code
    /// of an attacker may use system calls to reach other processes of its user (ptrace,
    /// process_vm_writev, /proc/PID/mem) or of the machine: POOL_SANDBOX_COMPUTE takes them away, and
    /// the two together keep its tasks apart from others and from the caller. Tasks that run one
    /// after the other in one worker share that process; with max_tasks_per_worker = 1 none do. With
    /// POOL_FORK a worker also has a copy of the memory of the caller as it was in pool_new.
    POOL_ISOLATED = 1,
}

/// How tasks are distributed to workers.
#[repr(C)]
pub enum pool_sched {
    /// A worker takes one task at a time, when it is ready to run it.
    POOL_SCHED_FIFO = 0,
    /// While many tasks are queued per worker, a worker takes up to 32 of them from the queue at
    /// once. This reduces contention between workers when tasks are tiny. Prefetched tasks are
    /// still pending: they can be cancelled, and idle workers take them over; but tasks no longer
    /// start strictly in order. If their worker dies, they return to the end of the queue. No
    /// effect with POOL_INLINE.
    POOL_SCHED_PREFETCH = 1,
}

/// Who runs callbacks.
#[repr(C)]
pub enum pool_driver {
    /// A thread of the library.
    POOL_DRIVER_INTERNAL = 0,
    /// The caller's event loop: callbacks run only in pool_process_events. The only exceptions are
    /// callbacks that are still pending when the pool ends: pool_shutdown, pool_terminate and
    /// pool_free run them before they return, unless they time out. This applies to inline pools,
    /// too.
    POOL_DRIVER_EXTERNAL = 1,
}

/// Severity of a log message.
#[repr(C)]
pub enum pool_log_level {
    /// Something failed.
    POOL_LOG_ERROR = 1,
    /// Something is not as it should be.
    POOL_LOG_WARNING = 2,
    /// Informational.
    POOL_LOG_INFO = 3,
    /// Details for debugging.
    POOL_LOG_DEBUG = 4,
}

/// State of a task.
#[repr(C)]
pub enum future_state {
    /// The task is waiting for a worker.
    FUTURE_PENDING = 1,
    /// A worker is running the task.
    FUTURE_RUNNING = 2,
    /// The function returned 0.
    FUTURE_COMPLETED = 3,
    /// The function returned a nonzero code, the worker was lost, or the task could not be run.
    FUTURE_FAILED = 4,
    /// The task was cancelled, killed on request, or ended because its pool became broken.
    FUTURE_CANCELLED = 5,
}

/// Bits returned by pool_state.
#[repr(C)]
pub enum pool_state_bit {
    /// The pool accepts no new tasks.
    POOL_STATE_CLOSED = 1,
    /// The pool is broken: no worker can be started, its initializer or finalizer failed, or a
    /// worker was lost with POOL_LOST_BREAK.
    POOL_STATE_BROKEN = 2,
    /// The pool has been shut down; every future is done.
    POOL_STATE_TERMINATED = 4,
    /// A pool_join is in progress.
    POOL_STATE_JOINING = 8,
    /// The pool is paused, see pool_pause.
    POOL_STATE_PAUSED = 16,
}

/// What a map does after an item has failed. Unless it is POOL_ON_ERROR_CONTINUE, a lazy map ends with
/// the failed item: the results of later items are discarded.
#[repr(C)]
pub enum pool_on_error {
    /// Runs all items.
    POOL_ON_ERROR_CONTINUE = 0,
    /// Submits no more items; those already submitted still run.
    POOL_ON_ERROR_STOP = 1,
    /// Submits no more items, and cancels those that are queued.
    POOL_ON_ERROR_CANCEL_REST = 2,
}

/// State of a worker.
#[repr(C)]
pub enum pool_worker_state {
    /// The worker process is starting, or the initializer is running.
    POOL_WORKER_STARTING = 1,
    /// The worker is waiting for a task.
    POOL_WORKER_IDLE = 2,
    /// The worker is running a task.
    POOL_WORKER_BUSY = 3,
    /// The worker is about to exit.
    POOL_WORKER_STOPPING = 4,
}

/// Which workers pool_shrink stops.
#[repr(C)]
pub enum pool_shrink {
    /// Only workers that are idle now; all or nothing.
    POOL_SHRINK_IDLE = 0,
    /// Busy workers, too, once they have finished their current task.
    POOL_SHRINK_WHEN_IDLE = 1,
}

/// How workers are replaced.
#[repr(C)]
pub enum pool_restart {
    /// Each worker finishes its current task first.
    POOL_RESTART_GRACEFUL = 0,
    /// Immediately: running tasks are lost with their worker processes, or run again if they have
    /// retries left.
    POOL_RESTART_NOW = 1,
}

/// What happened to a worker.
#[repr(C)]
pub enum pool_event_kind {
    /// The worker is being started.
    POOL_EVENT_STARTING = 1,
    /// The worker is ready: its initializer has run.
    POOL_EVENT_READY = 2,
    /// The worker has exited.
    POOL_EVENT_EXITED = 3,
}

/// Why a worker exited.
#[repr(C)]
pub enum pool_exit_reason {
    /// No worker has used this index before.
    POOL_EXITED_NONE = 0,
    /// The pool was joined, closed, or shut down.
    POOL_EXITED_REQUESTED = 1,
    /// It was idle for longer than idle_timeout_ms.
    POOL_EXITED_IDLE_TIMEOUT = 2,
    /// It had run max_tasks_per_worker tasks.
    POOL_EXITED_MAX_TASKS = 3,
    /// It used more memory than max_memory_per_worker.
    POOL_EXITED_MAX_MEMORY = 4,
    /// It was replaced by pool_restart.
    POOL_EXITED_RESTARTED = 5,
    /// It was stopped by pool_shrink.
    POOL_EXITED_SHRUNK = 6,
    /// It crashed, called exit, or was killed from outside the pool.
    POOL_EXITED_LOST = 7,
    /// It was killed because its task, initializer or finalizer exceeded a time limit.
    POOL_EXITED_TIME_LIMIT = 8,
    /// It was killed to cancel the task that it was running.
    POOL_EXITED_CANCELLED = 9,
    /// It was killed by the pool, to stop immediately.
    POOL_EXITED_KILLED = 10,
    /// It exited, or exceeded start_timeout_ms, before it was ready.
    POOL_EXITED_START_FAILED = 11,
    /// It exited so that a worker running the main program's executable can take its task.
    POOL_EXITED_NEEDS_MAIN_PROGRAM = 12,
    /// Its initializer or finalizer failed.
    POOL_EXITED_HOOK_FAILED = 13,
    /// Its task called pool_task_retire.
    POOL_EXITED_RETIRED = 14,
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
        Retired = POOL_EXITED_RETIRED,
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
