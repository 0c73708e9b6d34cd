/* pool_restart with NOW kills worker processes with what they run; others take their places, and it is
 * neither a failed start nor a lost worker that would break the pool. Threads end their tasks first. */
#include "processes.h"

enum { WORKERS = 3, ROUNDS = 6, GATE = 0 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    options.max_restarts = 1;
    options.on_worker_lost = POOL_LOST_BREAK;
    options.min_workers = WORKERS;
    pool_t *pool = new_pool(&options, WORKERS);
    for (int round = 0; round < ROUNDS; round++) {
        future_t *futures[WORKERS];
        reset_gate(GATE);
        occupy(pool, GATE, WORKERS, futures);
        CHECK_OK(pool_restart(pool, POOL_RESTART_NOW));
        for (int i = 0; i < WORKERS; i++) {
            if (options.kind == POOL_THREAD) {
                release(GATE);
                CHECK_OK(future_wait(futures[i], POOL_FOREVER));
                CHECK_EQUAL(future_state(futures[i]), FUTURE_COMPLETED);
            } else {
                CHECK_OK(future_wait(futures[i], POOL_FOREVER));
                CHECK_EQUAL(check_lost(futures[i]).signal, SIGKILL);
            }
        }
        wait_and_free(futures, WORKERS);
        /* Also workers that have only just been started. */
        if (round % 2) CHECK_OK(pool_restart(pool, POOL_RESTART_NOW));
        CHECK_OK(pool_wait_ready(pool, WORKERS, POOL_FOREVER));
        CHECK_OK(pool_check(pool, NULL));
    }
    pool_free(pool);
    return leaves_nothing_behind();
}
