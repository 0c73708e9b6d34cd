/* carpool.h - thread pools and process pools behind one API.
 *
 * A task is a function and some bytes. Thread workers call the function; worker processes find it
 * in their own copy of its module and call it there.
 *
 *   Threads    Every function may be called from any thread. No lock is held while a function of
 *              yours runs.
 *   Handles    Checked tickets, not addresses: NULL, a freed or a foreign one is answered with
 *              POOL_ERR_INVALID. *_free ignores them.
 *   Statuses   A call that can fail returns one, and POOL_OK is 0. Results come through the last
 *              parameters, which are NULL or 0 after a failure.
 *   Structs    begin with struct_size and are filled with their ..._INIT. Zero means the default.
 *   Times      int64_t milliseconds; POOL_FOREVER waits without end, 0 does not block.
 *              Durations that were measured are uint64_t nanoseconds.
 *   Strings    UTF-8, ended by NUL, copied by the library.
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

/** The first number of the library's version. */
#define POOL_VERSION_MAJOR 0

/** The second number of the library's version. */
#define POOL_VERSION_MINOR 1

/** The third number of the library's version. */
#define POOL_VERSION_PATCH 0

/** A time that never comes. */
#define POOL_FOREVER (-1)

/** At once, where 0 already means the default. */
#define POOL_NOW (-2)

/** The lowest priority of a task. */
#define POOL_PRIORITY_MIN -8

/** The highest priority of a task. */
#define POOL_PRIORITY_MAX 7

/** What a call answers. 0 is success; the numbers never change. */
enum pool_status {
    /** Done. */
    POOL_OK = 0,
    /** An argument is NULL, out of range, or a handle that was freed or never was one. */
    POOL_ERR_INVALID = 1,
    /** There is not enough memory. */
    POOL_ERR_NOMEM = 2,
    /** The operating system refused; os_errno and the message tell what. */
    POOL_ERR_OS = 3,
    /** The time given has passed. Nothing else has changed: the call may be made again. */
    POOL_ERR_TIMEOUT = 4,
    /** The pool is closed, or was shut down before. */
    POOL_ERR_CLOSED = 5,
    /** The pool is broken: it cannot start workers any more. */
    POOL_ERR_BROKEN = 6,
    /** The pool is broken by its initializer. */
    POOL_ERR_INITIALIZER = 7,
    /** The pool is broken by its finalizer. */
    POOL_ERR_FINALIZER = 8,
    /** The task was cancelled before it ran. */
    POOL_ERR_CANCELLED = 9,
    /** The task itself failed; task_code and the message are its own. */
    POOL_ERR_TASK = 10,
    /** The worker that ran the task is gone: killed, crashed, or left by exit. */
    POOL_ERR_WORKER_LOST = 11,
    /** The task was stopped by its soft limit. */
    POOL_ERR_SOFT_LIMIT = 12,
    /** The task was stopped by its hard limit. */
    POOL_ERR_HARD_LIMIT = 13,
    /** The task was running when it was killed on request. */
    POOL_ERR_TERMINATED = 14,
    /** Workers died too often while they started. */
    POOL_ERR_RESTARTS = 15,
    /** There is no room for another task now. */
    POOL_ERR_FULL = 16,
    /** The bytes are more than fit. */
    POOL_ERR_TOO_LARGE = 17,
    /**
     * No such module or symbol, or not the same build of it; the message says what to do.
     */
    POOL_ERR_FUNCTION = 18,
    /** The call would wait for itself: it was made by a task of the same pool. */
    POOL_ERR_DEADLOCK = 19,
    /** The handle belongs to the process that this one was forked from. */
    POOL_ERR_WRONG_PROCESS = 20,
    /** The task has not finished. */
    POOL_ERR_NOT_DONE = 21,
    /** The object is in a state in which the call has no meaning. */
    POOL_ERR_STATE = 22,
    /** There is nothing more to come. */
    POOL_ERR_END = 23,
    /** This version of the library does not do that. */
    POOL_ERR_UNSUPPORTED = 24,
    /** The task was not started before its deadline. */
    POOL_ERR_EXPIRED = 25,
    /** The struct or the worker belongs to another version of the library. */
    POOL_ERR_VERSION = 26,
};

/** The kinds of workers. */
enum pool_kind {
    /** Each worker is a process of its own: a crash costs the one task that crashed. */
    POOL_PROCESS = 0,
    /** Each worker is a thread of this process. */
    POOL_THREAD = 1,
    /**
     * No workers of its own: a task runs in the thread that submits it, before the submit returns. For
     * debugging, with the same meaning of everything else; options of workers that wait do nothing.
     */
    POOL_INLINE = 2,
};

/** How a worker process starts. */
enum pool_start {
    /** A program is executed for each worker. Nothing is inherited that should not be. */
    POOL_SPAWN = 0,
    /**
     * A program is executed once, with the first worker; it opens modules and preload, and workers are
     * forked from it. They are there sooner, and share its memory until they write to it. When it dies
     * it is executed again; its workers work on.
     */
    POOL_FORKSERVER = 1,
    /**
     * Workers are copies of the caller as it was at pool_new: also those that start later are forked
     * from a copy that pool_new makes. They see what the caller had in memory by then, and keep what it
     * had open, which is what makes this dangerous: a file's offset is the caller's too, and the
     * other end of a pipe or socket sees no end while a worker has a copy. At-exit handlers of the
     * caller are not run in workers, and what tasks have registered is run where they call exit, not
     * when a worker leaves. A large caller is slow to copy. Where the process has other threads than
     * the caller's and the library's own, pool_new answers POOL_ERR_STATE: what they hold, a lock of
     * malloc's or of their own, would be held in the copy for ever; see fork_with_threads. When the
     * copy is lost, the pool is broken at the next worker that it needs.
     */
    POOL_FORK = 2,
};

/**
 * How a pool stops. Each is stronger than the one before it in this order: DRAIN, CANCEL, KILL.
 */
enum pool_stop {
    /** Tasks that wait are cancelled; tasks that run are waited for. */
    POOL_STOP_CANCEL = 0,
    /** All tasks run first. */
    POOL_STOP_DRAIN = 1,
    /**
     * Tasks that wait are cancelled; worker processes are killed with the tasks they run. Threads
     * cannot be killed: they are waited for, and pool_task_cancelled tells their tasks.
     */
    POOL_STOP_KILL = 2,
};

/** Which tasks a cancel reaches. */
enum pool_cancel {
    /** Only a task that has not started. */
    POOL_CANCEL_QUEUED = 0,
    /** Also one that runs: its worker process is ended, see future_cancel. */
    POOL_CANCEL_RUNNING = 1,
};

/** What to wait for among many futures. */
enum pool_wait {
    /** All are done. */
    POOL_WAIT_ALL = 0,
    /** One is done. */
    POOL_WAIT_FIRST = 1,
    /** One has failed or was cancelled, or all are done. */
    POOL_WAIT_FIRST_ERROR = 2,
};

/** What becomes of a task whose worker is lost. */
enum pool_lost {
    /** It fails with POOL_ERR_WORKER_LOST; nothing else is touched. */
    POOL_LOST_FAIL_TASK = 0,
    /**
     * It runs again in another worker, as often as its retries say; then it fails like that.
     */
    POOL_LOST_RETRY = 1,
    /** It fails like that, and the pool breaks with POOL_ERR_BROKEN. */
    POOL_LOST_BREAK = 2,
};

/** What becomes of a pool that is still open when the program exits. */
enum pool_exit {
    /** Tasks that wait are cancelled; tasks that run are waited for. */
    POOL_EXIT_CANCEL = 0,
    /** All tasks run first. */
    POOL_EXIT_DRAIN = 1,
    /** As POOL_STOP_KILL. */
    POOL_EXIT_KILL = 2,
    /** Nothing: worker processes leave when they see that their parent is gone. */
    POOL_EXIT_NONE = 3,
};

/** How tasks are handed to workers. */
enum pool_sched {
    /** A worker takes a task when it is free for it. */
    POOL_FAIR = 0,
    /**
     * Where many tasks wait for each worker, it takes up to 32 from the queue at once: workers with tiny tasks
     * hinder each other less. They are pending until each is begun: they can be cancelled, and workers with
     * nothing else to do take them over; but they are no longer begun strictly in order. When their worker
     * dies, they go back to the queue, at its end. Without effect for POOL_INLINE.
     */
    POOL_PREFETCH = 1,
};

/** Who runs callbacks. */
enum pool_driver {
    /** A thread of the library. */
    POOL_DRIVER_INTERNAL = 0,
    /**
     * The caller's event loop: callbacks run in pool_process_events and nowhere else, but for those that are
     * left at the pool's end: pool_shutdown, pool_terminate and pool_free run them before they return, unless
     * they time out. So it is in inline pools too.
     */
    POOL_DRIVER_EXTERNAL = 1,
};

/** How grave a log message is. */
enum pool_log_level {
    /** Something failed. */
    POOL_LOG_ERROR = 1,
    /** Something is not as it should be. */
    POOL_LOG_WARNING = 2,
    /** Worth knowing. */
    POOL_LOG_INFO = 3,
    /** For those who look for a fault. */
    POOL_LOG_DEBUG = 4,
};

/** Where a task stands. */
enum future_state {
    /** It waits for a worker. */
    FUTURE_PENDING = 1,
    /** A worker runs it. */
    FUTURE_RUNNING = 2,
    /** Its function returned 0. */
    FUTURE_COMPLETED = 3,
    /** Its function returned a code, or its worker was lost, or it could not be run. */
    FUTURE_FAILED = 4,
    /** It was cancelled, or killed on request. */
    FUTURE_CANCELLED = 5,
};

/** The bits of pool_state. */
enum pool_state_bit {
    /** No new tasks. */
    POOL_STATE_CLOSED = 1,
    /** No worker can be started, or a function around a worker's life has failed. */
    POOL_STATE_BROKEN = 2,
    /** Shut down; every future is done. */
    POOL_STATE_TERMINATED = 4,
    /** A pool_join is under way. */
    POOL_STATE_JOINING = 8,
};

/** What a map does after an item has failed. */
enum pool_on_error {
    /** All items are run. */
    POOL_ON_ERROR_CONTINUE = 0,
    /** Nothing more is handed out; what was handed out runs. */
    POOL_ON_ERROR_STOP = 1,
    /** What waits is cancelled, too. */
    POOL_ON_ERROR_CANCEL_REST = 2,
};

/** What a worker does. */
enum pool_worker_state {
    /** Its process is starting, or its initializer runs. */
    POOL_WORKER_STARTING = 1,
    /** It waits for a task. */
    POOL_WORKER_IDLE = 2,
    /** It runs a task. */
    POOL_WORKER_BUSY = 3,
    /** It is leaving. */
    POOL_WORKER_STOPPING = 4,
};

/** Which workers a pool_shrink reaches. */
enum pool_shrink {
    /** Only those that run nothing now; all or none. */
    POOL_SHRINK_IDLE = 0,
    /** Those that run a task leave after it. */
    POOL_SHRINK_WHEN_IDLE = 1,
};

/** How workers are replaced. */
enum pool_restart {
    /** Each after the task that it runs. */
    POOL_RESTART_GRACEFUL = 0,
    /**
     * At once: tasks that run are lost with their worker processes, or run again as their retries say.
     */
    POOL_RESTART_NOW = 1,
};

/** What happened to a worker. */
enum pool_event_kind {
    /** It is being started. */
    POOL_EVENT_STARTING = 1,
    /** It is ready: its initializer has run. */
    POOL_EVENT_UP = 2,
    /** It is gone. */
    POOL_EVENT_GONE = 3,
};

/** Why a worker is gone. */
enum pool_gone {
    /** Nobody had the place before. */
    POOL_GONE_NEVER = 0,
    /** The pool was joined, closed, or shut down. */
    POOL_GONE_TOLD = 1,
    /** It had nothing to do for too long. */
    POOL_GONE_IDLE = 2,
    /** It had run max_tasks_per_worker tasks. */
    POOL_GONE_TASKS = 3,
    /** It had more memory than max_memory_per_worker. */
    POOL_GONE_MEMORY = 4,
    /** A pool_restart. */
    POOL_GONE_RESTARTED = 5,
    /** A pool_shrink. */
    POOL_GONE_SHRUNK = 6,
    /** It crashed, left by exit, or was killed by somebody else. */
    POOL_GONE_LOST = 7,
    /** It was killed because its task, initializer or finalizer had run too long. */
    POOL_GONE_LIMIT = 8,
    /** It was killed with the task that was cancelled. */
    POOL_GONE_CANCELLED = 9,
    /** The pool killed it to stop at once. */
    POOL_GONE_KILLED = 10,
    /** It ended, or took too long, before it was ready. */
    POOL_GONE_NOT_STARTED = 11,
    /** It left a task to a worker of the main program's image. */
    POOL_GONE_IMAGE = 12,
    /** Its initializer or finalizer failed. */
    POOL_GONE_HOOK = 13,
};

/**
 * A set of futures, to be taken out as they are done.
 *
 * Threads: any thread may use it, also several at once.
 * Lifetime: from future_set_new to future_set_free. A checked ticket like pool_t.
 * NULL: POOL_ERR_INVALID.
 */
typedef struct future_set_t future_set_t;

/**
 * The result-to-be of one task.
 *
 * Threads: any thread may use it; any number may wait for it.
 * Lifetime: from the submit that made it to future_free, also beyond the pool's. A checked ticket
 * like pool_t. No call with the future may be under way in another thread when it is freed.
 * NULL: POOL_ERR_INVALID.
 */
typedef struct future_t future_t;

/**
 * Memory for the arguments of one task, written in place and handed over without a copy.
 *
 * Threads: one at a time.
 * Lifetime: from pool_buffer_new until a submit takes it, or pool_buffer_free.
 * NULL: POOL_ERR_INVALID.
 */
typedef struct pool_buffer_t pool_buffer_t;

/**
 * A map over a source of items, whose results are taken one by one.
 *
 * Threads: one at a time, but for pool_map_cancel.
 * Lifetime: from pool_map_start to pool_map_free. A checked ticket like pool_t.
 * NULL: POOL_ERR_INVALID.
 */
typedef struct pool_map_t pool_map_t;

/**
 * A pool: workers and the tasks that wait for them.
 *
 * Threads: any thread may use it, also several at once.
 * Lifetime: from pool_new to pool_free. A handle is a checked ticket, not an address: after
 * pool_free every call with it answers POOL_ERR_INVALID. While it is being freed, no other call with
 * the pool may be under way, nor one with a future of it that was freed before; futures that were
 * not freed may be in use.
 * NULL: POOL_ERR_INVALID, and nothing happens.
 */
typedef struct pool_t pool_t;

/**
 * A task while it runs, as its function sees it.
 *
 * Threads: the thread that runs the function, and threads that it started and waits for.
 * Lifetime: until the function returns.
 * NULL: no bytes, no room, 0 or false.
 */
typedef struct pool_task_t pool_task_t;

/** What most calls answer: one of enum pool_status, 0 for success. */
typedef int32_t pool_status_t;

/** One of enum pool_kind. */
typedef int32_t pool_kind_t;

/** One of enum pool_start. */
typedef int32_t pool_start_t;

/**
 * A task: reads its argument bytes, leaves result bytes, and returns 0, or a code of its own when
 * it fails. It must not throw, nor leave by longjmp or pthread_exit.
 */
typedef int32_t (*pool_task_fn)(pool_task_t *task);

/** A function to be run by a worker, with its argument bytes. */
typedef struct pool_function_t {
    /** The function, or NULL where module and symbol name it. */
    pool_task_fn pointer;
    /**
     * The shared library that exports the symbol, as the dynamic loader finds it; NULL means the
     * main program.
     */
    const char *module;
    /** The name of an exported function. */
    const char *symbol;
    /** The argument bytes; copied. */
    const void *args;
    /** How many bytes. */
    size_t len;
} pool_function_t;

/** One of enum pool_lost. */
typedef int32_t pool_lost_t;

/** One of enum pool_exit. */
typedef int32_t pool_exit_t;

/** One of enum pool_sched. */
typedef int32_t pool_sched_t;

/** One of enum pool_log_level. */
typedef int32_t pool_log_level_t;

/** Receives log messages. */
typedef void (*pool_log_fn)(pool_log_level_t level, const char *message, void *user);

/** One of enum pool_event_kind. */
typedef int32_t pool_event_kind_t;

/** One of enum pool_gone. */
typedef int32_t pool_gone_t;

/**
 * Something that happened to a worker. The library's: it lives until the callback returns.
 */
typedef struct pool_event_t {
    /** sizeof(pool_event_t). */
    size_t struct_size;
    /** What happened. */
    pool_event_kind_t kind;
    /** The worker's place: 0 to max_workers - 1; after a pool_shrink perhaps higher. */
    uint32_t worker;
    /** Its number among all workers that the pool has had, from 1. */
    uint64_t id;
    /** Its process; 0: a thread. */
    int64_t pid;
    /** Why it is gone (POOL_EVENT_GONE), else POOL_GONE_NEVER. */
    pool_gone_t reason;
    /** The code that it exited with, else 0. */
    int32_t exit_code;
    /** The signal that killed it, else 0. */
    int32_t signal;
    /** The same in words; never NULL. */
    const char *message;
} pool_event_t;

/** Receives events of workers. */
typedef void (*pool_event_fn)(const pool_event_t *event, void *user);

/**
 * Called once with a user pointer, after its last use, also when the call it was given to failed.
 */
typedef void (*pool_drop_fn)(void *user);

/** One of enum pool_driver. */
typedef int32_t pool_driver_t;

/** A limit of a worker process's resources, as by setrlimit. */
typedef struct pool_rlimit_t {
    /** RLIMIT_NOFILE, RLIMIT_CPU, ... */
    int32_t resource;
    /** The soft limit; UINT64_MAX: none. */
    uint64_t soft;
    /** The hard limit; UINT64_MAX: none. */
    uint64_t hard;
} pool_rlimit_t;

/**
 * Called now and then by a thread that waits for a pool to end; see pool_options_t.on_tick.
 */
typedef void (*pool_tick_fn)(void *user);

/**
 * The options of pool_new. Fill it with POOL_OPTIONS_INIT: zero means the default everywhere. A
 * field that a kind of worker cannot do answers POOL_ERR_UNSUPPORTED when it is set.
 */
typedef struct pool_options_t {
    /** sizeof(pool_options_t); POOL_OPTIONS_INIT sets it. */
    size_t struct_size;
    /** A name for threads and messages; NULL: "pool". */
    const char *name;
    /** POOL_PROCESS (default), POOL_THREAD or POOL_INLINE. */
    pool_kind_t kind;
    /**
     * POOL_SPAWN (default), POOL_FORKSERVER or POOL_FORK; see enum pool_start. Process pools only.
     */
    pool_start_t start;
    /**
     * So many start with the pool and stay, however long they have nothing to do. Between min_workers
     * and max_workers the pool scales by itself: a worker starts for each task that finds none free,
     * and leaves after idle_timeout_ms without one.
     */
    uint32_t min_workers;
    /**
     * At most this many workers at once, up to 1024; they start when there is work for them.
     * 0: pool_available_cpus(), for threads 5 more. pool_grow and pool_shrink change it.
     */
    uint32_t max_workers;
    /**
     * A worker beyond min_workers leaves when it has had nothing to do for so long. 0: 60 000;
     * POOL_FOREVER: it stays; POOL_NOW: it leaves when no task waits.
     */
    int64_t idle_timeout_ms;
    /**
     * Run once in each worker before its first task, with its own arguments, as a task is:
     * pool_task_state is its pointer to set, a result is dropped. If it returns other than 0, the
     * pool is broken.
     */
    pool_function_t initializer;
    /** Run likewise when a worker leaves, in whatever way but a crash or a kill. */
    pool_function_t finalizer;
    /**
     * After so many tasks a worker leaves, and is replaced when tasks wait; a chunk of a map is one
     * task. 0: any number.
     */
    uint64_t max_tasks_per_worker;
    /**
     * After a task, a worker process with more bytes of memory of its own than this leaves, and is
     * replaced when tasks wait; the task's result is delivered. What counts is what pool_workers
     * shows as resident_bytes; it is looked at when a task ends, but not more often than every
     * 0.2 ms. A worker that has as much before its first task may have so much more: else none would
     * ever stay. 0: any number. Process pools only.
     */
    uint64_t max_memory_per_worker;
    /**
     * At most so many tasks wait for a worker, chunks of maps included; over it a submit waits until
     * one is begun or cancelled, in the order in which the submits came, or answers POOL_ERR_FULL, see
     * pool_call_t.submit_timeout_ms. A task that a lost worker leaves comes back in any case. 0: no
     * bound. Without effect for POOL_INLINE, where no task waits.
     */
    uint64_t max_pending;
    /**
     * A task that has run for so long is told: pool_task_soft_expired and pool_task_cancelled become
     * true, and pool_call_t.on_timeout is called. Counted from its start. 0, POOL_FOREVER: no limit.
     */
    int64_t soft_limit_ms;
    /**
     * A task that has run for so long ends with its worker process, which is killed with all that it has
     * started in its group, and fails with POOL_ERR_HARD_LIMIT. More than soft_limit_ms. 0, POOL_FOREVER: no
     * limit. Process pools only: a thread cannot be killed.
     */
    int64_t hard_limit_ms;
    /**
     * How long a worker process may take from its start until it is ready for the initializer or its
     * first task. Then it is killed, and is one that failed to start, see max_restarts: waiting for it
     * does not count for the window. 0: 30 000; POOL_FOREVER: any time. Process pools only.
     */
    int64_t start_timeout_ms;
    /**
     * How long a worker process that is to end has from SIGTERM to SIGKILL. 0: 1000; POOL_NOW: no time.
     * For thread pools, how long pool_terminate waits.
     */
    int64_t kill_grace_ms;
    /**
     * POOL_LOST_FAIL_TASK (default). Workers that are killed for a limit or a cancel do not count as lost.
     */
    pool_lost_t on_worker_lost;
    /** POOL_LOST_RETRY: so often each task is run again. 0: once. */
    uint32_t retries;
    /**
     * So many workers may fail to start, one after the other within the window; then the pool is
     * broken with POOL_ERR_RESTARTS. 0: 5; UINT32_MAX: any number.
     */
    uint32_t max_restarts;
    /** The window for that; 0: 10 000. */
    int64_t restart_window_ms;
    /** POOL_EXIT_CANCEL (default). */
    pool_exit_t at_exit;
    /** POOL_FAIR (default) or POOL_PREFETCH. */
    pool_sched_t sched;
    /**
     * The program to run as worker, a path; its main must begin with pool_worker_main. NULL: the
     * helper installed with the library or, for functions of the main program, that program.
     * Process pools only, and not with POOL_FORK.
     */
    const char *worker_executable;
    /**
     * The environment of worker processes, "NAME=value" strings and a NULL at the end; NULL: the
     * caller's at pool_new. Process pools only.
     */
    const char *const *env;
    /**
     * Shared libraries that each worker opens when it starts, and a NULL at the end; where workers are
     * forked they are opened once, before. One that cannot be opened breaks the pool. Process pools
     * only.
     */
    const char *const *modules;
    /**
     * The working directory of worker processes; NULL: the caller's. Process pools only.
     */
    const char *cwd;
    /**
     * Called with a line for each thing worth knowing, as callbacks are (see future_on_done): workers that
     * are lost, cannot be started, start and leave; that the pool is broken. Never after drop.
     */
    pool_log_fn log;
    /**
     * Called when a worker is being started, is up, or is gone, as callbacks are: in this order for each
     * worker, and for the last one before pool_shutdown returns. Never after drop. Inline pools have no
     * workers to tell of.
     */
    pool_event_fn on_event;
    /** The last argument of log, on_event and on_tick. */
    void *user;
    /** Called with user when the pool does not need it any more. */
    pool_drop_fn drop;
    /**
     * POOL_DRIVER_INTERNAL (default), or POOL_DRIVER_EXTERNAL, see pool_fd. Callbacks of maps and promises are
     * not the pool's.
     */
    pool_driver_t driver;
    /**
     * How long the initializer may run in a worker process. Then it is killed, and the pool is broken
     * with POOL_ERR_INITIALIZER. 0, POOL_FOREVER: any time. Process pools only.
     */
    int64_t initializer_timeout_ms;
    /**
     * How long the finalizer may run in a worker process. Then it is killed, and the pool is broken with
     * POOL_ERR_FINALIZER. 0, POOL_FOREVER: any time. Process pools only.
     */
    int64_t finalizer_timeout_ms;
    /**
     * POOL_FORK: copy the caller though other threads run in its process. Safe only where nothing that
     * they may hold at that moment is used by tasks, such as locks, and libraries that have some. A copy
     * that is lost is then made anew, of the caller as it is by then. POOL_FORK only.
     */
    bool fork_with_threads;
    /**
     * Shared libraries that are opened once, before workers are forked, and a NULL at the end. One
     * that cannot be opened is left out. POOL_FORKSERVER and POOL_FORK only.
     */
    const char *const *preload;
    /**
     * Descriptors of the caller that workers keep under the same numbers, with what 0 to 2 are for
     * them; copied by pool_new, so you may close yours. All others are closed in a worker, but for those
     * that the library itself needs there; with POOL_FORK workers have all of the caller's. POOL_ERR_INVALID: one is not open. Process pools only.
     */
    const int32_t *inherit_fds;
    /** How many; at most 4096. */
    size_t n_inherit_fds;
    /**
     * What a worker reads as its standard input, a path that is opened for each, or once for
     * all that are forked from one process; NULL: /dev/null.
     * inherit_fds with 0 in it goes before. POOL_ERR_OS: it cannot be opened. Process pools only.
     */
    const char *worker_stdin;
    /**
     * The most bytes of memory that a worker can write to and that is its own (RLIMIT_DATA, soft and
     * hard); at least 4 MiB. What is over it is refused: malloc gives NULL. With POOL_FORK what the caller had does not count. The address space
     * (RLIMIT_AS) is not what is limited: the pool's board takes much of that, and little memory.
     * 0: no limit of its own. Process pools only.
     */
    uint64_t memory_limit_per_worker;
    /**
     * CPUs for the workers, by their numbers: the worker of place i runs on worker_cpus[i %
     * n_worker_cpus] and no other. POOL_ERR_INVALID: the caller may not run on one. Process pools
     * only.
     */
    const uint32_t *worker_cpus;
    /** How many; 0: wherever the caller may run. */
    size_t n_worker_cpus;
    /**
     * Limits of each worker, as by setrlimit. RLIMIT_AS counts the pool's board, and RLIMIT_FSIZE
     * results that have no room on it. POOL_ERR_INVALID: there is no such resource, or the soft limit
     * is above the hard one; raising a hard one without the privilege breaks the pool. Process pools
     * only.
     */
    const pool_rlimit_t *rlimits;
    /** How many. */
    size_t n_rlimits;
    /**
     * Added to the caller's nice value: -39 to 39. Below 0 without the privilege breaks the pool.
     * Process pools only.
     */
    int32_t nice;
    /**
     * Which worker the kernel kills first when memory is short: -1000 to 1000, as in
     * /proc/PID/oom_score_adj. 0: the caller's. One below the caller's without the privilege breaks
     * the pool. Process pools only.
     */
    int32_t oom_score_adj;
    /**
     * The user that workers become before the initializer runs; modules have been opened by then. The
     * caller's further groups are dropped. Without the privilege the pool is broken. 0: the
     * caller's. Process pools only.
     */
    uint32_t uid;
    /** The group that they become, likewise. 0: the caller's. */
    uint32_t gid;
    /**
     * Nothing that a worker executes gains a privilege (PR_SET_NO_NEW_PRIVS), from the end of the
     * initializer on. Process pools only.
     */
    bool no_new_privs;
    /**
     * A filter of system calls, an array of struct sock_filter: put on in all threads of a worker when
     * the initializer has run, with no_new_privs, which it needs. What the library itself calls then
     * must be let through: futex, sched_yield, clock_gettime, sendmsg, madvise, mmap, munmap, brk,
     * exit_group; memfd_create, ftruncate, fcntl and close for results that have no room on the board;
     * readlink when a function is called for the first time, and for its module, unless the initializer is
     * of the same one, openat, read, fstat, mprotect and the like; pread64 for max_memory_per_worker;
     * ppoll, getpid, getpgid, getpgrp and kill for the end of the parent. Process pools only.
     */
    const void *seccomp_filter;
    /** How many instructions; at most 4096. */
    size_t seccomp_len;
    /**
     * A signal that a worker process gets when its task has passed its soft limit, for the task's own
     * handler; one without a handler may kill it, see signal(7). 0: none. Process pools only.
     */
    int32_t soft_limit_signal;
    /**
     * Called every tick_ms by the thread that waits in pool_join, pool_shutdown or pool_terminate, so
     * that other work of it goes on. No lock is held. It may use the pool: a pool_shutdown with a
     * stronger mode makes the one that waits stronger; only pool_free of this pool does nothing.
     */
    pool_tick_fn on_tick;
    /** How often; 0: 500. Refused without on_tick. */
    int64_t tick_ms;
} pool_options_t;

/** What went wrong, in numbers and words. Yours: the library only fills it in. */
typedef struct pool_error_t {
    /** Which error; POOL_OK when there is none. */
    pool_status_t status;
    /** What the function returned (POOL_ERR_TASK), else 0. */
    int32_t task_code;
    /** The errno of the system call that failed, else 0. */
    int32_t os_errno;
    /**
     * The code that the worker exited with (POOL_ERR_WORKER_LOST without a signal), else 0.
     */
    int32_t exit_code;
    /** The signal that killed the worker, else 0. */
    int32_t signal;
    /** The process that was lost, else 0. */
    int64_t worker_pid;
    /** UTF-8, NUL-terminated; cut off where it is longer. */
    char message[216];
} pool_error_t;

/** Called when a worker has taken the task. */
typedef void (*pool_accept_fn)(uint32_t worker, int64_t pid, void *user);

/** Called when a future is done, which is good until the function returns. */
typedef void (*future_done_fn)(future_t *future, void *user);

/** Called when a time limit of a task has passed. */
typedef void (*pool_timeout_fn)(future_t *future, bool soft, int64_t limit_ms, void *user);

/** A task with all its options, for pool_submit_call. Fill it with POOL_CALL_INIT. */
typedef struct pool_call_t {
    /** sizeof(pool_call_t); POOL_CALL_INIT sets it. */
    size_t struct_size;
    /** What to run. */
    pool_function_t task;
    /**
     * The argument bytes in place of task.args, or NULL. The submit takes it over, also when it
     * fails.
     */
    pool_buffer_t *buffer;
    /** As in pool_options_t, for this task. 0: the pool's; POOL_FOREVER: none. */
    int64_t soft_limit_ms;
    /** As in pool_options_t, for this task. 0: the pool's; POOL_FOREVER: none. */
    int64_t hard_limit_ms;
    /**
     * The task is cancelled, with POOL_ERR_EXPIRED, when it has not started so long after its submit. 0,
     * POOL_FOREVER: it waits.
     */
    int64_t start_deadline_ms;
    /**
     * How long the submit waits for a place where max_pending tasks wait, in milliseconds; then it
     * answers POOL_ERR_FULL. 0, POOL_FOREVER: until there is one; POOL_NOW: not at all, also when
     * others are waiting for one.
     */
    int64_t submit_timeout_ms;
    /**
     * So often the task is run again when its worker is lost, whatever the pool does. 0: as the pool says.
     */
    uint32_t retries;
    /**
     * From POOL_PRIORITY_MIN to POOL_PRIORITY_MAX: of the tasks that wait, workers take those with a
     * higher one first, and those with the same in the order in which they were submitted. A task that
     * comes back from a lost worker keeps it, and is the last of it. For a place in a bounded queue it
     * waits like any other; without effect for POOL_INLINE, where no task waits.
     */
    int32_t priority;
    /** A number of yours, that pool_cancelled_t tells. */
    uint64_t tag;
    /**
     * Called once when a worker has taken the task, before on_done, with the worker's place and its process,
     * 0 for a thread.
     */
    pool_accept_fn on_accept;
    /** Called when the task is done, as by future_on_done. */
    future_done_fn on_done;
    /**
     * Called when the soft limit has passed, and when the hard limit has. The future may have been freed.
     */
    pool_timeout_fn on_timeout;
    /** The last argument of the callbacks. */
    void *user;
    /** Called with user when the task does not need it any more. */
    pool_drop_fn drop;
} pool_call_t;

/** One of enum pool_stop. */
typedef int32_t pool_stop_t;

/** One of enum pool_shrink. */
typedef int32_t pool_shrink_t;

/** One of enum pool_restart. */
typedef int32_t pool_restart_t;

/** One of enum future_state. */
typedef int32_t future_state_t;

/** One of enum pool_cancel. */
typedef int32_t pool_cancel_t;

/** One of enum pool_wait. */
typedef int32_t pool_wait_t;

/** One of enum pool_on_error. */
typedef int32_t pool_on_error_t;

/** Told how many items of a map have come back, and how many there are; 0: not known. */
typedef void (*pool_progress_fn)(uint64_t done, uint64_t total, void *user);

/**
 * How a map is to be done. Fill it with POOL_MAP_INIT: zero means the default everywhere.
 */
typedef struct pool_map_options_t {
    /** sizeof(pool_map_options_t); POOL_MAP_INIT sets it. */
    size_t struct_size;
    /**
     * How many items make one task; 0: so many that it takes about a quarter of a millisecond, by
     * what items were measured to take.
     */
    size_t chunk_size;
    /** The most items that are handed out and not taken; 0: two chunks for each worker. */
    size_t window;
    /** Lazy maps: results come as they are done. */
    bool unordered;
    /** POOL_ON_ERROR_CONTINUE (default). */
    pool_on_error_t on_error;
    /** For the whole map, from its beginning, or from the first pool_map_next. 0: none. */
    int64_t deadline_ms;
    /**
     * No item may run for longer, see pool_options_t.hard_limit_ms; each is then a task of its own, and
     * chunk_size is 0 or 1. 0: as the pool says. Process pools only.
     */
    int64_t item_hard_limit_ms;
    /** Called when items have come back. */
    pool_progress_fn on_progress;
    /** Its last argument. */
    void *user;
} pool_map_options_t;

/** An array for pool_map_zip. */
typedef struct pool_array_t {
    /** n elements, one behind the other. */
    const void *items;
    /** The size of each, in bytes. */
    size_t item_size;
    /** How many there are. */
    size_t n;
} pool_array_t;

/**
 * Gives the next item of a lazy map: its bytes are copied before the next call. It answers POOL_OK;
 * POOL_ERR_END when there is none; any other status ends the map with it, after the items before.
 */
typedef pool_status_t (*pool_source_fn)(void *user, const void **item, size_t *len);

/** One of enum pool_worker_state. */
typedef int32_t pool_worker_state_t;

/** What a worker is and does. Set struct_size in the first of an array. */
typedef struct pool_worker_info_t {
    /** sizeof(pool_worker_info_t). */
    size_t struct_size;
    /** Its place: 0 to max_workers - 1; after a pool_shrink perhaps higher. */
    uint32_t index;
    /** Its number among all workers that the pool has had, from 1. */
    uint64_t id;
    /** Its process; 0: a thread. */
    int64_t pid;
    /** What it does. */
    pool_worker_state_t state;
    /** The task that it runs, else 0. */
    uint64_t task_id;
    /** The function of that task, as far as it has a name; cut off where it is longer. */
    char function[64];
    /** How long it has been running that task. */
    int64_t running_ms;
    /** How many tasks it has ended. */
    uint64_t tasks_done;
    /** How many workers had this place before it. */
    uint64_t restarts;
    /** The memory of its process that it shares with nobody; 0: a thread. */
    uint64_t resident_bytes;
    /** Why the worker before it is gone: one of enum pool_gone. */
    pool_gone_t last_gone;
    /** The code that one exited with, else 0. */
    int32_t last_exit_code;
    /** The signal that killed that one, else 0. */
    int32_t last_signal;
} pool_worker_info_t;

/**
 * A task that was cancelled when its pool was shut down or broken. Set struct_size before.
 */
typedef struct pool_cancelled_t {
    /** sizeof(pool_cancelled_t). */
    size_t struct_size;
    /** The task's number, as future_id told it. */
    uint64_t id;
    /** pool_call_t.tag, else 0. */
    uint64_t tag;
    /**
     * Its function as it was submitted, and its argument bytes; they live until pool_free.
     */
    pool_function_t task;
} pool_cancelled_t;

/**
 * What the tasks and workers of a pool have done since pool_new. Set struct_size before. A chunk of a map
 * is one task.
 *
 * When no task waits or runs, tasks_submitted is tasks_completed + tasks_failed + tasks_cancelled. While
 * some do, the numbers are not all of the same moment.
 */
typedef struct pool_stats_t {
    /** sizeof(pool_stats_t); POOL_STATS_INIT sets it. */
    size_t struct_size;
    /** Tasks that were submitted. */
    uint64_t tasks_submitted;
    /** Tasks whose function has returned 0. */
    uint64_t tasks_completed;
    /** Tasks that have failed in any way. */
    uint64_t tasks_failed;
    /** Tasks that were cancelled, before they ran or while they did. */
    uint64_t tasks_cancelled;
    /**
     * How often a task's worker was lost while it ran it. The task has failed, or was run again.
     */
    uint64_t tasks_lost;
    /** How often a task was run again for that. */
    uint64_t tasks_retried;
    /** How often a task has passed its soft limit. */
    uint64_t soft_limits;
    /** How often a task was stopped by its hard limit. */
    uint64_t hard_limits;
    /** Workers that were started. */
    uint64_t workers_started;
    /**
     * Workers that have crashed, left by exit, were killed by somebody else, or did not start.
     */
    uint64_t workers_lost;
    /** The argument bytes of the tasks that a worker has ended. */
    uint64_t args_bytes;
    /** The result bytes of the tasks that have completed. */
    uint64_t result_bytes;
    /** How long the tasks that a worker has ended had waited, together. */
    uint64_t queue_total_ns;
    /** How long they ran. */
    uint64_t run_total_ns;
    /**
     * How many of them had waited at least 2^i and less than 2^(i+1) nanoseconds; 0 is in entry 0.
     */
    uint64_t queue_ns[64];
    /** How many of them ran so long. */
    uint64_t run_ns[64];
} pool_stats_t;

/** Called when the program exits. */
typedef void (*pool_exit_fn)(void *user);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* ---- pools ----------------------------------------------------------------------------------- */

/**
 * Makes a pool. Workers start when there is work for them.
 *
 * @param options  NULL: all defaults, a pool of processes, one for each CPU
 * @param out      receives the pool, to be given to pool_free; NULL on failure
 * @param error    filled in on failure; may be NULL
 * @return POOL_OK; POOL_ERR_INVALID: an option is out of range; POOL_ERR_UNSUPPORTED: an option is
 *         not for this kind; POOL_ERR_VERSION: the struct is longer than this
 *         library knows, and not zero there; POOL_ERR_NOMEM; POOL_ERR_OS; POOL_ERR_FULL: 4096
 *         pools are alive, freed ones with futures included; POOL_ERR_STATE: this process is a
 *         worker that ran into main, which should begin with pool_worker_main
 */
CARPOOL_API
pool_status_t pool_new(const pool_options_t *options,
                       pool_t **out,
                       pool_error_t *error);

/**
 * Makes a pool of a fixed kind and size, whatever the options say about these. Its workers still
 * start when there is work for them.
 *
 * @param n  the number of workers, 1 to 1024
 * @return as pool_new
 */
CARPOOL_API
pool_status_t pool_new_fixed(pool_kind_t kind,
                             uint32_t n,
                             const pool_options_t *options,
                             pool_t **out,
                             pool_error_t *error);

/**
 * Frees the pool, after shutting it down (POOL_STOP_CANCEL, waiting for running tasks) where it
 * still is open. Its futures stay valid. Blocks. NULL is ignored. From a task or a callback of the same
 * pool, or in a forked child, it does nothing.
 */
CARPOOL_API
void pool_free(pool_t *pool);

/* ---- submitting ------------------------------------------------------------------------------ */

/**
 * Submits a task: the function will be called by a worker with a copy of the bytes. Waits for nothing,
 * but where pool_options_t.max_pending tasks wait already: then until there is a place, or the pool is
 * closed or broken. A task that submits to its own pool then runs tasks that wait, before the submit
 * returns.
 *
 * @param function  a function of this program or of a shared library; it need not be exported.
 *                  Worker processes call it in their own copy of that program or library
 * @param args      the argument bytes; may be NULL when len is 0
 * @param out       receives the future, to be given to future_free; NULL: no future is wanted, and
 *                  result and errors are dropped
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_CLOSED; POOL_ERR_BROKEN and its like, see
 *         pool_check; POOL_ERR_FUNCTION: the function is in no module that a worker
 *         process could open; POOL_ERR_FULL: 16 Mi futures are alive, or fewer where address space
 *         is limited; POOL_ERR_DEADLOCK: max_pending tasks wait, and 64 tasks run in the middle of one
 *         another on this thread because they submit; POOL_ERR_NOMEM; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_submit(pool_t *pool,
                          pool_task_fn function,
                          const void *args,
                          size_t len,
                          future_t **out);

/**
 * Submits a task by names, for callers that have no pointer to the function.
 *
 * @param module  the shared library that exports the symbol: a path, or a name as the dynamic
 *                loader finds it; NULL: the main program
 * @param symbol  the name of an exported function
 * @return as pool_submit. That module or symbol do not exist shows when the task runs: it fails
 *         with POOL_ERR_FUNCTION
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
 * @param call  see pool_call_t
 * @return as pool_submit; POOL_ERR_INVALID: also an option that is out of range; POOL_ERR_UNSUPPORTED: an
 *         option is not for this kind; POOL_ERR_VERSION: the struct is longer than this library knows, and not zero there
 */
CARPOOL_API
pool_status_t pool_submit_call(pool_t *pool,
                               const pool_call_t *call,
                               future_t **out);

/**
 * Submits a task, waits for it, and copies its result. When the time is over, the task goes on and
 * its result is dropped.
 *
 * @param timeout_ms  how long to wait for a place in the queue and for the end together, POOL_FOREVER,
 *                    or 0: do not block
 * @param result      room for the result; may be NULL when capacity is 0
 * @param capacity    how many bytes there are
 * @param result_len  receives the length of the result, also when it is more than capacity; may be
 *                    NULL
 * @return as pool_submit and future_collect; POOL_ERR_FULL: also when there was no place in the queue in
 *         that time; POOL_ERR_TOO_LARGE: the result is more than capacity,
 *         and nothing was copied
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
 * Memory for the arguments of one task of this pool, to be written in place: hand it over in
 * pool_call_t.buffer.
 *
 * @param len   how many bytes
 * @param out   receives the buffer; NULL on failure
 * @param data  receives where to write, aligned for any type; NULL on failure. What the bytes are
 *              at first is not defined
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_CLOSED; POOL_ERR_NOMEM; POOL_ERR_TOO_LARGE: more
 *         than the pool's address space can hold; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_buffer_new(pool_t *pool,
                              size_t len,
                              pool_buffer_t **out,
                              void **data);

/**
 * Frees a buffer that no submit has taken over. NULL is ignored. Buffers must be freed before
 * their pool; those that are left are freed with it.
 */
CARPOOL_API void pool_buffer_free(pool_buffer_t *buffer);

/* ---- workers and stopping -------------------------------------------------------------------- */

/**
 * Whether the pool takes tasks.
 *
 * @param error  filled in when it does not; may be NULL
 * @return POOL_OK; POOL_ERR_CLOSED; POOL_ERR_INITIALIZER, POOL_ERR_FINALIZER: that function failed,
 *         task_code and the message are its own; POOL_ERR_RESTARTS: workers died too often while
 *         they started; POOL_ERR_BROKEN: no worker can be started; the message tells why; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_check(pool_t *pool,
                         pool_error_t *error);

/**
 * Tries the pool's configuration: a second pool of it, with one worker, runs a task of the library's
 * own and a map. This pool is not touched.
 *
 * @param timeout_ms  how long to wait for these, POOL_FOREVER, or 0: do not block
 * @param error       filled in on failure, with the reason; may be NULL
 * @return POOL_OK; POOL_ERR_INITIALIZER, POOL_ERR_FINALIZER, POOL_ERR_RESTARTS, POOL_ERR_BROKEN and
 *         what else a pool or a task can come to; POOL_ERR_TIMEOUT; POOL_ERR_CLOSED;
 *         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_test(pool_t *pool,
                        int64_t timeout_ms,
                        pool_error_t *error);

/**
 * Closes the pool: no new tasks, and what is queued runs. Does not wait. Again: nothing more
 * happens.
 *
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API pool_status_t pool_close(pool_t *pool);

/**
 * Waits until everything queued has run and the workers have left. The pool is as open as before
 * afterwards; while it waits, submits answer POOL_ERR_CLOSED.
 *
 * @param timeout_ms  how long to wait, POOL_FOREVER, or 0: do not block
 * @return POOL_OK; POOL_ERR_TIMEOUT: the pool is as before; POOL_ERR_CLOSED: it has been shut down;
 *         POOL_ERR_DEADLOCK: called from a task or a callback of the same pool; POOL_ERR_BROKEN: no worker can be
 *         started; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_join(pool_t *pool,
                        int64_t timeout_ms);

/**
 * Shuts the pool down. Afterwards all workers are gone and every future is done.
 *
 * @param mode        see enum pool_stop. Calling again with a stronger one escalates, also from
 *                    another thread while a first call waits
 * @param timeout_ms  how long to wait, POOL_FOREVER, or 0: do not block
 * @return POOL_OK; POOL_ERR_TIMEOUT: the pool is closed and goes on stopping; POOL_ERR_CLOSED: it
 *         had been shut down before; POOL_ERR_DEADLOCK: called from a task or a callback of the same pool;
 *         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_shutdown(pool_t *pool,
                            pool_stop_t mode,
                            int64_t timeout_ms);

/**
 * Cancels every task that has not started, also those of other threads and of maps. What runs goes on,
 * and the pool stays as open as it is; submits that wait for a place go on, too. Tasks cancelled so are
 * not told by pool_cancelled_task: their futures say so.
 *
 * @param n  receives how many there were; may be NULL
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_cancel_pending(pool_t *pool,
                                  uint64_t *n);

/**
 * Starts workers before there are tasks for them.
 *
 * @param n        how many; below 0: as many as waiting tasks need. Never more than max_workers in all
 * @param spawned  receives how many were started; may be NULL
 * @return POOL_OK; POOL_ERR_CLOSED; POOL_ERR_BROKEN and its like, see pool_check; POOL_ERR_OS,
 *         POOL_ERR_NOMEM: not even one could be started; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_spawn_workers(pool_t *pool,
                                 int64_t n,
                                 uint32_t *spawned);

/**
 * Starts as many workers as are missing to max_workers.
 *
 * @param spawned  receives how many were started; may be NULL
 * @return as pool_spawn_workers
 */
CARPOOL_API pool_status_t pool_spawn_max_workers(pool_t *pool, uint32_t *spawned);

/**
 * Changes pool_options_t.idle_timeout_ms, also for workers that are idle now.
 *
 * @param ms  0: 60 000; POOL_FOREVER; POOL_NOW: they leave when no task waits
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API pool_status_t pool_set_idle_timeout(pool_t *pool, int64_t ms);

/**
 * Changes pool_options_t.soft_limit_ms and hard_limit_ms, for tasks that start from now on and have no
 * limits of their own. Tasks that run keep what they have.
 *
 * @param soft_ms  0, POOL_FOREVER: no limit
 * @param hard_ms  0, POOL_FOREVER: no limit
 * @return POOL_OK; POOL_ERR_INVALID: also when soft_ms is not less than hard_ms; POOL_ERR_UNSUPPORTED: a hard
 *         limit for threads, or any for an inline pool; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_set_limits(pool_t *pool,
                              int64_t soft_ms,
                              int64_t hard_ms);

/* ---- more and fewer workers, and the end of all ---------------------------------------------- */

/**
 * Waits until so many workers are up at once: started, and their initializers run. Starts those that are
 * missing, as pool_spawn_workers does. An inline pool has none, and is ready at once.
 *
 * @param n           how many; 0: min_workers, at least 1
 * @param timeout_ms  how long to wait, POOL_FOREVER, or 0: do not block
 * @return POOL_OK; POOL_ERR_TIMEOUT: the workers go on starting; POOL_ERR_INITIALIZER,
 *         POOL_ERR_RESTARTS, POOL_ERR_BROKEN and their like, see pool_check: the pool is broken, or
 *         breaks meanwhile; POOL_ERR_CLOSED: it is closed, or a join or a shutdown begins meanwhile;
 *         POOL_ERR_INVALID: also when n is more than max_workers; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_wait_ready(pool_t *pool,
                              uint32_t n,
                              int64_t timeout_ms);

/**
 * Raises max_workers by n and starts n workers. min_workers stays: those beyond it leave when they have
 * been idle for idle_timeout_ms, and come back when there is work for them. Either all of it happens, or
 * nothing: where a worker cannot be started, those that were leave again.
 *
 * @param n  how many; 0: nothing happens
 * @return POOL_OK: they are starting, see pool_wait_ready; POOL_ERR_INVALID: also for more than 1024 in
 *         all; POOL_ERR_UNSUPPORTED: an inline pool; POOL_ERR_FULL: address space is limited (RLIMIT_AS),
 *         and the pool has no room for so many; POOL_ERR_OS, POOL_ERR_NOMEM: one could not be started;
 *         POOL_ERR_CLOSED; POOL_ERR_BROKEN and its like, see pool_check; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_grow(pool_t *pool,
                        uint32_t n);

/**
 * Lowers max_workers by n, and min_workers to that where it is more. Workers leave until there are no
 * more than max_workers; places that no worker has at the moment are given up first. Tasks are not
 * touched: one that an idle worker takes at the very moment is run before it leaves. Workers that leave
 * run their finalizer. Does not wait for them.
 *
 * @param n     how many; 0: nothing happens
 * @param mode  POOL_SHRINK_IDLE: only workers that run no task now leave, those with the highest places
 *              first; where there are too few, nothing is changed. POOL_SHRINK_WHEN_IDLE: workers that
 *              run no task leave now, and for the rest whichever is the first to end its task
 * @return POOL_OK; POOL_ERR_STATE: too few workers are idle (POOL_SHRINK_IDLE), nothing was changed;
 *         POOL_ERR_INVALID: also where no worker would be left; POOL_ERR_UNSUPPORTED: an inline pool;
 *         POOL_ERR_CLOSED; POOL_ERR_BROKEN and its like, see pool_check; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_shrink(pool_t *pool,
                          uint32_t n,
                          pool_shrink_t mode);

/**
 * Replaces every worker that there is now by a new one, which runs the initializer again. Does not wait:
 * the ids of pool_workers show who has come. Called again while workers are still being replaced, it
 * replaces also those that have come meanwhile.
 *
 * @param mode  POOL_RESTART_GRACEFUL: each worker leaves after its present task and runs its finalizer.
 *              At most half of the workers are away at once (of one or two: one), so tasks go on, and
 *              none is lost. POOL_RESTART_NOW: worker processes are killed at once, without finalizer;
 *              their tasks fail with POOL_ERR_WORKER_LOST, or run again as their retries say. Threads
 *              cannot be killed: as POOL_RESTART_GRACEFUL
 * @return POOL_OK; POOL_ERR_UNSUPPORTED: an inline pool; POOL_ERR_CLOSED; POOL_ERR_BROKEN and its like,
 *         see pool_check; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_restart(pool_t *pool,
                           pool_restart_t mode);

/**
 * Stops the pool now. Tasks that wait are cancelled; those that run are asked to end: pool_task_cancelled
 * tells them, and worker processes get SIGTERM, with all that their tasks have started in their process
 * group. It ends a worker unless its tasks handle it. Those that are left after the grace are killed.
 * Futures of tasks that ended so are cancelled, with POOL_ERR_TERMINATED. Waits until everything has
 * ended; threads cannot be killed, and are waited for no longer than the grace and a quarter of a second.
 * While a pool_shutdown is under way, this makes it stronger.
 *
 * @param grace_ms  how long tasks have between SIGTERM and SIGKILL; 0: kill_grace_ms of the options;
 *                  POOL_NOW: no time
 * @return POOL_OK; POOL_ERR_TIMEOUT: tasks of threads still run; the pool is closed and goes on stopping;
 *         POOL_ERR_CLOSED: it had been shut down before; POOL_ERR_DEADLOCK: called from a task or a
 *         callback of the same pool; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_terminate(pool_t *pool,
                             int64_t grace_ms);

/**
 * Asks the pool to shut down, as pool_shutdown does, without waiting. The only function that may be
 * called in a signal handler: it takes no lock and no memory, and leaves errno as it was. No task is
 * taken any more when it returns. Again with a stronger mode: escalates. The pool's own thread does the
 * rest; a pool_shutdown or pool_terminate after it waits for the end and answers POOL_OK, once, also when
 * all is over already. The handle must not be freed while the handler may run.
 *
 * @param mode  see enum pool_stop
 * @return POOL_OK: it is asked to, or had been shut down before; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_request_stop(pool_t *pool,
                                pool_stop_t mode);

/* ---- inside a task --------------------------------------------------------------------------- */

/**
 * The task's argument bytes. Valid until the function returns; aligned for any type where they are
 * more than 8 bytes, else to 8.
 *
 * @param len  receives how many there are; may be NULL
 * @return     the bytes; not NULL in a task, also when there are none
 */
CARPOOL_API
const void *pool_task_args(const pool_task_t *task,
                           size_t *len);

/**
 * Room for the task's result, to be written in place: no copy is made of it. The caller of
 * future_result sees these bytes when the function returns 0. Asking again throws away what was
 * there.
 *
 * @param len  how many bytes
 * @return     the room, aligned for any type where len is more than 8; NULL when there is no
 *             memory for it
 */
CARPOOL_API void *pool_task_result(pool_task_t *task, size_t len);

/**
 * Leaves a copy of the bytes as the task's result.
 *
 * @return 0, so that a function can end with: return pool_task_return(task, data, len);
 *         POOL_ERR_NOMEM where there is no room, POOL_ERR_INVALID without a task or without data
 */
CARPOOL_API
int32_t pool_task_return(pool_task_t *task,
                         const void *data,
                         size_t len);

/**
 * Leaves a message for future_error. The task fails when the function then returns a code that is
 * not 0.
 *
 * @param message  UTF-8, copied, cut off after 215 bytes; NULL: none
 * @return         code, so that a function can end with: return pool_task_fail(task, 7, "…");
 */
CARPOOL_API
int32_t pool_task_fail(pool_task_t *task,
                       int32_t code,
                       const char *message);

/**
 * Whether the task should stop early: somebody wants it cancelled, its soft limit has passed, or its pool
 * is being shut down by POOL_STOP_CANCEL or POOL_STOP_KILL. Cheap enough to ask in a loop.
 */
CARPOOL_API
bool pool_task_cancelled(const pool_task_t *task);

/** Whether the task's soft limit has passed. Cheap enough to ask in a loop. */
CARPOOL_API bool pool_task_soft_expired(const pool_task_t *task);

/**
 * Says how far the task is, for future_progress. Each number is kept to eight digits.
 *
 * @param done   how much is done, in a unit of yours
 * @param total  how much there is; 0: not known
 */
CARPOOL_API void pool_task_progress(pool_task_t *task, uint64_t done, uint64_t total);

/** The task's number in its pool, counted from 1; the same as future_id. */
CARPOOL_API uint64_t pool_task_id(const pool_task_t *task);

/**
 * The index of the worker that runs the task: 0 to max_workers - 1; after a pool_shrink perhaps higher. A
 * worker that replaces a lost one takes over its index.
 */
CARPOOL_API
uint32_t pool_task_worker(const pool_task_t *task);

/**
 * A pointer that belongs to the worker, for the functions to keep what they need again: NULL when
 * the worker starts, and what a task left there for the next one. The library never looks at it.
 *
 * @return where the pointer is, valid until the function returns; NULL without a task
 */
CARPOOL_API
void **pool_task_state(pool_task_t *task);

/* ---- futures --------------------------------------------------------------------------------- */

/**
 * Waits until the task is done in any way: completed, failed or cancelled.
 *
 * @param timeout_ms  how long to wait, POOL_FOREVER, or 0: do not block
 * In a task of a thread pool, to wait for a task of the same pool that nobody has begun runs it, then
 * and there, on its own stack: so that always ends, also with one worker, unless thousands of such
 * waits stand one inside the other and the stack is too small for them.
 *
 * @return POOL_OK: it is done; POOL_ERR_TIMEOUT; POOL_ERR_DEADLOCK: the task would wait for itself;
 *         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_wait(future_t *future,
                          int64_t timeout_ms);

/**
 * The result of a completed task; may be asked again. Does not block, but for a result too large for
 * the pool's memory that is still on its way: it was sent before the task was done.
 *
 * @param data  receives the bytes, not to be written to; they live as long as the future. Not NULL
 *              after POOL_OK, also when there are none
 * @param len   receives how many; may be NULL
 * @return POOL_OK; POOL_ERR_NOT_DONE; POOL_ERR_CANCELLED; POOL_ERR_TERMINATED; POOL_ERR_TASK,
 *         POOL_ERR_WORKER_LOST, POOL_ERR_FUNCTION, POOL_ERR_NOMEM, POOL_ERR_VERSION: the task
 *         failed so, future_error has the words; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_result(future_t *future,
                            const void **data,
                            size_t *len);

/**
 * future_wait, then future_result.
 *
 * @return as these two
 */
CARPOOL_API
pool_status_t future_collect(future_t *future,
                             int64_t timeout_ms,
                             const void **data,
                             size_t *len);

/**
 * What went wrong with the task, in numbers and words.
 *
 * @param error  filled in; its status is POOL_OK when the task completed
 * @return POOL_OK: error is filled in; POOL_ERR_NOT_DONE; POOL_ERR_INVALID;
 *         POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API pool_status_t future_error(future_t *future, pool_error_t *error);

/** Where the task stands: one of enum future_state; 0 for a handle that is not valid. */
CARPOOL_API future_state_t future_state(const future_t *future);

/** Whether the task is done in any way. False for a handle that is not valid. */
CARPOOL_API bool future_is_done(const future_t *future);

/**
 * Cancels the task. At once, also while every worker is busy: afterwards it will never run. In a task
 * that runs already, pool_task_cancelled becomes true.
 *
 * A task that runs in a worker process ends with it, if mode says so: the process and all that it has
 * started in its group get SIGTERM and, pool_options_t.kill_grace_ms later, SIGKILL. The future is
 * cancelled when the worker is gone; it completes if the function returns before. No other task is hit,
 * also when this one ends at the same moment. Another worker takes the place.
 *
 * @param mode  POOL_CANCEL_QUEUED: only if it has not started; POOL_CANCEL_RUNNING: also while it runs
 * @return POOL_OK: it is cancelled, now or before, or its worker is being ended; POOL_ERR_STATE: too
 *         late, it runs or is done; POOL_ERR_UNSUPPORTED: POOL_CANCEL_RUNNING, and a thread runs it, which
 *         cannot be killed; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_cancel(future_t *future,
                            pool_cancel_t mode);

/**
 * Whether future_cancel was called, whatever it answered. False for a handle that is not valid.
 */
CARPOOL_API bool future_cancel_requested(const future_t *future);

/** The task's number in its pool, counted from 1; 0 for a handle that is not valid. */
CARPOOL_API uint64_t future_id(const future_t *future);

/** The pool that the task was submitted to; NULL when that has been freed. */
CARPOOL_API pool_t *future_pool(const future_t *future);

/**
 * How long the task waited for a worker, and how long it ran, each in nanoseconds of the monotonic
 * clock. Both are 0 until it is done; a task that never ran has only waited.
 *
 * @param queued_ns   receives the first; may be NULL
 * @param running_ns  receives the second; may be NULL
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_duration(const future_t *future,
                              uint64_t *queued_ns,
                              uint64_t *running_ns);

/**
 * How far the task said it was, by pool_task_progress; both are 0 when it has not said anything.
 *
 * @param done   receives the first; may be NULL
 * @param total  receives the second; may be NULL
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_progress(const future_t *future,
                              uint64_t *done,
                              uint64_t *total);

/**
 * Frees the future. The task goes on, and its result is dropped. NULL is ignored, and so is a
 * future that was freed before.
 */
CARPOOL_API void future_free(future_t *future);

/**
 * Waits for many futures, of one pool or of several, with one time for all.
 *
 * @param futures     n futures; may be NULL when n is 0. The same one may stand there twice
 * @param mode        see enum pool_wait
 * @param timeout_ms  how long to wait, POOL_FOREVER, or 0: do not block
 * @param n_done      receives how many are done, also after a timeout; may be NULL
 * @return POOL_OK: what was waited for is there; POOL_ERR_TIMEOUT; POOL_ERR_INVALID: one is not a
 *         valid handle, or the mode is none; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_wait_many(future_t *const *futures,
                               size_t n,
                               pool_wait_t mode,
                               int64_t timeout_ms,
                               size_t *n_done);

/**
 * Waits for many futures, with one time for all, and gives out their results.
 *
 * @param futures     n futures; may be NULL when n is 0
 * @param timeout_ms  how long to wait, POOL_FOREVER, or 0: do not block
 * @param data        n places, which receive what future_result gives, and NULL where there is none;
 *                    may be NULL
 * @param lens        n places for the lengths; may be NULL
 * @return POOL_OK: all have completed; else the status of the first one in order that has not, as
 *         future_result says it, or POOL_ERR_TIMEOUT; POOL_ERR_DEADLOCK; POOL_ERR_INVALID;
 *         POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_collect_many(future_t *const *futures,
                                  size_t n,
                                  int64_t timeout_ms,
                                  const void **data,
                                  size_t *lens);

/* ---- being told ------------------------------------------------------------------------------ */

/**
 * Calls a function when the future is done: from a thread of the library, or at once from this one
 * when it is done already. Any number may be added; those that were added before it was done are called
 * in that order, one after the other. The function may call whatever it likes, but to join or shut
 * down the future's pool. The pool's shutdown waits for it. Each pool has one thread for all its
 * callbacks: one that takes long holds up those behind it, and nothing else. Where the options say
 * POOL_DRIVER_EXTERNAL, callbacks wait for pool_process_events, also those of futures that are done
 * already; when the pool has been shut down, such ones are called at once.
 *
 * The future may be freed before: the function is called all the same, and the handle that it gets
 * is good until it returns.
 *
 * @param function  what to call
 * @param user      its last argument
 * @param drop      called once with user after the call, or when there will be none: when it is
 *                  removed, or when this call fails; may be NULL
 * @param id        receives a number for future_remove_callback; may be NULL
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_OS: a thread cannot be started;
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
 * @param id  its number, from future_on_done
 * @return POOL_OK: it will not be called; POOL_ERR_STATE: it was called, will be called at once
 *         because the future is done, or never was added to this future; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_remove_callback(future_t *future,
                                     uint64_t id);

/**
 * Makes a set of futures, of any pools, that gives them out in the order in which they are done.
 *
 * @param out  receives the set, to be given to future_set_free; NULL on failure
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_FULL: 4096 sets are alive
 */
CARPOOL_API
pool_status_t future_set_new(future_set_t **out);

/**
 * Adds a future; at any time, also while somebody waits in future_set_next. One that is added twice
 * comes out twice. It stays yours: one that is freed leaves the set.
 *
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_OS; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_set_add(future_set_t *set,
                             future_t *future);

/**
 * Takes the future out of the set that was done first; waits until there is one.
 *
 * @param timeout_ms  how long to wait, POOL_FOREVER, or 0: do not block
 * @param out         receives the future; NULL on failure
 * @return POOL_OK; POOL_ERR_END: the set is empty, and more may be added; POOL_ERR_TIMEOUT;
 *         POOL_ERR_DEADLOCK: called from a task that all the others wait for; POOL_ERR_INVALID;
 *         POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t future_set_next(future_set_t *set,
                              int64_t timeout_ms,
                              future_t **out);

/**
 * A descriptor that is readable while future_set_next would give a future out at once, for poll and
 * its like. It belongs to the set: do not read from it, nor close it. A future that is freed after it
 * was done may leave it readable until the next future_set_next.
 *
 * @return the descriptor; -1 when the handle is not valid or there are no descriptors left
 */
CARPOOL_API
int32_t future_set_fd(future_set_t *set);

/**
 * Frees the set, not the futures in it. NULL is ignored. No call with the set may be under way in
 * another thread.
 */
CARPOOL_API
void future_set_free(future_set_t *set);

/**
 * Makes a future that belongs to no pool, and is done when somebody says so: by future_resolve or
 * future_reject, or by future_cancel. Everything else can be done with it as with any other.
 *
 * @param out  receives the future, to be given to future_free; NULL on failure
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_NOMEM; POOL_ERR_OS; POOL_ERR_FULL
 */
CARPOOL_API
pool_status_t future_new_promise(future_t **out);

/**
 * Completes a promise with a copy of the bytes as its result.
 *
 * @param data  the bytes; may be NULL when len is 0
 * @return POOL_OK; POOL_ERR_STATE: it is done already, or is no promise; POOL_ERR_INVALID;
 *         POOL_ERR_WRONG_PROCESS. Where there is no memory for the bytes, the future fails with
 *         POOL_ERR_NOMEM
 */
CARPOOL_API pool_status_t future_resolve(future_t *future, const void *data, size_t len);

/**
 * Fails a promise, with POOL_ERR_TASK.
 *
 * @param code     becomes the error's task_code
 * @param message  UTF-8, copied, cut off after 215 bytes; NULL: none
 * @return POOL_OK; POOL_ERR_STATE: it is done already, or is no promise; POOL_ERR_INVALID;
 *         POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API pool_status_t future_reject(future_t *future, int32_t code, const char *message);

/* ---- maps ------------------------------------------------------------------------------------ */

/**
 * Runs a function for every item of an array, and waits. The function sees each item as a task of its
 * own: pool_task_args is the item, and it and the room for its result are aligned as elements of an
 * array of such a size are. Items are handed to the workers in chunks; what becomes of one
 * item does not touch the others of its chunk, unless the worker is lost.
 *
 * A map that has begun counts as submitted: pool_close and pool_join let it come to its end.
 *
 * @param items        n items, one behind the other; may be NULL when n or item_size is 0
 * @param item_size    the size of each, in bytes
 * @param options      NULL: all defaults
 * @param results      room for n results of result_size bytes; may be NULL when result_size is 0. The
 *                     result of item i comes to place i; where it is shorter the rest is 0, and
 *                     where the item has failed all of it
 * @param item_status  room for n statuses, or NULL. POOL_ERR_TOO_LARGE: its result has more than
 *                     result_size bytes; POOL_ERR_CANCELLED: it was not run; POOL_ERR_TIMEOUT: it
 *                     was not done at the deadline; others as for future_result
 * @return POOL_OK: every item has completed; else the status of the first item, in order, that has
 *         not; POOL_ERR_CLOSED, POOL_ERR_BROKEN and its like; POOL_ERR_DEADLOCK; POOL_ERR_INVALID;
 *         POOL_ERR_UNSUPPORTED; POOL_ERR_VERSION; POOL_ERR_NOMEM; POOL_ERR_WRONG_PROCESS
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
 * As pool_map, without waiting. The arrays must stay as they are until the future is done; it has no
 * result of its own, and fails like the first item, in order, that did not complete. The progress
 * function is called by a thread of the library. future_cancel answers POOL_ERR_STATE, and the map
 * ends soon, as cancelled. In a task of the same thread pool, and for an inline pool, the map is done
 * when the call returns.
 *
 * @param out  receives the future, to be given to future_free; NULL on failure
 * @return POOL_OK; otherwise as pool_map, but for what happens to items; POOL_ERR_OS
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
 * Runs a function for the elements of several arrays, and waits: item i is made of element i of each,
 * laid out like a C struct of such members, each aligned to the largest power of two that divides its
 * size, 16 at most. There are as many items as the shortest array has elements.
 *
 * @param arrays    n_arrays arrays, at least 1
 * @param n_items   receives how many items there are; may be NULL
 * @return as pool_map
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
 * Runs a function for items that a source gives, one by one, as they are needed: nothing before the
 * first pool_map_next, and never more than the window ahead of what was taken. So there may be any
 * number of them. Items and results may have any size.
 *
 * @param source   gives the items; called by the thread that is in pool_map_next, and not at the same
 *                 time by two
 * @param user     the source's argument
 * @param options  NULL: all defaults
 * @param out      receives the map, to be given to pool_map_free; NULL on failure
 * @return POOL_OK; POOL_ERR_CLOSED, POOL_ERR_BROKEN and its like; POOL_ERR_INVALID;
 *         POOL_ERR_UNSUPPORTED; POOL_ERR_VERSION; POOL_ERR_FULL: 4096 such maps are alive;
 *         POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_map_start(pool_t *pool,
                             pool_task_fn function,
                             pool_source_fn source,
                             void *user,
                             const pool_map_options_t *options,
                             pool_map_t **out);

/**
 * The next result; waits for it. In the order of the items, or unordered as they are done.
 *
 * @param timeout_ms  how long to wait, POOL_FOREVER, or 0: do not block
 * @param data        receives the result's bytes, which live until the next call; NULL without one
 * @param len         receives how many; may be NULL
 * @param index       receives the item's number, from 0, also of one that has failed; may be NULL
 * @return POOL_OK; POOL_ERR_TASK, POOL_ERR_WORKER_LOST, POOL_ERR_CANCELLED and others of
 *         future_result: how this item has ended, pool_map_error has the words, and the next call goes
 *         on with the next item; POOL_ERR_END: there are no more; POOL_ERR_TIMEOUT: the same item
 *         comes next time, but for good when the deadline of the whole has passed;
 *         POOL_ERR_CLOSED: the pool is; what the source answered instead of an item, once;
 *         POOL_ERR_STATE: another call with the map is under way; POOL_ERR_INVALID;
 *         POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_map_next(pool_map_t *map,
                            int64_t timeout_ms,
                            const void **data,
                            size_t *len,
                            uint64_t *index);

/**
 * What went wrong with the item that pool_map_next has answered last, in numbers and words.
 *
 * @param error  filled in; its status is POOL_OK when the item completed
 * @return POOL_OK: error is filled in; POOL_ERR_STATE: another call with the map is under way;
 *         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API pool_status_t pool_map_error(pool_map_t *map, pool_error_t *error);

/**
 * Cancels the items that wait, and takes no more from the source: pool_map_next then answers those that
 * were cancelled with POOL_ERR_CANCELLED, and the others with their results. From any thread.
 *
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_map_cancel(pool_map_t *map);

/**
 * Frees the map. Items that wait are cancelled; those that run go on, and their results are dropped.
 * NULL is ignored. No call with the map may be under way.
 */
CARPOOL_API
void pool_map_free(pool_map_t *map);

/**
 * Submits one task that runs a function for n items of an array: for those who divide a map
 * themselves. Its result is n results of result_size bytes, one behind the other. It fails as the
 * first item does that fails, and the items behind that are not run.
 *
 * @param out  receives the future, to be given to future_free
 * @return as pool_submit
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
 * How many chunks there are of n items, so many in each and the rest in the last; 0 when chunk_size
 * is 0.
 */
CARPOOL_API
size_t pool_chunk_count(size_t n,
                        size_t chunk_size);

/**
 * Where a chunk of n items begins and ends.
 *
 * @param i      which: 0 to pool_chunk_count - 1
 * @param begin  receives its first item; may be NULL
 * @param end    receives the item behind its last; may be NULL
 * @return       whether there is such a chunk
 */
CARPOOL_API
bool pool_chunk_bounds(size_t n,
                       size_t chunk_size,
                       size_t i,
                       size_t *begin,
                       size_t *end);

/* ---- looking --------------------------------------------------------------------------------- */

/** How many workers there are; 0 for a handle that is not valid. */
CARPOOL_API uint32_t pool_count_workers(const pool_t *pool);

/** How many workers run a task; 0 for a handle that is not valid. */
CARPOOL_API uint32_t pool_count_busy_workers(const pool_t *pool);

/** How many workers run no task; 0 for a handle that is not valid. */
CARPOOL_API uint32_t pool_count_free_workers(const pool_t *pool);

/** How many tasks wait for a worker; 0 for a handle that is not valid. */
CARPOOL_API uint64_t pool_count_pending_tasks(const pool_t *pool);

/** The pool's state, bits of enum pool_state_bit; 0: open, or not a valid handle. */
CARPOOL_API uint32_t pool_state(const pool_t *pool);

/**
 * The workers that there are, by their places.
 *
 * @param workers   room for capacity of them, the first with its struct_size set; may be NULL when
 *                  capacity is 0
 * @param capacity  how many there is room for
 * @param n         receives how many workers there are, also when they are more; may be NULL
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_VERSION: struct_size is not one that this library
 *         knows; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_workers(const pool_t *pool,
                           pool_worker_info_t *workers,
                           size_t capacity,
                           size_t *n);

/**
 * The options that hold: those that pool_new was given, with the defaults in place of zeros, and what
 * has been changed since, by pool_set_limits for example.
 *
 * @param options  filled in; struct_size must be set. What it points to lives until pool_free
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_VERSION: struct_size is not one that this library
 *         knows; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_get_options(const pool_t *pool,
                               pool_options_t *options);

/**
 * How many tasks were cancelled because the pool was shut down or broken, those not counted that
 * were cancelled one by one; 0 for a handle that is not valid.
 */
CARPOOL_API
size_t pool_cancelled_count(const pool_t *pool);

/**
 * One of the tasks that were cancelled because the pool was shut down or broken.
 *
 * @param i     which: 0 to pool_cancelled_count - 1, in no particular order
 * @param task  filled in; struct_size must be set. What it points to lives until pool_free
 * @return POOL_OK; POOL_ERR_INVALID: also when there is no such task; POOL_ERR_VERSION: struct_size
 *         is not one that this library knows; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_cancelled_task(const pool_t *pool,
                                  size_t i,
                                  pool_cancelled_t *task);

/**
 * What the tasks and workers of a pool have done: counters, and histograms of durations.
 *
 * @param stats  filled in; struct_size must be set
 * @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_VERSION: struct_size is not one that this library
 *         knows; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API pool_status_t pool_stats(const pool_t *pool, pool_stats_t *stats);

/**
 * All there is to tell of a pool, as a JSON object: its settings, its workers and what they run, its
 * state, how many tasks each place was given ("writes"), and its statistics.
 *
 * @param buf       receives the text in UTF-8, and a NUL; may be NULL when capacity is 0
 * @param capacity  the bytes of buf
 * @param len       receives the length of the text without the NUL, also when it does not fit; may be
 *                  NULL
 * @return POOL_OK; POOL_ERR_TOO_LARGE: capacity is not above len, and no more than a NUL was
 *         written; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_info_json(const pool_t *pool,
                             char *buf,
                             size_t capacity,
                             size_t *len);

/**
 * A descriptor for an event loop of yours: readable (level-triggered) while callbacks are due. For poll, epoll,
 * libuv, GLib, asyncio and their like. The pool owns it; take it out of the loop before pool_free.
 *
 * @return the descriptor; -1: the pool was not made with POOL_DRIVER_EXTERNAL, or the handle is not valid
 */
CARPOOL_API
int32_t pool_fd(pool_t *pool);

/**
 * How long the event loop may wait for pool_fd before it has to call pool_process_events, in milliseconds.
 *
 * @return 0: callbacks are due; POOL_FOREVER: none are, and none will be before pool_fd is readable, for the pool
 *         keeps its times itself; also where pool_fd answers -1
 */
CARPOOL_API
int64_t pool_next_timeout_ms(pool_t *pool);

/**
 * Runs the callbacks that are due, in order, in this thread; those that become due meanwhile are left to the next
 * call. Does not wait. Called from a callback, or while another thread is in it: nothing is run, for callbacks
 * run one after the other.
 *
 * @param n  receives how many were run; may be NULL
 * @return POOL_OK; POOL_ERR_STATE: the pool was not made with POOL_DRIVER_EXTERNAL; POOL_ERR_INVALID;
 *         POOL_ERR_WRONG_PROCESS
 */
CARPOOL_API
pool_status_t pool_process_events(pool_t *pool,
                                  uint32_t *n);

/* ---- the process ----------------------------------------------------------------------------- */

/**
 * To be called first in main by a program that may be started as its own worker:
 *
 *     int main(int argc, char **argv) {
 *         int code = pool_worker_main(argc, argv);
 *         if (code >= 0) return code;
 *         ...
 *
 * Programs that are linked dynamically need not call it: a worker process never reaches their
 * main. One that is linked with -static needs it, and so does a worker_executable of one's own.
 *
 * @return -1 in a program that was not started as a worker; else the exit code, after the worker's
 *         work is done
 */
CARPOOL_API
int pool_worker_main(int argc,
                     char **argv);

/**
 * Shuts all pools of this process down that are open, at the same time; see pool_shutdown.
 *
 * @param mode        see enum pool_stop
 * @param timeout_ms  how long to wait for all together, POOL_FOREVER, or 0: do not block
 * @return POOL_OK; POOL_ERR_TIMEOUT; POOL_ERR_DEADLOCK: called from a task or a callback of one of
 *         them, which was left out; POOL_ERR_INVALID
 */
CARPOOL_API
pool_status_t pool_shutdown_all(pool_stop_t mode,
                                int64_t timeout_ms);

/**
 * Has a function called once when the program exits, before the pools that are still open are shut
 * down; several in the order in which they were added. A forked child does not inherit them.
 *
 * @param function  what to call
 * @param user      its argument
 * @param drop      called once with user after the call, or when the function is removed, or when this
 *                  call fails; may be NULL
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
 * @return POOL_OK: it will not be called; POOL_ERR_INVALID: there is none with this number, or it
 *         has been called
 */
CARPOOL_API
pool_status_t pool_remove_at_exit(uint64_t id);

/** How many pools there are that have not been freed. */
CARPOOL_API size_t pool_count_live(void);

/**
 * How many CPUs this process may use: the least of its affinity mask and its cgroup's quota; at
 * least 1.
 */
CARPOOL_API uint32_t pool_available_cpus(void);

/** The version of the library that is loaded: MAJOR * 1000000 + MINOR * 1000 + PATCH. */
CARPOOL_API uint32_t pool_version(void);

/** The version of the library that is loaded, such as "0.1.0". Not to be freed. */
CARPOOL_API const char *pool_version_string(void);

/**
 * The name of a status, such as "POOL_ERR_TIMEOUT"; "POOL_ERR_?" for a number that is none. Not to
 * be freed.
 */
CARPOOL_API
const char *pool_status_name(pool_status_t status);

/**
 * A status in words, such as "the time given has passed"; "unknown status" for a number that is
 * none. Not to be freed.
 */
CARPOOL_API const char *pool_status_string(pool_status_t status);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* CARPOOL_H */

/* ---- fresh structs ---------------------------------------------------------------------------
 *
 *     pool_options_t options = POOL_OPTIONS_INIT;
 *     pool_call_t call = POOL_CALL_INIT;
 *     pool_map_options_t map_options = POOL_MAP_INIT;
 *     pool_stats_t stats = POOL_STATS_INIT;
 */
#ifndef POOL_OPTIONS_INIT
#ifdef __cplusplus
static inline pool_options_t pool_options_init() {
    pool_options_t options = pool_options_t();
    options.struct_size = sizeof options;
    return options;
}
static inline pool_call_t pool_call_init() {
    pool_call_t call = pool_call_t();
    call.struct_size = sizeof call;
    return call;
}
static inline pool_map_options_t pool_map_options_init() {
    pool_map_options_t options = pool_map_options_t();
    options.struct_size = sizeof options;
    return options;
}
static inline pool_stats_t pool_stats_init() {
    pool_stats_t stats = pool_stats_t();
    stats.struct_size = sizeof stats;
    return stats;
}
#define POOL_OPTIONS_INIT (pool_options_init())
#define POOL_CALL_INIT (pool_call_init())
#define POOL_MAP_INIT (pool_map_options_init())
#define POOL_STATS_INIT (pool_stats_init())
#else
#define POOL_OPTIONS_INIT { .struct_size = sizeof(pool_options_t) }
#define POOL_CALL_INIT { .struct_size = sizeof(pool_call_t) }
#define POOL_MAP_INIT { .struct_size = sizeof(pool_map_options_t) }
#define POOL_STATS_INIT { .struct_size = sizeof(pool_stats_t) }
#endif

/* ---- pools of a fixed size: pool_new_fixed by other names ------------------------------------- */

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
