/* carpool.cdef.h - the declarations of carpool.h for the C parsers of other languages (cffi, LuaJIT,
 * PHP): without macros, inline functions and comments. Generated; see carpool.h.
 *
 * Licence: MIT OR Apache-2.0. */
enum { POOL_VERSION_MAJOR = 0 };
enum { POOL_VERSION_MINOR = 1 };
enum { POOL_VERSION_PATCH = 0 };
enum { POOL_FOREVER = -1 };
enum { POOL_NOW = -2 };
enum { POOL_PRIORITY_MIN = -8 };
enum { POOL_PRIORITY_MAX = 7 };
enum pool_status {
    POOL_OK = 0,
    POOL_ERR_INVALID = 1,
    POOL_ERR_NOMEM = 2,
    POOL_ERR_OS = 3,
    POOL_ERR_TIMEOUT = 4,
    POOL_ERR_CLOSED = 5,
    POOL_ERR_BROKEN = 6,
    POOL_ERR_INITIALIZER = 7,
    POOL_ERR_FINALIZER = 8,
    POOL_ERR_CANCELLED = 9,
    POOL_ERR_TASK = 10,
    POOL_ERR_WORKER_LOST = 11,
    POOL_ERR_HARD_LIMIT = 12,
    POOL_ERR_TERMINATED = 13,
    POOL_ERR_RESTARTS = 14,
    POOL_ERR_FULL = 15,
    POOL_ERR_TOO_LARGE = 16,
    POOL_ERR_FUNCTION = 17,
    POOL_ERR_DEADLOCK = 18,
    POOL_ERR_WRONG_PROCESS = 19,
    POOL_ERR_NOT_DONE = 20,
    POOL_ERR_STATE = 21,
    POOL_ERR_END = 22,
    POOL_ERR_UNSUPPORTED = 23,
    POOL_ERR_EXPIRED = 24,
    POOL_ERR_VERSION = 25,
};
enum pool_kind {
    POOL_PROCESS = 0,
    POOL_THREAD = 1,
    POOL_INLINE = 2,
};
enum pool_start {
    POOL_SPAWN = 0,
    POOL_FORKSERVER = 1,
    POOL_FORK = 2,
};
enum pool_stop {
    POOL_STOP_CANCEL = 0,
    POOL_STOP_DRAIN = 1,
    POOL_STOP_KILL = 2,
};
enum pool_cancel {
    POOL_CANCEL_QUEUED = 0,
    POOL_CANCEL_RUNNING = 1,
};
enum pool_wait {
    POOL_WAIT_ALL = 0,
    POOL_WAIT_FIRST = 1,
    POOL_WAIT_FIRST_ERROR = 2,
};
enum pool_on_worker_lost {
    POOL_LOST_FAIL_TASK = 0,
    POOL_LOST_RETRY = 1,
    POOL_LOST_BREAK = 2,
};
enum pool_exit {
    POOL_EXIT_CANCEL = 0,
    POOL_EXIT_DRAIN = 1,
    POOL_EXIT_KILL = 2,
    POOL_EXIT_NONE = 3,
};
enum pool_sched {
    POOL_SCHED_FIFO = 0,
    POOL_SCHED_PREFETCH = 1,
};
enum pool_sandbox {
    POOL_SANDBOX_NONE = 0,
    POOL_SANDBOX_COMPUTE = 1,
};
enum pool_isolation {
    POOL_SHARED = 0,
    POOL_ISOLATED = 1,
};
enum pool_driver {
    POOL_DRIVER_INTERNAL = 0,
    POOL_DRIVER_EXTERNAL = 1,
};
enum pool_log_level {
    POOL_LOG_ERROR = 1,
    POOL_LOG_WARNING = 2,
    POOL_LOG_INFO = 3,
    POOL_LOG_DEBUG = 4,
};
enum future_state {
    FUTURE_PENDING = 1,
    FUTURE_RUNNING = 2,
    FUTURE_COMPLETED = 3,
    FUTURE_FAILED = 4,
    FUTURE_CANCELLED = 5,
};
enum pool_state_bit {
    POOL_STATE_CLOSED = 1,
    POOL_STATE_BROKEN = 2,
    POOL_STATE_TERMINATED = 4,
    POOL_STATE_JOINING = 8,
    POOL_STATE_PAUSED = 16,
};
enum pool_on_error {
    POOL_ON_ERROR_CONTINUE = 0,
    POOL_ON_ERROR_STOP = 1,
    POOL_ON_ERROR_CANCEL_REST = 2,
};
enum pool_worker_state {
    POOL_WORKER_STARTING = 1,
    POOL_WORKER_IDLE = 2,
    POOL_WORKER_BUSY = 3,
    POOL_WORKER_STOPPING = 4,
};
enum pool_shrink {
    POOL_SHRINK_IDLE = 0,
    POOL_SHRINK_WHEN_IDLE = 1,
};
enum pool_restart {
    POOL_RESTART_GRACEFUL = 0,
    POOL_RESTART_NOW = 1,
};
enum pool_event_kind {
    POOL_EVENT_STARTING = 1,
    POOL_EVENT_READY = 2,
    POOL_EVENT_EXITED = 3,
};
enum pool_exit_reason {
    POOL_EXITED_NONE = 0,
    POOL_EXITED_REQUESTED = 1,
    POOL_EXITED_IDLE_TIMEOUT = 2,
    POOL_EXITED_MAX_TASKS = 3,
    POOL_EXITED_MAX_MEMORY = 4,
    POOL_EXITED_RESTARTED = 5,
    POOL_EXITED_SHRUNK = 6,
    POOL_EXITED_LOST = 7,
    POOL_EXITED_TIME_LIMIT = 8,
    POOL_EXITED_CANCELLED = 9,
    POOL_EXITED_KILLED = 10,
    POOL_EXITED_START_FAILED = 11,
    POOL_EXITED_NEEDS_MAIN_PROGRAM = 12,
    POOL_EXITED_HOOK_FAILED = 13,
    POOL_EXITED_RETIRED = 14,
};
typedef struct future_set_t future_set_t;
typedef struct future_t future_t;
typedef struct pool_buffer_t pool_buffer_t;
typedef struct pool_map_t pool_map_t;
typedef struct pool_t pool_t;
typedef struct pool_task_t pool_task_t;
typedef int32_t pool_status_t;
typedef int32_t pool_kind_t;
typedef int32_t pool_start_t;
typedef int32_t (*pool_task_fn)(pool_task_t *task);
typedef struct pool_function_t {
    pool_task_fn pointer;
    const char *module;
    const char *symbol;
    const void *args;
    size_t len;
} pool_function_t;
typedef int32_t pool_on_worker_lost_t;
typedef int32_t pool_exit_t;
typedef int32_t pool_sched_t;
typedef int32_t pool_log_level_t;
typedef void (*pool_log_fn)(pool_log_level_t level, const char *message, void *user);
typedef int32_t pool_event_kind_t;
typedef int32_t pool_exit_reason_t;
typedef struct pool_event_t {
    size_t struct_size;
    pool_event_kind_t kind;
    uint32_t worker;
    uint64_t id;
    int64_t pid;
    pool_exit_reason_t reason;
    int32_t exit_code;
    int32_t signal;
    const char *message;
} pool_event_t;
typedef void (*pool_event_fn)(const pool_event_t *event, void *user);
typedef void (*pool_drop_fn)(void *user);
typedef int32_t pool_driver_t;
typedef struct pool_rlimit_t {
    int32_t resource;
    uint64_t soft;
    uint64_t hard;
} pool_rlimit_t;
typedef void (*pool_tick_fn)(void *user);
typedef int32_t pool_sandbox_t;
typedef int32_t pool_isolation_t;
typedef struct pool_options_t {
    size_t struct_size;
    const char *name;
    pool_kind_t kind;
    pool_start_t start;
    uint32_t min_workers;
    uint32_t max_workers;
    int64_t idle_timeout_ms;
    pool_function_t initializer;
    pool_function_t finalizer;
    uint64_t max_tasks_per_worker;
    uint64_t max_memory_per_worker;
    uint64_t max_pending;
    int64_t soft_limit_ms;
    int64_t hard_limit_ms;
    int64_t start_timeout_ms;
    int64_t kill_grace_ms;
    pool_on_worker_lost_t on_worker_lost;
    uint32_t retries;
    uint32_t max_restarts;
    int64_t restart_window_ms;
    pool_exit_t at_exit;
    pool_sched_t sched;
    const char *worker_executable;
    const char *const *env;
    const char *const *modules;
    const char *cwd;
    pool_log_fn log;
    pool_event_fn on_event;
    void *user;
    pool_drop_fn drop;
    pool_driver_t driver;
    int64_t initializer_timeout_ms;
    int64_t finalizer_timeout_ms;
    bool fork_with_threads;
    const char *const *preload;
    const int32_t *inherit_fds;
    size_t n_inherit_fds;
    const char *worker_stdin;
    uint64_t memory_limit_per_worker;
    const uint32_t *worker_cpus;
    size_t n_worker_cpus;
    const pool_rlimit_t *rlimits;
    size_t n_rlimits;
    int32_t nice;
    int32_t oom_score_adj;
    uint32_t uid;
    uint32_t gid;
    bool no_new_privs;
    const void *seccomp_filter;
    size_t seccomp_len;
    int32_t soft_limit_signal;
    pool_tick_fn on_tick;
    int64_t tick_ms;
    pool_sandbox_t sandbox;
    pool_isolation_t isolation;
} pool_options_t;
typedef struct pool_error_t {
    pool_status_t status;
    int32_t task_code;
    int32_t os_errno;
    int32_t exit_code;
    int32_t signal;
    int64_t worker_pid;
    char message[216];
} pool_error_t;
typedef void (*pool_accept_fn)(uint32_t worker, int64_t pid, void *user);
typedef void (*future_done_fn)(future_t *future, void *user);
typedef void (*pool_timeout_fn)(future_t *future, bool soft, int64_t limit_ms, void *user);
typedef struct pool_call_t {
    size_t struct_size;
    pool_function_t task;
    pool_buffer_t *buffer;
    int64_t soft_limit_ms;
    int64_t hard_limit_ms;
    int64_t start_deadline_ms;
    int64_t submit_timeout_ms;
    uint32_t retries;
    int32_t priority;
    uint64_t tag;
    pool_accept_fn on_accept;
    future_done_fn on_done;
    pool_timeout_fn on_timeout;
    void *user;
    pool_drop_fn drop;
} pool_call_t;
typedef int32_t pool_stop_t;
typedef int32_t pool_shrink_t;
typedef int32_t pool_restart_t;
typedef int32_t future_state_t;
typedef int32_t pool_cancel_t;
typedef int32_t pool_wait_t;
typedef int32_t pool_on_error_t;
typedef void (*pool_progress_fn)(uint64_t done, uint64_t total, void *user);
typedef struct pool_map_options_t {
    size_t struct_size;
    size_t chunk_size;
    size_t window;
    bool unordered;
    pool_on_error_t on_error;
    int64_t deadline_ms;
    int64_t item_hard_limit_ms;
    pool_progress_fn on_progress;
    void *user;
} pool_map_options_t;
typedef struct pool_array_t {
    const void *items;
    size_t item_size;
    size_t n;
} pool_array_t;
typedef pool_status_t (*pool_source_fn)(void *user, const void **item, size_t *len);
typedef int32_t pool_worker_state_t;
typedef struct pool_worker_info_t {
    size_t struct_size;
    uint32_t index;
    uint64_t id;
    int64_t pid;
    pool_worker_state_t state;
    uint64_t task_id;
    char function[64];
    int64_t running_ms;
    uint64_t tasks_done;
    uint64_t restarts;
    uint64_t resident_bytes;
    pool_exit_reason_t last_exit_reason;
    int32_t last_exit_code;
    int32_t last_signal;
} pool_worker_info_t;
typedef struct pool_cancelled_t {
    size_t struct_size;
    uint64_t id;
    uint64_t tag;
    pool_function_t task;
} pool_cancelled_t;
typedef struct pool_stats_t {
    size_t struct_size;
    uint64_t tasks_submitted;
    uint64_t tasks_completed;
    uint64_t tasks_failed;
    uint64_t tasks_cancelled;
    uint64_t tasks_lost;
    uint64_t tasks_retried;
    uint64_t soft_limits;
    uint64_t hard_limits;
    uint64_t workers_started;
    uint64_t workers_lost;
    uint64_t args_bytes;
    uint64_t result_bytes;
    uint64_t queue_total_ns;
    uint64_t run_total_ns;
    uint64_t queue_ns[64];
    uint64_t run_ns[64];
} pool_stats_t;
typedef void (*pool_exit_fn)(void *user);
pool_status_t pool_new(const pool_options_t *options,
                       pool_t **out,
                       pool_error_t *error);
pool_status_t pool_new_fixed(pool_kind_t kind,
                             uint32_t n,
                             const pool_options_t *options,
                             pool_t **out,
                             pool_error_t *error);
void pool_free(pool_t *pool);
pool_status_t pool_submit(pool_t *pool,
                          pool_task_fn function,
                          const void *args,
                          size_t len,
                          future_t **out);
pool_status_t pool_submit_symbol(pool_t *pool,
                                 const char *module,
                                 const char *symbol,
                                 const void *args,
                                 size_t len,
                                 future_t **out);
pool_status_t pool_submit_call(pool_t *pool,
                               const pool_call_t *call,
                               future_t **out);
pool_status_t pool_submit_many(pool_t *pool,
                               pool_task_fn function,
                               const void *items,
                               size_t item_size,
                               size_t n,
                               future_t **futures,
                               size_t *submitted);
pool_status_t pool_run(pool_t *pool,
                       pool_task_fn function,
                       const void *args,
                       size_t len,
                       int64_t timeout_ms,
                       void *result,
                       size_t capacity,
                       size_t *result_len);
pool_status_t pool_buffer_new(pool_t *pool,
                              size_t len,
                              pool_buffer_t **out,
                              void **data);
void pool_buffer_free(pool_buffer_t *buffer);
pool_status_t pool_check(pool_t *pool,
                         pool_error_t *error);
pool_status_t pool_test(pool_t *pool, int64_t timeout_ms, pool_error_t *error);
pool_status_t pool_close(pool_t *pool);
pool_status_t pool_join(pool_t *pool,
                        int64_t timeout_ms);
pool_status_t pool_wait_idle(pool_t *pool,
                             int64_t timeout_ms);
pool_status_t pool_shutdown(pool_t *pool,
                            pool_stop_t mode,
                            int64_t timeout_ms);
pool_status_t pool_cancel_pending(pool_t *pool,
                                  uint64_t *n);
pool_status_t pool_spawn_workers(pool_t *pool,
                                 int64_t n,
                                 uint32_t *spawned);
pool_status_t pool_spawn_max_workers(pool_t *pool, uint32_t *spawned);
pool_status_t pool_set_idle_timeout(pool_t *pool,
                                    int64_t ms);
pool_status_t pool_set_limits(pool_t *pool,
                              int64_t soft_ms,
                              int64_t hard_ms);
pool_status_t pool_wait_ready(pool_t *pool,
                              uint32_t n,
                              int64_t timeout_ms);
pool_status_t pool_grow(pool_t *pool,
                        uint32_t n);
pool_status_t pool_shrink(pool_t *pool,
                          uint32_t n,
                          pool_shrink_t mode);
pool_status_t pool_resize(pool_t *pool,
                          uint32_t max_workers,
                          int64_t timeout_ms);
pool_status_t pool_pause(pool_t *pool);
pool_status_t pool_resume(pool_t *pool);
pool_status_t pool_restart(pool_t *pool,
                           pool_restart_t mode);
pool_status_t pool_terminate(pool_t *pool,
                             int64_t grace_ms);
pool_status_t pool_request_stop(pool_t *pool,
                                pool_stop_t mode);
const void *pool_task_args(const pool_task_t *task,
                           size_t *len);
void *pool_task_result(pool_task_t *task,
                       size_t len);
int32_t pool_task_return(pool_task_t *task,
                         const void *data,
                         size_t len);
int32_t pool_task_fail(pool_task_t *task,
                       int32_t code,
                       const char *message);
int32_t pool_task_fail_bytes(pool_task_t *task,
                             int32_t code,
                             const char *message,
                             const void *data,
                             size_t len);
void pool_task_retire(pool_task_t *task);
pool_task_t *pool_current_task(void);
bool pool_task_cancelled(const pool_task_t *task);
bool pool_task_soft_expired(const pool_task_t *task);
void pool_task_progress(pool_task_t *task,
                        uint64_t done,
                        uint64_t total);
uint64_t pool_task_id(const pool_task_t *task);
uint32_t pool_task_worker(const pool_task_t *task);
void **pool_task_state(pool_task_t *task);
pool_status_t future_wait(future_t *future,
                          int64_t timeout_ms);
pool_status_t future_result(future_t *future,
                            const void **data,
                            size_t *len);
pool_status_t future_collect(future_t *future,
                             int64_t timeout_ms,
                             const void **data,
                             size_t *len);
pool_status_t future_error(future_t *future,
                           pool_error_t *error);
pool_status_t future_failure(future_t *future,
                             const void **data,
                             size_t *len);
future_state_t future_state(const future_t *future);
bool future_is_done(const future_t *future);
pool_status_t future_cancel(future_t *future,
                            pool_cancel_t mode);
bool future_cancel_requested(const future_t *future);
uint64_t future_id(const future_t *future);
uint64_t future_tag(const future_t *future);
future_t *pool_find_future(pool_t *pool,
                           uint64_t id);
pool_t *future_pool(const future_t *future);
pool_status_t future_duration(const future_t *future,
                              uint64_t *queued_ns,
                              uint64_t *running_ns);
pool_status_t future_progress(const future_t *future,
                              uint64_t *done,
                              uint64_t *total);
void future_free(future_t *future);
void future_free_many(future_t *const *futures, size_t n);
pool_status_t future_wait_many(future_t *const *futures,
                               size_t n,
                               pool_wait_t mode,
                               int64_t timeout_ms,
                               size_t *n_done);
pool_status_t future_collect_many(future_t *const *futures,
                                  size_t n,
                                  int64_t timeout_ms,
                                  const void **data,
                                  size_t *lens);
pool_status_t future_on_done(future_t *future,
                             future_done_fn function,
                             void *user,
                             pool_drop_fn drop,
                             uint64_t *id);
pool_status_t future_remove_callback(future_t *future,
                                     uint64_t id);
pool_status_t future_set_new(future_set_t **out);
pool_status_t future_set_add(future_set_t *set,
                             future_t *future);
pool_status_t future_set_next(future_set_t *set,
                              int64_t timeout_ms,
                              future_t **out);
pool_status_t future_set_next_many(future_set_t *set,
                                   int64_t timeout_ms,
                                   future_t **futures,
                                   size_t n,
                                   size_t *taken);
int32_t future_set_fd(future_set_t *set);
void future_set_free(future_set_t *set);
pool_status_t future_new_promise(future_t **out);
pool_status_t future_resolve(future_t *future,
                             const void *data,
                             size_t len);
pool_status_t future_reject(future_t *future, int32_t code, const char *message);
pool_status_t pool_map(pool_t *pool,
                       pool_task_fn function,
                       const void *items,
                       size_t item_size,
                       size_t n,
                       const pool_map_options_t *options,
                       void *results,
                       size_t result_size,
                       pool_status_t *item_status);
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
pool_status_t pool_map_zip(pool_t *pool,
                           pool_task_fn function,
                           const pool_array_t *arrays,
                           size_t n_arrays,
                           const pool_map_options_t *options,
                           void *results,
                           size_t result_size,
                           pool_status_t *item_status,
                           size_t *n_items);
pool_status_t pool_map_start(pool_t *pool,
                             pool_task_fn function,
                             pool_source_fn source,
                             void *user,
                             const pool_map_options_t *options,
                             pool_map_t **out);
pool_status_t pool_map_next(pool_map_t *map,
                            int64_t timeout_ms,
                            const void **data,
                            size_t *len,
                            uint64_t *index);
pool_status_t pool_map_error(pool_map_t *map,
                             pool_error_t *error);
pool_status_t pool_map_cancel(pool_map_t *map);
void pool_map_free(pool_map_t *map);
pool_status_t pool_submit_chunk(pool_t *pool,
                                pool_task_fn function,
                                const void *items,
                                size_t item_size,
                                size_t n,
                                size_t result_size,
                                future_t **out);
size_t pool_chunk_count(size_t n, size_t chunk_size);
bool pool_chunk_bounds(size_t n,
                       size_t chunk_size,
                       size_t i,
                       size_t *begin,
                       size_t *end);
uint32_t pool_count_workers(const pool_t *pool);
uint32_t pool_count_busy_workers(const pool_t *pool);
uint32_t pool_count_free_workers(const pool_t *pool);
uint64_t pool_count_pending_tasks(const pool_t *pool);
uint32_t pool_state(const pool_t *pool);
pool_status_t pool_workers(const pool_t *pool,
                           pool_worker_info_t *workers,
                           size_t capacity,
                           size_t *n);
pool_status_t pool_get_options(const pool_t *pool,
                               pool_options_t *options);
size_t pool_cancelled_count(const pool_t *pool);
pool_status_t pool_cancelled_task(const pool_t *pool,
                                  size_t i,
                                  pool_cancelled_t *task);
pool_status_t pool_stats(const pool_t *pool,
                         pool_stats_t *stats);
pool_status_t pool_info_json(const pool_t *pool,
                             char *buf,
                             size_t capacity,
                             size_t *len);
int32_t pool_fd(pool_t *pool);
int64_t pool_next_timeout_ms(pool_t *pool);
pool_status_t pool_process_events(pool_t *pool,
                                  uint32_t *n);
int pool_worker_main(int argc,
                     char **argv);
pool_status_t pool_shutdown_all(pool_stop_t mode,
                                int64_t timeout_ms);
pool_status_t pool_at_exit(pool_exit_fn function,
                           void *user,
                           pool_drop_fn drop,
                           uint64_t *id);
pool_status_t pool_remove_at_exit(uint64_t id);
size_t pool_count_live(void);
uint32_t pool_available_cpus(void);
uint32_t pool_version(void);
const char *pool_version_string(void);
const char *pool_status_name(pool_status_t status);
const char *pool_status_string(pool_status_t status);
pool_status_t pool_options_init(pool_options_t *options,
                                size_t size);
pool_status_t pool_call_init(pool_call_t *call, size_t size);
pool_status_t pool_map_options_init(pool_map_options_t *options, size_t size);
pool_status_t pool_stats_init(pool_stats_t *stats, size_t size);
pool_status_t pool_options_set(pool_options_t *options,
                               const char *name,
                               const char *value,
                               pool_error_t *error);
pool_status_t pool_call_set(pool_call_t *call,
                            const char *name,
                            const char *value,
                            pool_error_t *error);
pool_status_t pool_map_options_set(pool_map_options_t *options,
                                   const char *name,
                                   const char *value,
                                   pool_error_t *error);
