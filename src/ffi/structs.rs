//! The C structs. Their doc comments are the header's.
#![allow(non_camel_case_types, reason = "these are the C names")]
#![allow(dead_code, reason = "C uses the fields")]

use super::types::*;
use std::ffi::{c_char, c_void};

/// What went wrong, in numbers and words. Yours: the library only fills it in.
#[repr(C)]
pub struct pool_error_t {
    /// Which error; POOL_OK when there is none.
    pub status: pool_status_t,
    /// What the function returned (POOL_ERR_TASK), else 0.
    pub task_code: i32,
    /// The errno of the system call that failed, else 0.
    pub os_errno: i32,
    /// The code that the worker exited with (POOL_ERR_WORKER_LOST without a signal), else 0.
    pub exit_code: i32,
    /// The signal that killed the worker, else 0.
    pub signal: i32,
    /// The process that was lost, else 0.
    pub worker_pid: i64,
    /// UTF-8, NUL-terminated; cut off where it is longer.
    pub message: [c_char; 216],
}

/// A function to be run by a worker, with its argument bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pool_function_t {
    /// The function, or NULL where module and symbol name it.
    pub pointer: pool_task_fn,
    /// The shared library that exports the symbol, as the dynamic loader finds it; NULL means the
    /// main program.
    pub module: *const c_char,
    /// The name of an exported function.
    pub symbol: *const c_char,
    /// The argument bytes; copied.
    pub args: *const c_void,
    /// How many bytes.
    pub len: usize,
}

/// The options of pool_new. Fill it with POOL_OPTIONS_INIT: zero means the default everywhere. A
/// field that a kind of worker cannot do answers POOL_ERR_UNSUPPORTED when it is set.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pool_options_t {
    /// sizeof(pool_options_t); POOL_OPTIONS_INIT sets it.
    pub struct_size: usize,
    /// A name for threads and messages; NULL: "pool".
    pub name: *const c_char,
    /// POOL_PROCESS (default), POOL_THREAD or POOL_INLINE.
    pub kind: pool_kind_t,
    /// POOL_SPAWN (default), POOL_FORKSERVER or POOL_FORK; see enum pool_start. Process pools only.
    pub start: pool_start_t,
    /// So many start with the pool and stay, however long they have nothing to do. Between min_workers
    /// and max_workers the pool scales by itself: a worker starts for each task that finds none free,
    /// and leaves after idle_timeout_ms without one.
    pub min_workers: u32,
    /// At most this many workers at once, up to 1024; they start when there is work for them.
    /// 0: pool_available_cpus(), for threads 5 more. pool_grow and pool_shrink change it.
    pub max_workers: u32,
    /// A worker beyond min_workers leaves when it has had nothing to do for so long. 0: 60 000;
    /// POOL_FOREVER: it stays; POOL_NOW: it leaves when no task waits.
    pub idle_timeout_ms: i64,
    /// Run once in each worker before its first task, with its own arguments, as a task is:
    /// pool_task_state is its pointer to set, a result is dropped. If it returns other than 0, the
    /// pool is broken.
    pub initializer: pool_function_t,
    /// Run likewise when a worker leaves, in whatever way but a crash or a kill.
    pub finalizer: pool_function_t,
    /// After so many tasks a worker leaves, and is replaced when tasks wait; a chunk of a map is one
    /// task. 0: any number.
    pub max_tasks_per_worker: u64,
    /// After a task, a worker process with more bytes of memory of its own than this leaves, and is
    /// replaced when tasks wait; the task's result is delivered. What counts is what pool_workers
    /// shows as resident_bytes; it is looked at when a task ends, but not more often than every
    /// 0.2 ms. A worker that has as much before its first task may have so much more: else none would
    /// ever stay. 0: any number. Process pools only.
    pub max_memory_per_worker: u64,
    /// At most so many tasks wait for a worker, chunks of maps included; over it a submit waits until
    /// one is begun or cancelled, in the order in which the submits came, or answers POOL_ERR_FULL, see
    /// pool_call_t.submit_timeout_ms. A task that a lost worker leaves comes back in any case. 0: no
    /// bound. Without effect for POOL_INLINE, where no task waits.
    pub max_pending: u64,
    /// A task that has run for so long is told: pool_task_soft_expired and pool_task_cancelled become
    /// true, and pool_call_t.on_timeout is called. Counted from its start. 0, POOL_FOREVER: no limit.
    pub soft_limit_ms: i64,
    /// A task that has run for so long ends with its worker process, which is killed with all that it has
    /// started in its group, and fails with POOL_ERR_HARD_LIMIT. More than soft_limit_ms. 0, POOL_FOREVER: no
    /// limit. Process pools only: a thread cannot be killed.
    pub hard_limit_ms: i64,
    /// How long a worker process may take from its start until it is ready for the initializer or its
    /// first task. Then it is killed, and is one that failed to start, see max_restarts: waiting for it
    /// does not count for the window. 0: 30 000; POOL_FOREVER: any time. Process pools only.
    pub start_timeout_ms: i64,
    /// How long a worker process that is to end has from SIGTERM to SIGKILL. 0: 1000; POOL_NOW: no time.
    /// For thread pools, how long pool_terminate waits.
    pub kill_grace_ms: i64,
    /// POOL_LOST_FAIL_TASK (default). Workers that are killed for a limit or a cancel do not count as lost.
    pub on_worker_lost: pool_on_worker_lost_t,
    /// POOL_LOST_RETRY: so often each task is run again. 0: once.
    pub retries: u32,
    /// So many workers may fail to start, one after the other within the window; then the pool is
    /// broken with POOL_ERR_RESTARTS. 0: 5; UINT32_MAX: any number.
    pub max_restarts: u32,
    /// The window for that; 0: 10 000.
    pub restart_window_ms: i64,
    /// POOL_EXIT_CANCEL (default).
    pub at_exit: pool_exit_t,
    /// POOL_SCHED_FIFO (default) or POOL_SCHED_PREFETCH.
    pub sched: pool_sched_t,
    /// The program to run as worker, a path; its main must begin with pool_worker_main. NULL: the
    /// helper installed with the library or, for functions of the main program, that program.
    /// Process pools only, and not with POOL_FORK.
    pub worker_executable: *const c_char,
    /// The environment of worker processes, "NAME=value" strings and a NULL at the end; NULL: the
    /// caller's at pool_new. Process pools only.
    pub env: *const *const c_char,
    /// Shared libraries that each worker opens when it starts, and a NULL at the end; where workers are
    /// forked they are opened once, before. One that cannot be opened breaks the pool. Process pools
    /// only.
    pub modules: *const *const c_char,
    /// The working directory of worker processes; NULL: the caller's. Process pools only.
    pub cwd: *const c_char,
    /// Called with a line for each thing worth knowing, as callbacks are (see future_on_done): workers that
    /// are lost, cannot be started, start and leave; that the pool is broken. Never after drop.
    pub log: pool_log_fn,
    /// Called when a worker is being started, is up, or is gone, as callbacks are: in this order for each
    /// worker, and for the last one before pool_shutdown returns. Never after drop. Inline pools have no
    /// workers to tell of.
    pub on_event: pool_event_fn,
    /// The last argument of log, on_event and on_tick.
    pub user: *mut c_void,
    /// Called with user when the pool does not need it any more.
    pub drop: pool_drop_fn,
    /// POOL_DRIVER_INTERNAL (default), or POOL_DRIVER_EXTERNAL, see pool_fd. Callbacks of maps and promises are
    /// not the pool's.
    pub driver: pool_driver_t,
    /// How long the initializer may run in a worker process. Then it is killed, and the pool is broken
    /// with POOL_ERR_INITIALIZER. 0, POOL_FOREVER: any time. Process pools only.
    pub initializer_timeout_ms: i64,
    /// How long the finalizer may run in a worker process. Then it is killed, and the pool is broken with
    /// POOL_ERR_FINALIZER. 0, POOL_FOREVER: any time. Process pools only.
    pub finalizer_timeout_ms: i64,
    /// POOL_FORK: copy the caller though other threads run in its process. Safe only where nothing that
    /// they may hold at that moment is used by tasks, such as locks, and libraries that have some. A copy
    /// that is lost is then made anew, of the caller as it is by then. POOL_FORK only.
    pub fork_with_threads: bool,
    /// Shared libraries that are opened once, before workers are forked, and a NULL at the end. One
    /// that cannot be opened is left out. POOL_FORKSERVER and POOL_FORK only.
    pub preload: *const *const c_char,
    /// Descriptors of the caller that workers keep under the same numbers, with what 0 to 2 are for
    /// them; copied by pool_new, so you may close yours. All others are closed in a worker, but for those
    /// that the library itself needs there; with POOL_FORK workers have all of the caller's. POOL_ERR_INVALID: one is not open. Process pools only.
    pub inherit_fds: *const i32,
    /// How many; at most 4096.
    pub n_inherit_fds: usize,
    /// What a worker reads as its standard input, a path that is opened for each, or once for
    /// all that are forked from one process; NULL: /dev/null.
    /// inherit_fds with 0 in it goes before. POOL_ERR_OS: it cannot be opened. Process pools only.
    pub worker_stdin: *const c_char,
    /// The most bytes of memory that a worker can write to and that is its own (RLIMIT_DATA, soft and
    /// hard); at least 4 MiB. What is over it is refused: malloc gives NULL. With POOL_FORK what the caller had does not count. The address space
    /// (RLIMIT_AS) is not what is limited: the pool's board takes much of that, and little memory.
    /// 0: no limit of its own. Process pools only.
    pub memory_limit_per_worker: u64,
    /// CPUs for the workers, by their numbers: the worker of place i runs on worker_cpus[i %
    /// n_worker_cpus] and no other. POOL_ERR_INVALID: the caller may not run on one. Process pools
    /// only.
    pub worker_cpus: *const u32,
    /// How many; 0: wherever the caller may run.
    pub n_worker_cpus: usize,
    /// Limits of each worker, as by setrlimit. RLIMIT_AS counts the pool's board, and RLIMIT_FSIZE
    /// results that have no room on it. POOL_ERR_INVALID: there is no such resource, or the soft limit
    /// is above the hard one; raising a hard one without the privilege breaks the pool. Process pools
    /// only.
    pub rlimits: *const pool_rlimit_t,
    /// How many.
    pub n_rlimits: usize,
    /// Added to the caller's nice value: -39 to 39. Below 0 without the privilege breaks the pool.
    /// Process pools only.
    pub nice: i32,
    /// Which worker the kernel kills first when memory is short: -1000 to 1000, as in
    /// /proc/PID/oom_score_adj. 0: the caller's. One below the caller's without the privilege breaks
    /// the pool. Process pools only.
    pub oom_score_adj: i32,
    /// The user that workers become before the initializer runs; modules have been opened by then. The
    /// caller's further groups are dropped. Without the privilege the pool is broken. 0: the
    /// caller's. Process pools only.
    pub uid: u32,
    /// The group that they become, likewise. 0: the caller's.
    pub gid: u32,
    /// Nothing that a worker executes gains a privilege (PR_SET_NO_NEW_PRIVS), from the end of the
    /// initializer on. Process pools only.
    pub no_new_privs: bool,
    /// A filter of system calls, an array of struct sock_filter: put on in all threads of a worker when
    /// the initializer has run, with no_new_privs, which it needs. What the library itself calls then
    /// must be let through: futex, sched_yield, clock_gettime, sendmsg, madvise, mmap, munmap, brk,
    /// exit_group; memfd_create, ftruncate, fcntl and close for results that have no room on the board;
    /// readlink when a function is called for the first time, and for its module, unless the initializer is
    /// of the same one, openat, read, fstat, mprotect and the like; pread64 for max_memory_per_worker;
    /// ppoll, getpid, getpgid, getpgrp and kill for the end of the parent. Process pools only.
    pub seccomp_filter: *const c_void,
    /// How many instructions; at most 4096.
    pub seccomp_len: usize,
    /// A signal that a worker process gets when its task has passed its soft limit, for the task's own
    /// handler; one without a handler may kill it, see signal(7). 0: none. Process pools only.
    pub soft_limit_signal: i32,
    /// Called every tick_ms by the thread that waits in pool_join, pool_shutdown or pool_terminate, so
    /// that other work of it goes on. No lock is held. It may use the pool: a pool_shutdown with a
    /// stronger mode makes the one that waits stronger; only pool_free of this pool does nothing.
    pub on_tick: pool_tick_fn,
    /// How often; 0: 500. Refused without on_tick.
    pub tick_ms: i64,
}

/// A limit of a worker process's resources, as by setrlimit.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pool_rlimit_t {
    /// RLIMIT_NOFILE, RLIMIT_CPU, ...
    pub resource: i32,
    /// The soft limit; UINT64_MAX: none.
    pub soft: u64,
    /// The hard limit; UINT64_MAX: none.
    pub hard: u64,
}

/// A task with all its options, for pool_submit_call. Fill it with POOL_CALL_INIT.
#[repr(C)]
pub struct pool_call_t {
    /// sizeof(pool_call_t); POOL_CALL_INIT sets it.
    pub struct_size: usize,
    /// What to run.
    pub task: pool_function_t,
    /// The argument bytes in place of task.args, or NULL. The submit takes it over, also when it
    /// fails.
    pub buffer: *mut pool_buffer_t,
    /// As in pool_options_t, for this task. 0: the pool's; POOL_FOREVER: none.
    pub soft_limit_ms: i64,
    /// As in pool_options_t, for this task. 0: the pool's; POOL_FOREVER: none.
    pub hard_limit_ms: i64,
    /// The task is cancelled, with POOL_ERR_EXPIRED, when it has not started so long after its submit. 0,
    /// POOL_FOREVER: it waits.
    pub start_deadline_ms: i64,
    /// How long the submit waits for a place where max_pending tasks wait, in milliseconds; then it
    /// answers POOL_ERR_FULL. 0, POOL_FOREVER: until there is one; POOL_NOW: not at all, also when
    /// others are waiting for one.
    pub submit_timeout_ms: i64,
    /// So often the task is run again when its worker is lost, whatever the pool does. 0: as the pool says.
    pub retries: u32,
    /// From POOL_PRIORITY_MIN to POOL_PRIORITY_MAX: of the tasks that wait, workers take those with a
    /// higher one first, and those with the same in the order in which they were submitted. A task that
    /// comes back from a lost worker keeps it, and is the last of it. For a place in a bounded queue it
    /// waits like any other; without effect for POOL_INLINE, where no task waits.
    pub priority: i32,
    /// A number of yours, that pool_cancelled_t tells.
    pub tag: u64,
    /// Called once when a worker has taken the task, before on_done, with the worker's place and its process,
    /// 0 for a thread.
    pub on_accept: pool_accept_fn,
    /// Called when the task is done, as by future_on_done.
    pub on_done: future_done_fn,
    /// Called when the soft limit has passed, and when the hard limit has. The future may have been freed.
    pub on_timeout: pool_timeout_fn,
    /// The last argument of the callbacks.
    pub user: *mut c_void,
    /// Called with user when the task does not need it any more.
    pub drop: pool_drop_fn,
}

/// A task that was cancelled when its pool was shut down or broken. Set struct_size before.
#[repr(C)]
pub struct pool_cancelled_t {
    /// sizeof(pool_cancelled_t).
    pub struct_size: usize,
    /// The task's number, as future_id told it.
    pub id: u64,
    /// pool_call_t.tag, else 0.
    pub tag: u64,
    /// Its function as it was submitted, and its argument bytes; they live until pool_free.
    pub task: pool_function_t,
}

/// What a worker is and does. Set struct_size in the first of an array.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pool_worker_info_t {
    /// sizeof(pool_worker_info_t).
    pub struct_size: usize,
    /// Its place: 0 to max_workers - 1; after a pool_shrink perhaps higher.
    pub index: u32,
    /// Its number among all workers that the pool has had, from 1.
    pub id: u64,
    /// Its process; 0: a thread.
    pub pid: i64,
    /// What it does.
    pub state: pool_worker_state_t,
    /// The task that it runs, else 0.
    pub task_id: u64,
    /// The function of that task, as far as it has a name; cut off where it is longer.
    pub function: [c_char; 64],
    /// How long it has been running that task.
    pub running_ms: i64,
    /// How many tasks it has ended.
    pub tasks_done: u64,
    /// How many workers had this place before it.
    pub restarts: u64,
    /// The memory of its process that it shares with nobody; 0: a thread.
    pub resident_bytes: u64,
    /// Why the worker before it is gone: one of enum pool_exit_reason.
    pub last_exit_reason: pool_exit_reason_t,
    /// The code that one exited with, else 0.
    pub last_exit_code: i32,
    /// The signal that killed that one, else 0.
    pub last_signal: i32,
}

/// Something that happened to a worker. The library's: it lives until the callback returns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pool_event_t {
    /// sizeof(pool_event_t).
    pub struct_size: usize,
    /// What happened.
    pub kind: pool_event_kind_t,
    /// The worker's place: 0 to max_workers - 1; after a pool_shrink perhaps higher.
    pub worker: u32,
    /// Its number among all workers that the pool has had, from 1.
    pub id: u64,
    /// Its process; 0: a thread.
    pub pid: i64,
    /// Why it is gone (POOL_EVENT_EXITED), else POOL_EXITED_NONE.
    pub reason: pool_exit_reason_t,
    /// The code that it exited with, else 0.
    pub exit_code: i32,
    /// The signal that killed it, else 0.
    pub signal: i32,
    /// The same in words; never NULL.
    pub message: *const c_char,
}

/// What the tasks and workers of a pool have done since pool_new. Set struct_size before. A chunk of a map
/// is one task.
///
/// When no task waits or runs, tasks_submitted is tasks_completed + tasks_failed + tasks_cancelled. While
/// some do, the numbers are not all of the same moment.
#[repr(C)]
pub struct pool_stats_t {
    /// sizeof(pool_stats_t); POOL_STATS_INIT sets it.
    pub struct_size: usize,
    /// Tasks that were submitted.
    pub tasks_submitted: u64,
    /// Tasks whose function has returned 0.
    pub tasks_completed: u64,
    /// Tasks that have failed in any way.
    pub tasks_failed: u64,
    /// Tasks that were cancelled, before they ran or while they did.
    pub tasks_cancelled: u64,
    /// How often a task's worker was lost while it ran it. The task has failed, or was run again.
    pub tasks_lost: u64,
    /// How often a task was run again for that.
    pub tasks_retried: u64,
    /// How often a task has passed its soft limit.
    pub soft_limits: u64,
    /// How often a task was stopped by its hard limit.
    pub hard_limits: u64,
    /// Workers that were started.
    pub workers_started: u64,
    /// Workers that have crashed, left by exit, were killed by somebody else, or did not start.
    pub workers_lost: u64,
    /// The argument bytes of the tasks that a worker has ended.
    pub args_bytes: u64,
    /// The result bytes of the tasks that have completed.
    pub result_bytes: u64,
    /// How long the tasks that a worker has ended had waited, together.
    pub queue_total_ns: u64,
    /// How long they ran.
    pub run_total_ns: u64,
    /// How many of them had waited at least 2^i and less than 2^(i+1) nanoseconds; 0 is in entry 0.
    pub queue_ns: [u64; 64],
    /// How many of them ran so long.
    pub run_ns: [u64; 64],
}

/// How a map is to be done. Fill it with POOL_MAP_INIT: zero means the default everywhere.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pool_map_options_t {
    /// sizeof(pool_map_options_t); POOL_MAP_INIT sets it.
    pub struct_size: usize,
    /// How many items make one task; 0: so many that it takes about a quarter of a millisecond, by
    /// what items were measured to take.
    pub chunk_size: usize,
    /// The most items that are handed out and not taken; 0: two chunks for each worker.
    pub window: usize,
    /// Lazy maps: results come as they are done.
    pub unordered: bool,
    /// POOL_ON_ERROR_CONTINUE (default).
    pub on_error: pool_on_error_t,
    /// For the whole map, from its beginning, or from the first pool_map_next. 0: none.
    pub deadline_ms: i64,
    /// No item may run for longer, see pool_options_t.hard_limit_ms; each is then a task of its own, and
    /// chunk_size is 0 or 1. 0: as the pool says. Process pools only.
    pub item_hard_limit_ms: i64,
    /// Called when items have come back.
    pub on_progress: pool_progress_fn,
    /// Its last argument.
    pub user: *mut c_void,
}

/// An array for pool_map_zip.
#[repr(C)]
pub struct pool_array_t {
    /// n elements, one behind the other.
    pub items: *const c_void,
    /// The size of each, in bytes.
    pub item_size: usize,
    /// How many there are.
    pub n: usize,
}
