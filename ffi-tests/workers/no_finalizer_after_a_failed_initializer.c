/* A worker whose initializer has failed has nothing to finalize: it runs no finalizer. */
#include "lifecycle.h"

static int32_t refuse(pool_task_t *task) {
    word_add(INITIALIZED, 1);
    return pool_task_fail(task, 1, "no");
}

static int32_t finalize(pool_task_t *task) {
    (void)task;
    word_add(FINALIZED, 1);
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    options.initializer.pointer = refuse;
    options.finalizer.pointer = finalize;
    pool_t *pool = new_pool(&options, 1);
    future_t *future;
    CHECK_OK(pool_submit(pool, return_pid, NULL, 0, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_EQUAL(future_state(future), FUTURE_CANCELLED);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    CHECK_EQUAL(word_get(INITIALIZED), 1);
    CHECK_EQUAL(word_get(FINALIZED), 0);
    future_free(future);
    pool_free(pool);
    return leaves_nothing_behind();
}
