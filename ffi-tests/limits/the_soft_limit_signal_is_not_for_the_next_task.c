/* soft_limit_signal: a task that returns when its limit passes takes the signal with it. It comes neither
 * after the task's function has returned nor in the next task. */
#include "time_limits.h"

enum { LIMIT_MS = 2, ROUNDS = 60 };

static volatile sig_atomic_t is_in_task, in_time, late;

static void count_signal(int number) {
    (void)number;
    if (is_in_task) in_time++;
    else late++;
}

/* Returns as soon as its limit has passed, which is before the signal is sent. */
static int32_t return_at_limit(pool_task_t *task) {
    struct sigaction action = {.sa_handler = count_signal};
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    is_in_task = 1;
    while (!pool_task_soft_expired(task)) {}
    is_in_task = 0;
    return 0;
}

/* Result: the signals until now: in their task, and not in it. */
static int32_t signals_until_now(pool_task_t *task) {
    uint64_t counts[] = {(uint64_t)in_time, (uint64_t)late};
    return pool_task_return(task, counts, sizeof counts);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return leaves_nothing_behind();
    options.soft_limit_signal = SIGUSR2;
    options.soft_limit_ms = LIMIT_MS;
    pool_t *pool = new_pool(&options, 1);
    int64_t pid = pid_of_any_worker(pool);
    for (int round = 0; round < ROUNDS; round++) {
        future_t *limited, *next;
        CHECK_OK(pool_submit(pool, return_at_limit, NULL, 0, &limited));
        CHECK_OK(pool_submit(pool, signals_until_now, NULL, 0, &next));
        CHECK_OK(future_wait(limited, POOL_FOREVER));
        CHECK_OK(future_wait(next, POOL_FOREVER));
        future_free(limited);
        future_free(next);
    }
    uint64_t counts[2];
    CHECK_OK(pool_run(pool, signals_until_now, NULL, 0, POOL_FOREVER, counts, sizeof counts, NULL));
    fprintf(stderr, "%d signals in time, %d late\n", (int)counts[0], (int)counts[1]);
    /* Between the function's last statement and its return, one may come. */
    CHECK(counts[1] <= ROUNDS / 6);
    CHECK_EQUAL(pid_of_any_worker(pool), pid);
    pool_free(pool);
    return leaves_nothing_behind();
}
