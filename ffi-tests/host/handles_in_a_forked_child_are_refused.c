/* A child that the program forks cannot use its parent's pools, nor harm them. */
#include "rendezvous.h"
#include <sys/wait.h>

enum { GATE = 0 };

static pool_status_t no_items(void *user, const void **item, size_t *len) {
    (void)user, (void)item, (void)len;
    return POOL_ERR_END;
}

static void note_done(future_t *future, void *user) {
    (void)future, (void)user;
}

static void check_maps_in_child(pool_t *pool, pool_map_t *map) {
    const pool_array_t array = {"12345678", 8, 1};
    char result[8];
    const void *data;
    future_t *future = NULL;
    pool_map_t *other = NULL;
    pool_error_t error;
    const pool_status_t answers[] = {
        pool_map(pool, square, "12345678", 8, 1, NULL, result, 8, NULL),
        pool_map_async(pool, square, "12345678", 8, 1, NULL, result, 8, NULL, &future),
        pool_map_zip(pool, square, &array, 1, NULL, result, 8, NULL, NULL),
        pool_map_start(pool, square, no_items, NULL, NULL, &other),
        pool_submit_chunk(pool, square, "12345678", 8, 1, 8, &future),
        pool_map_next(map, POOL_FOREVER, &data, NULL, NULL),
        pool_map_error(map, &error),
        pool_map_cancel(map),
    };
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        if (answers[i] != POOL_ERR_WRONG_PROCESS) fprintf(stderr, "call of maps %zu: ", i);
        CHECK_IS(answers[i], POOL_ERR_WRONG_PROCESS);
    }
    CHECK(future == NULL && other == NULL);
    pool_map_free(map);
}

static void check_workers_in_child(pool_t *pool) {
    uint32_t n;
    size_t count;
    pool_error_t error;
    pool_options_t options = POOL_OPTIONS_INIT;
    pool_worker_info_t worker = {.struct_size = sizeof worker};
    pool_cancelled_t cancelled = {.struct_size = sizeof cancelled};
    pool_stats_t stats = {.struct_size = sizeof stats};
    uint64_t number;
    const pool_status_t answers[] = {
        pool_test(pool, POOL_FOREVER, &error),
        pool_spawn_workers(pool, 1, &n),
        pool_spawn_max_workers(pool, &n),
        pool_set_idle_timeout(pool, 1),
        pool_set_limits(pool, 1, 0),
        pool_wait_ready(pool, 1, POOL_FOREVER),
        pool_grow(pool, 1),
        pool_shrink(pool, 1, POOL_SHRINK_WHEN_IDLE),
        pool_restart(pool, POOL_RESTART_NOW),
        pool_terminate(pool, POOL_NOW),
        pool_request_stop(pool, POOL_STOP_KILL),
        pool_process_events(pool, &n),
        pool_workers(pool, &worker, 1, &count),
        pool_get_options(pool, &options),
        pool_cancel_pending(pool, &number),
        pool_stats(pool, &stats),
        pool_info_json(pool, NULL, 0, &count),
        pool_cancelled_task(pool, 0, &cancelled),
    };
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        if (answers[i] != POOL_ERR_WRONG_PROCESS) fprintf(stderr, "call of workers %zu: ", i);
        CHECK_IS(answers[i], POOL_ERR_WRONG_PROCESS);
    }
    CHECK_EQUAL(pool_fd(pool), -1);
    CHECK_EQUAL(pool_next_timeout_ms(pool), POOL_FOREVER);
    CHECK_EQUAL(pool_count_workers(pool) + pool_count_busy_workers(pool), 0);
    CHECK_EQUAL(pool_count_free_workers(pool) + pool_count_pending_tasks(pool), 0);
    CHECK_EQUAL(pool_state(pool) + pool_cancelled_count(pool), 0);
    CHECK_OK(pool_shutdown_all(POOL_STOP_KILL, POOL_FOREVER)); /* There are none of this process. */
}

static void check_sets_in_child(future_set_t *set, future_t *future, future_t *promise) {
    future_t *next = NULL;
    const pool_status_t answers[] = {
        future_set_add(set, future),
        future_set_next(set, POOL_FOREVER, &next),
        future_resolve(promise, NULL, 0),
        future_reject(promise, 1, "no"),
        future_on_done(future, note_done, NULL, NULL, NULL),
        future_remove_callback(future, 1),
        future_collect_many(&future, 1, POOL_FOREVER, NULL, NULL),
        future_cancel(future, POOL_CANCEL_RUNNING),
    };
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        if (answers[i] != POOL_ERR_WRONG_PROCESS) fprintf(stderr, "call of sets %zu: ", i);
        CHECK_IS(answers[i], POOL_ERR_WRONG_PROCESS);
    }
    CHECK(next == NULL);
    CHECK_EQUAL(future_set_fd(set), -1);
    CHECK_EQUAL(future_state(future) + future_is_done(future), 0);
    CHECK(future_id(future) == 0 && future_pool(future) == NULL);
    CHECK(!future_cancel_requested(future));
    future_set_free(set);
    future_free(promise);
}

static void check_in_child(pool_t *pool, future_t *future, pool_buffer_t *buffer) {
    future_t *other;
    pool_call_t call = POOL_CALL_INIT;
    pool_buffer_t *new_buffer;
    const void *data;
    void *bytes;
    size_t n;
    uint64_t number;
    pool_error_t error;
    call.task.pointer = warm_up;
    const pool_status_t answers[] = {
        pool_submit(pool, warm_up, NULL, 0, &other),
        pool_submit_symbol(pool, NULL, "main", NULL, 0, &other),
        pool_submit_call(pool, &call, &other),
        pool_run(pool, warm_up, NULL, 0, 0, NULL, 0, NULL),
        pool_buffer_new(pool, 1, &new_buffer, &bytes),
        pool_check(pool, &error),
        pool_close(pool),
        pool_join(pool, POOL_FOREVER),
        pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER),
        future_wait(future, POOL_FOREVER),
        future_result(future, &data, &n),
        future_collect(future, POOL_FOREVER, &data, &n),
        future_error(future, &error),
        future_cancel(future, POOL_CANCEL_QUEUED),
        future_duration(future, &number, NULL),
        future_progress(future, &number, NULL),
        future_wait_many(&future, 1, POOL_WAIT_ALL, POOL_FOREVER, &n),
    };
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        if (answers[i] != POOL_ERR_WRONG_PROCESS) fprintf(stderr, "call %zu: ", i);
        CHECK_IS(answers[i], POOL_ERR_WRONG_PROCESS);
    }
    future_free(future);
    pool_buffer_free(buffer);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    future_t *future;
    pool_call_t call = POOL_CALL_INIT;
    uint8_t *bytes;
    uint64_t result;
    int status;
    occupy(pool, GATE, 1, &future);
    CHECK_OK(pool_buffer_new(pool, sizeof(uint64_t), &call.buffer, (void **)&bytes));

    future_set_t *set;
    future_t *promise, *next;
    pool_map_t *map;
    CHECK_OK(future_set_new(&set));
    CHECK_OK(future_set_add(set, future));
    CHECK_OK(future_new_promise(&promise));
    CHECK_OK(pool_map_start(pool, square, no_items, NULL, NULL, &map));

    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        check_maps_in_child(pool, map);
        check_workers_in_child(pool);
        check_sets_in_child(set, future, promise);
        check_in_child(pool, future, call.buffer);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQUAL(status, 0);

    /* The parent has noticed nothing. */
    CHECK_EQUAL(future_state(future), FUTURE_RUNNING);
    CHECK_OK(pool_check(pool, NULL));
    release(GATE);
    CHECK_OK(future_set_next(set, POOL_FOREVER, &next));
    CHECK(next == future);
    future_set_free(set);
    CHECK_OK(future_resolve(promise, NULL, 0));
    future_free(promise);
    const void *data;
    CHECK_IS(pool_map_next(map, POOL_FOREVER, &data, NULL, NULL), POOL_ERR_END);
    pool_map_free(map);
    CHECK_OK(future_wait(future, POOL_FOREVER));
    future_free(future);
    memcpy(bytes, &(uint64_t){12}, sizeof(uint64_t));
    call.task.pointer = square;
    CHECK_OK(pool_submit_call(pool, &call, &future));
    result = collect_number(future);
    CHECK_EQUAL(result, 144);
    future_free(future);
    pool_free(pool);
    return leaves_nothing_behind();
}
