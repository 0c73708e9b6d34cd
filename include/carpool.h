/* carpool.h - thread pools and process pools behind one API.
 *
 * A task is a function and its argument bytes. Worker threads call the function directly; worker
 * processes locate it in their own copy of its module and call it there.
 *
 *   Threads    Every function may be called from any thread. The library holds no lock while it
 *              calls a function of the caller's.
 *   Handles    Not addresses, and checked: calls with NULL, or with a freed or foreign handle, return
 *              POOL_ERR_INVALID. The *_free functions ignore them.
 *   Status     Functions that can fail return a status; POOL_OK is 0. Results are returned through
 *              the last parameters, which are set to NULL or 0 on failure.
 *   Structs    Begin with struct_size; initialize them with their ..._INIT macro. Zero selects the
 *              default of a field.
 *   Times      int64_t milliseconds. Timeouts: POOL_FOREVER waits without limit, 0 does not block.
 *              Measured durations are uint64_t nanoseconds.
 *   Strings    UTF-8, NUL-terminated, copied by the library.
 *
 * Licence: MIT OR Apache-2.0. */

#ifndef CARPOOL_H
#define CARPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#if !defined(CARPOOL_API)
#define CARPOOL_API __attribute__((visibility("default")))
#endif

/** Major version of the library. */
#define POOL_VERSION_MAJOR 0

/** Minor version of the library. */
#define POOL_VERSION_MINOR 1

/** Patch version of the library. */
#define POOL_VERSION_PATCH 0

/** No timeout. */
#define POOL_FOREVER (-1)

/** Zero timeout, for options whose 0 means "default". */
#define POOL_NOW (-2)

/** Lowest priority of a task. */
#define POOL_PRIORITY_MIN (-8)

/** Highest priority of a task. */
#define POOL_PRIORITY_MAX 7

/** Status codes returned by most functions. 0 is success; the numbers never change. */
enum pool_status {
    /** Success. */
    POOL_OK = 0,
    /** An argument is NULL or out of range, or a handle is invalid or was freed. */
    POOL_ERR_INVALID = 1,
    /** Out of memory. */
    POOL_ERR_NOMEM = 2,
    /** A system call failed; os_errno and the message give the details. */
    POOL_ERR_OS = 3,
    /**
     * The timeout expired. Nothing else has changed, unless the function says otherwise: the call
     * can be repeated.
     */
    POOL_ERR_TIMEOUT = 4,
    /** The pool is closed or has been shut down. */
    POOL_ERR_CLOSED = 5,
    /**
     * The pool is broken: it can no longer start workers, or has lost one with POOL_LOST_BREAK. Of
     * a task: it was cancelled because its pool became broken; the message gives the reason.
     */
    POOL_ERR_BROKEN = 6,
    /** The pool is broken because its initializer failed. */
    POOL_ERR_INITIALIZER = 7,
    /** The pool is broken because its finalizer failed. */
    POOL_ERR_FINALIZER = 8,
    /** The task was cancelled, either before it ran or together with its worker. */
    POOL_ERR_CANCELLED = 9,
    /** The task's function failed; task_code and the message are those that it set. */
    POOL_ERR_TASK = 10,
    /** The worker running the task was lost: it crashed, exited, or was killed. */
    POOL_ERR_WORKER_LOST = 11,
    /** The task exceeded its hard time limit and was killed. */
    POOL_ERR_HARD_LIMIT = 12,
    /**
     * The task was killed while running because its pool was stopped (POOL_STOP_KILL,
     * pool_terminate).
     */
    POOL_ERR_TERMINATED = 13,
    /**
     * The pool is broken because workers failed to start too often; see
     * pool_options_t.max_restarts.
     */
    POOL_ERR_RESTARTS = 14,
    /** There is currently no capacity for another task or object. */
    POOL_ERR_FULL = 15,
    /** The data does not fit into the available space. */
    POOL_ERR_TOO_LARGE = 16,
    /**
     * The module or symbol does not exist, or comes from a different build; the message explains
     * how to fix it.
     */
    POOL_ERR_FUNCTION = 17,
    /**
     * The call would deadlock: it was made by a task, or a callback, that it would have to wait
     * for.
     */
    POOL_ERR_DEADLOCK = 18,
    /** The handle belongs to the process from which this one was forked. */
    POOL_ERR_WRONG_PROCESS = 19,
    /** The task has not finished. */
    POOL_ERR_NOT_DONE = 20,
    /** The call is not valid in the current state of the object. */
    POOL_ERR_STATE = 21,
    /** There are no more items. */
    POOL_ERR_END = 22,
    /**
     * The operation or option is not supported by this version of the library or this kind of
     * pool.
     */
    POOL_ERR_UNSUPPORTED = 23,
    /** The task did not start before its deadline. */
    POOL_ERR_EXPIRED = 24,
    /** The struct or the worker belongs to a different version of the library. */
    POOL_ERR_VERSION = 25,
};

/** Kinds of workers. */
enum pool_kind {
    /**
     * Each worker is a separate process: a crash costs only the task that crashed.
     *
     * A worker is in a process group of its own, and ignores SIGINT, SIGTTOU and SIGTTIN: what an
     * interrupt from the terminal means is left to the caller, and a task may print on the
     * terminal, but reading from it fails with EIO. Programs that a task starts ignore these
     * signals, too, unless it resets them.
     *
     * /dev/null is needed, unless worker_stdin is set or descriptor 0 is inherited; /proc is needed
     * for functions of the main program, with POOL_FORK, and for max_memory_per_worker.
     */
    POOL_PROCESS = 0,
    /** Each worker is a thread of this process. */
    POOL_THREAD = 1,
    /**
     * No separate workers: a task runs in the thread that submits it, before the submit returns.
     * Intended for debugging: everything behaves as with the other kinds, but options that concern
     * idle workers or queued tasks have no effect.
     */
    POOL_INLINE = 2,
};

/**
 * How worker processes are started: always by a server process of the pool, which is no child of
 * the caller. The caller gets no SIGCHLD for what the library starts, and its wait() finds nothing
 * of it. Only a caller that adopts orphans (PR_SET_CHILD_SUBREAPER, or as process 1) becomes the
 * parent of the server, and of workers whose server has died; the library waits for them by their
 * process IDs. A process 1 that never waits keeps a zombie of each server that has ended.
 *
 * Workers keep the user that the caller was when they, or the process that they were forked from,
 * started; they can be stopped also after the caller has given up its privileges.
 */
enum pool_start {
    /**
     * Each worker executes a program of its own. It inherits nothing that is not explicitly passed
     * on; what is the caller's, such as the working directory and resource limits, is as it was
     * when the first worker started.
     */
    POOL_SPAWN = 0,
    /**
     * A fork server executes a program once, along with the first worker, opens modules and
     * preload, and then forks all workers. Workers are ready sooner, and share the server's memory
     * until they write to it. If the server dies, it is executed again; its workers keep running.
     */
    POOL_FORKSERVER = 1,
    /**
     * Workers are copies of the caller as it was in pool_new; those that start later are forked
     * from a copy that pool_new makes. They see the memory contents of the caller at that time,
     * and keep its open descriptors. That is dangerous: file offsets are shared with the caller,
     * and the peer of a pipe or socket sees no end of file while a worker holds a copy of it.
     *
     * At-exit handlers of the caller do not run in workers. Handlers that tasks register run if a
     * task calls exit, but not when a worker exits normally. Copying a large caller is slow.
     *
     * If the process has threads other than the calling one and the library's own, pool_new
     * returns POOL_ERR_STATE, because locks that they hold, those of malloc included, would stay
     * locked forever in the copy; see fork_with_threads. If the copy is lost, the pool becomes
     * broken the next time it has to start a worker.
     */
    POOL_FORK = 2,
};

/** How a pool stops. In order of increasing strength: DRAIN, CANCEL, KILL. */
enum pool_stop {
    /** Cancels queued tasks and waits for running ones. */
    POOL_STOP_CANCEL = 0,
    /** Runs all tasks first. */
    POOL_STOP_DRAIN = 1,
    /**
     * Cancels queued tasks and kills worker processes together with the tasks that they run.
     * Threads cannot be killed: pool_task_cancelled returns true in their tasks, and the pool
     * waits for them.
     */
    POOL_STOP_KILL = 2,
};

/** Which tasks are cancelled. */
enum pool_cancel {
    /** Only a task that has not started. */
    POOL_CANCEL_QUEUED = 0,
    /** Also a running task: its worker process is terminated, see future_cancel. */
    POOL_CANCEL_RUNNING = 1,
};

/** Condition for waiting on several futures. */
enum pool_wait {
    /** All futures are done. */
    POOL_WAIT_ALL = 0,
    /** At least one future is done. */
    POOL_WAIT_FIRST = 1,
    /** At least one future has failed or was cancelled, or all are done. */
    POOL_WAIT_FIRST_ERROR = 2,
};

/** What happens to a task whose worker is lost. */
enum pool_on_worker_lost {
    /** The task fails with POOL_ERR_WORKER_LOST. Nothing else is affected. */
    POOL_LOST_FAIL_TASK = 0,
    /**
     * The task runs again in another worker until its retries are used up; then it fails with
     * POOL_ERR_WORKER_LOST.
     */
    POOL_LOST_RETRY = 1,
    /**
     * The task fails with POOL_ERR_WORKER_LOST and the pool becomes broken: queued tasks are
     * cancelled with POOL_ERR_BROKEN, and tasks that other workers run end normally. The pool is
     * broken before the future of the lost task is done. A worker that is lost while it is idle
     * breaks the pool, too. One that is lost before it is ready does not; it counts as a failed
     * start, see pool_options_t.max_restarts.
     */
    POOL_LOST_BREAK = 2,
};

/** What happens at program exit to a pool that is still open. */
enum pool_exit {
    /** Cancels queued tasks and waits for running ones. */
    POOL_EXIT_CANCEL = 0,
    /** Runs all tasks first. */
    POOL_EXIT_DRAIN = 1,
    /** As POOL_STOP_KILL. */
    POOL_EXIT_KILL = 2,
    /** Does nothing: worker processes exit when they detect that their parent has died. */
    POOL_EXIT_NONE = 3,
};

/** How tasks are distributed to workers. */
enum pool_sched {
    /** A worker takes one task at a time, when it is ready to run it. */
    POOL_SCHED_FIFO = 0,
    /**
     * While many tasks are queued per worker, a worker takes up to 32 of them from the queue at
     * once. This reduces contention between workers when tasks are tiny. Prefetched tasks are
     * still pending: they can be cancelled, and idle workers take them over; but tasks no longer
     * start strictly in order. If their worker dies, they return to the end of the queue. No
     * effect with POOL_INLINE.
     */
    POOL_SCHED_PREFETCH = 1,
};

/** What a worker process may do from the end of its initializer on. */
enum pool_sandbox {
    /** Whatever its user may do. */
    POOL_SANDBOX_NONE = 0,
    /**
     * Compute, allocate memory, and return results; for code that reads untrusted data. Other
     * system calls fail with EPERM, in all threads of the worker: none opens a file or a socket,
     * starts a process, a thread or a program, maps executable memory, or signals or traces
     * another process. Calls that remain are those for memory, time, sleeping, signal handlers,
     * random numbers, and for reading, writing and closing descriptors that are open already: the
     * standard streams, inherit_fds, and what the initializer has opened. With POOL_FORK, the
     * caller's other descriptors are closed before the initializer runs.
     */
    POOL_SANDBOX_COMPUTE = 1,
};

/** What worker processes share with each other. */
enum pool_isolation {
    /**
     * The memory of the pool: a worker can reach the arguments and results of all its tasks.
     */
    POOL_SHARED = 0,
    /**
     * Nothing: a worker has memory of its own, with the one task that it runs. The library copies
     * arguments there, and results from there to memory that no worker reaches before their task is
     * done. So no task reads or changes the arguments or the result of a task of another worker, or a
     * result that is done, by whatever it reads or writes in its own memory. A task that runs code
     * of an attacker may use system calls to reach other processes of its user (ptrace,
     * process_vm_writev, /proc/PID/mem) or of the machine: POOL_SANDBOX_COMPUTE takes them away, and
     * the two together keep its tasks apart from others and from the caller. Tasks that run one
     * after the other in one worker share that process; with max_tasks_per_worker = 1 none do. With
     * POOL_FORK a worker also has a copy of the memory of the caller as it was in pool_new.
     */
    POOL_ISOLATED = 1,
};

/** Who runs callbacks. */
enum pool_driver {
    /** A thread of the library. */
    POOL_DRIVER_INTERNAL = 0,
    /**
     * The caller's event loop: callbacks run only in pool_process_events. The only exceptions are
     * callbacks that are still pending when the pool ends: pool_shutdown, pool_terminate and
     * pool_free run them before they return, unless they time out. This applies to inline pools,
     * too.
     */
    POOL_DRIVER_EXTERNAL = 1,
};

/** Severity of a log message. */
enum pool_log_level {
    /** Something failed. */
    POOL_LOG_ERROR = 1,
    /** Something is not as it should be. */
    POOL_LOG_WARNING = 2,
    /** Informational. */
    POOL_LOG_INFO = 3,
    /** Details for debugging. */
    POOL_LOG_DEBUG = 4,
};

/** State of a task. */
enum future_state {
    /** The task is waiting for a worker. */
    FUTURE_PENDING = 1,
    /** A worker is running the task. */
    FUTURE_RUNNING = 2,
    /** The function returned 0. */
    FUTURE_COMPLETED = 3,
    /**
     * The function returned a nonzero code, the worker was lost, or the task could not be run.
     */
    FUTURE_FAILED = 4,
    /**
     * The task was cancelled, killed on request, or ended because its pool became broken.
     */
    FUTURE_CANCELLED = 5,
};

/** Bits returned by pool_state. */
enum pool_state_bit {
    /** The pool accepts no new tasks. */
    POOL_STATE_CLOSED = 1,
    /**
     * The pool is broken: no worker can be started, its initializer or finalizer failed, or a
     * worker was lost with POOL_LOST_BREAK.
     */
    POOL_STATE_BROKEN = 2,
    /** The pool has been shut down; every future is done. */
    POOL_STATE_TERMINATED = 4,
    /** A pool_join is in progress. */
    POOL_STATE_JOINING = 8,
    /** The pool is paused, see pool_pause. */
    POOL_STATE_PAUSED = 16,
};

/**
 * What a map does after an item has failed. Unless it is POOL_ON_ERROR_CONTINUE, a lazy map ends with
 * the failed item: the results of later items are discarded.
 */
enum pool_on_error {
    /** Runs all items. */
    POOL_ON_ERROR_CONTINUE = 0,
    /** Submits no more items; those already submitted still run. */
    POOL_ON_ERROR_STOP = 1,
    /** Submits no more items, and cancels those that are queued. */
    POOL_ON_ERROR_CANCEL_REST = 2,
};

/** State of a worker. */
enum pool_worker_state {
    /** The worker process is starting, or the initializer is running. */
    POOL_WORKER_STARTING = 1,
    /** The worker is waiting for a task. */
    POOL_WORKER_IDLE = 2,
    /** The worker is running a task. */
    POOL_WORKER_BUSY = 3,
    /** The worker is about to exit. */
    POOL_WORKER_STOPPING = 4,
};

/** Which workers pool_shrink stops. */
enum pool_shrink {
    /** Only workers that are idle now; all or nothing. */
    POOL_SHRINK_IDLE = 0,
    /** Busy workers, too, once they have finished their current task. */
    POOL_SHRINK_WHEN_IDLE = 1,
};

/** How workers are replaced. */
enum pool_restart {
    /** Each worker finishes its current task first. */
    POOL_RESTART_GRACEFUL = 0,
    /**
     * Immediately: running tasks are lost with their worker processes, or run again if they have
     * retries left.
     */
    POOL_RESTART_NOW = 1,
};

/** What happened to a worker. */
enum pool_event_kind {
    /** The worker is being started. */
    POOL_EVENT_STARTING = 1,
    /** The worker is ready: its initializer has run. */
    POOL_EVENT_READY = 2,
    /** The worker has exited. */
    POOL_EVENT_EXITED = 3,
};

/** Why a worker exited. */
enum pool_exit_reason {
    /** No worker has used this index before. */
    POOL_EXITED_NONE = 0,
    /** The pool was joined, closed, or shut down. */
    POOL_EXITED_REQUESTED = 1,
    /** It was idle for longer than idle_timeout_ms. */
    POOL_EXITED_IDLE_TIMEOUT = 2,
    /** It had run max_tasks_per_worker tasks. */
    POOL_EXITED_MAX_TASKS = 3,
    /** It used more memory than max_memory_per_worker. */
    POOL_EXITED_MAX_MEMORY = 4,
    /** It was replaced by pool_restart. */
    POOL_EXITED_RESTARTED = 5,
    /** It was stopped by pool_shrink. */
    POOL_EXITED_SHRUNK = 6,
    /** It crashed, called exit, or was killed from outside the pool. */
    POOL_EXITED_LOST = 7,
    /** It was killed because its task, initializer or finalizer exceeded a time limit. */
    POOL_EXITED_TIME_LIMIT = 8,
    /** It was killed to cancel the task that it was running. */
    POOL_EXITED_CANCELLED = 9,
    /** It was killed by the pool, to stop immediately. */
    POOL_EXITED_KILLED = 10,
    /** It exited, or exceeded start_timeout_ms, before it was ready. */
    POOL_EXITED_START_FAILED = 11,
    /**
     * It exited so that a worker running the main program's executable can take its task.
     */
    POOL_EXITED_NEEDS_MAIN_PROGRAM = 12,
    /** Its initializer or finalizer failed. */
    POOL_EXITED_HOOK_FAILED = 13,
    /** Its task called pool_task_retire. */
    POOL_EXITED_RETIRED = 14,
};

/**
 * A set of futures, from which they are taken as they finish.
 *
 * Threads: may be used by any thread, and by several at once.
 * Lifetime: from future_set_new to future_set_free. The handle is checked, as for pool_t.
 * NULL: returns POOL_ERR_INVALID.
 */
typedef struct future_set_t future_set_t;

/**
 * The future result of a task.
 *
 * Threads: may be used by any thread, and by several at once; any number may wait for it.
 * Lifetime: from the submit that creates it to future_free; it may outlive its pool. The handle is
 * checked, as for pool_t. When the future is freed, no call with it may be in progress in another
 * thread.
 * NULL: returns POOL_ERR_INVALID.
 */
typedef struct future_t future_t;

/**
 * Memory for the arguments of one task, written in place and passed on without a copy.
 *
 * Threads: one at a time.
 * Lifetime: from pool_buffer_new until a submit takes ownership of it, or pool_buffer_free.
 * NULL: returns POOL_ERR_INVALID.
 */
typedef struct pool_buffer_t pool_buffer_t;

/**
 * A lazy map: applies a function to the items of a source and returns the results one by one.
 *
 * Threads: one at a time, except for pool_map_cancel.
 * Lifetime: from pool_map_start to pool_map_free. The handle is checked, as for pool_t.
 * NULL: returns POOL_ERR_INVALID.
 */
typedef struct pool_map_t pool_map_t;

/**
 * A pool: workers and a queue of tasks for them.
 *
 * Threads: may be used by any thread, and by several at once.
 * Lifetime: from pool_new to pool_free. A handle is not an address, and it is checked: after
 * pool_free, every call with it returns POOL_ERR_INVALID. During pool_free, no other call with the
 * pool may be in progress, nor a call with one of its futures that was already freed; futures that
 * were not freed may be in use.
 * NULL: returns POOL_ERR_INVALID and has no effect.
 */
typedef struct pool_t pool_t;

/**
 * A running task, as seen by its function.
 *
 * Threads: the thread that runs the function, and threads that it starts and waits for.
 * Lifetime: until the function returns.
 * NULL: functions return no bytes, no memory, 0 or false.
 */
typedef struct pool_task_t pool_task_t;

/** Status returned by most functions: a value of enum pool_status, 0 on success. */
typedef int32_t pool_status_t;

/** A value of enum pool_kind. */
typedef int32_t pool_kind_t;

/** A value of enum pool_start. */
typedef int32_t pool_start_t;

/**
 * A task function: reads the argument bytes, writes result bytes, and returns 0 on success or an
 * error code of its own. A C++ exception that leaves it fails the task with POOL_ERR_TASK: its
 * task_code is INT32_MIN, and its message consists of the exception's type and its what(), if the
 * C++ runtime that has thrown it exports its functions. So does pthread_exit, and the thread
 * continues. It must not leave through longjmp.
 */
typedef int32_t (*pool_task_fn)(pool_task_t *task);

/** A function to be run by a worker, with its argument bytes. */
typedef struct pool_function_t {
    /** The function; NULL if module and symbol identify it. */
    pool_task_fn pointer;
    /**
     * Shared library that exports the symbol, as passed to the dynamic loader; NULL: the main
     * program.
     */
    const char *module;
    /** Name of an exported function. */
    const char *symbol;
    /** Argument bytes; copied. */
    const void *args;
    /** Number of argument bytes. */
    size_t len;
} pool_function_t;

/** A value of enum pool_on_worker_lost. */
typedef int32_t pool_on_worker_lost_t;

/** A value of enum pool_exit. */
typedef int32_t pool_exit_t;

/** A value of enum pool_sched. */
typedef int32_t pool_sched_t;

/** A value of enum pool_log_level. */
typedef int32_t pool_log_level_t;

/** Called with each log message. */
typedef void (*pool_log_fn)(pool_log_level_t level, const char *message, void *user);

/** A value of enum pool_event_kind. */
typedef int32_t pool_event_kind_t;

/** A value of enum pool_exit_reason. */
typedef int32_t pool_exit_reason_t;

/** A worker event. Owned by the library; valid until the callback returns. */
typedef struct pool_event_t {
    /** sizeof(pool_event_t). */
    size_t struct_size;
    /** What happened. */
    pool_event_kind_t kind;
    /** Index of the worker, 0 to max_workers - 1; possibly higher after a pool_shrink. */
    uint32_t worker;
    /**
     * Sequence number of the worker among all workers that the pool has ever had, from 1.
     */
    uint64_t id;
    /** Process ID; 0 for a thread. */
    int64_t pid;
    /** Why the worker exited (POOL_EVENT_EXITED), else POOL_EXITED_NONE. */
    pool_exit_reason_t reason;
    /** Exit code of the worker, else 0. */
    int32_t exit_code;
    /** Signal that killed the worker, else 0. */
    int32_t signal;
    /** Description of the event; never NULL. */
    const char *message;
} pool_event_t;

/** Called with each worker event. */
typedef void (*pool_event_fn)(const pool_event_t *event, void *user);

/**
 * Called exactly once with a user pointer after its last use, even if the call that took the
 * pointer failed. Not called if the struct with the pointer could not be read: it is NULL, or its
 * struct_size is that of no version.
 */
typedef void (*pool_drop_fn)(void *user);

/** A value of enum pool_driver. */
typedef int32_t pool_driver_t;

/** A resource limit of worker processes, as for setrlimit. */
typedef struct pool_rlimit_t {
    /** RLIMIT_NOFILE, RLIMIT_CPU, ... */
    int32_t resource;
    /** Soft limit; UINT64_MAX: unlimited. */
    uint64_t soft;
    /** Hard limit; UINT64_MAX: unlimited. */
    uint64_t hard;
} pool_rlimit_t;

/**
 * Called periodically by a thread that waits for a pool to stop; see pool_options_t.on_tick.
 */
typedef void (*pool_tick_fn)(void *user);

/** A value of enum pool_sandbox. */
typedef int32_t pool_sandbox_t;

/** A value of enum pool_isolation. */
typedef int32_t pool_isolation_t;

/**
 * Configuration for pool_new. Initialize it with POOL_OPTIONS_INIT; zero selects the default of
 * every field. A field that the kind of pool does not support must be zero, otherwise
 * POOL_ERR_UNSUPPORTED is returned.
 */
typedef struct pool_options_t {
    /** sizeof(pool_options_t); set by POOL_OPTIONS_INIT. */
    size_t struct_size;
    /**
     * Name used for threads and in messages, at most 64 bytes without a slash; NULL: "pool".
     */
    const char *name;
    /** POOL_PROCESS (default), POOL_THREAD or POOL_INLINE. */
    pool_kind_t kind;
    /**
     * POOL_SPAWN (default), POOL_FORKSERVER or POOL_FORK; see enum pool_start. Process pools only.
     */
    pool_start_t start;
    /**
     * Minimum number of workers. They start with the pool and stay however long they are idle.
     * Between min_workers and max_workers the pool scales by itself: a worker starts for each task
     * that finds no idle worker, and exits after being idle for idle_timeout_ms.
     */
    uint32_t min_workers;
    /**
     * Maximum number of concurrent workers, up to 1024; workers start on demand. 0:
     * pool_available_cpus(), plus 5 for thread pools. Changed by pool_grow and pool_shrink.
     */
    uint32_t max_workers;
    /**
     * Idle time after which a worker beyond min_workers exits. 0: 60000; POOL_FOREVER: workers
     * never exit because they are idle; POOL_NOW: a worker exits as soon as no task is queued.
     */
    int64_t idle_timeout_ms;
    /**
     * Function that each worker runs once before its first task, with arguments of its own. It
     * runs like a task: it can set the pointer returned by pool_task_state; its result is
     * discarded. If it returns a nonzero code, the pool becomes broken.
     */
    pool_function_t initializer;
    /**
     * Function that each worker runs likewise before it exits, whatever the reason, unless it
     * crashes or is killed. If it returns a nonzero code, or the worker dies in it, the pool becomes
     * broken.
     */
    pool_function_t finalizer;
    /**
     * Number of tasks after which a worker exits; it is replaced if tasks are queued. A chunk of a
     * map counts as one task. 0: unlimited.
     */
    uint64_t max_tasks_per_worker;
    /**
     * Private memory, in bytes, above which a worker process exits after its current task; the
     * task's result is delivered, and the worker is replaced if tasks are queued. The value
     * compared is pool_worker_info_t.resident_bytes. It is checked when a task ends, but at most
     * every 0.2 ms. If a worker already uses this much before its first task, that initial amount
     * is added to its limit, because otherwise no worker would ever stay. 0: unlimited. Process
     * pools only.
     */
    uint64_t max_memory_per_worker;
    /**
     * Maximum number of queued tasks, map chunks included. When the queue is full, submitting
     * blocks until a task starts or is cancelled (FIFO among submitters), or returns
     * POOL_ERR_FULL; see pool_call_t.submit_timeout_ms. A task that is retried after its worker
     * was lost is always queued again. 0: unlimited. No effect with POOL_INLINE, where no task is
     * ever queued.
     */
    uint64_t max_pending;
    /**
     * Soft time limit of a task, measured from its start. When it expires,
     * pool_task_soft_expired() and pool_task_cancelled() return true and pool_call_t.on_timeout is
     * called; the task keeps running. 0, POOL_FOREVER: no limit.
     */
    int64_t soft_limit_ms;
    /**
     * Hard time limit of a task, measured from its start; must be greater than soft_limit_ms. When
     * it expires, the worker process is killed, together with all processes that it has started in
     * its process group, and the task fails with POOL_ERR_HARD_LIMIT. 0, POOL_FOREVER: no limit.
     * Process pools only: a thread cannot be killed.
     */
    int64_t hard_limit_ms;
    /**
     * Maximum time from the start of a worker process until it is ready to run the initializer or
     * its first task. When it expires, the worker is killed and counts as a failed start, see
     * max_restarts; the time spent waiting for it does not count towards restart_window_ms. 0:
     * 30000; POOL_FOREVER: no timeout. Process pools only.
     */
    int64_t start_timeout_ms;
    /**
     * Time between SIGTERM and SIGKILL when a worker process is terminated. 0: 1000; POOL_NOW:
     * none. For thread pools, how long pool_terminate waits.
     */
    int64_t kill_grace_ms;
    /**
     * POOL_LOST_FAIL_TASK (default), POOL_LOST_RETRY or POOL_LOST_BREAK. Workers killed because of
     * a time limit or a cancellation do not count as lost.
     */
    pool_on_worker_lost_t on_worker_lost;
    /**
     * With POOL_LOST_RETRY: maximum number of retries per task. 0 selects the default, 1. Must be
     * 0 otherwise.
     */
    uint32_t retries;
    /**
     * Number of consecutive start failures within restart_window_ms after which the pool is broken
     * (POOL_ERR_RESTARTS). 0: 5; UINT32_MAX: unlimited. A start that the caller's process has too
     * few descriptors, processes or memory for does not count: it is tried again until that passes.
     */
    uint32_t max_restarts;
    /** Time window for max_restarts. 0: 10000. */
    int64_t restart_window_ms;
    /**
     * What happens to the pool at program exit if it is still open: POOL_EXIT_CANCEL (default) or
     * another value of enum pool_exit.
     */
    pool_exit_t at_exit;
    /** POOL_SCHED_FIFO (default) or POOL_SCHED_PREFETCH. */
    pool_sched_t sched;
    /**
     * Path of the program to run as a worker; its main must begin with pool_worker_main. NULL: the
     * helper program installed with the library or, for functions of the main program, the main
     * program itself. It is opened by pool_new, and what is installed in its place later is not
     * run; a script is, as it has no program of its own. It must have the same build of the library
     * as the caller. Process pools only, and not with POOL_FORK.
     */
    const char *worker_executable;
    /**
     * Environment of worker processes: "NAME=value" strings, terminated by NULL. NULL: the
     * caller's environment at pool_new. Process pools only.
     */
    const char *const *env;
    /**
     * Shared libraries that each worker opens when it starts, terminated by NULL. If workers are
     * forked, the libraries are opened once, before forking. If one cannot be opened, or is another
     * build than when the pool was made, the pool becomes broken. Process pools only.
     */
    const char *const *modules;
    /** Working directory of worker processes; NULL: the caller's. Process pools only. */
    const char *cwd;
    /**
     * Receives log messages, as a callback (see future_on_done): workers that are lost, cannot be
     * started, start or exit, and the pool becoming broken. Never called after drop.
     */
    pool_log_fn log;
    /**
     * Receives worker events, as a callback (see future_on_done): a worker is being started, is
     * ready, has exited. The events of one worker arrive in this order, and those of the last
     * worker before pool_shutdown returns. Never called after drop. Inline pools have no worker
     * events.
     */
    pool_event_fn on_event;
    /** Last argument of log, on_event and on_tick. */
    void *user;
    /** Called with user when the pool no longer needs it, also if pool_new fails. */
    pool_drop_fn drop;
    /**
     * POOL_DRIVER_INTERNAL (default) or POOL_DRIVER_EXTERNAL; see pool_fd. It does not apply to
     * the callbacks of maps and promises.
     */
    pool_driver_t driver;
    /**
     * Maximum run time of the initializer in a worker process. When it expires, the worker is
     * killed and the pool is broken with POOL_ERR_INITIALIZER. 0, POOL_FOREVER: no timeout.
     * Process pools only.
     */
    int64_t initializer_timeout_ms;
    /**
     * Maximum run time of the finalizer in a worker process. When it expires, the worker is killed
     * and the pool is broken with POOL_ERR_FINALIZER. 0, POOL_FOREVER: no timeout. Process pools
     * only.
     */
    int64_t finalizer_timeout_ms;
    /**
     * Copies the caller even if its process has other threads. This is safe only if tasks use
     * nothing that those threads may hold at that moment, such as locks, including locks inside
     * libraries. If the copy is lost, a new copy of the caller, in its state at that time, is
     * made. POOL_FORK only.
     */
    bool fork_with_threads;
    /**
     * Shared libraries that are opened once, before workers are forked, terminated by NULL. Those
     * that cannot be opened are skipped. POOL_FORKSERVER and POOL_FORK only.
     */
    const char *const *preload;
    /**
     * Descriptors of the caller that workers inherit under the same numbers; 0 to 2 become the
     * workers' standard streams. pool_new duplicates them, so the caller may close its own. All
     * other descriptors are closed in workers, except those that the library itself needs there;
     * with POOL_FORK, workers have all descriptors of the caller. POOL_ERR_INVALID if one is not
     * open. Process pools only.
     */
    const int32_t *inherit_fds;
    /** Number of elements, at most 4096. */
    size_t n_inherit_fds;
    /**
     * Path of the file that workers read as standard input. It is opened for each worker, or once
     * for all workers forked from the same process. NULL: /dev/null. An inherit_fds that contains
     * 0 takes precedence. POOL_ERR_OS if it cannot be opened. Process pools only.
     */
    const char *worker_stdin;
    /**
     * Maximum private writable memory of a worker, in bytes (RLIMIT_DATA, soft and hard); at least
     * 4 MiB. Allocations beyond it fail: malloc returns NULL. With POOL_FORK, memory inherited
     * from the caller does not count. The address space (RLIMIT_AS) is not limited, because the
     * pool's shared memory occupies much address space but little memory. 0: no additional limit.
     * Process pools only.
     */
    uint64_t memory_limit_per_worker;
    /**
     * CPU numbers for the workers: the worker with index i runs only on worker_cpus[i %
     * n_worker_cpus]. POOL_ERR_INVALID if the caller is not allowed to run on one of them. Process
     * pools only.
     */
    const uint32_t *worker_cpus;
    /** Number of elements; 0: workers run wherever the caller may run. */
    size_t n_worker_cpus;
    /**
     * Resource limits of each worker, as for setrlimit. RLIMIT_AS includes the pool's shared
     * memory, and RLIMIT_FSIZE applies to results too large for the pool's shared memory.
     * POOL_ERR_INVALID if a resource does not exist or a soft limit exceeds its hard limit.
     * Raising a hard limit without the required privilege breaks the pool. Process pools only.
     */
    const pool_rlimit_t *rlimits;
    /** Number of elements. */
    size_t n_rlimits;
    /**
     * Added to the caller's nice value, -39 to 39. A negative value without the required privilege
     * breaks the pool. Process pools only.
     */
    int32_t nice;
    /**
     * OOM score adjustment of workers, -1000 to 1000, as in /proc/PID/oom_score_adj: determines
     * which worker the kernel kills first when memory runs out. 0: the caller's. A value below the
     * caller's without the required privilege breaks the pool. Process pools only.
     */
    int32_t oom_score_adj;
    /**
     * User ID that workers switch to before the initializer runs, after modules have been opened.
     * The caller's supplementary groups are dropped. Without the required privilege the pool
     * becomes broken. 0: the caller's. Process pools only.
     */
    uint32_t uid;
    /** Group ID that workers switch to, likewise. 0: the caller's. */
    uint32_t gid;
    /**
     * From the end of the initializer on, no program that a worker executes gains privileges
     * (PR_SET_NO_NEW_PRIVS). Process pools only.
     */
    bool no_new_privs;
    /**
     * System call filter, an array of struct sock_filter, installed in all threads of a worker
     * after the initializer has run. It requires no_new_privs and therefore sets it. The filter
     * must allow the calls that the library itself makes from then on: futex, sched_yield,
     * clock_gettime, sendmsg, madvise, mmap, munmap, brk, exit_group; memfd_create, ftruncate,
     * fcntl and close for results too large for the pool's shared memory; readlink the first time
     * a function is called and, for its module unless the initializer is in the same one, openat,
     * read, fstat, mprotect and similar calls; pread64 for max_memory_per_worker; ppoll, getpid,
     * getpgid, getpgrp and kill to exit when the parent dies. Process pools only.
     */
    const void *seccomp_filter;
    /** Number of instructions, at most 4096. */
    size_t seccomp_len;
    /**
     * Signal sent to a worker process when its task has exceeded its soft limit, for a handler
     * that the task installs. Without a handler the signal may kill the worker, see signal(7). It
     * is blocked in the worker's main thread while no task's function runs, so that it never
     * reaches the next task. 0: none. Process pools only.
     */
    int32_t soft_limit_signal;
    /**
     * Called every tick_ms by the thread that waits in pool_join, pool_shutdown or pool_terminate,
     * so that it can do other work meanwhile. No lock is held. The function may use the pool:
     * calling pool_shutdown with a stronger mode escalates the shutdown being waited for. The only
     * exception is pool_free of this pool, which does nothing.
     */
    pool_tick_fn on_tick;
    /** Interval between calls of on_tick. 0: 500. Must be 0 without on_tick. */
    int64_t tick_ms;
    /**
     * POOL_SANDBOX_NONE (default) or POOL_SANDBOX_COMPUTE, which sets no_new_privs, installs a
     * system call filter, and denies with Landlock, where the kernel has it, all access to files,
     * ports and other processes. Tasks and the finalizer run in the sandbox, the initializer
     * before. Modules must be open by then: those of the initializer, of modules and of preload
     * are; a function of another one fails with POOL_ERR_FUNCTION. A task cannot make pools with
     * workers of their own. POOL_ERR_INVALID together with seccomp_filter; POOL_ERR_UNSUPPORTED
     * if the kernel has no system call filters. Process pools only.
     */
    pool_sandbox_t sandbox;
    /**
     * POOL_SHARED (default) or POOL_ISOLATED, which gives each worker memory of its own. A task then
     * takes longer by two wake-ups and the copies of its arguments and its result, and each worker
     * has a thread in this process. A task that would go to a worker that was stopped in its sleep
     * goes to another one after about a second. Process pools only.
     */
    pool_isolation_t isolation;
} pool_options_t;

/** Details of an error. Owned by the caller; the library only fills it in. */
typedef struct pool_error_t {
    /** The error; POOL_OK if there is none. */
    pool_status_t status;
    /** Return value of the task's function (POOL_ERR_TASK), else 0. */
    int32_t task_code;
    /** errno of the system call that failed, else 0. */
    int32_t os_errno;
    /** Exit code of the worker (POOL_ERR_WORKER_LOST without a signal), else 0. */
    int32_t exit_code;
    /** Signal that killed the worker, else 0. */
    int32_t signal;
    /** Process ID of the worker that was lost, else 0. */
    int64_t worker_pid;
    /** Description in UTF-8, NUL-terminated, truncated if necessary. */
    char message[216];
} pool_error_t;

/** Called when a worker has taken the task. */
typedef void (*pool_accept_fn)(uint32_t worker, int64_t pid, void *user);

/** Called when a future is done. The handle is valid until the function returns. */
typedef void (*future_done_fn)(future_t *future, void *user);

/** Called when a time limit of a task has expired. */
typedef void (*pool_timeout_fn)(future_t *future, bool soft, int64_t limit_ms, void *user);

/**
 * A task with all its options, for pool_submit_call. Initialize it with POOL_CALL_INIT.
 */
typedef struct pool_call_t {
    /** sizeof(pool_call_t); set by POOL_CALL_INIT. */
    size_t struct_size;
    /** The function to run, and its arguments. */
    pool_function_t task;
    /**
     * Argument bytes to use instead of task.args, or NULL. The submit takes ownership of the
     * buffer even if it fails.
     */
    pool_buffer_t *buffer;
    /**
     * Soft time limit of this task, as in pool_options_t. 0: the pool's; POOL_FOREVER: none.
     */
    int64_t soft_limit_ms;
    /**
     * Hard time limit of this task, as in pool_options_t. 0: the pool's; POOL_FOREVER: none.
     */
    int64_t hard_limit_ms;
    /**
     * Time after the submit within which the task must start; otherwise it is cancelled with
     * POOL_ERR_EXPIRED, and never runs. A task that a worker has taken has started: if that worker
     * is lost and the task runs again, the deadline no longer applies. 0, POOL_FOREVER: no
     * deadline.
     */
    int64_t start_deadline_ms;
    /**
     * How long the submit waits for capacity when max_pending tasks are queued; after that it
     * returns POOL_ERR_FULL. 0, POOL_FOREVER: no timeout; POOL_NOW: does not wait, and returns
     * POOL_ERR_FULL also if other submitters are already waiting.
     */
    int64_t submit_timeout_ms;
    /**
     * Maximum number of retries if the worker is lost, whatever the pool's on_worker_lost. 0: as
     * configured for the pool.
     */
    uint32_t retries;
    /**
     * Priority of the task, from POOL_PRIORITY_MIN to POOL_PRIORITY_MAX. Workers take queued tasks
     * with a higher priority first, and tasks of equal priority in the order of submission. A task
     * that is retried after its worker was lost keeps its priority and is queued last among its
     * equals. The priority does not affect waiting for capacity in a bounded queue. No effect with
     * POOL_INLINE, where no task is ever queued.
     */
    int32_t priority;
    /** Number chosen by the caller, returned in pool_cancelled_t. */
    uint64_t tag;
    /**
     * Called once when a worker has taken the task, before on_done, with the worker's index and
     * process ID (0 for a thread). If the task is run again, these are of the first worker. Not
     * called for a task that is cancelled before a worker has taken it, for example with
     * POOL_ERR_EXPIRED.
     */
    pool_accept_fn on_accept;
    /** Called when the task is done, as by future_on_done. */
    future_done_fn on_done;
    /**
     * Called when the soft limit expires, and again when the hard limit expires. The future may
     * already have been freed.
     */
    pool_timeout_fn on_timeout;
    /** Last argument of the callbacks. */
    void *user;
    /**
     * Called with user when the task no longer needs it: after its last callback, when it is done,
     * or when it is certain that it will not run. May be set without callbacks; it is then called
     * where on_done would be.
     */
    pool_drop_fn drop;
} pool_call_t;

/** A value of enum pool_stop. */
typedef int32_t pool_stop_t;

/** A value of enum pool_shrink. */
typedef int32_t pool_shrink_t;

/** A value of enum pool_restart. */
typedef int32_t pool_restart_t;

/** A value of enum future_state. */
typedef int32_t future_state_t;

/** A value of enum pool_cancel. */
typedef int32_t pool_cancel_t;

/** A value of enum pool_wait. */
typedef int32_t pool_wait_t;

/** A value of enum pool_on_error. */
typedef int32_t pool_on_error_t;

/**
 * Called with the number of items of a map whose results have been taken, and the total number of
 * items; 0: unknown.
 */
typedef void (*pool_progress_fn)(uint64_t done, uint64_t total, void *user);

/**
 * Configuration of a map. Initialize it with POOL_MAP_INIT; zero selects the default of every
 * field.
 */
typedef struct pool_map_options_t {
    /** sizeof(pool_map_options_t); set by POOL_MAP_INIT. */
    size_t struct_size;
    /**
     * Number of items that form one task. 0: chosen so that a task takes about 0.25 ms, judging by
     * the measured run times of previous items.
     */
    size_t chunk_size;
    /**
     * Maximum number of items that are submitted and whose results have not been taken; 0: two
     * chunks per worker. pool_map and its variants may exceed it by less than one chunk.
     */
    size_t window;
    /**
     * Lazy maps: returns results as they become available, not in the order of the items.
     */
    bool unordered;
    /**
     * POOL_ON_ERROR_CONTINUE (default), POOL_ON_ERROR_STOP or POOL_ON_ERROR_CANCEL_REST.
     */
    pool_on_error_t on_error;
    /**
     * Time limit for the whole map, measured from its start, or from the first pool_map_next for
     * lazy maps. 0, POOL_FOREVER: none.
     */
    int64_t deadline_ms;
    /**
     * Hard time limit of each item, see pool_options_t.hard_limit_ms. Each item is then a task of
     * its own, and chunk_size must be 0 or 1. 0, POOL_FOREVER: as configured for the pool. Process
     * pools only.
     */
    int64_t item_hard_limit_ms;
    /** Called as results are taken. */
    pool_progress_fn on_progress;
    /** Last argument of on_progress. */
    void *user;
} pool_map_options_t;

/** An input array for pool_map_zip. */
typedef struct pool_array_t {
    /** n contiguous elements. */
    const void *items;
    /** Size of an element, in bytes. */
    size_t item_size;
    /** Number of elements. */
    size_t n;
} pool_array_t;

/**
 * Supplies the next item of a lazy map. The bytes of the item are copied before the next call.
 *
 * @return POOL_OK; POOL_ERR_END if there are no more items; any other status ends the map with
 *         that status, after the results of the items before it
 */
typedef pool_status_t (*pool_source_fn)(void *user, const void **item, size_t *len);

/** A value of enum pool_worker_state. */
typedef int32_t pool_worker_state_t;

/**
 * Information about a worker. The caller must set struct_size in the first element of the array.
 */
typedef struct pool_worker_info_t {
    /** sizeof(pool_worker_info_t). */
    size_t struct_size;
    /** Index of the worker, 0 to max_workers - 1; possibly higher after a pool_shrink. */
    uint32_t index;
    /**
     * Sequence number of the worker among all workers that the pool has ever had, from 1.
     */
    uint64_t id;
    /** Process ID; 0 for a thread. */
    int64_t pid;
    /** What the worker is doing. */
    pool_worker_state_t state;
    /** ID of the task that it is running, else 0. */
    uint64_t task_id;
    /**
     * Function of that task and its module, truncated if necessary; a function of a stripped module
     * that does not export it is given as an offset.
     */
    char function[64];
    /** How long that task has been running, in milliseconds. */
    int64_t running_ms;
    /** Number of tasks that the worker has finished. */
    uint64_t tasks_done;
    /** Number of workers that used this index before it. */
    uint64_t restarts;
    /**
     * Resident memory of the process that is not shared with other processes; 0 for a thread.
     */
    uint64_t resident_bytes;
    /**
     * Why the previous worker with this index exited: a value of enum pool_exit_reason.
     */
    pool_exit_reason_t last_exit_reason;
    /** Exit code of that previous worker, else 0. */
    int32_t last_exit_code;
    /** Signal that killed that previous worker, else 0. */
    int32_t last_signal;
} pool_worker_info_t;

/**
 * A task that was cancelled because its pool was shut down or broken. The caller must set
 * struct_size.
 */
typedef struct pool_cancelled_t {
    /** sizeof(pool_cancelled_t). */
    size_t struct_size;
    /** ID of the task, as returned by future_id. */
    uint64_t id;
    /** pool_call_t.tag, else 0. */
    uint64_t tag;
    /** The function as it was submitted, and its argument bytes; valid until pool_free. */
    pool_function_t task;
} pool_cancelled_t;

/**
 * Statistics of a pool's tasks and workers since pool_new. The caller must set struct_size. A
 * chunk of a map counts as one task.
 *
 * While no task is queued or running, tasks_submitted is tasks_completed + tasks_failed +
 * tasks_cancelled. Otherwise the numbers are not a snapshot of a single point in time.
 */
typedef struct pool_stats_t {
    /** sizeof(pool_stats_t); set by POOL_STATS_INIT. */
    size_t struct_size;
    /** Tasks submitted. */
    uint64_t tasks_submitted;
    /** Tasks whose function returned 0. */
    uint64_t tasks_completed;
    /** Tasks that failed in any way. */
    uint64_t tasks_failed;
    /** Tasks cancelled before or while they ran. */
    uint64_t tasks_cancelled;
    /**
     * Number of times a worker was lost while running a task; the task failed or was run again.
     */
    uint64_t tasks_lost;
    /** Number of times a task was run again because its worker was lost. */
    uint64_t tasks_retried;
    /** Number of times a task exceeded its soft limit. */
    uint64_t soft_limits;
    /** Number of times a task was stopped by its hard limit. */
    uint64_t hard_limits;
    /** Workers started. */
    uint64_t workers_started;
    /**
     * Workers that crashed, called exit, were killed, or exited before they were ready. Workers
     * killed because of a task's hard limit, to cancel a task, or to stop the pool do not count.
     */
    uint64_t workers_lost;
    /** Total argument bytes of the tasks finished by a worker. */
    uint64_t args_bytes;
    /** Total result bytes of completed tasks. */
    uint64_t result_bytes;
    /** Total time that the tasks finished by a worker spent queued. */
    uint64_t queue_total_ns;
    /** Total run time of these tasks. */
    uint64_t run_total_ns;
    /**
     * Histogram of queue times: number of these tasks queued for at least 2^i and less than
     * 2^(i+1) ns; 0 ns counts in entry 0.
     */
    uint64_t queue_ns[64];
    /** Histogram of run times, likewise. */
    uint64_t run_ns[64];
} pool_stats_t;

/** Called when the program exits. */
typedef void (*pool_exit_fn)(void *user);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* ---- pools ----------------------------------------------------------------------------------- */

/**
 * Creates a pool. Workers start on demand.
 *
 * The pool has descriptors of its own. A program that closes them, as closefrom does, breaks it:
 * POOL_ERR_BROKEN. What the program opens under their numbers is left alone.
 *
 * A constructor of a library may make a pool and wait for tasks; these must not use the dynamic
 * loader, whose lock dlopen holds while constructors run. If worker processes open the library,
 * its constructor runs in them, too, and can make no pool of processes there.
 *
 * A pool reserves many addresses, and uses memory as its tasks do. A program that locks its memory
 * before (mlockall with MCL_FUTURE) locks the stacks of the pool's threads, for which
 * RLIMIT_MEMLOCK must have room, but not the memory of tasks, of which any amount can be used. If it
 * locks memory later (MCL_CURRENT), or a worker process does, only what is in use gets locked,
 * with Linux 6.15 or newer; with an older one MCL_ONFAULT must be set, too. Without CAP_IPC_LOCK
 * MCL_CURRENT counts the addresses, and must come before the first pool.
 *
 * @param options  configuration; NULL: all defaults, a process pool with one worker per CPU
 * @param out      receives the pool, to be released with pool_free; NULL on failure
 * @param error    filled in on failure; may be NULL
 * @return POOL_OK; POOL_ERR_INVALID if an option is out of range; POOL_ERR_UNSUPPORTED if an
 *         option is not supported by the kind of pool; POOL_ERR_VERSION if the struct has non-zero
 *         fields that this version does not know; POOL_ERR_NOMEM; POOL_ERR_OS; POOL_ERR_FULL if
 *         4096 pools exist, counting freed ones that still have futures; POOL_ERR_STATE if this
 *         process is a worker that ran into main, which must begin with pool_worker_main, if a
 *         constructor makes the pool in a worker process that is starting or opening a module, if
 *         POOL_FORK is refused because of other threads, if the real and the effective user or
 *         group differ (POOL_SPAWN, POOL_FORKSERVER), or if process pools are nested more than 8
 *         deep
 */
CARPOOL_API
pool_status_t pool_new(const pool_options_t *options,
                       pool_t **out,
                       pool_error_t *error);

/**
 * Creates a pool of a fixed kind and size, which override those in the options. Its workers, too,
 * start on demand.
 *
 * @param kind     kind of the pool
 * @param n        number of workers, 1 to 1024
 * @param options  other options, as for pool_new
 * @return as for pool_new
 */
CARPOOL_API
pool_status_t pool_new_fixed(pool_kind_t kind,
                             uint32_t n,
                             const pool_options_t *options,
                             pool_t **out,
                             pool_error_t *error);

/**
 * Frees the pool, after shutting it down if it is still open (POOL_STOP_CANCEL: waits for running
 * tasks). Its futures remain valid. Blocks. NULL is ignored. Does nothing if called from a task or
 * a callback of the same pool, or in a forked child.
 */
CARPOOL_API
void pool_free(pool_t *pool);

/* ---- submitting ------------------------------------------------------------------------------ */

/**
 * Submits a task: a worker calls the function with a copy of the argument bytes. Does not block,
 * unless pool_options_t.max_pending tasks are already queued: then it waits until there is
 * capacity, or until the pool is closed or broken. A task that submits to its own full pool does
 * not wait; instead it runs queued tasks before the submit returns.
 *
 * @param function  a function of this program or of a shared library; it need not be exported.
 *                  Worker processes call it in their own copy of that program or library
 * @param args      the argument bytes; may be NULL if len is 0
 * @param len       number of argument bytes
 * @param out       receives the future, to be released with future_free; NULL if no future is
 *                  needed: the result and any error are then discarded
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_CLOSED; the errors of a broken pool (see
 *         pool_check); POOL_ERR_FUNCTION if the function is in no module that a worker process
 *         could open; POOL_ERR_FULL if 16 Mi futures exist, or fewer where address space is
 *         limited; POOL_ERR_TOO_LARGE if the pool's address space has no room for the arguments;
 *         POOL_ERR_DEADLOCK if max_pending tasks are queued and 64 tasks are already nested on
 *         this thread because they submit; POOL_ERR_NOMEM; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_submit(pool_t *pool,
                          pool_task_fn function,
                          const void *args,
                          size_t len,
                          future_t **out);

/**
 * Submits a task by module and symbol name, for callers that have no pointer to the function.
 *
 * @param module  the shared library that exports the symbol: a path, or a name that the dynamic
 *                loader finds; NULL: the main program
 * @param symbol  name of an exported function
 * @return as for pool_submit. A module or symbol that does not exist is detected only when the
 *         task runs: the task then fails with POOL_ERR_FUNCTION
 */
CARPOOL_API
pool_status_t pool_submit_symbol(pool_t *pool,
                                 const char *module,
                                 const char *symbol,
                                 const void *args,
                                 size_t len,
                                 future_t **out);

/**
 * Submits a task with all its options.
 *
 * @param call  the task, see pool_call_t
 * @param out   receives the future, as for pool_submit
 * @return as for pool_submit; POOL_ERR_INVALID also if an option is out of range;
 *         POOL_ERR_UNSUPPORTED if an option is not supported by the kind of pool; POOL_ERR_VERSION
 *         if the struct has non-zero fields that this version does not know; POOL_ERR_FULL also if
 *         submit_timeout_ms expired
 */
CARPOOL_API
pool_status_t pool_submit_call(pool_t *pool,
                               const pool_call_t *call,
                               future_t **out);

/**
 * Submits one task for each of n items: its argument bytes are a copy of the item.
 *
 * @param items      n contiguous items; may be NULL if n or item_size is 0
 * @param item_size  size of an item, in bytes
 * @param n          number of items
 * @param futures    array of n elements that receive the futures, in the order of the items, and
 *                   NULL for tasks that were not submitted; NULL if no futures are needed
 * @param submitted  receives the number of tasks submitted: those of the first items; may be NULL
 * @return POOL_OK if all were submitted; else the reason why the next one was not, as for
 *         pool_submit
 */
CARPOOL_API
pool_status_t pool_submit_many(pool_t *pool,
                               pool_task_fn function,
                               const void *items,
                               size_t item_size,
                               size_t n,
                               future_t **futures,
                               size_t *submitted);

/**
 * Submits a task, waits for it, and copies its result. If the timeout expires, the task keeps
 * running and its result is discarded.
 *
 * @param timeout_ms  maximum time to wait, for capacity in the queue and for the result together;
 *                    POOL_FOREVER: no timeout; 0: do not block
 * @param result      buffer for the result; may be NULL if capacity is 0
 * @param capacity    size of the buffer in bytes
 * @param result_len  receives the length of the result, even if it exceeds capacity; may be NULL
 * @return as for pool_submit and future_collect; POOL_ERR_FULL also if the queue had no capacity
 *         within the timeout; POOL_ERR_TOO_LARGE if the result exceeds capacity; nothing is copied
 *         then
 */
CARPOOL_API
pool_status_t pool_run(pool_t *pool,
                       pool_task_fn function,
                       const void *args,
                       size_t len,
                       int64_t timeout_ms,
                       void *result,
                       size_t capacity,
                       size_t *result_len);

/**
 * Allocates memory for the arguments of one task of this pool, to be written in place and passed
 * on in pool_call_t.buffer.
 *
 * @param len   size in bytes
 * @param out   receives the buffer; NULL on failure
 * @param data  receives the address of the memory, aligned for any type; NULL on failure. The
 *              initial contents are undefined
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_CLOSED; the errors of a broken pool (see
 *         pool_check); POOL_ERR_NOMEM; POOL_ERR_TOO_LARGE if the pool's address space has no room
 *         for it; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_buffer_new(pool_t *pool,
                              size_t len,
                              pool_buffer_t **out,
                              void **data);

/**
 * Frees a buffer that no submit has taken ownership of. NULL is ignored. Buffers must be freed
 * before their pool; pool_free frees those that remain.
 */
CARPOOL_API void pool_buffer_free(pool_buffer_t *buffer);

/* ---- workers and stopping -------------------------------------------------------------------- */

/**
 * Checks whether the pool accepts tasks.
 *
 * @param error  filled in if it does not; may be NULL
 * @return POOL_OK; POOL_ERR_CLOSED; POOL_ERR_INITIALIZER or POOL_ERR_FINALIZER if that function
 *         failed, with its task_code and message; POOL_ERR_RESTARTS if workers failed to start too
 *         often; POOL_ERR_BROKEN if the pool is broken for another reason, which the message
 *         gives; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_check(pool_t *pool,
                         pool_error_t *error);

/**
 * Tests the pool's configuration: creates a second pool with the same configuration and one
 * worker, and runs a built-in task and a map in it. This pool is not affected.
 *
 * @param timeout_ms  maximum time to wait for these; POOL_FOREVER: no timeout; 0: do not block
 * @param error       filled in on failure, with the reason; may be NULL
 * @return POOL_OK; POOL_ERR_INITIALIZER, POOL_ERR_FINALIZER, POOL_ERR_RESTARTS, POOL_ERR_BROKEN
 *         and any other error of a pool or task; POOL_ERR_TIMEOUT; POOL_ERR_CLOSED;
 *         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API pool_status_t pool_test(pool_t *pool, int64_t timeout_ms, pool_error_t *error);

/**
 * Closes the pool: it accepts no new tasks, and queued tasks still run. Does not wait. Has no
 * further effect if called again.
 *
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API pool_status_t pool_close(pool_t *pool);

/**
 * Waits until all queued tasks have run and the workers have exited. While it waits, submits
 * return POOL_ERR_CLOSED; afterwards the pool is as open as before.
 *
 * @param timeout_ms  maximum time to wait; POOL_FOREVER: no timeout; 0: do not block
 * @return POOL_OK; POOL_ERR_TIMEOUT, which leaves the pool as before; POOL_ERR_CLOSED if it has
 *         been shut down; POOL_ERR_DEADLOCK if called from a task or a callback of the same pool;
 *         the errors of a broken pool (see pool_check); POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_join(pool_t *pool,
                        int64_t timeout_ms);

/**
 * Waits until every task that was submitted before the call is done, maps in the background
 * included. The workers stay, and the pool remains open: other threads may go on submitting, and
 * their tasks are not waited for.
 *
 * @param timeout_ms  maximum time to wait; POOL_FOREVER: no timeout; 0: do not block
 * @return POOL_OK, also if tasks have failed or the pool is closed or broken: no task of it is left
 *         then; POOL_ERR_TIMEOUT; POOL_ERR_DEADLOCK if called from a task or a callback of the same
 *         pool; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_wait_idle(pool_t *pool,
                             int64_t timeout_ms);

/**
 * Shuts the pool down. Afterwards all workers have exited and every future is done.
 *
 * @param mode        see enum pool_stop. Another call with a stronger mode escalates, also from
 *                    another thread while the first call is waiting
 * @param timeout_ms  maximum time to wait; POOL_FOREVER: no timeout; 0: do not block
 * @return POOL_OK; POOL_ERR_TIMEOUT: the pool is closed and continues to stop; POOL_ERR_CLOSED if
 *         it had already been shut down; POOL_ERR_DEADLOCK if called from a task or a callback of
 *         the same pool; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_shutdown(pool_t *pool,
                            pool_stop_t mode,
                            int64_t timeout_ms);

/**
 * Cancels every task that has not started, including those submitted by other threads and by maps.
 * Running tasks continue, the pool stays as open as it is, and submits that wait for capacity
 * continue. Tasks cancelled this way are not reported by pool_cancelled_task, only by their
 * futures.
 *
 * @param n  receives the number of cancelled tasks; may be NULL
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_cancel_pending(pool_t *pool,
                                  uint64_t *n);

/**
 * Starts workers before there are tasks for them.
 *
 * @param n        number of workers to start; negative: as many as the queued tasks need. The pool
 *                 never has more than max_workers
 * @param spawned  receives the number of workers started; may be NULL
 * @return POOL_OK; POOL_ERR_CLOSED; the errors of a broken pool (see pool_check); POOL_ERR_OS or
 *         POOL_ERR_NOMEM if not a single worker could be started; POOL_ERR_INVALID;
 *         POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_spawn_workers(pool_t *pool,
                                 int64_t n,
                                 uint32_t *spawned);

/**
 * Starts workers until there are max_workers.
 *
 * @param spawned  receives the number of workers started; may be NULL
 * @return as for pool_spawn_workers
 */
CARPOOL_API pool_status_t pool_spawn_max_workers(pool_t *pool, uint32_t *spawned);

/**
 * Changes pool_options_t.idle_timeout_ms, with effect also on workers that are idle now.
 *
 * @param ms  0: 60000; POOL_FOREVER: workers never exit because they are idle; POOL_NOW: they exit
 *            as soon as no task is queued
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_set_idle_timeout(pool_t *pool,
                                    int64_t ms);

/**
 * Changes pool_options_t.soft_limit_ms and hard_limit_ms for tasks that start from now on and have
 * no limits of their own. Running tasks keep their limits.
 *
 * @param soft_ms  0, POOL_FOREVER: no limit
 * @param hard_ms  0, POOL_FOREVER: no limit
 * @return POOL_OK; POOL_ERR_INVALID, also if soft_ms is not less than hard_ms;
 *         POOL_ERR_UNSUPPORTED for a hard limit in a thread pool, or any limit in an inline pool;
 *         POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_set_limits(pool_t *pool,
                              int64_t soft_ms,
                              int64_t hard_ms);

/* ---- resizing, restarting, and stopping all pools -------------------------------------------- */

/**
 * Waits until n workers are ready at the same time, that is, started and with their initializers
 * run. Starts those that are missing, like pool_spawn_workers. An inline pool has no workers and
 * is always ready.
 *
 * @param n           number of workers; 0: min_workers, but at least 1
 * @param timeout_ms  maximum time to wait; POOL_FOREVER: no timeout; 0: do not block
 * @return POOL_OK; POOL_ERR_TIMEOUT: the workers continue to start; the errors of a broken pool
 *         (see pool_check), also if it becomes broken meanwhile; POOL_ERR_CLOSED if the pool is
 *         closed, or a join or shutdown begins meanwhile; POOL_ERR_INVALID, also if n exceeds
 *         max_workers; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_wait_ready(pool_t *pool,
                              uint32_t n,
                              int64_t timeout_ms);

/**
 * Raises max_workers by n and starts n workers. min_workers is unchanged: workers beyond it exit
 * after being idle for idle_timeout_ms, and start again on demand. The operation is all or
 * nothing: if a worker cannot be started, those already started exit again.
 *
 * @param n  number of workers to add; 0: no effect
 * @return POOL_OK: the workers are starting, see pool_wait_ready; POOL_ERR_INVALID, also if the
 *         total would exceed 1024; POOL_ERR_UNSUPPORTED for an inline pool; POOL_ERR_FULL if
 *         address space is limited (RLIMIT_AS) and the pool has no room for that many workers;
 *         POOL_ERR_OS or POOL_ERR_NOMEM if a worker could not be started; POOL_ERR_CLOSED; the
 *         errors of a broken pool (see pool_check); POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_grow(pool_t *pool,
                        uint32_t n);

/**
 * Lowers max_workers by n, and min_workers to the new max_workers if it exceeds that. Workers exit
 * until no more than max_workers remain; indexes without a worker are given up first. Tasks are
 * not affected: a task that an idle worker takes at that very moment runs before the worker exits.
 * Exiting workers run their finalizer. Does not wait for them.
 *
 * @param n     number of workers to remove; 0: no effect
 * @param mode  POOL_SHRINK_IDLE: only idle workers exit, those with the highest indexes first; if
 *              there are too few, nothing changes. POOL_SHRINK_WHEN_IDLE: idle workers exit now,
 *              and for the rest the workers that finish a task first
 * @return POOL_OK; POOL_ERR_STATE if too few workers are idle (POOL_SHRINK_IDLE), in which case
 *         nothing has changed; POOL_ERR_INVALID, also if no worker would remain;
 *         POOL_ERR_UNSUPPORTED for an inline pool; POOL_ERR_CLOSED; the errors of a broken pool
 *         (see pool_check); POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_shrink(pool_t *pool,
                          uint32_t n,
                          pool_shrink_t mode);

/**
 * Sets max_workers, and min_workers to the same number if it exceeds that. If the number is lowered,
 * waits until no more than max_workers workers remain: from then on no more tasks run at once.
 * Workers exit as with POOL_SHRINK_WHEN_IDLE, after their current task. If it is raised, workers
 * start on demand.
 *
 * @param max_workers  the new number, 1 to 1024
 * @param timeout_ms   maximum time to wait; POOL_FOREVER: no timeout; 0: do not block
 * @return POOL_OK; POOL_ERR_TIMEOUT: max_workers is set, and the workers continue to exit;
 *         POOL_ERR_DEADLOCK if called from a task or a callback of the same pool;
 *         POOL_ERR_UNSUPPORTED for an inline pool; POOL_ERR_FULL if address space is limited
 *         (RLIMIT_AS) and the pool has no room for that many workers; POOL_ERR_CLOSED if the pool is
 *         closed, or a shutdown ends meanwhile; the errors of a broken pool (see pool_check);
 *         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_resize(pool_t *pool,
                          uint32_t max_workers,
                          int64_t timeout_ms);

/**
 * Pauses the pool: workers begin no more tasks, except one that a worker takes at that very moment.
 * Running tasks go on, and new ones are accepted and queued. A task that waits for a queued task of
 * its own thread pool runs it all the same. pool_join, and a shutdown with POOL_STOP_DRAIN, run the
 * queued tasks as if the pool were not paused. Pausing a paused pool has no effect.
 *
 * @return POOL_OK; POOL_ERR_CLOSED, also while the pool is joined; POOL_ERR_UNSUPPORTED for an
 *         inline pool; the errors of a broken pool (see pool_check); POOL_ERR_INVALID;
 *         POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_pause(pool_t *pool);

/**
 * Resumes a paused pool, also one that was closed or is joined meanwhile: workers begin the queued
 * tasks. Has no effect if it is not paused.
 *
 * @return POOL_OK; POOL_ERR_CLOSED if a shutdown has begun; otherwise as for pool_pause
 */
CARPOOL_API
pool_status_t pool_resume(pool_t *pool);

/**
 * Replaces every existing worker by a new one, which runs the initializer again. Does not wait:
 * the ids in pool_workers show which workers are new. If called again while workers are still
 * being replaced, it also replaces those that have started meanwhile.
 *
 * @param mode  POOL_RESTART_GRACEFUL: each worker exits after its current task and runs its
 *              finalizer. At most half of the workers are absent at a time (one, if there are only
 *              one or two), so tasks continue to run and none is lost. POOL_RESTART_NOW: worker
 *              processes are killed immediately, without running their finalizer; their tasks fail
 *              with POOL_ERR_WORKER_LOST, or run again if they have retries left. Threads cannot
 *              be killed: as POOL_RESTART_GRACEFUL
 * @return POOL_OK; POOL_ERR_UNSUPPORTED for an inline pool; POOL_ERR_CLOSED; the errors of a
 *         broken pool (see pool_check); POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_restart(pool_t *pool,
                           pool_restart_t mode);

/**
 * Stops the pool now. Queued tasks are cancelled and running tasks are asked to end:
 * pool_task_cancelled returns true in them, and worker processes receive SIGTERM, together with
 * all processes that their tasks have started in their process group. SIGTERM ends a worker unless
 * a task handles the signal. Processes that remain after the grace period are killed. The futures
 * of tasks ended this way are cancelled with POOL_ERR_TERMINATED.
 *
 * Waits until everything has ended. Threads cannot be killed; the call waits for them no longer
 * than the grace period plus 250 ms. If a pool_shutdown is in progress, it is escalated.
 *
 * @param grace_ms  time between SIGTERM and SIGKILL; 0: pool_options_t.kill_grace_ms; POOL_NOW:
 *                  none
 * @return POOL_OK; POOL_ERR_TIMEOUT if tasks of a thread pool are still running: the pool is
 *         closed and continues to stop; POOL_ERR_CLOSED if it had already been shut down;
 *         POOL_ERR_DEADLOCK if called from a task or a callback of the same pool;
 *         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_terminate(pool_t *pool,
                             int64_t grace_ms);

/**
 * Requests a shutdown, like pool_shutdown, without waiting for it. The only function that may be
 * called in a signal handler: it takes no lock, allocates no memory, and preserves errno. Once it
 * has returned, the pool accepts no more tasks. Another call with a stronger mode escalates.
 *
 * The pool's own thread does the rest. A later pool_shutdown or pool_terminate waits for the end
 * and returns POOL_OK, once, even if the pool has already stopped. The handle must not be freed
 * while the signal handler may run.
 *
 * @param mode  see enum pool_stop
 * @return POOL_OK if the stop was requested, or the pool had already been shut down;
 *         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_request_stop(pool_t *pool,
                                pool_stop_t mode);

/* ---- inside a task --------------------------------------------------------------------------- */

/**
 * Returns the argument bytes of the task. They are valid until the function returns, and aligned
 * for any type if there are more than 8 of them, otherwise to 8 bytes.
 *
 * @param len  receives the number of bytes; may be NULL
 * @return the bytes; in a task never NULL, even if there are none
 */
CARPOOL_API
const void *pool_task_args(const pool_task_t *task,
                           size_t *len);

/**
 * Allocates memory for the task's result, to be written in place; it is not copied. future_result
 * returns these bytes once the function has returned 0. Calling it again discards the previous
 * result.
 *
 * @param len  size of the result in bytes
 * @return the memory, aligned for any type if len is more than 8; NULL if out of memory, and in a
 *         process that the task has forked
 */
CARPOOL_API
void *pool_task_result(pool_task_t *task,
                       size_t len);

/**
 * Sets the task's result to a copy of the bytes.
 *
 * @return 0; POOL_ERR_NOMEM if out of memory; POOL_ERR_WRONG_PROCESS in a process that the task has
 *         forked; POOL_ERR_INVALID if task is NULL, or data is NULL
 *         and len is not 0. A function can therefore end with: return pool_task_return(task, data,
 *         len);
 */
CARPOOL_API
int32_t pool_task_return(pool_task_t *task,
                         const void *data,
                         size_t len);

/**
 * Sets the message that future_error returns. It takes effect only if the function then returns a
 * nonzero code, and so fails.
 *
 * @param code     code to return
 * @param message  UTF-8, copied, truncated after 215 bytes; NULL: none
 * @return code, so that a function can end with: return pool_task_fail(task, 7, "…");
 */
CARPOOL_API
int32_t pool_task_fail(pool_task_t *task,
                       int32_t code,
                       const char *message);

/**
 * Like pool_task_fail, and leaves bytes beside the message, such as a serialized exception; the
 * caller gets them from future_failure.
 *
 * @param code     code to return
 * @param message  UTF-8, copied, truncated after 215 bytes; NULL: none
 * @param data     the bytes, copied; may be NULL if len is 0. Those of an item of a map are discarded
 * @param len      number of bytes
 * @return code, so that a function can end with: return pool_task_fail_bytes(task, 7, "…", data, len);
 */
CARPOOL_API
int32_t pool_task_fail_bytes(pool_task_t *task,
                             int32_t code,
                             const char *message,
                             const void *data,
                             size_t len);

/**
 * Lets the worker that runs the task exit after it, for example because the task has left it in a
 * state that no other task should find. A worker that is needed is replaced. Called in an
 * initializer, it takes effect after the worker's first task.
 */
CARPOOL_API
void pool_task_retire(pool_task_t *task);

/**
 * Returns the task whose function runs on this thread, the innermost one if a task runs another one
 * inline: for code that is called by a task's function and has no argument for it. Also in an
 * initializer or finalizer.
 *
 * @return the task; NULL if this thread runs none
 */
CARPOOL_API
pool_task_t *pool_current_task(void);

/**
 * Returns whether the task should stop early: it is to be cancelled, its soft limit has expired,
 * or its pool is being shut down with POOL_STOP_CANCEL or POOL_STOP_KILL. Cheap enough to call in
 * a loop.
 */
CARPOOL_API
bool pool_task_cancelled(const pool_task_t *task);

/** Returns whether the task's soft limit has expired. Cheap enough to call in a loop. */
CARPOOL_API bool pool_task_soft_expired(const pool_task_t *task);

/**
 * Reports the progress of the task, for future_progress. Each number is stored with a precision of
 * eight digits.
 *
 * @param done   amount of work done, in a unit chosen by the caller
 * @param total  total amount of work; 0: unknown
 */
CARPOOL_API
void pool_task_progress(pool_task_t *task,
                        uint64_t done,
                        uint64_t total);

/**
 * Returns the ID of the task, the same as future_id: its number within the pool, counted from 1.
 */
CARPOOL_API
uint64_t pool_task_id(const pool_task_t *task);

/**
 * Returns the index of the worker that runs the task, 0 to max_workers - 1; possibly higher after
 * a pool_shrink. A worker that replaces a lost one takes over its index.
 */
CARPOOL_API
uint32_t pool_task_worker(const pool_task_t *task);

/**
 * Returns the address of a pointer that belongs to the worker, where functions can keep state
 * between tasks. The pointer is NULL when the worker starts, and keeps the value that a task
 * stores for the tasks after it. The library never uses it.
 *
 * @return the address of the pointer, valid until the function returns; NULL if task is NULL
 */
CARPOOL_API void **pool_task_state(pool_task_t *task);

/* ---- futures --------------------------------------------------------------------------------- */

/**
 * Waits until the task is done, that is, completed, failed or cancelled.
 *
 * When a task of a thread pool waits for a task of the same pool that has not started, it runs
 * that task inline on its own stack. Such waits cannot deadlock, even with one worker; thousands
 * of nested waits can exhaust the stack.
 *
 * @param timeout_ms  maximum time to wait; POOL_FOREVER: no timeout; 0: do not block
 * @return POOL_OK if the task is done; POOL_ERR_TIMEOUT; POOL_ERR_DEADLOCK if the task would wait
 *         for itself; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_wait(future_t *future,
                          int64_t timeout_ms);

/**
 * Returns the result of a completed task; may be called repeatedly. Does not block, except for a
 * result too large for the pool's shared memory that has been sent but has not arrived yet.
 *
 * @param data  receives the address of the bytes, which are read-only and valid as long as the
 *              future. Never NULL after POOL_OK, even if there are none
 * @param len   receives the number of bytes; may be NULL
 * @return POOL_OK; POOL_ERR_NOT_DONE; if the task was cancelled or failed, its status, such as
 *         POOL_ERR_CANCELLED, POOL_ERR_EXPIRED, POOL_ERR_BROKEN (it was cancelled because its pool
 *         became broken), POOL_ERR_TERMINATED, POOL_ERR_TASK, POOL_ERR_WORKER_LOST, POOL_ERR_HARD_LIMIT, POOL_ERR_FUNCTION, POOL_ERR_NOMEM,
 *         POOL_ERR_TOO_LARGE or, for pool_map_async, the status of the map (future_error returns
 *         the details); POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_result(future_t *future,
                            const void **data,
                            size_t *len);

/**
 * Calls future_wait, then future_result.
 *
 * @return as for these two
 */
CARPOOL_API
pool_status_t future_collect(future_t *future,
                             int64_t timeout_ms,
                             const void **data,
                             size_t *len);

/**
 * Returns the details of a task's failure.
 *
 * @param error  filled in; its status is POOL_OK if the task completed
 * @return POOL_OK if error was filled in; POOL_ERR_NOT_DONE; POOL_ERR_WORKER_LOST if a worker has
 *         written over the task's memory; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_error(future_t *future,
                           pool_error_t *error);

/**
 * Returns the bytes that a failed task has left with pool_task_fail_bytes.
 *
 * @param data  receives the address of the bytes, which are read-only and valid as long as the
 *              future. Never NULL after POOL_OK, even if there are none
 * @param len   receives the number of bytes; may be NULL
 * @return POOL_OK, also if the task has failed or was cancelled and has left none; POOL_ERR_NOT_DONE;
 *         POOL_ERR_STATE if it has completed; POOL_ERR_WORKER_LOST if a worker has written over the
 *         task's memory; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_failure(future_t *future,
                             const void **data,
                             size_t *len);

/**
 * Returns the state of the task, a value of enum future_state; 0 if the handle is invalid.
 */
CARPOOL_API future_state_t future_state(const future_t *future);

/**
 * Returns whether the task is done, that is, completed, failed or cancelled; false if the handle
 * is invalid.
 */
CARPOOL_API
bool future_is_done(const future_t *future);

/**
 * Cancels the task. Takes effect immediately, even while every worker is busy: a task that has not
 * started will never run. In a task that is already running, pool_task_cancelled returns true.
 *
 * With POOL_CANCEL_RUNNING, a task running in a worker process is terminated together with it: the
 * process, and all processes that it has started in its process group, receive SIGTERM and, after
 * pool_options_t.kill_grace_ms, SIGKILL. The future becomes cancelled when the worker has exited;
 * if the function returns before that, the future completes. No other task is affected, even if
 * this one ends at the same moment. Another worker takes over the index.
 *
 * @param mode  POOL_CANCEL_QUEUED: only if the task has not started; POOL_CANCEL_RUNNING: also
 *              while it is running
 * @return POOL_OK if the task is cancelled, now or before, or its worker is being terminated;
 *         POOL_ERR_STATE if it is too late: the task is running or done; POOL_ERR_UNSUPPORTED if
 *         the mode is POOL_CANCEL_RUNNING and the task is running in a thread, which cannot be
 *         killed; POOL_ERR_WORKER_LOST if a worker has written over the task's memory;
 *         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_cancel(future_t *future,
                            pool_cancel_t mode);

/**
 * Returns whether future_cancel was called, whatever it returned; false if the handle is invalid.
 */
CARPOOL_API
bool future_cancel_requested(const future_t *future);

/**
 * Returns the ID of the task, its number within the pool, counted from 1; 0 if the handle is
 * invalid, or the future is no task: a promise, or that of pool_map_async. A later submit has a
 * higher ID; an ID may be left out when a task is run again, or when a worker exits.
 */
CARPOOL_API uint64_t future_id(const future_t *future);

/** Returns pool_call_t.tag; 0 if none was given or the handle is invalid. */
CARPOOL_API uint64_t future_tag(const future_t *future);

/**
 * Returns the future with this ID that has not been freed: the same handle as the submit returned, not
 * another one to be freed. Takes time in proportion to the number of futures. The library's own
 * futures are not found: those of the chunks of maps, and of pool_run.
 *
 * @return the future; NULL if the pool has no such future
 */
CARPOOL_API
future_t *pool_find_future(pool_t *pool,
                           uint64_t id);

/**
 * Returns the pool to which the task was submitted, or that runs the map of pool_map_async; NULL if
 * the pool has been freed, or the future is a promise.
 */
CARPOOL_API
pool_t *future_pool(const future_t *future);

/**
 * Returns how long the task was queued and how long it ran, in nanoseconds of the monotonic clock.
 * Both are 0 until the task is done; a task that never ran has only a queue time.
 *
 * @param queued_ns   receives the time in the queue; may be NULL
 * @param running_ns  receives the run time; may be NULL
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_duration(const future_t *future,
                              uint64_t *queued_ns,
                              uint64_t *running_ns);

/**
 * Returns the progress that the task last reported with pool_task_progress; both numbers are 0 if
 * it has not reported any.
 *
 * @param done   receives the amount of work done; may be NULL
 * @param total  receives the total amount of work; may be NULL
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_progress(const future_t *future,
                              uint64_t *done,
                              uint64_t *total);

/**
 * Frees the future. The task keeps running, and its result is discarded. NULL and futures that
 * were already freed are ignored.
 */
CARPOOL_API void future_free(future_t *future);

/**
 * Frees several futures, like future_free.
 *
 * @param futures  array of n futures; NULL and futures that were already freed are ignored
 * @param n        number of futures
 */
CARPOOL_API void future_free_many(future_t *const *futures, size_t n);

/**
 * Waits for several futures, of one or more pools, with a common timeout.
 *
 * @param futures     array of n futures, in which a future may occur more than once; may be NULL
 *                    if n is 0
 * @param n           number of futures
 * @param mode        see enum pool_wait
 * @param timeout_ms  maximum time to wait; POOL_FOREVER: no timeout; 0: do not block
 * @param n_done      receives the number of futures that are done, also after a timeout; may be
 *                    NULL
 * @return POOL_OK if the condition is met; POOL_ERR_TIMEOUT; POOL_ERR_DEADLOCK if the task would
 *         wait for itself; POOL_ERR_INVALID if a handle or the mode is invalid;
 *         POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_wait_many(future_t *const *futures,
                               size_t n,
                               pool_wait_t mode,
                               int64_t timeout_ms,
                               size_t *n_done);

/**
 * Waits for several futures, with a common timeout, and returns their results.
 *
 * @param futures     array of n futures; may be NULL if n is 0
 * @param n           number of futures
 * @param timeout_ms  maximum time to wait; POOL_FOREVER: no timeout; 0: do not block
 * @param data        array of n elements that receive the data of future_result, or NULL for
 *                    futures without a result; may be NULL
 * @param lens        array of n elements that receive the lengths; may be NULL
 * @return POOL_OK if all have completed; otherwise the status of the first future, in order of the
 *         array, that has not completed, as returned by future_result, or POOL_ERR_TIMEOUT;
 *         POOL_ERR_DEADLOCK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_collect_many(future_t *const *futures,
                                  size_t n,
                                  int64_t timeout_ms,
                                  const void **data,
                                  size_t *lens);

/* ---- callbacks and sets ---------------------------------------------------------------------- */

/**
 * Calls a function when the future is done: from a thread of the library or, if the future is
 * already done, immediately from this thread. Any number of callbacks can be added; those added
 * before the future is done are called one after the other, in the order in which they were added.
 * A callback may call any function, except to join or shut down the future's pool; the pool's
 * shutdown waits for the callback. Each pool has one thread for all its callbacks: a slow callback
 * delays those behind it, and nothing else. No callback may throw an exception.
 *
 * With POOL_DRIVER_EXTERNAL, callbacks wait for pool_process_events, also those of futures that
 * are already done. Once the pool has been shut down, callbacks of done futures are called
 * immediately.
 *
 * The future may be freed earlier: the function is called nevertheless, and the handle that it
 * receives is valid until it returns.
 *
 * @param function  function to call
 * @param user      its last argument
 * @param drop      called once with user after the call, or when it is certain that there will be
 *                  no call, because the callback was removed or this function failed; may be NULL
 * @param id        receives a number for future_remove_callback; may be NULL
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_OS if a thread cannot be started;
 *         POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_on_done(future_t *future,
                             future_done_fn function,
                             void *user,
                             pool_drop_fn drop,
                             uint64_t *id);

/**
 * Removes a callback that has not been called.
 *
 * @param id  number returned by future_on_done
 * @return POOL_OK: it will not be called; POOL_ERR_STATE if it has been called, is about to be
 *         called because the future is done, or was never added to this future; POOL_ERR_INVALID;
 *         POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_remove_callback(future_t *future,
                                     uint64_t id);

/**
 * Creates a set of futures, of any pools, which returns them in the order in which they finish.
 *
 * @param out  receives the set, to be released with future_set_free; NULL on failure
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_FULL if 4096 sets exist
 */
CARPOOL_API pool_status_t future_set_new(future_set_t **out);

/**
 * Adds a future; may be called at any time, also while another thread waits in future_set_next. A
 * future that is added twice is returned twice. The caller still owns the future; freeing it
 * removes it from the set.
 *
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_OS; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_set_add(future_set_t *set,
                             future_t *future);

/**
 * Removes the future that finished first from the set and returns it. Waits until one is done.
 *
 * @param timeout_ms  maximum time to wait; POOL_FOREVER: no timeout; 0: do not block
 * @param out         receives the future; NULL on failure
 * @return POOL_OK; POOL_ERR_END if the set is empty (more may be added); POOL_ERR_TIMEOUT;
 *         POOL_ERR_DEADLOCK if called from a task for which all remaining tasks are waiting;
 *         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_set_next(future_set_t *set,
                              int64_t timeout_ms,
                              future_t **out);

/**
 * Removes up to n futures from the set and returns them, those that finished first first. Waits until
 * one is done, and takes with it all that are done.
 *
 * @param timeout_ms  maximum time to wait for the first; POOL_FOREVER: no timeout; 0: do not block
 * @param futures     array of n elements; receives the futures, and NULL in the rest
 * @param n           maximum number of futures, at least 1
 * @param taken       receives the number of futures returned
 * @return as for future_set_next, whose errors concern the first future
 */
CARPOOL_API
pool_status_t future_set_next_many(future_set_t *set,
                                   int64_t timeout_ms,
                                   future_t **futures,
                                   size_t n,
                                   size_t *taken);

/**
 * Returns a descriptor for poll and similar functions that is readable while future_set_next would
 * return a future immediately; it may become so a moment after the future is done. It belongs to
 * the set: do not read from it or close it. If a future is freed after it is done, the descriptor
 * may stay readable until the next future_set_next.
 *
 * @return the descriptor; -1 if the handle is invalid or no descriptors are left
 */
CARPOOL_API
int32_t future_set_fd(future_set_t *set);

/**
 * Frees the set, but not the futures in it. NULL is ignored. No call with the set may be in
 * progress in another thread.
 */
CARPOOL_API void future_set_free(future_set_t *set);

/**
 * Creates a promise: a future that belongs to no pool and is completed by future_resolve,
 * future_reject or future_cancel. Otherwise it can be used like any other future.
 *
 * @param out  receives the future, to be released with future_free; NULL on failure
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_NOMEM; POOL_ERR_OS; POOL_ERR_FULL
 */
CARPOOL_API pool_status_t future_new_promise(future_t **out);

/**
 * Completes a promise with a copy of the bytes as its result.
 *
 * @param data  the bytes; may be NULL if len is 0
 * @param len   number of bytes
 * @return POOL_OK; POOL_ERR_STATE if the future is already done or not a promise;
 *         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS. If there is not enough memory for the bytes,
 *         the future fails with POOL_ERR_NOMEM
 */
CARPOOL_API
pool_status_t future_resolve(future_t *future,
                             const void *data,
                             size_t len);

/**
 * Fails a promise with POOL_ERR_TASK.
 *
 * @param code     task_code of the error
 * @param message  UTF-8, copied, truncated after 215 bytes; NULL: none
 * @return POOL_OK; POOL_ERR_STATE if the future is already done or not a promise;
 *         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API pool_status_t future_reject(future_t *future, int32_t code, const char *message);

/* ---- maps ------------------------------------------------------------------------------------ */

/**
 * Runs a function for every item of an array, and waits. The function sees each item as a separate
 * task: pool_task_args returns the item. The item and the memory for its result are aligned like
 * elements of an array with that element size. Items are passed to workers in chunks; the failure
 * of an item does not affect the others in its chunk, unless the worker is lost.
 *
 * A map that has started counts as submitted: pool_close and pool_join let it finish.
 *
 * @param items        n contiguous items; may be NULL if n or item_size is 0
 * @param item_size    size of an item in bytes
 * @param n            number of items
 * @param options      configuration; NULL: all defaults
 * @param results      buffer for n results of result_size bytes; may be NULL if result_size is 0.
 *                     Element i receives the result of item i, padded with zeros if it is shorter,
 *                     and all zeros if the item failed
 * @param result_size  size of a result in bytes
 * @param item_status  array of n statuses, or NULL. POOL_ERR_TOO_LARGE if the result exceeds
 *                     result_size bytes; POOL_ERR_CANCELLED if the item was not run;
 *                     POOL_ERR_BROKEN if it was not run because the pool became broken;
 *                     POOL_ERR_TIMEOUT if it was not done at the deadline; POOL_ERR_FULL or
 *                     another status of pool_submit if it could not be submitted; others as for
 *                     future_result
 * @return POOL_OK if every item has completed; otherwise the status of the first item, in order,
 *         that has not; POOL_ERR_CLOSED; the errors of a broken pool (see pool_check);
 *         POOL_ERR_DEADLOCK; POOL_ERR_INVALID; POOL_ERR_UNSUPPORTED; POOL_ERR_VERSION;
 *         POOL_ERR_NOMEM; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_map(pool_t *pool,
                       pool_task_fn function,
                       const void *items,
                       size_t item_size,
                       size_t n,
                       const pool_map_options_t *options,
                       void *results,
                       size_t result_size,
                       pool_status_t *item_status);

/**
 * As pool_map, but without waiting. The arrays must remain valid, and must not be accessed by the
 * caller other than to read the items, until the future is done. The future has no result of its
 * own; it fails like the first item, in order, that did not complete. The progress function is
 * called by a thread of the library. future_cancel returns POOL_ERR_STATE, and the map ends soon
 * after as cancelled. In a task of the same thread pool, and for an inline pool, the map is done
 * when the call returns.
 *
 * @param out  receives the future, to be released with future_free; NULL on failure
 * @return POOL_OK; otherwise as for pool_map, except for the statuses of items; POOL_ERR_OS
 */
CARPOOL_API
pool_status_t pool_map_async(pool_t *pool,
                             pool_task_fn function,
                             const void *items,
                             size_t item_size,
                             size_t n,
                             const pool_map_options_t *options,
                             void *results,
                             size_t result_size,
                             pool_status_t *item_status,
                             future_t **out);

/**
 * Runs a function for the elements of several arrays, and waits. Item i consists of element i of
 * each array, laid out like a C struct with these members, each aligned to the largest power of
 * two that divides its size, at most 16. There are as many items as the shortest array has
 * elements.
 *
 * @param arrays    array of n_arrays arrays
 * @param n_arrays  number of arrays, 1 to 1024
 * @param n_items   receives the number of items; may be NULL
 * @return as for pool_map
 */
CARPOOL_API
pool_status_t pool_map_zip(pool_t *pool,
                           pool_task_fn function,
                           const pool_array_t *arrays,
                           size_t n_arrays,
                           const pool_map_options_t *options,
                           void *results,
                           size_t result_size,
                           pool_status_t *item_status,
                           size_t *n_items);

/**
 * Starts a lazy map: runs a function for items that a source supplies one by one as they are
 * needed. It requests nothing before the first pool_map_next, and is never more than the window
 * ahead of the results taken; the number of items is therefore unlimited. Items and results may
 * have any size.
 *
 * @param source   supplies the items; called by the thread that is in pool_map_next, never by two
 *                 threads at the same time
 * @param user     argument of the source
 * @param options  configuration; NULL: all defaults
 * @param out      receives the map, to be released with pool_map_free; NULL on failure
 * @return POOL_OK; POOL_ERR_CLOSED; the errors of a broken pool (see pool_check);
 *         POOL_ERR_INVALID; POOL_ERR_UNSUPPORTED; POOL_ERR_VERSION; POOL_ERR_FULL if 4096 lazy
 *         maps exist; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_map_start(pool_t *pool,
                             pool_task_fn function,
                             pool_source_fn source,
                             void *user,
                             const pool_map_options_t *options,
                             pool_map_t **out);

/**
 * Returns the next result, and waits for it. Results come in the order of the items or, if
 * unordered, as they become available.
 *
 * @param timeout_ms  maximum time to wait; POOL_FOREVER: no timeout; 0: do not block
 * @param data        receives the address of the result, valid until the next call; NULL if there
 *                    is none
 * @param len         receives the number of bytes; may be NULL
 * @param index       receives the index of the item, from 0, also if it has failed; may be NULL
 * @return POOL_OK; POOL_ERR_TASK, POOL_ERR_WORKER_LOST, POOL_ERR_CANCELLED or another status of
 *         future_result if the item failed: pool_map_error returns the details, and the next call
 *         continues with the next item, or the map ends, see enum pool_on_error; POOL_ERR_END if
 *         there are no more items; POOL_ERR_TIMEOUT:
 *         the next call waits for the same item or, if the deadline of the whole map has passed,
 *         returns POOL_ERR_TIMEOUT again; POOL_ERR_CLOSED if the pool is closed; once, the status
 *         that the source returned instead of an item; POOL_ERR_STATE if another call with the map
 *         is in progress; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_map_next(pool_map_t *map,
                            int64_t timeout_ms,
                            const void **data,
                            size_t *len,
                            uint64_t *index);

/**
 * Returns the error details of the item that pool_map_next returned last or, once it has returned
 * an error of the source, of the pool or of the deadline of the whole map, of that error.
 * POOL_ERR_END and another POOL_ERR_TIMEOUT change nothing.
 *
 * @param error  filled in; its status is POOL_OK if the item completed
 * @return POOL_OK if error was filled in; POOL_ERR_STATE if another call with the map is in
 *         progress; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_map_error(pool_map_t *map,
                             pool_error_t *error);

/**
 * Cancels the items that are queued, and takes no more from the source. pool_map_next then returns
 * POOL_ERR_CANCELLED for the cancelled items and the results of the others. May be called from any
 * thread.
 *
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_map_cancel(pool_map_t *map);

/**
 * Frees the map. Queued items are cancelled; running ones continue, and their results are
 * discarded. NULL is ignored. No call with the map may be in progress.
 */
CARPOOL_API void pool_map_free(pool_map_t *map);

/**
 * Submits one task that runs a function for n items of an array, for callers that divide their
 * input into chunks themselves. Its result consists of n contiguous results of result_size bytes.
 * It fails with the first item that fails, and the items after that are not run.
 *
 * @param out  receives the future, to be released with future_free
 * @return as for pool_submit
 */
CARPOOL_API
pool_status_t pool_submit_chunk(pool_t *pool,
                                pool_task_fn function,
                                const void *items,
                                size_t item_size,
                                size_t n,
                                size_t result_size,
                                future_t **out);

/**
 * Returns the number of chunks of chunk_size items, the last one possibly shorter, into which n
 * items are divided; 0 if chunk_size is 0.
 */
CARPOOL_API size_t pool_chunk_count(size_t n, size_t chunk_size);

/**
 * Computes where a chunk of n items begins and ends.
 *
 * @param i      index of the chunk, 0 to pool_chunk_count - 1
 * @param begin  receives the index of its first item; may be NULL
 * @param end    receives the index after its last item; may be NULL
 * @return whether there is such a chunk
 */
CARPOOL_API
bool pool_chunk_bounds(size_t n,
                       size_t chunk_size,
                       size_t i,
                       size_t *begin,
                       size_t *end);

/* ---- introspection --------------------------------------------------------------------------- */

/** Returns the number of workers; 0 if the handle is invalid. */
CARPOOL_API uint32_t pool_count_workers(const pool_t *pool);

/** Returns the number of workers that are running a task; 0 if the handle is invalid. */
CARPOOL_API uint32_t pool_count_busy_workers(const pool_t *pool);

/**
 * Returns the number of workers that are not running a task; 0 if the handle is invalid.
 */
CARPOOL_API uint32_t pool_count_free_workers(const pool_t *pool);

/**
 * Returns the number of tasks that are waiting for a worker; 0 if the handle is invalid.
 */
CARPOOL_API uint64_t pool_count_pending_tasks(const pool_t *pool);

/**
 * Returns the state of the pool, bits of enum pool_state_bit; 0 if it is open or the handle is
 * invalid.
 */
CARPOOL_API uint32_t pool_state(const pool_t *pool);

/**
 * Returns information about the existing workers, in order of their indexes.
 *
 * @param workers   array with room for capacity elements, the first with its struct_size set; may
 *                  be NULL if capacity is 0
 * @param capacity  size of the array in elements
 * @param n         receives the number of workers, even if it exceeds capacity; may be NULL
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_VERSION if struct_size is unknown to this version;
 *         POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_workers(const pool_t *pool,
                           pool_worker_info_t *workers,
                           size_t capacity,
                           size_t *n);

/**
 * Returns the options in effect: those passed to pool_new, with zeros replaced by the defaults,
 * and including later changes, for example by pool_set_limits.
 *
 * @param options  filled in; struct_size must be set. What it points to is valid until pool_free
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_VERSION if struct_size is unknown to this version;
 *         POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_get_options(const pool_t *pool,
                               pool_options_t *options);

/**
 * Returns the number of tasks that were cancelled because the pool was shut down or broken, not
 * counting those that were cancelled individually; 0 if the handle is invalid.
 */
CARPOOL_API size_t pool_cancelled_count(const pool_t *pool);

/**
 * Returns one of the tasks that were cancelled because the pool was shut down or broken.
 *
 * @param i     index, 0 to pool_cancelled_count - 1, in no particular order
 * @param task  filled in; struct_size must be set. What it points to is valid until pool_free
 * @return POOL_OK; POOL_ERR_INVALID, also if there is no such task; POOL_ERR_VERSION if
 *         struct_size is unknown to this version; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_cancelled_task(const pool_t *pool,
                                  size_t i,
                                  pool_cancelled_t *task);

/**
 * Returns statistics of the pool's tasks and workers: counters, and histograms of durations.
 *
 * @param stats  filled in; struct_size must be set
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_VERSION if struct_size is unknown to this version;
 *         POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_stats(const pool_t *pool,
                         pool_stats_t *stats);

/**
 * Returns a complete description of the pool as a JSON object: its settings, its workers and what
 * they are running, its state, the number of submits that are blocked because the queue is full
 * ("waiting_submits"), the number of tasks that each worker index has taken ("writes"), and its
 * statistics.
 *
 * @param buf       receives the text in UTF-8, NUL-terminated; may be NULL if capacity is 0
 * @param capacity  size of buf in bytes
 * @param len       receives the length of the text without the NUL, even if it does not fit; may
 *                  be NULL
 * @return POOL_OK; POOL_ERR_TOO_LARGE if capacity is not greater than len: only a NUL is written
 *         then, if there is room for it; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_info_json(const pool_t *pool,
                             char *buf,
                             size_t capacity,
                             size_t *len);

/**
 * Returns a descriptor for the caller's event loop, such as poll, epoll, libuv, GLib or asyncio.
 * It is readable (level-triggered) while callbacks are due. The pool owns it; remove it from the
 * loop before pool_free.
 *
 * @return the descriptor; -1 if the pool was not created with POOL_DRIVER_EXTERNAL or the handle
 *         is invalid
 */
CARPOOL_API
int32_t pool_fd(pool_t *pool);

/**
 * Returns how long the event loop may wait for pool_fd before it has to call pool_process_events,
 * in milliseconds.
 *
 * @return 0 if callbacks are due; POOL_FOREVER if none are due, and none will be before pool_fd is
 *         readable, because the pool manages its timers itself; also POOL_FOREVER if pool_fd
 *         returns -1
 */
CARPOOL_API
int64_t pool_next_timeout_ms(pool_t *pool);

/**
 * Runs the callbacks that are due, in order, in this thread. Callbacks that become due meanwhile
 * are left to the next call. Does not wait. Runs nothing if called from a callback, or while
 * another thread is in this function, because callbacks run one after the other.
 *
 * @param n  receives the number of callbacks run; may be NULL
 * @return POOL_OK; POOL_ERR_STATE if the pool was not created with POOL_DRIVER_EXTERNAL;
 *         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_process_events(pool_t *pool,
                                  uint32_t *n);

/* ---- the process ----------------------------------------------------------------------------- */

/**
 * Must be called first in main by a program that may be started as its own worker:
 *
 *     int main(int argc, char **argv) {
 *         int code = pool_worker_main(argc, argv);
 *         if (code >= 0) return code;
 *         ...
 *
 * Dynamically linked programs need not call it, because a worker process never reaches their main.
 * A program linked with -static must call it, and so must a custom worker_executable.
 *
 * @return -1 in a program that was not started as a worker; otherwise the exit code, after the
 *         worker has finished
 */
CARPOOL_API
int pool_worker_main(int argc,
                     char **argv);

/**
 * Shuts down all open pools of this process at the same time; see pool_shutdown.
 *
 * @param mode        see enum pool_stop
 * @param timeout_ms  maximum time to wait for all of them together; POOL_FOREVER: no timeout; 0:
 *                    do not block
 * @return POOL_OK; POOL_ERR_TIMEOUT; POOL_ERR_DEADLOCK if called from a task or a callback of one
 *         of the pools, which was not shut down; POOL_ERR_INVALID
 */
CARPOOL_API
pool_status_t pool_shutdown_all(pool_stop_t mode,
                                int64_t timeout_ms);

/**
 * Registers a function to be called once when the program exits, before the pools that are still
 * open are shut down. Several functions are called in the order in which they were added. A forked
 * child does not inherit them.
 *
 * @param function  function to call
 * @param user      its argument
 * @param drop      called once with user after the call, or when the function is removed, or if
 *                  this call fails; may be NULL
 * @param id        receives a number for pool_remove_at_exit; may be NULL
 * @return POOL_OK; POOL_ERR_INVALID
 */
CARPOOL_API
pool_status_t pool_at_exit(pool_exit_fn function,
                           void *user,
                           pool_drop_fn drop,
                           uint64_t *id);

/**
 * Removes a function that was added by pool_at_exit.
 *
 * @param id  number returned by pool_at_exit
 * @return POOL_OK: it will not be called; POOL_ERR_INVALID if there is no function with this
 *         number, or it has been called
 */
CARPOOL_API pool_status_t pool_remove_at_exit(uint64_t id);

/** Returns the number of pools that have not been freed. */
CARPOOL_API size_t pool_count_live(void);

/**
 * Returns the number of CPUs that this process may use: the smaller of its affinity mask and its
 * cgroup's quota, at least 1.
 */
CARPOOL_API
uint32_t pool_available_cpus(void);

/** Returns the version of the loaded library: MAJOR * 1000000 + MINOR * 1000 + PATCH. */
CARPOOL_API uint32_t pool_version(void);

/** Returns the version of the loaded library, such as "0.1.0". Must not be freed. */
CARPOOL_API const char *pool_version_string(void);

/**
 * Returns the name of a status, such as "POOL_ERR_TIMEOUT"; "POOL_ERR_?" if there is no such
 * status. Must not be freed.
 */
CARPOOL_API const char *pool_status_name(pool_status_t status);

/**
 * Returns a description of a status, such as "the time given has passed"; "unknown status" if
 * there is no such status. Must not be freed.
 */
CARPOOL_API const char *pool_status_string(pool_status_t status);

/* ---- structs for languages that have none ---------------------------------------------------- */

/**
 * Initializes options like POOL_OPTIONS_INIT, for callers that cannot use the macro.
 *
 * @param size  sizeof(pool_options_t). Callers that do not know the struct pass memory of at least
 *              1024 bytes, aligned for any type, and its size: a multiple of 8, at most 4096
 * @return POOL_OK; POOL_ERR_INVALID
 */
CARPOOL_API
pool_status_t pool_options_init(pool_options_t *options,
                                size_t size);

/**
 * Initializes a call like POOL_CALL_INIT.
 *
 * @param size  sizeof(pool_call_t), or more, as for pool_options_init
 * @return POOL_OK; POOL_ERR_INVALID
 */
CARPOOL_API pool_status_t pool_call_init(pool_call_t *call, size_t size);

/**
 * Initializes the options of a map like POOL_MAP_INIT.
 *
 * @param size  sizeof(pool_map_options_t), or more, as for pool_options_init
 * @return POOL_OK; POOL_ERR_INVALID
 */
CARPOOL_API pool_status_t pool_map_options_init(pool_map_options_t *options, size_t size);

/**
 * Initializes statistics like POOL_STATS_INIT.
 *
 * @param size  sizeof(pool_stats_t)
 * @return POOL_OK; POOL_ERR_INVALID
 */
CARPOOL_API pool_status_t pool_stats_init(pool_stats_t *stats, size_t size);

/**
 * Sets an option by its name, from text: `pool_options_set(&options, "hard_limit_ms", "1000",
 * NULL)`. Numbers are decimal; POOL_FOREVER, POOL_NOW and the enumerators of the option's enum may
 * be given by name; bool options are "true", "false", "1" or "0". Lists, callbacks, and functions
 * with arguments cannot be set this way.
 *
 * @param name   name of the field of pool_options_t
 * @param value  the value. The text of a string option is not copied: it must remain valid until
 *               pool_new has returned
 * @param error  says what is wrong; may be NULL
 * @return POOL_OK; POOL_ERR_INVALID if there is no such option, or the value is not one of its type
 *         (pool_new checks whether it is in range); POOL_ERR_VERSION if the struct is of an older
 *         version, and has no such field
 */
CARPOOL_API
pool_status_t pool_options_set(pool_options_t *options,
                               const char *name,
                               const char *value,
                               pool_error_t *error);

/**
 * Sets a field of a call by its name, like pool_options_set: a limit, "retries", "priority", "tag",
 * and "module" and "symbol" for those of its task.
 *
 * @param name   name of the field of pool_call_t
 * @param value  the value; a string must remain valid until pool_submit_call has returned
 * @param error  says what is wrong; may be NULL
 * @return as for pool_options_set
 */
CARPOOL_API
pool_status_t pool_call_set(pool_call_t *call,
                            const char *name,
                            const char *value,
                            pool_error_t *error);

/**
 * Sets an option of a map by its name, like pool_options_set.
 *
 * @param name   name of the field of pool_map_options_t
 * @param value  the value
 * @param error  says what is wrong; may be NULL
 * @return as for pool_options_set
 */
CARPOOL_API
pool_status_t pool_map_options_set(pool_map_options_t *options,
                                   const char *name,
                                   const char *value,
                                   pool_error_t *error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* CARPOOL_H */

/* ---- struct initializers ---------------------------------------------------------------------
 *
 *     pool_options_t options = POOL_OPTIONS_INIT;
 *     pool_call_t call = POOL_CALL_INIT;
 *     pool_map_options_t map_options = POOL_MAP_INIT;
 *     pool_stats_t stats = POOL_STATS_INIT;
 *
 * Define CARPOOL_NO_INLINE to leave out all inline functions: the shorthands below and, in C++, these
 * macros, for which pool_options_init and its like stand in.
 */
#ifndef POOL_OPTIONS_INIT
#ifndef __cplusplus
#define POOL_OPTIONS_INIT { .struct_size = sizeof(pool_options_t) }
#define POOL_CALL_INIT { .struct_size = sizeof(pool_call_t) }
#define POOL_MAP_INIT { .struct_size = sizeof(pool_map_options_t) }
#define POOL_STATS_INIT { .struct_size = sizeof(pool_stats_t) }
#elif !defined(CARPOOL_NO_INLINE)
static inline pool_options_t pool_initial_options() {
    pool_options_t options = pool_options_t();
    options.struct_size = sizeof options;
    return options;
}
static inline pool_call_t pool_initial_call() {
    pool_call_t call = pool_call_t();
    call.struct_size = sizeof call;
    return call;
}
static inline pool_map_options_t pool_initial_map_options() {
    pool_map_options_t options = pool_map_options_t();
    options.struct_size = sizeof options;
    return options;
}
static inline pool_stats_t pool_initial_stats() {
    pool_stats_t stats = pool_stats_t();
    stats.struct_size = sizeof stats;
    return stats;
}
#define POOL_OPTIONS_INIT (pool_initial_options())
#define POOL_CALL_INIT (pool_initial_call())
#define POOL_MAP_INIT (pool_initial_map_options())
#define POOL_STATS_INIT (pool_initial_stats())
#endif

#ifndef CARPOOL_NO_INLINE
/* ---- pools of a fixed size: shorthands for pool_new_fixed ----------------------------------- */

static inline pool_status_t pool_new_single_thread(const pool_options_t *options, pool_t **out,
                                                   pool_error_t *error) {
    return pool_new_fixed(POOL_THREAD, 1, options, out, error);
}
static inline pool_status_t pool_new_single_process(const pool_options_t *options, pool_t **out,
                                                   pool_error_t *error) {
    return pool_new_fixed(POOL_PROCESS, 1, options, out, error);
}
static inline pool_status_t pool_new_dual_thread(const pool_options_t *options, pool_t **out,
                                                   pool_error_t *error) {
    return pool_new_fixed(POOL_THREAD, 2, options, out, error);
}
static inline pool_status_t pool_new_dual_process(const pool_options_t *options, pool_t **out,
                                                   pool_error_t *error) {
    return pool_new_fixed(POOL_PROCESS, 2, options, out, error);
}
static inline pool_status_t pool_new_triple_thread(const pool_options_t *options, pool_t **out,
                                                   pool_error_t *error) {
    return pool_new_fixed(POOL_THREAD, 3, options, out, error);
}
static inline pool_status_t pool_new_triple_process(const pool_options_t *options, pool_t **out,
                                                   pool_error_t *error) {
    return pool_new_fixed(POOL_PROCESS, 3, options, out, error);
}
static inline pool_status_t pool_new_quad_thread(const pool_options_t *options, pool_t **out,
                                                   pool_error_t *error) {
    return pool_new_fixed(POOL_THREAD, 4, options, out, error);
}
static inline pool_status_t pool_new_quad_process(const pool_options_t *options, pool_t **out,
                                                   pool_error_t *error) {
    return pool_new_fixed(POOL_PROCESS, 4, options, out, error);
}
#endif
#endif
