/* A task that takes one CPU for itself, with the highest priority that there is, is killed at its hard limit all the
 * same, and nothing else notices. */
#include "time_limits.h"
#include "processes.h"
#include <sched.h>

enum { STARTED = WORD_FIRST, REFUSED, LIMIT_MS = 50, TASKS = 20 };

static int32_t take_a_cpu(pool_task_t *task) {
    struct sched_param highest = {.sched_priority = 99};
    cpu_set_t first, mine;
    (void)task;
    CPU_ZERO(&first);
    CHECK(sched_getaffinity(0, sizeof mine, &mine) == 0);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&first) == 0; cpu++) {
        if (CPU_ISSET(cpu, &mine)) CPU_SET(cpu, &first);
    }
    if (CPU_COUNT(&mine) < 2 || sched_setaffinity(0, sizeof first, &first) != 0 ||
        sched_setscheduler(0, SCHED_FIFO, &highest) != 0) {
        word_set(REFUSED, 1);
        return 0;
    }
    for (volatile uint64_t n = 0;; n++) {}
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    pool_t *pool = new_pool(&options, 2);
    future_t *greedy, *others[TASKS];
    pool_call_t call = POOL_CALL_INIT;
    call.task.pointer = take_a_cpu;
    call.hard_limit_ms = LIMIT_MS;
    CHECK_OK(pool_submit_call(pool, &call, &greedy));
    for (uint64_t i = 0; i < TASKS; i++) CHECK_OK(pool_submit(pool, square, &i, sizeof i, &others[i]));
    for (uint64_t i = 0; i < TASKS; i++) CHECK_EQUAL(collect_number(others[i]), i * i);
    CHECK_OK(future_wait(greedy, POOL_FOREVER));
    bool is_refused = word_get(REFUSED);
    if (!is_refused) check_ended(greedy, FUTURE_FAILED, POOL_ERR_HARD_LIMIT);
    future_free(greedy);
    future_free_many(others, TASKS);
    CHECK(pid_of_any_worker(pool) > 0);
    pool_free(pool);
    return is_refused ? SKIPPED : leaves_nothing_behind();
}
