//! The C structs. Their doc comments become the header's.
#![allow(non_camel_case_types, reason = "these are the C names")]
#![allow(dead_code, reason = "C uses the fields")]

use super::types::*;
use std::ffi::{c_char, c_void};

/// Details of an error. Owned by the caller; the library only fills it in.
#[repr(C)]
pub struct pool_error_t {
    /// The error; POOL_OK if there is none.
    pub status: pool_status_t,
    /// Return value of the task's function (POOL_ERR_TASK), else 0.
    pub task_code: i32,
    /// errno of the system call that failed, else 0.
    pub os_errno: i32,
    /// Exit code of the worker (POOL_ERR_WORKER_LOST without a signal), else 0.
    pub exit_code: i32,
    /// Signal that killed the worker, else 0.
    pub signal: i32,
    /// Process ID of the worker that was lost, else 0.
    pub worker_pid: i64,
    /// Description in UTF-8, NUL-terminated, truncated if necessary.
    pub message: [c_char; 216],
}

/// A function to be run by a worker, with its argument bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pool_function_t {
    /// The function; NULL if module and symbol identify it.
    pub pointer: pool_task_fn,
    /// Shared library that exports the symbol, as passed to the dynamic loader; NULL: the main
    /// program.
    pub module: *const c_char,
    /// Name of an exported function.
    pub symbol: *const c_char,
    /// Argument bytes; copied.
    pub args: *const c_void,
    /// Number of argument bytes.
    pub len: usize,
}

/// Configuration for pool_new. Initialize it with POOL_OPTIONS_INIT; zero selects the default of
/// every field. A field that the kind of pool does not support must be zero, otherwise
/// POOL_ERR_UNSUPPORTED is returned.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pool_options_t {
    /// sizeof(pool_options_t); set by POOL_OPTIONS_INIT.
    pub struct_size: usize,
    /// Name used for threads and in messages, at most 64 bytes without a slash; NULL: "pool".
    pub name: *const c_char,
    /// POOL_PROCESS (default), POOL_THREAD or POOL_INLINE.
    pub kind: pool_kind_t,
    /// POOL_SPAWN (default), POOL_FORKSERVER or POOL_FORK; see enum pool_start. Process pools only.
    pub start: pool_start_t,
    /// Minimum number of workers. They start with the pool and stay however long they are idle.
    /// Between min_workers and max_workers the pool scales by itself: a worker starts for each task
    /// that finds no idle worker, and exits after being idle for idle_timeout_ms.
    pub min_workers: u32,
    /// Maximum number of concurrent workers, up to 1024; workers start on demand. 0:
    /// pool_available_cpus(), plus 5 for thread pools. Changed by pool_grow and pool_shrink.
    pub max_workers: u32,
    /// Idle time after which a worker beyond min_workers exits. 0: 60000; POOL_FOREVER: workers
    /// never exit because they are idle; POOL_NOW: a worker exits as soon as no task is queued.
    pub idle_timeout_ms: i64,
    /// Function that each worker runs once before its first task, with arguments of its own. It
    /// runs like a task: it can set the pointer returned by pool_task_state; its result is
    /// discarded. If it returns a nonzero code, the pool becomes broken.
    pub initializer: pool_function_t,
    /// Function that each worker runs likewise before it exits, whatever the reason, unless it
    /// crashes or is killed. If it returns a nonzero code, or the worker dies in it, the pool becomes
    /// broken.
    pub finalizer: pool_function_t,
    /// Number of tasks after which a worker exits; it is replaced if tasks are queued. A chunk of a
    /// map counts as one task. 0: unlimited.
    pub max_tasks_per_worker: u64,
    /// Private memory, in bytes, above which a worker process exits after its current task; the
    /// task's result is delivered, and the worker is replaced if tasks are queued. The value
    /// compared is pool_worker_info_t.resident_bytes. It is checked when a task ends, but at most
    /// every 0.2 ms. If a worker already uses this much before its first task, that initial amount
    /// is added to its limit, because otherwise no worker would ever stay. 0: unlimited. Process
    /// pools only.
    pub max_memory_per_worker: u64,
    /// Maximum number of queued tasks, map chunks included. When the queue is full, submitting
    /// blocks until a task starts or is cancelled (FIFO among submitters), or returns
    /// POOL_ERR_FULL; see pool_call_t.submit_timeout_ms. A task that is retried after its worker
    /// was lost is always queued again. 0: unlimited. No effect with POOL_INLINE, where no task is
    /// ever queued.
    pub max_pending: u64,
    /// Soft time limit of a task, measured from its start. When it expires,
    /// pool_task_soft_expired() and pool_task_cancelled() return true and pool_call_t.on_timeout is
    /// called; the task keeps running. 0, POOL_FOREVER: no limit.
    pub soft_limit_ms: i64,
    /// Hard time limit of a task, measured from its start; must be greater than soft_limit_ms. When
    /// it expires, the worker process is killed, together with all processes that it has started in
    /// its process group, and the task fails with POOL_ERR_HARD_LIMIT. 0, POOL_FOREVER: no limit.
    /// Process pools only: a thread cannot be killed.
    pub hard_limit_ms: i64,
    /// Maximum time from the start of a worker process until it is ready to run the initializer or
    /// its first task. When it expires, the worker is killed and counts as a failed start, see
    /// max_restarts; the time spent waiting for it does not count towards restart_window_ms. 0:
    /// 30000; POOL_FOREVER: no timeout. Process pools only.
    pub start_timeout_ms: i64,
    /// Time between SIGTERM and SIGKILL when a worker process is terminated. 0: 1000; POOL_NOW:
    /// none. For thread pools, how long pool_terminate waits.
    pub kill_grace_ms: i64,
    /// POOL_LOST_FAIL_TASK (default), POOL_LOST_RETRY or POOL_LOST_BREAK. Workers killed because of
    /// a time limit or a cancellation do not count as lost.
    pub on_worker_lost: pool_on_worker_lost_t,
    /// With POOL_LOST_RETRY: maximum number of retries per task. 0 selects the default, 1. Must be
    /// 0 otherwise.
    pub retries: u32,
    /// Number of consecutive start failures within restart_window_ms after which the pool is broken
    /// (POOL_ERR_RESTARTS). 0: 5; UINT32_MAX: unlimited. A start that the caller's process has too
    /// few descriptors, processes or memory for does not count: it is tried again until that passes.
    pub max_restarts: u32,
    /// Time window for max_restarts. 0: 10000.
    pub restart_window_ms: i64,
    /// What happens to the pool at program exit if it is still open: POOL_EXIT_CANCEL (default) or
    /// another value of enum pool_exit.
    pub at_exit: pool_exit_t,
    /// POOL_SCHED_FIFO (default) or POOL_SCHED_PREFETCH.
    pub sched: pool_sched_t,
    /// Path of the program to run as a worker; its main must begin with pool_worker_main. NULL: the
    /// helper program installed with the library or, for functions of the main program, the main
    /// program itself. It is opened by pool_new, and what is installed in its place later is not
    /// run; a script is, as it has no program of its own. It must have the same build of the library
    /// as the caller. Process pools only, and not with POOL_FORK.
    pub worker_executable: *const c_char,
    /// Environment of worker processes: "NAME=value" strings, terminated by NULL. NULL: the
    /// caller's environment at pool_new. Process pools only.
    pub env: *const *const c_char,
    /// Shared libraries that each worker opens when it starts, terminated by NULL. If workers are
    /// forked, the libraries are opened once, before forking. If one cannot be opened, or is another
    /// build than when the pool was made, the pool becomes broken. Process pools only.
    pub modules: *const *const c_char,
    /// Working directory of worker processes; NULL: the caller's. Process pools only.
    pub cwd: *const c_char,
    /// Receives log messages, as a callback (see future_on_done): workers that are lost, cannot be
    /// started, start or exit, and the pool becoming broken. Never called after drop.
    pub log: pool_log_fn,
    /// Receives worker events, as a callback (see future_on_done): a worker is being started, is
    /// ready, has exited. The events of one worker arrive in this order, and those of the last
    /// worker before pool_shutdown returns. Never called after drop. Inline pools have no worker
    /// events.
    pub on_event: pool_event_fn,
    /// Last argument of log, on_event and on_tick.
    pub user: *mut c_void,
    /// Called with user when the pool no longer needs it, also if pool_new fails.
    pub drop: pool_drop_fn,
    /// POOL_DRIVER_INTERNAL (default) or POOL_DRIVER_EXTERNAL; see pool_fd. It does not apply to
    /// the callbacks of maps and promises.
    pub driver: pool_driver_t,
    /// Maximum run time of the initializer in a worker process. When it expires, the worker is
    /// killed and the pool is broken with POOL_ERR_INITIALIZER. 0, POOL_FOREVER: no timeout.
    /// Process pools only.
    pub initializer_timeout_ms: i64,
    /// Maximum run time of the finalizer in a worker process. When it expires, the worker is killed
    /// and the pool is broken with POOL_ERR_FINALIZER. 0, POOL_FOREVER: no timeout. Process pools
    /// only.
    pub finalizer_timeout_ms: i64,
    /// Copies the caller even if its process has other threads. This is safe only if tasks use
    /// nothing that those threads may hold at that moment, such as locks, including locks inside
    /// libraries. If the copy is lost, a new copy of the caller, in its state at that time, is
    /// made. POOL_FORK only.
    pub fork_with_threads: bool,
    /// Shared libraries that are opened once, before workers are forked, terminated by NULL. Those
    /// that cannot be opened are skipped. POOL_FORKSERVER and POOL_FORK only.
    pub preload: *const *const c_char,
    /// Descriptors of the caller that workers inherit under the same numbers; 0 to 2 become the
    /// workers' standard streams. pool_new duplicates them, so the caller may close its own. All
    /// other descriptors are closed in workers, except those that the library itself needs there;
    /// with POOL_FORK, workers have all descriptors of the caller. POOL_ERR_INVALID if one is not
    /// open. Process pools only.
    pub inherit_fds: *const i32,
    /// Number of elements, at most 4096.
    pub n_inherit_fds: usize,
    /// Path of the file that workers read as standard input. It is opened for each worker, or once
    /// for all workers forked from the same process. NULL: /dev/null. An inherit_fds that contains
    /// 0 takes precedence. POOL_ERR_OS if it cannot be opened. Process pools only.
    pub worker_stdin: *const c_char,
    /// Maximum private writable memory of a worker, in bytes (RLIMIT_DATA, soft and hard); at least
    /// 4 MiB. Allocations beyond it fail: malloc returns NULL. With POOL_FORK, memory inherited
    /// from the caller does not count. The address space (RLIMIT_AS) is not limited, because the
    /// pool's shared memory occupies much address space but little memory. 0: no additional limit.
    /// Process pools only.
    pub memory_limit_per_worker: u64,
    /// CPU numbers for the workers: the worker with index i runs only on worker_cpus[i %
    /// n_worker_cpus]. POOL_ERR_INVALID if the caller is not allowed to run on one of them. Process
    /// pools only.
    pub worker_cpus: *const u32,
    /// Number of elements; 0: workers run wherever the caller may run.
    pub n_worker_cpus: usize,
    /// Resource limits of each worker, as for setrlimit. RLIMIT_AS includes the pool's shared
    /// memory, and RLIMIT_FSIZE applies to results too large for the pool's shared memory.
    /// POOL_ERR_INVALID if a resource does not exist or a soft limit exceeds its hard limit.
    /// Raising a hard limit without the required privilege breaks the pool. Process pools only.
    pub rlimits: *const pool_rlimit_t,
    /// Number of elements.
    pub n_rlimits: usize,
    /// Added to the caller's nice value, -39 to 39. A negative value without the required privilege
    /// breaks the pool. Process pools only.
    pub nice: i32,
    /// OOM score adjustment of workers, -1000 to 1000, as in /proc/PID/oom_score_adj: determines
    /// which worker the kernel kills first when memory runs out. 0: the caller's. A value below the
    /// caller's without the required privilege breaks the pool. Process pools only.
    pub oom_score_adj: i32,
    /// User ID that workers switch to before the initializer runs, after modules have been opened.
    /// The caller's supplementary groups are dropped. Without the required privilege the pool
    /// becomes broken. 0: the caller's. Process pools only.
    pub uid: u32,
    /// Group ID that workers switch to, likewise. 0: the caller's.
    pub gid: u32,
    /// From the end of the initializer on, no program that a worker executes gains privileges
    /// (PR_SET_NO_NEW_PRIVS). Process pools only.
    pub no_new_privs: bool,
    /// System call filter, an array of struct sock_filter, installed in all threads of a worker
    /// after the initializer has run. It requires no_new_privs and therefore sets it. The filter
    /// must allow the calls that the library itself makes from then on: futex, sched_yield,
    /// clock_gettime, sendmsg, madvise, mmap, munmap, brk, exit_group; memfd_create, ftruncate,
    /// fcntl and close for results too large for the pool's shared memory; readlink the first time
    /// a function is called and, for its module unless the initializer is in the same one, openat,
    /// read, fstat, mprotect and similar calls; pread64 for max_memory_per_worker; ppoll, getpid,
    /// getpgid, getpgrp and kill to exit when the parent dies. Process pools only.
    pub seccomp_filter: *const c_void,
    /// Number of instructions, at most 4096.
    pub seccomp_len: usize,
    /// Signal sent to a worker process when its task has exceeded its soft limit, for a handler
    /// that the task installs. Without a handler the signal may kill the worker, see signal(7). It
    /// is blocked in the worker's main thread while no task's function runs, so that it never
    /// reaches the next task. 0: none. Process pools only.
    pub soft_limit_signal: i32,
    /// Called every tick_ms by the thread that waits in pool_join, pool_shutdown or pool_terminate,
    /// so that it can do other work meanwhile. No lock is held. The function may use the pool:
    /// calling pool_shutdown with a stronger mode escalates the shutdown being waited for. The only
    /// exception is pool_free of this pool, which does nothing.
    pub on_tick: pool_tick_fn,
    /// Interval between calls of on_tick. 0: 500. Must be 0 without on_tick.
    pub tick_ms: i64,
    /// POOL_SANDBOX_NONE (default) or POOL_SANDBOX_COMPUTE, which sets no_new_privs, installs a
    /// system call filter, and denies with Landlock, where the kernel has it, all access to files,
    /// ports and other processes. Tasks and the finalizer run in the sandbox, the initializer
    /// before. Modules must be open by then: those of the initializer, of modules and of preload
    /// are; a function of another one fails with POOL_ERR_FUNCTION. A task cannot make pools with
    /// workers of their own. POOL_ERR_INVALID together with seccomp_filter; POOL_ERR_UNSUPPORTED
    /// if the kernel has no system call filters. Process pools only.
    pub sandbox: pool_sandbox_t,
    /// POOL_SHARED (default) or POOL_ISOLATED, which gives each worker memory of its own. A task then
    /// takes longer by two wake-ups and the copies of its arguments and its result, and each worker
    /// has a thread in this process. A task that would go to a worker that was stopped in its sleep
    /// goes to another one after about a second. Process pools only.
    pub isolation: pool_isolation_t,
}

/// A resource limit of worker processes, as for setrlimit.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pool_rlimit_t {
    /// RLIMIT_NOFILE, RLIMIT_CPU, ...
    pub resource: i32,
    /// Soft limit; UINT64_MAX: unlimited.
    pub soft: u64,
    /// Hard limit; UINT64_MAX: unlimited.
    pub hard: u64,
}

/// A task with all its options, for pool_submit_call. Initialize it with POOL_CALL_INIT.
#[repr(C)]
pub struct pool_call_t {
    /// sizeof(pool_call_t); set by POOL_CALL_INIT.
    pub struct_size: usize,
    /// The function to run, and its arguments.
    pub task: pool_function_t,
    /// Argument bytes to use instead of task.args, or NULL. The submit takes ownership of the
    /// buffer even if it fails.
    pub buffer: *mut pool_buffer_t,
    /// Soft time limit of this task, as in pool_options_t. 0: the pool's; POOL_FOREVER: none.
    pub soft_limit_ms: i64,
    /// Hard time limit of this task, as in pool_options_t. 0: the pool's; POOL_FOREVER: none.
    pub hard_limit_ms: i64,
    /// Time after the submit within which the task must start; otherwise it is cancelled with
    /// POOL_ERR_EXPIRED, and never runs. A task that a worker has taken has started: if that worker
    /// is lost and the task runs again, the deadline no longer applies. 0, POOL_FOREVER: no
    /// deadline.
    pub start_deadline_ms: i64,
    /// How long the submit waits for capacity when max_pending tasks are queued; after that it
    /// returns POOL_ERR_FULL. 0, POOL_FOREVER: no timeout; POOL_NOW: does not wait, and returns
    /// POOL_ERR_FULL also if other submitters are already waiting.
    pub submit_timeout_ms: i64,
    /// Maximum number of retries if the worker is lost, whatever the pool's on_worker_lost. 0: as
    /// configured for the pool.
    pub retries: u32,
    /// Priority of the task, from POOL_PRIORITY_MIN to POOL_PRIORITY_MAX. Workers take queued tasks
    /// with a higher priority first, and tasks of equal priority in the order of submission. A task
    /// that is retried after its worker was lost keeps its priority and is queued last among its
    /// equals. The priority does not affect waiting for capacity in a bounded queue. No effect with
    /// POOL_INLINE, where no task is ever queued.
    pub priority: i32,
    /// Number chosen by the caller, returned in pool_cancelled_t.
    pub tag: u64,
    /// Called once when a worker has taken the task, before on_done, with the worker's index and
    /// process ID (0 for a thread). If the task is run again, these are of the first worker. Not
    /// called for a task that is cancelled before a worker has taken it, for example with
    /// POOL_ERR_EXPIRED.
    pub on_accept: pool_accept_fn,
    /// Called when the task is done, as by future_on_done.
    pub on_done: future_done_fn,
    /// Called when the soft limit expires, and again when the hard limit expires. The future may
    /// already have been freed.
    pub on_timeout: pool_timeout_fn,
    /// Last argument of the callbacks.
    pub user: *mut c_void,
    /// Called with user when the task no longer needs it: after its last callback, when it is done,
    /// or when it is certain that it will not run. May be set without callbacks; it is then called
    /// where on_done would be.
    pub drop: pool_drop_fn,
}

/// A task that was cancelled because its pool was shut down or broken. The caller must set
/// struct_size.
#[repr(C)]
pub struct pool_cancelled_t {
    /// sizeof(pool_cancelled_t).
    pub struct_size: usize,
    /// ID of the task, as returned by future_id.
    pub id: u64,
    /// pool_call_t.tag, else 0.
    pub tag: u64,
    /// The function as it was submitted, and its argument bytes; valid until pool_free.
    pub task: pool_function_t,
}

/// Information about a worker. The caller must set struct_size in the first element of the array.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pool_worker_info_t {
    /// sizeof(pool_worker_info_t).
    pub struct_size: usize,
    /// Index of the worker, 0 to max_workers - 1; possibly higher after a pool_shrink.
    pub index: u32,
    /// Sequence number of the worker among all workers that the pool has ever had, from 1.
    pub id: u64,
    /// Process ID; 0 for a thread.
    pub pid: i64,
    /// What the worker is doing.
    pub state: pool_worker_state_t,
    /// ID of the task that it is running, else 0.
    pub task_id: u64,
    /// Function of that task and its module, truncated if necessary; a function of a stripped module
    /// that does not export it is given as an offset.
    pub function: [c_char; 64],
    /// How long that task has been running, in milliseconds.
    pub running_ms: i64,
    /// Number of tasks that the worker has finished.
    pub tasks_done: u64,
    /// Number of workers that used this index before it.
    pub restarts: u64,
    /// Resident memory of the process that is not shared with other processes; 0 for a thread.
    pub resident_bytes: u64,
    /// Why the previous worker with this index exited: a value of enum pool_exit_reason.
    pub last_exit_reason: pool_exit_reason_t,
    /// Exit code of that previous worker, else 0.
    pub last_exit_code: i32,
    /// Signal that killed that previous worker, else 0.
    pub last_signal: i32,
}

/// A worker event. Owned by the library; valid until the callback returns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pool_event_t {
    /// sizeof(pool_event_t).
    pub struct_size: usize,
    /// What happened.
    pub kind: pool_event_kind_t,
    /// Index of the worker, 0 to max_workers - 1; possibly higher after a pool_shrink.
    pub worker: u32,
    /// Sequence number of the worker among all workers that the pool has ever had, from 1.
    pub id: u64,
    /// Process ID; 0 for a thread.
    pub pid: i64,
    /// Why the worker exited (POOL_EVENT_EXITED), else POOL_EXITED_NONE.
    pub reason: pool_exit_reason_t,
    /// Exit code of the worker, else 0.
    pub exit_code: i32,
    /// Signal that killed the worker, else 0.
    pub signal: i32,
    /// Description of the event; never NULL.
    pub message: *const c_char,
}

/// Statistics of a pool's tasks and workers since pool_new. The caller must set struct_size. A
/// chunk of a map counts as one task.
///
/// While no task is queued or running, tasks_submitted is tasks_completed + tasks_failed +
/// tasks_cancelled. Otherwise the numbers are not a snapshot of a single point in time.
#[repr(C)]
pub struct pool_stats_t {
    /// sizeof(pool_stats_t); set by POOL_STATS_INIT.
    pub struct_size: usize,
    /// Tasks submitted.
    pub tasks_submitted: u64,
    /// Tasks whose function returned 0.
    pub tasks_completed: u64,
    /// Tasks that failed in any way.
    pub tasks_failed: u64,
    /// Tasks cancelled before or while they ran.
    pub tasks_cancelled: u64,
    /// Number of times a worker was lost while running a task; the task failed or was run again.
    pub tasks_lost: u64,
    /// Number of times a task was run again because its worker was lost.
    pub tasks_retried: u64,
    /// Number of times a task exceeded its soft limit.
    pub soft_limits: u64,
    /// Number of times a task was stopped by its hard limit.
    pub hard_limits: u64,
    /// Workers started.
    pub workers_started: u64,
    /// Workers that crashed, called exit, were killed, or exited before they were ready. Workers
    /// killed because of a task's hard limit, to cancel a task, or to stop the pool do not count.
    pub workers_lost: u64,
    /// Total argument bytes of the tasks finished by a worker.
    pub args_bytes: u64,
    /// Total result bytes of completed tasks.
    pub result_bytes: u64,
    /// Total time that the tasks finished by a worker spent queued.
    pub queue_total_ns: u64,
    /// Total run time of these tasks.
    pub run_total_ns: u64,
    /// Histogram of queue times: number of these tasks queued for at least 2^i and less than
    /// 2^(i+1) ns; 0 ns counts in entry 0.
    pub queue_ns: [u64; 64],
    /// Histogram of run times, likewise.
    pub run_ns: [u64; 64],
}

/// Configuration of a map. Initialize it with POOL_MAP_INIT; zero selects the default of every
/// field.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pool_map_options_t {
    /// sizeof(pool_map_options_t); set by POOL_MAP_INIT.
    pub struct_size: usize,
    /// Number of items that form one task. 0: chosen so that a task takes about 0.25 ms, judging by
    /// the measured run times of previous items.
    pub chunk_size: usize,
    /// Maximum number of items that are submitted and whose results have not been taken; 0: two
    /// chunks per worker. pool_map and its variants may exceed it by less than one chunk.
    pub window: usize,
    /// Lazy maps: returns results as they become available, not in the order of the items.
    pub unordered: bool,
    /// POOL_ON_ERROR_CONTINUE (default), POOL_ON_ERROR_STOP or POOL_ON_ERROR_CANCEL_REST.
    pub on_error: pool_on_error_t,
    /// Time limit for the whole map, measured from its start, or from the first pool_map_next for
    /// lazy maps. 0, POOL_FOREVER: none.
    pub deadline_ms: i64,
    /// Hard time limit of each item, see pool_options_t.hard_limit_ms. Each item is then a task of
    /// its own, and chunk_size must be 0 or 1. 0, POOL_FOREVER: as configured for the pool. Process
    /// pools only.
    pub item_hard_limit_ms: i64,
    /// Called as results are taken.
    pub on_progress: pool_progress_fn,
    /// Last argument of on_progress.
    pub user: *mut c_void,
}

/// An input array for pool_map_zip.
#[repr(C)]
pub struct pool_array_t {
    /// n contiguous elements.
    pub items: *const c_void,
    /// Size of an element, in bytes.
    pub item_size: usize,
    /// Number of elements.
    pub n: usize,
}
