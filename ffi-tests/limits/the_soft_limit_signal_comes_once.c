/* soft_limit_signal: the worker process gets the signal once for each task that passes its soft limit,
 * and none after the task; others get none. */
#include "time_limits.h"

enum { LIMIT_MS = 30, ROUNDS = 5 };

static volatile sig_atomic_t signals;

static void count_signal(int number) {
    (void)number;
    signals++;
}

/* Result: how many signals it got. It runs for several times its limit. */
static int32_t count_signals(pool_task_t *task) {
    struct sigaction action = {.sa_handler = count_signal};
    signals = 0;
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    uint64_t end = now_ns();
    while (signals == 0) pause_briefly();
    end = now_ns() + 3 * (now_ns() - end);
    while (now_ns() < end) pause_briefly();
    CHECK(pool_task_soft_expired(task));
    uint64_t n = (uint64_t)signals;
    return pool_task_return(task, &n, sizeof n);
}

/* Result: the signals since the last task of this worker. */
static int32_t signals_since(pool_task_t *task) {
    uint64_t n = (uint64_t)signals;
    return pool_task_return(task, &n, sizeof n);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    options.soft_limit_signal = SIGUSR2;
    if (options.kind != POOL_PROCESS) {
        pool_t *none;
        CHECK_IS(pool_new(&options, &none, NULL), POOL_ERR_UNSUPPORTED);
        return leaves_nothing_behind();
    }
    pool_options_t with = options;
    pool_t *pool = NULL;
    const int wrong[] = {-1, 65, SIGKILL, SIGSTOP};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        with.soft_limit_signal = wrong[i];
        CHECK_IS(pool_new(&with, &pool, NULL), POOL_ERR_INVALID);
    }

    options.soft_limit_ms = LIMIT_MS;
    pool = new_pool(&options, 1);
    int64_t pid = pid_of_any_worker(pool);
    for (int round = 0; round < ROUNDS; round++) {
        future_t *limited, *next;
        CHECK_OK(pool_submit(pool, count_signals, NULL, 0, &limited));
        CHECK_OK(pool_submit(pool, signals_since, NULL, 0, &next));
        CHECK_EQUAL(collect_number(limited), 1);
        CHECK_EQUAL(collect_number(next), 1);
        future_free(limited);
        future_free(next);
    }
    CHECK_EQUAL(pid_of_any_worker(pool), pid);
    pool_free(pool);
    return leaves_nothing_behind();
}
