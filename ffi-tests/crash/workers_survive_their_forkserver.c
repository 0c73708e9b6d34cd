/* The death of their fork server does not affect workers: running tasks go on, the workers take more tasks,
 * and the death of a worker is still detected. */
#include "forkserver.h"

enum { WORKERS = 2, FIRST = 0, SECOND = 1 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.start == POOL_SPAWN) return SKIPPED;
    pool_t *pool = new_pool(&options, WORKERS);
    future_t *first[WORKERS], *second[WORKERS];
    pid_t pids[WORKERS];
    occupy(pool, FIRST, WORKERS, first);
    for (uint32_t i = 0; i < WORKERS; i++) pids[i] = pid_of_worker(i);
    pid_t forkserver = current_forkserver();
    CHECK(forkserver > 0);
    kill_forkserver(forkserver);
    release(FIRST);
    CHECK_OK(future_wait_many(first, WORKERS, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    for (int i = 0; i < WORKERS; i++) CHECK_EQUAL(future_state(first[i]), FUTURE_COMPLETED);
    wait_and_free(first, WORKERS);

    occupy(pool, SECOND, WORKERS, second);
    for (uint32_t i = 0; i < WORKERS; i++) CHECK_EQUAL(pid_of_worker(i), pids[i]);
    kill(pids[0], SIGKILL);
    size_t done;
    CHECK_OK(future_wait_many(second, WORKERS, POOL_WAIT_FIRST, POOL_FOREVER, &done));
    CHECK_EQUAL(done, 1);
    CHECK_EQUAL(future_is_done(second[0]) + future_is_done(second[1]), 1);
    CHECK_EQUAL(check_lost(future_is_done(second[0]) ? second[0] : second[1]).worker_pid, pids[0]);
    release(SECOND);
    wait_and_free(second, WORKERS);
    pool_free(pool);
    return leaves_nothing_behind();
}
