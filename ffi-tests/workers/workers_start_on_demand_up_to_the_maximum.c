/* Workers start when there is work for them, at most as many as the pool may have. */
#include "rendezvous.h"

enum { WORKERS = 4, TASKS = 10, FIRST = 0, SECOND = 1 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, WORKERS);
    future_t *futures[TASKS], *one;
    CHECK_EQUAL(pool_count_workers(pool), 0);

    /* While one is free, no other starts. */
    for (int i = 0; i < 5; i++) {
        CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
        await_busy_workers(pool, 0);
        CHECK_EQUAL(pool_count_workers(pool), 1);
        CHECK_EQUAL(pool_count_free_workers(pool), 1);
    }

    occupy(pool, FIRST, 1, &one);
    CHECK_EQUAL(pool_count_busy_workers(pool), 1);
    for (int i = 0; i < TASKS; i++) futures[i] = submit_to_gate(pool, SECOND);
    word_wait(gate_started(SECOND), WORKERS - 1);
    CHECK_EQUAL(pool_count_workers(pool), WORKERS);
    CHECK_EQUAL(pool_count_busy_workers(pool), WORKERS);
    CHECK_EQUAL(pool_count_free_workers(pool), 0);
    CHECK_EQUAL(pool_count_pending_tasks(pool), TASKS - (WORKERS - 1));

    release(FIRST);
    CHECK_OK(future_wait(one, POOL_FOREVER));
    future_free(one);
    release(SECOND);
    wait_and_free(futures, TASKS);
    await_busy_workers(pool, 0);
    CHECK_EQUAL(word_get(gate_started(SECOND)), TASKS);
    CHECK_EQUAL(pool_count_workers(pool), WORKERS);
    CHECK_EQUAL(pool_count_pending_tasks(pool), 0);
    pool_free(pool);
    return leaves_nothing_behind();
}
