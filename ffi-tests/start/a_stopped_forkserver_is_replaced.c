/* A fork server may be alive and not respond. It is killed when the worker has not started in time, and
 * another one is started; a shutdown that kills does not wait for it either. */
#include "forkserver.h"

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.start == POOL_SPAWN) return SKIPPED;
    options.idle_timeout_ms = POOL_NOW;
    options.start_timeout_ms = 100;
    pool_t *pool = new_pool(&options, 1);
    pid_t before = forkserver_of(pool);
    await_workers(pool, 0);
    stop_and_wait(before);
    CHECK(forkserver_of(pool) != before);
    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);

    options.start_timeout_ms = POOL_FOREVER;
    pool = new_pool(&options, 1);
    pid_t stopped = forkserver_of(pool);
    await_workers(pool, 0);
    stop_and_wait(stopped);
    future_t *future;
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &future));
    while (pool_count_workers(pool) == 0) pause_briefly();
    CHECK_OK(pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER));
    CHECK_EQUAL(future_state(future), FUTURE_CANCELLED);
    CHECK(is_dead(stopped));
    future_free(future);
    pool_free(pool);
    return leaves_nothing_behind();
}
