/* Joining or shutting down a pool from one of its own callbacks would deadlock: the call returns an error,
 * and pool_free does nothing there. */
#include "lifecycle.h"

static pool_t *pool;
static pool_status_t answers[3];

static void stop(future_t *future, void *user) {
    (void)user;
    answers[0] = pool_join(pool, POOL_FOREVER);
    answers[1] = pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER);
    answers[2] = pool_shutdown_all(POOL_STOP_CANCEL, POOL_FOREVER);
    pool_free(pool);
    future_free(future);
    word_set(WORD_FIRST, 1);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    pool = new_pool(&options, 1);
    future_t *running, *future;
    occupy(pool, 0, 1, &running);
    CHECK_OK(pool_submit(pool, return_pid, NULL, 0, &future));
    CHECK_OK(future_on_done(future, stop, NULL, NULL, NULL));
    release(0);
    word_wait(WORD_FIRST, 1);
    for (size_t i = 0; i < COUNT_OF(answers); i++) CHECK_IS(answers[i], POOL_ERR_DEADLOCK);
    CHECK_OK(pool_check(pool, NULL));
    CHECK_IS(future_wait(future, 0), POOL_ERR_INVALID);
    future_free(running);
    pool_free(pool);
    return leaves_nothing_behind();
}
