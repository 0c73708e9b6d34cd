/* A forkserver begins with the helper program where only functions of libraries were submitted, and goes on
 * with the main program when one of its functions comes. The helper stays as long as it has a worker, and no
 * longer. */
#include "forkserver.h"

enum { GATE = 0 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.start != POOL_FORKSERVER) return SKIPPED;
    char *counted = library_path("counted");
    uint32_t gate = GATE;
    future_t *future;
    options.idle_timeout_ms = POOL_NOW;
    pool_t *pool = new_pool(&options, 2);
    CHECK_OK(pool_submit_symbol(pool, counted, "wait_in_library", &gate, sizeof gate, &future));
    word_wait(gate_started(GATE), 1);
    CHECK_EQUAL(count_forkservers(), 1);
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_EQUAL(count_forkservers(), 2);
    release(GATE);
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_EQUAL(future_state(future), FUTURE_COMPLETED);
    while (count_forkservers() != 1) pause_briefly();
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_OK(pool_check(pool, NULL));
    future_free(future);
    pool_free(pool);

    /* The helper's worker has left before. */
    pool = new_pool(&options, 2);
    CHECK_OK(pool_submit_symbol(pool, counted, "wait_in_library", &gate, sizeof gate, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    await_workers(pool, 0);
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_EQUAL(count_forkservers(), 1);
    future_free(future);
    pool_free(pool);
    free(counted);
    return leaves_nothing_behind();
}
