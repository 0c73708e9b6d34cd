/* A worker whose initializer has failed has nothing to finalize: it runs no finalizer. */
#include "life.h"

static int32_t refuse(pool_task_t *task) {
    word_add(BEGUN, 1);
    return pool_task_fail(task, 1, "no");
}

static int32_t finalize(pool_task_t *task) {
    (void)task;
    word_add(ENDED, 1);
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    options.initializer.pointer = refuse;
    options.finalizer.pointer = finalize;
    pool_t *pool = new_pool(&options, 1);
    future_t *future;
    CHECK_OK(pool_submit(pool, tell_pid, NULL, 0, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_EQUAL(future_state(future), FUTURE_CANCELLED);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    CHECK_EQUAL(word_get(BEGUN), 1);
    CHECK_EQUAL(word_get(ENDED), 0);
    future_free(future);
    pool_free(pool);
    return leaves_nothing_behind();
}
