/* What broke a pool first is what it says for good: a finalizer that fails later, when the last
 * worker leaves, does not take the initializer's place. */
#include "lifecycle.h"

static int32_t refuse_the_second(pool_task_t *task) {
    return word_add(INITIALIZED, 1) == 0 ? 0 : pool_task_fail(task, 42, "only one");
}

static int32_t refuse_to_end(pool_task_t *task) {
    word_add(FINALIZED, 1);
    return pool_task_fail(task, -5, "later");
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    options.initializer.pointer = refuse_the_second;
    options.finalizer.pointer = refuse_to_end;
    options.idle_timeout_ms = POOL_NOW;
    pool_t *pool = new_pool(&options, 2);
    future_t *running;
    pool_error_t error;
    occupy(pool, 0, 1, &running);
    CHECK_OK(pool_spawn_workers(pool, 1, NULL));
    while (!(pool_state(pool) & POOL_STATE_BROKEN)) pause_briefly();
    CHECK_IS(pool_check(pool, NULL), POOL_ERR_INITIALIZER);
    release(0);
    word_wait(FINALIZED, 1);
    await_workers(pool, 0);
    CHECK_IS(pool_join(pool, POOL_FOREVER), POOL_ERR_INITIALIZER);
    CHECK_IS(pool_check(pool, &error), POOL_ERR_INITIALIZER);
    CHECK_EQUAL(error.task_code, 42);
    CHECK(strcmp(error.message, "only one") == 0);
    CHECK_EQUAL(future_state(running), FUTURE_COMPLETED);
    future_free(running);
    pool_free(pool);
    return leaves_nothing_behind();
}
