/* Workers that die while they start, one after the other, break the pool after max_restarts of
 * them; what waits is cancelled, and the words say how they died. */
#include "lifecycle.h"
#include <signal.h>

enum { MOST = 3 };

static int32_t die(pool_task_t *task) {
    (void)task;
    word_add(INITIALIZED, 1);
    raise(SIGKILL);
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    options.initializer.pointer = die;
    options.max_restarts = MOST;
    pool_t *pool = new_pool(&options, 1);
    future_t *future;
    pool_error_t error;
    CHECK_OK(pool_submit(pool, return_pid, NULL, 0, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_EQUAL(future_state(future), FUTURE_CANCELLED);
    CHECK_IS(pool_check(pool, &error), POOL_ERR_RESTARTS);
    CHECK(strstr(error.message, "SIGKILL") != NULL);
    CHECK_EQUAL(word_get(INITIALIZED), MOST);
    CHECK_EQUAL(pool_count_workers(pool), 0);
    future_free(future);
    pool_free(pool);
    return leaves_nothing_behind();
}
