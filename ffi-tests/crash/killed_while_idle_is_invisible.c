/* A worker that is killed while it is idle is replaced, and no task is affected. */
#include "processes.h"

enum { WORKERS = 3, TASKS = 1000, ROUNDS = 10 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    pool_t *pool = new_pool(&options, WORKERS);
    static future_t *futures[TASKS];
    for (uint32_t round = 0; round < ROUNDS; round++) {
        pid_t pids[WORKERS];
        get_worker_pids(pool, round, WORKERS, pids);
        /* All of them, or all but one. */
        for (int i = round % 2; i < WORKERS; i++) kill_and_wait(pids[i]);
        for (uint64_t i = 0; i < TASKS; i++) {
            CHECK_OK(pool_submit(pool, square, &i, sizeof i, &futures[i]));
        }
        for (uint64_t i = 0; i < TASKS; i++) CHECK_EQUAL(collect_number(futures[i]), i * i);
        wait_and_free(futures, TASKS);
    }
    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
