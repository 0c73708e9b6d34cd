/* Calls with NULL, foreign, freed, changed and wrong handles, odd sizes and odd options, from several threads at once,
 * return errors: the program neither crashes nor hangs, and leaves nothing behind. Each round runs in a process of
 * its own, so that a crash is reported with its seed. ENDURANCE_SECONDS sets how long.
 *
 * The one rule for callers is kept: nothing is freed while a call with it is in progress. */
#include "endurance.h"
#include <pthread.h>
#include <sys/wait.h>

enum { THREADS = 4, HANDLES = 32, STALE = 256, ROUND_MS = 700, HANG_S = 60, ROOM = 1 << 20 };

enum type { POOLS, FUTURES, SETS, MAPS, BUFFERS, TYPES };

static _Atomic uintptr_t handles[TYPES][HANDLES], stale[STALE];
static _Atomic uint32_t stale_count;
static pthread_rwlock_t in_use = PTHREAD_RWLOCK_INITIALIZER;
static pool_options_t kind_of_pool;
static uint64_t end;
static char room[ROOM];

static const int64_t times[] = {0, 1, 3, POOL_NOW, -3, INT64_MIN};
static const size_t sizes[] = {0, 1, 7, 8, 63, 64, 65, 4095, 4096, 65536, 262144, 262145, ROOM};
static const size_t odd_sizes[] = {0, 1, 64, 4096, (size_t)1 << 31, (size_t)1 << 40, SIZE_MAX / 2, SIZE_MAX - 7, SIZE_MAX};

#define ANY(array) ((array)[random_below(seed, COUNT_OF(array))])
#define ONE_OF(...) (((const int64_t[]){__VA_ARGS__})[random_below(seed, sizeof((int64_t[]){__VA_ARGS__}) / 8)])
#define POOL ((pool_t *)pick(POOLS, seed))
#define FUTURE ((future_t *)pick(FUTURES, seed))
#define SET ((future_set_t *)pick(SETS, seed))
#define MAP ((pool_map_t *)pick(MAPS, seed))
#define BUFFER ((pool_buffer_t *)pick(BUFFERS, seed))

/* ---- handles --------------------------------------------------------------------------------- */

static uintptr_t pick(enum type type, uint64_t *seed) {
    uintptr_t handle = atomic_load(&handles[type][random_below(seed, HANDLES)]);
    switch (random_below(seed, 16)) {
        case 0: return 0;
        case 1: return (uintptr_t)next_random(seed);
        case 2: return handle ^ (uintptr_t)1 << random_below(seed, 64);
        case 3: return handle + (uintptr_t)random_below(seed, 5) - 2;
        case 4: return atomic_load(&handles[random_below(seed, TYPES)][random_below(seed, HANDLES)]);
        case 5:
        case 6: return atomic_load(&stale[random_below(seed, STALE)]);
        default: return handle;
    }
}

static void release_handle(enum type type, uintptr_t handle) {
    switch (type) {
        case POOLS: pool_free((pool_t *)handle); break;
        case FUTURES: future_free((future_t *)handle); break;
        case SETS: future_set_free((future_set_t *)handle); break;
        case MAPS: pool_map_free((pool_map_t *)handle); break;
        case BUFFERS: pool_buffer_free((pool_buffer_t *)handle); break;
        case TYPES: break;
    }
    atomic_store(&stale[atomic_fetch_add(&stale_count, 1) % STALE], handle);
}

/* Keeps a new handle in a vacant place, or frees it if there is none. The caller holds the lock for calls. */
static void keep(enum type type, const void *handle, uint64_t *seed) {
    size_t first = random_below(seed, HANDLES);
    for (size_t i = 0; handle && i < HANDLES; i++) {
        uintptr_t vacant = 0;
        if (atomic_compare_exchange_strong(&handles[type][(first + i) % HANDLES], &vacant, (uintptr_t)handle)) return;
    }
    if (!handle) return;
    pthread_rwlock_unlock(&in_use);
    CHECK(pthread_rwlock_wrlock(&in_use) == 0);
    release_handle(type, (uintptr_t)handle);
    pthread_rwlock_unlock(&in_use);
    CHECK(pthread_rwlock_rdlock(&in_use) == 0);
}

/* Under the write lock. */
static void free_something(uint64_t *seed) {
    enum type type = (enum type)random_below(seed, TYPES);
    if (type == POOLS && random_below(seed, 4)) return; /* it takes longer */
    if (type == FUTURES && random_below(seed, 4) == 0) {
        future_t *some[3] = {FUTURE, FUTURE, NULL};
        future_free_many(some, 3);
        future_free_many(NULL, ANY(odd_sizes));
        for (size_t i = 0; i < 2; i++) atomic_store(&stale[atomic_fetch_add(&stale_count, 1) % STALE], (uintptr_t)some[i]);
        return;
    }
    if (random_below(seed, 4) == 0) {
        /* Whatever it is: it may be one of ours, which is stale from then on. */
        release_handle(type, pick(type, seed));
        return;
    }
    uintptr_t handle = atomic_exchange(&handles[type][random_below(seed, HANDLES)], 0);
    if (handle) release_handle(type, handle);
}

/* ---- tasks and callbacks ---------------------------------------------------------------------- */

static int32_t do_something(pool_task_t *task) {
    size_t len;
    const unsigned char *args = (const unsigned char *)pool_task_args(task, &len);
    if (pool_current_task() != task) return -1;
    switch (len ? args[0] % 12 : 0) {
        case 1: return pool_task_fail(task, (int32_t)len, len > 8 ? NULL : "words");
        case 2: return pool_task_return(task, args, len);
        case 3: return pool_task_result(task, SIZE_MAX) != NULL;
        case 4: pool_task_progress(task, len, 0); return 0;
        case 5: *pool_task_state(task) = task; return pool_task_return(task, NULL, 9);
        case 6:
            if (kind_of_pool.kind == POOL_PROCESS && len % 5 == 0) _exit(3);
            return 0;
        case 7: return pool_task_return(task, args, 0);
        case 8: return pool_task_fail_bytes(task, (int32_t)len, "words", args, len);
        case 9: return pool_task_fail_bytes(task, 1, NULL, NULL, len);
        case 10: pool_task_retire(task); return 0;
        default: return (int32_t)(pool_task_id(task) == 0 || pool_task_cancelled(task) || pool_task_soft_expired(task));
    }
}

/* The calls of a task, without one. */
static void use_no_task(void) {
    size_t len;
    CHECK(pool_current_task() == NULL);
    pool_task_args(NULL, &len), pool_task_result(NULL, 8), pool_task_return(NULL, room, 8);
    pool_task_fail(NULL, 1, "words"), pool_task_fail_bytes(NULL, 1, NULL, room, 8), pool_task_retire(NULL);
    pool_task_progress(NULL, 1, 2), pool_task_id(NULL), pool_task_worker(NULL), pool_task_state(NULL);
    pool_task_cancelled(NULL), pool_task_soft_expired(NULL);
}

static void note_done(future_t *future, void *user) {
    (void)user;
    future_state(future);
}

static void call_nothing(void *user) {
    (void)user;
}

static pool_status_t give_items(void *user, const void **item, size_t *len) {
    _Atomic uint32_t *given = (_Atomic uint32_t *)user;
    if (atomic_fetch_add(given, 1) % 50 == 49) return POOL_ERR_END;
    *item = room;
    *len = 16;
    return POOL_OK;
}

/* ---- calls ------------------------------------------------------------------------------------ */

static void touch(pool_status_t status, const void *data, size_t len) {
    if (status != POOL_OK || len == 0) return;
    CHECK(data != NULL);
    (void)*(volatile const char *)data;
    (void)((volatile const char *)data)[len - 1];
}

static void make_pool(uint64_t *seed) {
    pool_t *pool = NULL;
    pool_error_t error;
    pool_options_t options = kind_of_pool;
    options.max_workers = (uint32_t)ONE_OF(1, 1, 2, 3, 0, 1025, UINT32_MAX);
    options.min_workers = (uint32_t)ONE_OF(0, 0, 1, 2, UINT32_MAX);
    switch (random_below(seed, 24)) {
        case 0: options.struct_size = ANY(odd_sizes) % sizeof options; break;
        case 1: options.start = (int32_t)ONE_OF(0, 1, 2, 3, -1, INT32_MAX); break;
        case 2: options.kind = (int32_t)ONE_OF(-1, 3, INT32_MIN); break;
        case 3: options.idle_timeout_ms = ANY(times); break;
        case 4: options.max_tasks_per_worker = (uint64_t)ONE_OF(1, 2, -1); break;
        case 5: options.max_pending = (uint64_t)ONE_OF(1, 2, 7, -1); break;
        case 6: options.soft_limit_ms = ANY(times); break;
        case 7: options.hard_limit_ms = ANY(times); break;
        case 8: options.on_worker_lost = (int32_t)ONE_OF(0, 1, 2, 3, -1); break;
        case 9: options.retries = (uint32_t)ONE_OF(0, 1, UINT32_MAX); break;
        case 10: options.at_exit = (int32_t)ONE_OF(0, 1, 2, 3, 4, -1); break;
        case 11: options.sched = (int32_t)ONE_OF(0, 1, 2, -1); break;
        case 12: options.driver = (int32_t)ONE_OF(0, 1, 2, -1); break;
        case 13: options.n_inherit_fds = ANY(odd_sizes); break;
        case 14: options.n_rlimits = ANY(odd_sizes); break;
        case 15: options.memory_limit_per_worker = (uint64_t)ONE_OF(1, 4 << 20, 1 << 30, -1); break;
        case 16: options.sandbox = (int32_t)ONE_OF(0, 1, 2, -1); break;
        case 17: options.initializer.pointer = do_something; break;
        case 18: options.finalizer.len = ANY(odd_sizes); break;
        case 19: options.kill_grace_ms = ANY(times); break;
        case 20: options.isolation = (int32_t)ONE_OF(0, 1, 2, -1); break;
        default: break;
    }
    pool_new(&options, &pool, &error);
    keep(POOLS, pool, seed);
}

/* Options by name, as a language without structs sets them. */
static void make_pool_by_name(uint64_t *seed) {
    static const char *const names[] = {"max_workers", "min_workers", "kind", "start", "hard_limit_ms", "name", "sandbox",
                                        "retries", "nothing", "", NULL, "initializer", "tag", "priority", "chunk_size",
                                        "unordered", "module", "symbol", "struct_size"};
    static const char *const values[] = {"0", "1", "2", "-1", "18446744073709551616", "POOL_FOREVER", "POOL_NOW", "POOL_THREAD",
                                         "POOL_INLINE", "true", "", NULL, "words", "0x10", " 1", "1.5"};
    union {
        pool_options_t options;
        pool_call_t call;
        pool_map_options_t map;
        pool_stats_t stats;
        _Alignas(16) char bytes[4096];
    } any;
    pool_t *pool = NULL;
    pool_error_t error;
    size_t size = (size_t)ONE_OF(sizeof any.options, 1024, 4096, 0, 7, 4097, -1);
    memset(&any, (int)next_random(seed), sizeof any);
    switch (random_below(seed, 4)) {
        case 0: pool_call_init(&any.call, size), pool_call_set(&any.call, ANY(names), ANY(values), &error); return;
        case 1: pool_map_options_init(&any.map, size), pool_map_options_set(&any.map, ANY(names), ANY(values), NULL); return;
        case 2: pool_stats_init(&any.stats, size), pool_options_init(NULL, size), pool_options_set(NULL, "name", "", NULL); return;
        default: break;
    }
    if (pool_options_init(&any.options, size) != POOL_OK) return;
    any.options.kind = kind_of_pool.kind, any.options.start = kind_of_pool.start, any.options.max_workers = 1;
    any.options.fork_with_threads = true;
    for (uint64_t i = random_below(seed, 4); i > 0; i--) {
        pool_options_set(&any.options, ANY(names), ANY(values), ONE_OF(0, 1) ? &error : NULL);
    }
    pool_new(&any.options, &pool, &error);
    keep(POOLS, pool, seed);
}

static void submit_many(uint64_t *seed) {
    future_t *futures[8] = {NULL};
    size_t n = random_below(seed, 9), submitted = 0;
    switch (random_below(seed, 3)) {
        case 0: pool_submit_many(POOL, do_something, NULL, ANY(odd_sizes) | 1, ANY(odd_sizes), NULL, NULL); break;
        case 1: pool_submit_many(POOL, do_something, room, SIZE_MAX, 3, futures, &submitted); break;
        default: pool_submit_many(POOL, do_something, room, ANY(sizes) / 8, n, ONE_OF(0, 1, 1) ? futures : NULL, &submitted);
    }
    CHECK(submitted <= n);
    for (size_t i = 0; i < COUNT_OF(futures); i++) keep(FUTURES, futures[i], seed);
}

/* A pool is not left paused: a map that nobody resumes would never end. */
static void pause_for_a_moment(uint64_t *seed) {
    pool_t *pool = POOL;
    pool_call_t call = POOL_CALL_INIT;
    call.task.pointer = do_something;
    call.submit_timeout_ms = POOL_NOW; /* it may be full */
    pool_status_t status = pool_pause(pool);
    pool_submit_call(pool, &call, NULL);
    pool_wait_idle(pool, ANY(times));
    if (status == POOL_OK) pool_resume(pool);
}

static void submit_something(uint64_t *seed) {
    future_t *future = NULL;
    void *data = NULL;
    pool_buffer_t *buffer = NULL;
    size_t len = ANY(sizes);
    room[0] = (char)next_random(seed);
    switch (random_below(seed, 7)) {
        case 0: pool_submit(POOL, do_something, room, len, &future); break;
        case 1: pool_submit(POOL, do_something, NULL, ANY(odd_sizes), &future); break;
        case 2: pool_submit(POOL, NULL, room, len, NULL); break;
        case 3: pool_submit_symbol(POOL, NULL, ONE_OF(0, 1) ? "nothing" : NULL, room, len, &future); break;
        case 4:
            if (pool_buffer_new(POOL, ANY(odd_sizes), &buffer, &data) == POOL_OK) keep(BUFFERS, buffer, seed);
            break;
        case 5:
            if (pool_buffer_new(POOL, len, &buffer, &data) != POOL_OK) break;
            memset(data, (int)len, len);
            keep(BUFFERS, buffer, seed);
            break;
        default: {
            pool_call_t call = POOL_CALL_INIT;
            call.task.pointer = ONE_OF(0, 1, 1) ? do_something : NULL;
            call.task.args = ONE_OF(0, 1) ? room : NULL;
            call.task.len = call.task.args ? len : ANY(odd_sizes);
            call.buffer = ONE_OF(0, 1) ? BUFFER : NULL;
            if (call.buffer) call.task.args = NULL, call.task.len = 0;
            call.soft_limit_ms = ONE_OF(0, 0, 0, 1, -5);
            call.hard_limit_ms = ONE_OF(0, 0, 0, 2, -5);
            call.start_deadline_ms = ONE_OF(0, 0, 1, -5);
            call.submit_timeout_ms = ANY(times);
            call.priority = (int32_t)ONE_OF(0, 0, 7, -8, 8, INT32_MIN);
            call.retries = (uint32_t)ONE_OF(0, 1, UINT32_MAX);
            call.on_done = ONE_OF(0, 1) ? note_done : NULL;
            if (ONE_OF(0, 0, 0, 1)) call.struct_size = ANY(odd_sizes) % sizeof call;
            pool_submit_call(POOL, &call, ONE_OF(0, 1, 1) ? &future : NULL);
        }
    }
    keep(FUTURES, future, seed);
}

static void use_future(uint64_t *seed) {
    const void *data = NULL;
    size_t len = 0;
    uint64_t number = 0, other;
    pool_error_t error;
    future_t *some[3] = {FUTURE, FUTURE, FUTURE};
    const void *datas[3];
    size_t lens[3];
    switch (random_below(seed, 20)) {
        case 18: touch(future_failure(FUTURE, &data, &len), data, len); break;
        case 19: future_tag(FUTURE), future_failure(FUTURE, NULL, NULL), future_state(pool_find_future(POOL, random_below(seed, 300))); break;
        case 0: future_wait(FUTURE, ANY(times)); break;
        case 1: touch(future_result(FUTURE, &data, &len), data, len); break;
        case 2: touch(future_collect(FUTURE, ANY(times), &data, &len), data, len); break;
        case 3: future_error(FUTURE, &error); break;
        case 4: future_state(FUTURE); break;
        case 5: future_cancel(FUTURE, (int32_t)ONE_OF(0, 1, 2, 3, -1)); break;
        case 6: future_id(FUTURE); break;
        case 7: future_pool(FUTURE); break;
        case 8: future_duration(FUTURE, &number, &other); break;
        case 9: future_progress(FUTURE, &number, NULL); break;
        case 10: future_wait_many(some, 3, (int32_t)ONE_OF(0, 1, 2, 3), ANY(times), &len); break;
        case 11: future_wait_many(NULL, ANY(odd_sizes), 0, 0, NULL); break;
        case 12: future_collect_many(some, 3, ANY(times), datas, lens); break;
        case 13: future_on_done(FUTURE, ONE_OF(0, 1) ? note_done : NULL, NULL, NULL, &number); break;
        case 14: future_remove_callback(FUTURE, ONE_OF(0, 1, 2, -1)); break;
        case 15: future_resolve(FUTURE, ONE_OF(0, 1) ? room : NULL, ANY(sizes)); break;
        case 16: future_reject(FUTURE, (int32_t)ONE_OF(0, 1, -1), ONE_OF(0, 1) ? "words" : NULL); break;
        default: future_result(FUTURE, NULL, NULL), future_is_done(FUTURE), future_cancel_requested(FUTURE);
    }
}

static void use_set_or_promise(uint64_t *seed) {
    future_t *future = NULL;
    future_set_t *set = NULL;
    future_t *some[4];
    size_t taken;
    switch (random_below(seed, 8)) {
        case 6: future_set_next_many(SET, ANY(times), some, ONE_OF(0, 1, 4), &taken); break;
        case 7: future_set_next_many(SET, ANY(times), NULL, ANY(odd_sizes), ONE_OF(0, 1) ? &taken : NULL); break;
        case 0: future_new_promise(&future), keep(FUTURES, future, seed); break;
        case 1: future_set_new(&set), keep(SETS, set, seed); break;
        case 2: future_set_add(SET, FUTURE); break;
        case 3: future_set_next(SET, ANY(times), &future); break; /* it is in the table already */
        case 4: future_set_fd(SET); break;
        default: future_set_new(NULL), future_new_promise(NULL), future_set_next(SET, 0, NULL);
    }
}

static void use_map(uint64_t *seed) {
    static _Atomic uint32_t given;
    static _Thread_local char results[4096];
    static _Thread_local pool_status_t statuses[64];
    const void *data = NULL;
    size_t len = 0;
    uint64_t index;
    future_t *future = NULL;
    pool_map_t *map = NULL;
    pool_error_t error;
    pool_map_options_t options = POOL_MAP_INIT;
    pool_array_t arrays[2] = {{room, 4, 8}, {room, random_below(seed, 70), random_below(seed, 9)}};
    const size_t size = ANY(odd_sizes) | 1; /* items without bytes are there in any number, and run */
    if (ONE_OF(0, 1)) arrays[1].items = NULL, arrays[1].item_size = size, arrays[1].n = ANY(odd_sizes);
    options.chunk_size = ONE_OF(0, 0, 1, 5) ? 3 : ANY(odd_sizes);
    options.window = ONE_OF(0, 1) ? 0 : ANY(odd_sizes);
    options.unordered = ONE_OF(0, 1) != 0;
    options.on_error = (int32_t)ONE_OF(0, 1, 2, 3);
    options.deadline_ms = ONE_OF(0, 1, 5);
    switch (random_below(seed, 10)) {
        case 0: pool_map(POOL, do_something, room, 16, 64, &options, results, 64, statuses); break;
        case 1: pool_map(POOL, do_something, NULL, size, ANY(odd_sizes), &options, NULL, 0, NULL); break;
        case 2: pool_map_async(POOL, do_something, room, 16, 64, NULL, NULL, 0, NULL, &future); break;
        case 3: pool_map_zip(POOL, do_something, arrays, random_below(seed, 3), &options, NULL, 0, NULL, &len); break;
        case 4: pool_map_start(POOL, do_something, give_items, (void *)&given, &options, &map); break;
        case 5: touch(pool_map_next(MAP, ANY(times), &data, &len, &index), data, len); break;
        case 6: pool_map_error(MAP, &error); break;
        case 7: pool_map_cancel(MAP); break;
        case 8: pool_submit_chunk(POOL, do_something, room, 16, ONE_OF(0, 1, 64), 64, &future); break;
        default: pool_submit_chunk(POOL, do_something, NULL, size, ANY(odd_sizes), ANY(odd_sizes), &future);
    }
    keep(FUTURES, future, seed);
    keep(MAPS, map, seed);
}

static void use_pool(uint64_t *seed) {
    uint32_t n;
    uint64_t number;
    pool_error_t error;
    pool_worker_info_t workers[2] = {{.struct_size = sizeof *workers}};
    pool_options_t options = POOL_OPTIONS_INIT;
    pool_stats_t stats = POOL_STATS_INIT;
    pool_cancelled_t cancelled = {.struct_size = sizeof cancelled};
    size_t len;
    static _Thread_local char json[512];
    if (ONE_OF(0, 0, 0, 0, 0, 0, 0, 1)) stats.struct_size = options.struct_size = ANY(odd_sizes) % sizeof options;
    if (stats.struct_size > sizeof stats) stats.struct_size = sizeof stats;
    switch (random_below(seed, 38)) {
        case 31: pool_resize(POOL, (uint32_t)ONE_OF(0, 1, 2, 3, 1024, 1025, UINT32_MAX), ANY(times)); break;
        case 32: pause_for_a_moment(seed); break;
        case 33: pool_wait_idle(POOL, ANY(times)); break;
        case 34: use_no_task(); break;
        case 35: if (pool_at_exit(call_nothing, NULL, NULL, &number) == POOL_OK) CHECK_OK(pool_remove_at_exit(number)); break;
        case 36: pool_at_exit(NULL, NULL, NULL, NULL), pool_count_live(), pool_available_cpus(); break;
        case 0: pool_run(POOL, do_something, room, ANY(sizes), ANY(times), json, ONE_OF(0, 8, 64), &len); break;
        case 1: pool_check(POOL, &error); break;
        case 2: pool_test(POOL, ONE_OF(0, 1, 3), &error); break;
        case 3: if (random_below(seed, 8) == 0) pool_close(POOL); break;
        case 4: pool_join(POOL, ANY(times)); break;
        case 5: if (random_below(seed, 8) == 0) pool_shutdown(POOL, (int32_t)ONE_OF(0, 1, 2, 3, -1), ANY(times)); break;
        case 6: pool_cancel_pending(POOL, &number); break;
        case 7: pool_spawn_workers(POOL, ONE_OF(0, 1, -1, INT64_MIN, INT64_MAX), &n); break;
        case 8: pool_spawn_max_workers(POOL, &n); break;
        case 9: pool_set_idle_timeout(POOL, ANY(times)); break;
        case 10: pool_set_limits(POOL, ANY(times), ANY(times)); break;
        case 11: pool_wait_ready(POOL, (uint32_t)ONE_OF(0, 1, UINT32_MAX), ANY(times)); break;
        case 12: pool_grow(POOL, (uint32_t)ONE_OF(0, 1, 1024, UINT32_MAX)); break;
        case 13: pool_shrink(POOL, (uint32_t)ONE_OF(0, 1, 1, 2, UINT32_MAX), (int32_t)ONE_OF(0, 1, 2)); break;
        case 14: pool_restart(POOL, (int32_t)ONE_OF(0, 1, 2)); break;
        case 15: if (random_below(seed, 16) == 0) pool_terminate(POOL, ANY(times)); break;
        case 16: if (random_below(seed, 16) == 0) pool_request_stop(POOL, (int32_t)ONE_OF(0, 1, 2, 3)); break;
        case 17: pool_count_workers(POOL), pool_count_busy_workers(POOL), pool_count_free_workers(POOL); break;
        case 18: pool_count_pending_tasks(POOL), pool_state(POOL); break;
        case 19: pool_workers(POOL, ONE_OF(0, 1) ? workers : NULL, ONE_OF(0, 1) ? 2 : 0, &len); break;
        case 20: pool_get_options(POOL, &options); break;
        case 21: pool_cancelled_task(POOL, ANY(odd_sizes) % 3, &cancelled); break;
        case 22: pool_stats(POOL, &stats); break;
        case 23: pool_info_json(POOL, json, ONE_OF(0, 1, 512), &len); break;
        case 24: pool_info_json(POOL, NULL, 0, NULL); break;
        case 25: pool_fd(POOL), pool_next_timeout_ms(POOL), pool_process_events(POOL, &n); break;
        case 26: pool_status_name((int32_t)next_random(seed)), pool_status_string((int32_t)next_random(seed)); break;
        case 27: pool_chunk_count(ANY(odd_sizes), ANY(odd_sizes)); break;
        case 28: pool_chunk_bounds(ANY(odd_sizes), ANY(odd_sizes), ANY(odd_sizes), &len, &len); break;
        case 29: pool_new(NULL, NULL, NULL), pool_submit(POOL, do_something, room, 8, NULL); break;
        case 30: pool_worker_main((int32_t)ONE_OF(0, 1, -1), NULL), pool_remove_at_exit(next_random(seed)); break;
        default: if (random_below(seed, 500) == 0) pool_shutdown_all((int32_t)ONE_OF(0, 1, 2), 1);
    }
}

static void *call_at_random(void *data) {
    uint64_t *seed = (uint64_t *)data;
    while (now_ns() < end) {
        uint64_t dice = random_below(seed, 64);
        if (dice < 4) {
            CHECK(pthread_rwlock_wrlock(&in_use) == 0);
            free_something(seed);
            pthread_rwlock_unlock(&in_use);
            continue;
        }
        CHECK(pthread_rwlock_rdlock(&in_use) == 0);
        if (dice < 5) make_pool(seed);
        else if (dice < 6) make_pool_by_name(seed);
        else if (dice < 8) submit_many(seed);
        else if (dice < 22) submit_something(seed);
        else if (dice < 42) use_future(seed);
        else if (dice < 48) use_set_or_promise(seed);
        else if (dice < 52) use_map(seed);
        else use_pool(seed);
        pthread_rwlock_unlock(&in_use);
    }
    return NULL;
}

/* One round, in a process of its own. */
static int play(uint64_t seed) {
    static uint64_t seeds[THREADS];
    pthread_t threads[THREADS];
    end = now_ns() + ROUND_MS * 1000000ull;
    for (int i = 0; i < THREADS; i++) {
        seeds[i] = (seed += 0x9e3779b97f4a7c15u) | 1;
        CHECK(pthread_create(&threads[i], NULL, call_at_random, &seeds[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    for (int type = TYPES - 1; type >= 0; type--) {
        for (int i = 0; i < HANDLES; i++) release_handle((enum type)type, atomic_load(&handles[type][i]));
    }
    return leaves_nothing_behind();
}

int main(int argc, char **argv) {
    kind_of_pool = test_begin(argc, argv);
    if (argc > 2) return play(strtoull(argv[2], NULL, 10));
    uint64_t first = endurance_seed(), seed = first, over = now_ns() + endurance_ns(1);
    for (; !endurance_is_over(over, "%" PRIu64 " rounds", seed - first); seed++) {
        char number[32];
        int status;
        snprintf(number, sizeof number, "%" PRIu64, seed);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(HANG_S);
            execl("/proc/self/exe", argv[0], argv[1], number, (char *)NULL);
            _exit(127);
        }
        CHECK(waitpid(child, &status, 0) == child);
        if (status != 0) fprintf(stderr, "%s %s %s: status %#x\n", argv[0], argv[1], number, (unsigned)status);
        CHECK_EQUAL(status, 0);
    }
    printf("%" PRIu64 " rounds\n", seed - first);
    return leaves_nothing_behind();
}
