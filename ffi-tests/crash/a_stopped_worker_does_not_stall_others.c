/* A worker that was stopped while idle holds nothing that the others need. */
#include "processes.h"

enum { WORKERS = 2, TASKS = 200, ROUNDS = 6 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    pool_t *pool = new_pool(&options, WORKERS);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        future_t *futures[TASKS];
        pid_t pids[WORKERS];
        get_worker_pids(pool, round, WORKERS, pids);
        pid_t stopped = pids[round % WORKERS];
        stop_and_wait(stopped);
        for (uint64_t i = 0; i < TASKS; i++) {
            CHECK_OK(pool_submit(pool, square, &i, sizeof i, &futures[i]));
        }
        for (uint64_t i = 0; i < TASKS; i++) CHECK_EQUAL(collect_number(futures[i]), i * i);
        wait_and_free(futures, TASKS);
        kill(stopped, round < ROUNDS / 2 ? SIGCONT : SIGKILL);
    }

    /* A pool that is freed does not wait for one either. */
    pid_t pids[WORKERS];
    get_worker_pids(pool, ROUNDS, WORKERS, pids);
    kill(pids[0], SIGSTOP);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER));
    pool_free(pool);
    return leaves_nothing_behind();
}
