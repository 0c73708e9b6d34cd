/* A worker that has been idle for idle_timeout_ms runs its finalizer and exits; the next task starts another
 * one. */
#include "lifecycle.h"

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    count_lifecycle(&options);
    options.idle_timeout_ms = 20;
    pool_t *pool = new_pool(&options, 2);
    CHECK_EQUAL(pool_count_workers(pool), 0);
    for (uint32_t life = 1; life <= 3; life++) {
        CHECK_EQUAL(tasks_run_before(pool), 0);
        await_workers(pool, 0);
        CHECK_EQUAL(word_get(INITIALIZED), life);
        CHECK_EQUAL(word_get(FINALIZED), life);
    }
    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
