/* A worker runs its finalizer once whenever it leaves by itself: idle, after its last task, or
 * because the pool is joined, drained, cancelled or freed. */
#include "lifecycle.h"

enum way { IDLE, LAST_TASK, JOIN, DRAIN, CANCEL, FREE, WAYS };

static void leaves(pool_options_t options, enum way way, uint32_t lives) {
    if (way == IDLE) options.idle_timeout_ms = 1;
    if (way == LAST_TASK) options.max_tasks_per_worker = 1;
    pool_t *pool = new_pool(&options, 1);
    CHECK_EQUAL(tasks_run_before(pool), 0);
    if (way == IDLE || way == LAST_TASK) word_wait(FINALIZED, lives);
    if (way == JOIN) CHECK_OK(pool_join(pool, POOL_FOREVER));
    if (way == DRAIN) CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    if (way == CANCEL) CHECK_OK(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER));
    if (way != FREE) CHECK_EQUAL(word_get(FINALIZED), lives);
    pool_free(pool);
    CHECK_EQUAL(word_get(INITIALIZED), lives);
    CHECK_EQUAL(word_get(FINALIZED), lives);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    uint32_t lives = 0;
    count_lifecycle(&options);
    for (enum way way = 0; way < WAYS; way++) {
        if (way == IDLE && options.kind == POOL_INLINE) continue; /* nobody there is idle */
        leaves(options, way, ++lives);
    }
    return leaves_nothing_behind();
}
