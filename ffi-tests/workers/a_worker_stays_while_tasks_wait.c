/* A worker that is to leave as soon as there is nothing to do stays while tasks wait. */
#include "lifecycle.h"

enum { TASKS = 50 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    count_lifecycle(&options);
    options.idle_timeout_ms = POOL_NOW;
    pool_t *pool = new_pool(&options, 1);
    future_t *running, *futures[TASKS];
    occupy(pool, 0, 1, &running);
    for (int i = 0; i < TASKS; i++) {
        CHECK_OK(pool_submit(pool, count_task, NULL, 0, &futures[i]));
    }
    release(0);
    for (int i = 0; i < TASKS; i++) CHECK_EQUAL(collect_number(futures[i]), i);
    word_wait(FINALIZED, 1);
    CHECK_EQUAL(word_get(INITIALIZED), 1);
    future_free(running);
    wait_and_free(futures, TASKS);
    pool_free(pool);
    return leaves_nothing_behind();
}
