/* Tasks that take about as long as their hard limit: each completes with its own result or fails by the
 * limit, and those without one all complete. */
#include "time_limits.h"
#include "processes.h"

enum { WORKERS = 2, TASKS = 60, LIMIT_MS = 15 };

/* Takes so many µs; the result is that number. */
static int32_t take_time(pool_task_t *task) {
    uint64_t us;
    memcpy(&us, pool_task_args(task, NULL), sizeof us);
    uint64_t end = now_ns() + us * 1000;
    while (now_ns() < end) continue;
    return pool_task_return(task, &us, sizeof us);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    pool_t *pool = new_pool(&options, WORKERS);
    static future_t *limited[TASKS], *free_ones[TASKS];
    static struct timeouts told[TASKS];
    uint32_t failed = 0;
    for (uint64_t i = 0; i < TASKS; i++) {
        uint64_t us = (LIMIT_MS - 3) * 1000 + i % 20 * 400;
        pool_call_t call = call_recording_timeouts(take_time, &told[i]);
        call.task.args = &us;
        call.task.len = sizeof us;
        call.hard_limit_ms = LIMIT_MS;
        limited[i] = submit_call(pool, &call);
        CHECK_OK(pool_submit(pool, square, &i, sizeof i, &free_ones[i]));
    }
    for (uint64_t i = 0; i < TASKS; i++) {
        CHECK_EQUAL(collect_number(free_ones[i]), i * i);
        CHECK_OK(future_wait(limited[i], POOL_FOREVER));
        await_count(&told[i].drops, 1);
        if (future_state(limited[i]) == FUTURE_COMPLETED) {
            CHECK_EQUAL(collect_number(limited[i]), (LIMIT_MS - 3) * 1000 + i % 20 * 400);
        } else {
            check_ended(limited[i], FUTURE_FAILED, POOL_ERR_HARD_LIMIT);
            CHECK_EQUAL(told[i].hard, 1);
            failed++;
        }
        CHECK(told[i].hard <= 1 && told[i].soft == 0);
    }
    printf("%u of %u passed their limit\n", failed, TASKS);
    wait_and_free(limited, TASKS);
    wait_and_free(free_ones, TASKS);
    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
