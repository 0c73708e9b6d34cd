/* Each worker runs the initializer before its first task and the finalizer when it exits, once; if no task
 * is submitted, neither runs. */
#include "lifecycle.h"

enum { WORKERS = 3, TASKS = 200 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    count_lifecycle(&options);
    pool_t *pool = new_pool(&options, WORKERS);
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    CHECK_EQUAL(word_get(INITIALIZED), 0);

    future_t *futures[TASKS];
    for (int i = 0; i < TASKS; i++) {
        CHECK_OK(pool_submit(pool, count_task, NULL, 0, &futures[i]));
    }
    uint64_t lives = 0;
    for (int i = 0; i < TASKS; i++) lives += collect_number(futures[i]) == 0;
    wait_and_free(futures, TASKS);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER));
    CHECK(lives >= 1 && lives <= WORKERS);
    CHECK(word_get(INITIALIZED) >= lives && word_get(INITIALIZED) <= WORKERS);
    CHECK_EQUAL(word_get(FINALIZED), word_get(INITIALIZED));
    pool_free(pool);
    return leaves_nothing_behind();
}
