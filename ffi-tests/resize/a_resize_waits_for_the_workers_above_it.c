/* After a resize to fewer workers no more tasks run at once, from the moment at which it returns. */
#include "rendezvous.h"

enum { MANY = 4, ROUNDS = 20, RUNNING = WORD_FIRST, MOST, RAN };

/* Records how many tasks run at once. */
static int32_t count_running(pool_task_t *task) {
    (void)task;
    uint32_t running = word_add(RUNNING, 1) + 1;
    uint32_t most = word_get(MOST);
    while (running > most && !atomic_compare_exchange_weak(word(MOST), &most, running)) {}
    for (volatile int i = 0; i < 1000; i++) {}
    word_add(RUNNING, UINT32_MAX);
    return 0;
}

static void no_more_tasks_run(pool_t *pool, uint32_t max) {
    word_set(MOST, 0);
    for (int i = 0; i < 200; i++) CHECK_OK(pool_submit(pool, count_running, NULL, 0, NULL));
    CHECK_OK(pool_wait_idle(pool, POOL_FOREVER));
    CHECK(word_get(MOST) <= max);
    CHECK(pool_count_workers(pool) <= max);
}

static void shrinks_under_load(pool_t *pool) {
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t max = 1 + (uint32_t)round % MANY;
        CHECK_OK(pool_resize(pool, MANY, POOL_FOREVER));
        for (int i = 0; i < 200; i++) CHECK_OK(pool_submit(pool, count_running, NULL, 0, NULL));
        CHECK_OK(pool_resize(pool, max, POOL_FOREVER));
        CHECK(pool_count_workers(pool) <= max);
        no_more_tasks_run(pool, max);
    }
}

static void waits_no_longer_than_it_may(const pool_options_t *options) {
    pool_t *pool = new_pool(options, 2);
    future_t *futures[2];
    pool_options_t now = POOL_OPTIONS_INIT;
    reset_gate(0);
    occupy(pool, 0, 2, futures);
    CHECK_IS(pool_resize(pool, 1, 0), POOL_ERR_TIMEOUT);
    CHECK_IS(pool_resize(pool, 1, 20), POOL_ERR_TIMEOUT);
    CHECK_OK(pool_get_options(pool, &now));
    CHECK_EQUAL(now.max_workers, 1);
    release(0);
    CHECK_OK(pool_resize(pool, 1, POOL_FOREVER));
    CHECK(pool_count_workers(pool) <= 1);
    wait_and_free(futures, 2);
    pool_free(pool);
}

static int32_t resize_in_task(pool_task_t *task) {
    pool_t *pool;
    memcpy(&pool, pool_task_args(task, NULL), sizeof pool);
    CHECK_IS(pool_resize(pool, 1, POOL_FOREVER), POOL_ERR_DEADLOCK);
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, MANY);
    if (options.kind == POOL_INLINE) {
        CHECK_IS(pool_resize(pool, 1, POOL_FOREVER), POOL_ERR_UNSUPPORTED);
        pool_free(pool);
        return leaves_nothing_behind();
    }
    CHECK_IS(pool_resize(pool, 0, POOL_FOREVER), POOL_ERR_INVALID);
    CHECK_IS(pool_resize(pool, 1025, POOL_FOREVER), POOL_ERR_INVALID);
    CHECK_IS(pool_resize(NULL, 1, POOL_FOREVER), POOL_ERR_INVALID);
    shrinks_under_load(pool);
    if (options.kind == POOL_THREAD) {
        CHECK_OK(pool_run(pool, resize_in_task, &pool, sizeof pool, POOL_FOREVER, NULL, 0, NULL));
    }
    CHECK_OK(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER));
    CHECK_IS(pool_resize(pool, 1, POOL_FOREVER), POOL_ERR_CLOSED);
    pool_free(pool);
    waits_no_longer_than_it_may(&options);
    return leaves_nothing_behind();
}
