/* A pool is stopped in stages, each with its time, whatever its workers do: one is stopped by a signal, one
 * is deaf to SIGTERM, one hangs in its finalizer. The last stage ends them all, and every future is done. */
#include "time_limits.h"
#include "processes.h"

enum { QUEUED = 30, STARTED = WORD_FIRST, RAN };

static int32_t stop_itself(pool_task_t *task) {
    word_set(WORKER_PIDS + pool_task_worker(task), (uint32_t)getpid());
    word_add(STARTED, 1);
    raise(SIGSTOP);
    return 0;
}

static int32_t hang(pool_task_t *task) {
    (void)task;
    for (;;) pause();
    return 0;
}

static future_t *start(pool_t *pool, pool_task_fn function) {
    uint32_t started = STARTED, before = word_get(STARTED);
    future_t *future;
    CHECK_OK(pool_submit(pool, function, &started, sizeof started, &future));
    word_wait(STARTED, before + 1);
    return future;
}

/* By pool_shutdown, stage after stage, or by pool_terminate. */
static void check_stop(pool_options_t options, bool terminates) {
    future_t *running[2], *queued[QUEUED];
    uint32_t ran = RAN;
    options.finalizer.pointer = hang;
    options.finalizer_timeout_ms = 100;
    options.kill_grace_ms = 100;
    pool_t *pool = new_pool(&options, 3);
    running[0] = start(pool, run_for_ever);
    running[1] = start(pool, stop_itself);
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL)); /* It will hang when it leaves. */
    future_t *third = start(pool, run_for_ever);
    for (int i = 0; i < QUEUED; i++) {
        CHECK_OK(pool_submit(pool, count_in_word, &ran, sizeof ran, &queued[i]));
    }
    CHECK_OK(pool_close(pool));
    if (terminates) {
        CHECK_OK(pool_terminate(pool, 0));
    } else {
        CHECK_IS(pool_shutdown(pool, POOL_STOP_DRAIN, 30), POOL_ERR_TIMEOUT);
        CHECK_EQUAL(future_state(queued[0]), FUTURE_PENDING);
        CHECK_IS(pool_shutdown(pool, POOL_STOP_CANCEL, 30), POOL_ERR_TIMEOUT);
        CHECK_EQUAL(future_state(queued[0]), FUTURE_CANCELLED);
        CHECK_EQUAL(future_state(running[0]), FUTURE_RUNNING);
        CHECK_OK(pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER));
    }
    CHECK_IS(pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER), POOL_ERR_CLOSED);
    CHECK(pool_state(pool) & POOL_STATE_TERMINATED);
    CHECK_EQUAL(pool_count_workers(pool), 0);
    for (int i = 0; i < 2; i++) check_ended(running[i], FUTURE_CANCELLED, POOL_ERR_TERMINATED);
    check_ended(third, FUTURE_CANCELLED, POOL_ERR_TERMINATED);
    for (int i = 0; i < QUEUED; i++) check_ended(queued[i], FUTURE_CANCELLED, POOL_ERR_CANCELLED);
    CHECK_EQUAL(word_get(RAN), 0);
    CHECK_EQUAL(pool_cancelled_count(pool), QUEUED);
    wait_and_free(running, 2);
    wait_and_free(&third, 1);
    wait_and_free(queued, QUEUED);
    pool_free(pool);
}

/* An idle worker hangs in its finalizer when the pool is shut down: that has its time, and is told. */
static void check_finalizer(pool_options_t options) {
    options.finalizer.pointer = hang;
    options.finalizer_timeout_ms = 50;
    pool_t *pool = new_pool(&options, 1);
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    CHECK_EQUAL(pool_count_workers(pool), 0);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    check_stop(options, false);
    check_stop(options, true);
    check_finalizer(options);
    return leaves_nothing_behind();
}
