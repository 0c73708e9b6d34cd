/* Each stop of a pool, the stronger ones after the weaker ones, returns when its timeout has expired,
 * although a worker is stopped, hangs in its finalizer, or ignores requests; the strongest one ends it, and
 * every future is done. */
#include "processes.h"

enum { RUNS, HANGS_AT_END, KINDS_OF_TROUBLE, QUEUED = 10, STARTED = WORD_FIRST, ENDING };

int32_t ignore_all(pool_task_t *task) {
    signal(SIGTERM, SIG_IGN);
    word_set(WORKER_PIDS, (uint32_t)getpid());
    word_add(STARTED, 1);
    uint32_t is_thread;
    memcpy(&is_thread, pool_task_args(task, NULL), sizeof is_thread);
    while (!is_thread || !word_get(gate_open(0))) pause_briefly();
    return 0;
}

int32_t never_end(pool_task_t *task) {
    (void)task;
    signal(SIGTERM, SIG_IGN);
    word_add(ENDING, 1);
    for (;;) pause();
}

/* Far more than the timeout, and no failure on a machine that does much else. */
static void in_time(uint64_t since_ns) {
    CHECK(now_ns() - since_ns < 5000000000u);
}

static void stop(pool_options_t options, uint32_t trouble, int is_stopped, int terminates) {
    future_t *busy = NULL, *queued[QUEUED];
    const pool_function_t end = {never_end, NULL, NULL, NULL, 0};
    uint32_t is_thread = options.kind == POOL_THREAD;
    word_set(STARTED, 0);
    word_set(ENDING, 0);
    reset_gate(0);
    if (trouble == HANGS_AT_END) options.finalizer = end;
    pool_t *pool = new_pool(&options, 1);
    if (trouble == RUNS) {
        CHECK_OK(pool_submit(pool, ignore_all, &is_thread, sizeof is_thread, &busy));
        word_wait(STARTED, 1);
        if (is_stopped) stop_and_wait((pid_t)word_get(WORKER_PIDS));
    }
    for (int i = 0; i < QUEUED; i++) CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &queued[i]));
    uint64_t since = now_ns();
    CHECK_IS(pool_join(pool, 20), POOL_ERR_TIMEOUT);
    CHECK_IS(pool_shutdown(pool, POOL_STOP_DRAIN, 20), POOL_ERR_TIMEOUT);
    in_time(since);
    if (trouble == HANGS_AT_END) word_wait(ENDING, 1);
    since = now_ns();
    CHECK_IS(pool_shutdown(pool, POOL_STOP_CANCEL, 20), POOL_ERR_TIMEOUT);
    in_time(since);
    for (int i = 0; i < QUEUED; i++) CHECK(future_is_done(queued[i]));
    since = now_ns();
    if (is_thread) {
        CHECK_IS(pool_shutdown(pool, POOL_STOP_KILL, 20), POOL_ERR_TIMEOUT);
        in_time(since);
        release(0);
        pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER);
    } else {
        CHECK_OK(terminates ? pool_terminate(pool, 50) : pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER));
        in_time(since);
    }
    CHECK(pool_state(pool) & POOL_STATE_TERMINATED);
    if (busy) {
        CHECK(future_is_done(busy));
        CHECK_EQUAL(future_state(busy), is_thread ? FUTURE_COMPLETED : FUTURE_CANCELLED);
        future_free(busy);
    }
    wait_and_free(queued, QUEUED);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    if (options.kind == POOL_THREAD) {
        stop(options, RUNS, 0, 0);
        return leaves_nothing_behind();
    }
    for (uint32_t trouble = RUNS; trouble < KINDS_OF_TROUBLE; trouble++) {
        for (int terminates = 0; terminates < 2; terminates++) {
            stop(options, trouble, 0, terminates);
            if (trouble == RUNS) stop(options, trouble, 1, terminates);
        }
    }
    return leaves_nothing_behind();
}
