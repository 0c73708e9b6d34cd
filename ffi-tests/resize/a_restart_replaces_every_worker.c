/* pool_restart replaces all workers, some at a time; tasks that run or wait all succeed, and the new workers
 * have run the initializer. While idle, twice, and not when closed. */
#include "lifecycle.h"

enum { WORKERS = 4, TASKS = 400, ROUNDS = 5, GATE = 0 };

static uint64_t lowest_id(pool_t *pool, size_t *n) {
    pool_worker_info_t workers[WORKERS] = {{.struct_size = sizeof *workers}};
    uint64_t lowest = UINT64_MAX;
    CHECK_OK(pool_workers(pool, workers, WORKERS, n));
    for (size_t i = 0; i < *n; i++) {
        if (workers[i].id < lowest) lowest = workers[i].id;
    }
    return lowest;
}

/* Until only workers are there that have come after these, as many as there were. */
static uint64_t await_new_ones(pool_t *pool, uint64_t after) {
    size_t n = 0;
    while (lowest_id(pool, &n) <= after || n < WORKERS) pause_briefly();
    pool_worker_info_t workers[WORKERS] = {{.struct_size = sizeof *workers}};
    uint64_t highest = 0;
    CHECK_OK(pool_workers(pool, workers, WORKERS, &n));
    for (size_t i = 0; i < n; i++) {
        if (workers[i].id > highest) highest = workers[i].id;
    }
    return highest;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool;
    CHECK_IS(pool_restart(NULL, POOL_RESTART_GRACEFUL), POOL_ERR_INVALID);
    if (options.kind == POOL_INLINE) {
        pool = new_pool(&options, 1);
        CHECK_IS(pool_restart(pool, POOL_RESTART_GRACEFUL), POOL_ERR_UNSUPPORTED);
        pool_free(pool);
        return leaves_nothing_behind();
    }
    count_lifecycle(&options);
    options.min_workers = WORKERS;
    pool = new_pool(&options, WORKERS);
    CHECK_IS(pool_restart(pool, 2), POOL_ERR_INVALID);
    CHECK_OK(pool_wait_ready(pool, 0, POOL_FOREVER));
    while (word_get(INITIALIZED) < WORKERS) pause_briefly();

    /* Idle. */
    CHECK_OK(pool_restart(pool, POOL_RESTART_GRACEFUL));
    CHECK_OK(pool_wait_ready(pool, WORKERS, POOL_FOREVER));
    uint64_t newest = await_new_ones(pool, WORKERS);
    word_wait(INITIALIZED, 2 * WORKERS);
    CHECK_EQUAL(word_get(FINALIZED), WORKERS);

    /* In the middle of work, again and again. */
    for (int round = 0; round < ROUNDS; round++) {
        static future_t *futures[TASKS];
        for (uint64_t i = 0; i < TASKS; i++) {
            CHECK_OK(pool_submit(pool, square, &i, sizeof i, &futures[i]));
            if (i == TASKS / 2) CHECK_OK(pool_restart(pool, POOL_RESTART_GRACEFUL));
        }
        if (round % 2) CHECK_OK(pool_restart(pool, POOL_RESTART_GRACEFUL));
        for (uint64_t i = 0; i < TASKS; i++) CHECK_EQUAL(collect_number(futures[i]), i * i);
        wait_and_free(futures, TASKS);
        newest = await_new_ones(pool, newest);
    }

    /* A worker that runs a task stays until that is done. */
    future_t *busy;
    busy = submit_to_gate(pool, GATE);
    word_wait(gate_started(GATE), 1);
    CHECK_OK(pool_restart(pool, POOL_RESTART_GRACEFUL));
    CHECK_OK(pool_wait_ready(pool, WORKERS - 1, POOL_FOREVER));
    CHECK_EQUAL(future_state(busy), FUTURE_RUNNING);
    CHECK_IS(pool_wait_ready(pool, WORKERS, 0), POOL_ERR_TIMEOUT);
    release(GATE);
    CHECK_OK(future_wait(busy, POOL_FOREVER));
    CHECK_EQUAL(future_state(busy), FUTURE_COMPLETED);
    future_free(busy);
    newest = await_new_ones(pool, newest);

    CHECK_OK(pool_close(pool));
    CHECK_IS(pool_restart(pool, POOL_RESTART_GRACEFUL), POOL_ERR_CLOSED);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    CHECK_EQUAL(word_get(INITIALIZED), word_get(FINALIZED));
    pool_free(pool);
    return leaves_nothing_behind();
}
