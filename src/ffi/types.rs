//! The C types: handles, constants, structs, callbacks. Their doc comments are the header's.

#![allow(non_camel_case_types, reason = "these are the C names")]
#![allow(dead_code, reason = "C uses the constants and the fields")]

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
/// One of enum pool_lost.
pub type pool_lost_t = i32;
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

/// The kinds of workers.
#[repr(C)]
pub enum pool_kind {
    /// Each worker is a process of its own: a crash costs the one task that crashed.
    POOL_PROCESS = 0,
    /// Each worker is a thread of this process.
    POOL_THREAD = 1,
    /// No workers: tasks run in the submitting thread. Not built yet.
    POOL_INLINE = 2,
}

/// How a worker process starts.
#[repr(C)]
pub enum pool_start {
    /// A fresh program for each worker.
    POOL_SPAWN = 0,
    /// Forked from a clean server process. Not built yet.
    POOL_FORKSERVER = 1,
    /// A copy of the calling process. Not built yet.
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
    /// Also one that runs: its worker is killed. Not built yet.
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
pub enum pool_lost {
    /// It fails with POOL_ERR_WORKER_LOST; nothing else is touched.
    POOL_LOST_FAIL_TASK = 0,
    /// It runs again. Not built yet.
    POOL_LOST_RETRY = 1,
    /// The pool breaks. Not built yet.
    POOL_LOST_BREAK = 2,
}

/// What becomes of an open pool when the program exits. Only the default is accepted as yet.
#[repr(C)]
pub enum pool_exit {
    /// The default.
    POOL_EXIT_CANCEL = 0,
    /// Not built yet.
    POOL_EXIT_DRAIN = 1,
    /// Not built yet.
    POOL_EXIT_KILL = 2,
    /// Not built yet.
    POOL_EXIT_NONE = 3,
}

/// How tasks are handed to workers.
#[repr(C)]
pub enum pool_sched {
    /// A worker takes a task when it is free: no short task waits behind a long one.
    POOL_FAIR = 0,
    /// Several at once. Not built yet.
    POOL_PREFETCH = 1,
}

/// Who runs callbacks.
#[repr(C)]
pub enum pool_driver {
    /// A thread of the library.
    POOL_DRIVER_INTERNAL = 0,
    /// The caller's event loop. Not built yet.
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
    /// No worker can be started.
    POOL_STATE_BROKEN = 2,
    /// Shut down; every future is done.
    POOL_STATE_TERMINATED = 4,
    /// A pool_join is under way.
    POOL_STATE_JOINING = 8,
}

/// A task: reads its argument bytes, leaves result bytes, and returns 0, or a code of its own when
/// it fails. It must not throw, nor leave by longjmp or pthread_exit.
pub type pool_task_fn = Option<unsafe extern "C-unwind" fn(task: *mut pool_task_t) -> i32>;
/// Called once with a user pointer, after its last use, also when the call it was given to failed.
pub type pool_drop_fn = Option<unsafe extern "C" fn(user: *mut c_void)>;
/// Called when a future is done.
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

/// An event of a worker. No event is sent yet.
pub struct pool_event_t {
    _opaque: [u8; 0],
}

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
/// field that says "not built yet" answers POOL_ERR_UNSUPPORTED when it is set.
#[repr(C)]
pub struct pool_options_t {
    /// sizeof(pool_options_t); POOL_OPTIONS_INIT sets it.
    pub struct_size: usize,
    /// A name for threads and messages; NULL: "pool".
    pub name: *const c_char,
    /// POOL_PROCESS (default) or POOL_THREAD.
    pub kind: pool_kind_t,
    /// POOL_SPAWN (default).
    pub start: pool_start_t,
    /// Not built yet.
    pub min_workers: u32,
    /// At most this many workers at once, up to 1024; they start when there is work for them.
    /// 0: pool_available_cpus(), for threads 5 more.
    pub max_workers: u32,
    /// Not built yet: workers stay until the pool stops.
    pub idle_timeout_ms: i64,
    /// Not built yet.
    pub initializer: pool_function_t,
    /// Not built yet.
    pub finalizer: pool_function_t,
    /// Not built yet.
    pub max_tasks_per_worker: u64,
    /// Not built yet.
    pub max_memory_per_worker: u64,
    /// Not built yet.
    pub max_pending: u64,
    /// Not built yet.
    pub soft_limit_ms: i64,
    /// Not built yet.
    pub hard_limit_ms: i64,
    /// Not built yet.
    pub start_timeout_ms: i64,
    /// Not built yet.
    pub kill_grace_ms: i64,
    /// POOL_LOST_FAIL_TASK (default).
    pub on_worker_lost: pool_lost_t,
    /// Not built yet.
    pub retries: u32,
    /// Not built yet.
    pub max_restarts: u32,
    /// Not built yet.
    pub restart_window_ms: i64,
    /// POOL_EXIT_CANCEL (default).
    pub at_exit: pool_exit_t,
    /// POOL_FAIR (default).
    pub sched: pool_sched_t,
    /// The program to run as worker, a path; its main must begin with pool_worker_main. NULL: the
    /// helper installed with the library or, for functions of the main program, that program.
    /// Process pools only.
    pub worker_executable: *const c_char,
    /// The environment of worker processes, "NAME=value" strings and a NULL at the end; NULL: the
    /// caller's at pool_new. Process pools only.
    pub env: *const *const c_char,
    /// Shared libraries that each worker opens when it starts, and a NULL at the end. One that
    /// cannot be opened breaks the pool. Process pools only.
    pub modules: *const *const c_char,
    /// The working directory of worker processes; NULL: the caller's. Process pools only.
    pub cwd: *const c_char,
    /// Not built yet.
    pub log: pool_log_fn,
    /// Not built yet.
    pub on_event: pool_event_fn,
    /// The last argument of log and on_event.
    pub user: *mut c_void,
    /// Called with user when the pool does not need it any more.
    pub drop: pool_drop_fn,
    /// POOL_DRIVER_INTERNAL (default).
    pub driver: pool_driver_t,
    /// Not built yet.
    pub initializer_timeout_ms: i64,
    /// Not built yet.
    pub finalizer_timeout_ms: i64,
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
    /// Not built yet.
    pub soft_limit_ms: i64,
    /// Not built yet.
    pub hard_limit_ms: i64,
    /// Not built yet.
    pub start_deadline_ms: i64,
    /// Not built yet, but for POOL_NOW: a submit never waits.
    pub submit_timeout_ms: i64,
    /// Not built yet.
    pub retries: u32,
    /// Not built yet.
    pub priority: i32,
    /// Not built yet.
    pub tag: u64,
    /// Not built yet.
    pub on_accept: pool_accept_fn,
    /// Not built yet.
    pub on_done: future_done_fn,
    /// Not built yet.
    pub on_timeout: pool_timeout_fn,
    /// The last argument of the callbacks.
    pub user: *mut c_void,
    /// Called with user when the task does not need it any more.
    pub drop: pool_drop_fn,
}
