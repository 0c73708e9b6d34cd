/* A copy of the caller cannot be made again as it was: when it is lost, its workers go on, and the next
 * worker that is needed breaks the pool, which reports the reason. */
#include "forkserver.h"

enum { GATE = 0 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.start != POOL_FORK) return SKIPPED;
    options.fork_with_threads = false;
    pool_t *pool = new_pool(&options, 2);
    pool_error_t error;
    future_t *running, *waiting;
    kill_forkserver(forkserver_of(pool));
    CHECK_OK(pool_check(pool, NULL));
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));

    occupy(pool, GATE, 1, &running);
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &waiting));
    CHECK_OK(future_wait(waiting, POOL_FOREVER));
    CHECK_EQUAL(future_state(waiting), FUTURE_CANCELLED);
    CHECK_IS(pool_check(pool, &error), POOL_ERR_BROKEN);
    CHECK(strstr(error.message, "copy of the caller") != NULL);
    CHECK_IS(pool_submit(pool, warm_up, NULL, 0, NULL), POOL_ERR_BROKEN);
    release(GATE);
    CHECK_OK(future_wait(running, POOL_FOREVER));
    CHECK_EQUAL(future_state(running), FUTURE_COMPLETED);
    future_free(running);
    future_free(waiting);
    pool_free(pool);
    return leaves_nothing_behind();
}
