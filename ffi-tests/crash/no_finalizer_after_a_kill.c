/* A worker that is killed, by the pool or from outside, runs no finalizer; its replacement runs
 * its own initializer. */
#include "lifecycle.h"
#include <signal.h>

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    count_lifecycle(&options);
    pool_t *pool = new_pool(&options, 1);
    future_t *future;
    occupy(pool, 0, 1, &future);
    kill(pid_of_worker(0), SIGKILL);
    CHECK_OK(future_wait(future, POOL_FOREVER));
    future_free(future);
    CHECK_EQUAL(tasks_run_before(pool), 0);
    CHECK_EQUAL(word_get(INITIALIZED), 2);

    occupy(pool, 1, 1, &future);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER));
    CHECK_EQUAL(word_get(INITIALIZED), 2);
    CHECK_EQUAL(word_get(FINALIZED), 0);
    future_free(future);
    pool_free(pool);
    return leaves_nothing_behind();
}
