/* The time that a task waits does not count for its limits: all of them complete, one after the other on
 * one worker, though the last ends long after its limit from its submit. */
#include "time_limits.h"

enum { TASKS = 4, TAKES_MS = 300, HARD_MS = 1000, SOFT_MS = 950 };

static int32_t take_its_time(pool_task_t *task) {
    struct timespec time = {0, TAKES_MS * 1000000};
    nanosleep(&time, NULL);
    uint64_t told = pool_task_soft_expired(task);
    return pool_task_return(task, &told, sizeof told);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    future_t *futures[TASKS];
    uint64_t waited;
    options.soft_limit_ms = SOFT_MS;
    if (options.kind == POOL_PROCESS) options.hard_limit_ms = HARD_MS;
    pool_t *pool = new_pool(&options, 1);
    for (int i = 0; i < TASKS; i++) {
        CHECK_OK(pool_submit(pool, take_its_time, NULL, 0, &futures[i]));
    }
    for (int i = 0; i < TASKS; i++) CHECK_EQUAL(collect_number(futures[i]), 0);
    CHECK_OK(future_duration(futures[TASKS - 1], &waited, NULL));
    CHECK(waited + TAKES_MS * 1000000 > HARD_MS * (uint64_t)1000000);
    wait_and_free(futures, TASKS);
    pool_free(pool);
    return leaves_nothing_behind();
}
