/* The functions that inspect a pool work in every state: open, busy, closed, broken and shut down. */
#include "lifecycle.h"

static int32_t refuse(pool_task_t *task) {
    return pool_task_fail(task, 3, "no");
}

struct view {
    uint32_t state, workers, busy;
    uint64_t pending;
    size_t cancelled;
};

static void looks_like(pool_t *pool, pool_status_t status, struct view expected) {
    pool_options_t options = POOL_OPTIONS_INIT;
    pool_worker_info_t workers[1] = {{.struct_size = sizeof *workers}};
    pool_cancelled_t task = {.struct_size = sizeof task};
    size_t n = 99;
    CHECK_EQUAL(pool_state(pool), expected.state);
    CHECK_IS(pool_check(pool, NULL), status);
    CHECK_EQUAL(pool_count_workers(pool), expected.workers);
    CHECK_EQUAL(pool_count_busy_workers(pool), expected.busy);
    CHECK_EQUAL(pool_count_free_workers(pool), expected.workers - expected.busy);
    /* A task that was just cancelled is counted and listed as such a moment later. */
    while (pool_count_pending_tasks(pool) != expected.pending) pause_briefly();
    while (pool_cancelled_count(pool) < expected.cancelled) pause_briefly();
    CHECK_OK(pool_workers(pool, workers, 1, &n));
    CHECK_EQUAL(n, expected.workers);
    CHECK_OK(pool_get_options(pool, &options));
    CHECK_EQUAL(options.max_workers, 1);
    CHECK(strcmp(options.name, "seen") == 0);
    CHECK_EQUAL(pool_cancelled_count(pool), expected.cancelled);
    CHECK_IS(pool_cancelled_task(pool, 0, &task), expected.cancelled ? POOL_OK : POOL_ERR_INVALID);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    options.name = "seen";
    const uint32_t closed = POOL_STATE_CLOSED, over = closed | POOL_STATE_TERMINATED;
    pool_t *pool = new_pool(&options, 1);
    future_t *running, *waiting;
    looks_like(pool, POOL_OK, (struct view){0});
    occupy(pool, 0, 1, &running);
    CHECK_OK(pool_submit(pool, return_pid, NULL, 0, &waiting));
    await_workers(pool, 1);
    looks_like(pool, POOL_OK, (struct view){.workers = 1, .busy = 1, .pending = 1});
    CHECK_OK(pool_close(pool));
    looks_like(pool, POOL_ERR_CLOSED, (struct view){closed, 1, 1, 1, 0});
    CHECK_IS(pool_shutdown(pool, POOL_STOP_CANCEL, 0), POOL_ERR_TIMEOUT);
    CHECK_OK(future_wait(waiting, POOL_FOREVER));
    looks_like(pool, POOL_ERR_CLOSED, (struct view){closed, 1, 1, 0, 1});
    release(0);
    while (!(pool_state(pool) & POOL_STATE_TERMINATED)) pause_briefly();
    looks_like(pool, POOL_ERR_CLOSED, (struct view){over, 0, 0, 0, 1});
    future_free(running);
    future_free(waiting);
    looks_like(pool, POOL_ERR_CLOSED, (struct view){over, 0, 0, 0, 1});
    pool_free(pool);

    options.initializer.pointer = refuse;
    pool = new_pool(&options, 1);
    CHECK_OK(pool_submit(pool, return_pid, NULL, 0, &waiting));
    CHECK_OK(future_wait(waiting, POOL_FOREVER));
    await_workers(pool, 0);
    looks_like(pool, POOL_ERR_INITIALIZER, (struct view){POOL_STATE_BROKEN, 0, 0, 0, 1});
    CHECK_OK(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER));
    looks_like(pool, POOL_ERR_CLOSED, (struct view){over | POOL_STATE_BROKEN, 0, 0, 0, 1});
    future_free(waiting);
    pool_free(pool);
    return leaves_nothing_behind();
}
