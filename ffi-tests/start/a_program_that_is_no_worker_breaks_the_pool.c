/* A worker_executable that exits before it is ready breaks the pool after max_restarts attempts, or after
 * the default number; every later call reports that. */
#include "lifecycle.h"

static void breaks(pool_options_t options, uint32_t most, const char *program) {
    pool_error_t error;
    future_t *future;
    options.worker_executable = program;
    options.max_restarts = most;
    pool_t *pool = new_pool(&options, 2);
    CHECK_OK(pool_submit(pool, return_pid, NULL, 0, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_EQUAL(future_state(future), FUTURE_CANCELLED);
    CHECK_IS(pool_check(pool, &error), POOL_ERR_RESTARTS);
    CHECK(error.message[0] != 0);
    CHECK_IS(pool_submit(pool, return_pid, NULL, 0, NULL), POOL_ERR_RESTARTS);
    CHECK_IS(pool_spawn_workers(pool, 1, NULL), POOL_ERR_RESTARTS);
    CHECK_IS(pool_join(pool, POOL_FOREVER), POOL_ERR_RESTARTS);
    CHECK_EQUAL(pool_state(pool), POOL_STATE_BROKEN);
    future_free(future);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS || options.start == POOL_FORK) return SKIPPED;
    breaks(options, 1, "/bin/false");
    breaks(options, 2, "/bin/true");
    breaks(options, 0, "/bin/true");
    return leaves_nothing_behind();
}
