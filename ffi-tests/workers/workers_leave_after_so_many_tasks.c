/* A worker exits after max_tasks_per_worker tasks, including failed ones; its results are delivered, it is
 * replaced while tasks are queued, and it does not count as lost. */
#include "lifecycle.h"

enum { MOST = 3, TASKS = 20 };

static int32_t fail_in_life(pool_task_t *task) {
    uint64_t *count = (uint64_t *)*pool_task_state(task);
    CHECK(++*count <= MOST);
    return pool_task_fail(task, 7, "on purpose");
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    count_lifecycle(&options);
    options.max_tasks_per_worker = MOST;
    pool_t *pool = new_pool(&options, 1);
    for (uint64_t task = 0; task < TASKS; task++) {
        CHECK_EQUAL(tasks_run_before(pool), task % MOST);
    }
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    CHECK_EQUAL(word_get(INITIALIZED), (TASKS + MOST - 1) / MOST);
    CHECK_EQUAL(word_get(FINALIZED), (TASKS + MOST - 1) / MOST);

    future_t *futures[TASKS];
    for (int i = 0; i < TASKS; i++) {
        CHECK_OK(pool_submit(pool, i % 2 ? fail_in_life : count_task, NULL, 0, &futures[i]));
    }
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    for (int i = 0; i < TASKS; i++) {
        CHECK_EQUAL(future_state(futures[i]), i % 2 ? FUTURE_FAILED : FUTURE_COMPLETED);
    }
    wait_and_free(futures, TASKS);
    pool_free(pool);
    CHECK_EQUAL(word_get(INITIALIZED), word_get(FINALIZED));
    return leaves_nothing_behind();
}
