/* Short tasks are cancelled while they run, at the very moment at which they end: each one completes or is
 * cancelled, and every other task completes, once. */
#include "time_limits.h"
#include "processes.h"

enum { WORKERS = 3, TASKS = 1500, RUNS = WORD_FIRST /* one for each task */ };

struct args {
    uint32_t number, us;
};

/* Result: its number. */
static int32_t work_for_a_while(pool_task_t *task) {
    struct args args;
    memcpy(&args, pool_task_args(task, NULL), sizeof args);
    uint64_t end = now_ns() + args.us * 1000, number = args.number;
    while (now_ns() < end) continue;
    word_add(RUNS + args.number, 1);
    return pool_task_return(task, &number, sizeof number);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    options.kill_grace_ms = POOL_NOW;
    pool_t *pool = new_pool(&options, WORKERS);
    static future_t *futures[TASKS];
    uint32_t cancelled = 0, n_running = 0;
    for (uint32_t i = 0; i < TASKS; i++) {
        struct args args = {i, 20 + i % 7 * 40};
        CHECK_OK(pool_submit(pool, work_for_a_while, &args, sizeof args, &futures[i]));
    }
    for (uint32_t i = 0; i < TASKS; i += 10) {
        while (future_state(futures[i]) == FUTURE_PENDING) continue;
        for (uint64_t end = now_ns() + i % 13 * 20000; now_ns() < end;) continue;
        pool_status_t status = future_cancel(futures[i], POOL_CANCEL_RUNNING);
        n_running += status == POOL_OK;
        CHECK(status == POOL_OK || status == POOL_ERR_STATE);
    }
    for (uint32_t i = 0; i < TASKS; i++) {
        CHECK_OK(future_wait(futures[i], POOL_FOREVER));
        if (future_state(futures[i]) == FUTURE_CANCELLED) {
            CHECK_EQUAL(i % 10, 0);
            check_ended(futures[i], FUTURE_CANCELLED, POOL_ERR_CANCELLED);
            CHECK(word_get(RUNS + i) <= 1);
            cancelled++;
        } else {
            CHECK_EQUAL(collect_number(futures[i]), i);
            CHECK_EQUAL(word_get(RUNS + i), 1);
        }
        future_free(futures[i]);
    }
    printf("%u cancelled of %u that ran\n", cancelled, n_running);
    CHECK(cancelled <= n_running);
    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
