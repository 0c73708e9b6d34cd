/* A task that was cancelled because its pool broke has waited and has not run: it has a queue time, no
 * run time and no progress, whatever broke the pool. One that was killed while it ran keeps both. */
#include "lifecycle.h"
#include "time_limits.h"
#include "processes.h"

enum { TASKS = 20, ALL_IN = LIFECYCLE_FIRST, STARTED, NEVER };

/* The second worker fails, when everything has been submitted. */
static int32_t refuse_the_second(pool_task_t *task) {
    if (word_add(INITIALIZED, 1) == 0) return 0;
    word_wait(ALL_IN, 1);
    return pool_task_fail(task, 42, "only one");
}

static int32_t report_and_stay(pool_task_t *task) {
    pool_task_progress(task, 3, 7);
    word_add(STARTED, 1);
    word_wait(NEVER, 1);
    return 0;
}

static void check_only_waited(future_t *future, uint64_t begin) {
    uint64_t queued, running, done, total, most = now_ns() - begin;
    CHECK_EQUAL(future_state(future), FUTURE_CANCELLED);
    CHECK_OK(future_duration(future, &queued, &running));
    CHECK_EQUAL(running, 0);
    CHECK(queued <= most);
    CHECK_OK(future_progress(future, &done, &total));
    CHECK(done == 0 && total == 0);
}

static void check_all(pool_t *pool, future_t **futures, uint64_t begin) {
    CHECK_OK(future_wait_many(futures, TASKS, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    for (int i = 0; i < TASKS; i++) check_only_waited(futures[i], begin);
    wait_and_free(futures, TASKS);
    CHECK(pool_state(pool) & POOL_STATE_BROKEN);
}

static void submit_all(pool_t *pool, future_t **futures) {
    for (uint64_t i = 0; i < TASKS; i++) {
        CHECK_OK(pool_submit(pool, square, &i, sizeof i, &futures[i]));
    }
}

static void after_a_failed_initializer(pool_options_t options) {
    future_t *futures[TASKS], *running;
    uint64_t begin = now_ns();
    options.initializer.pointer = refuse_the_second;
    pool_t *pool = new_pool(&options, 2);
    occupy(pool, 0, 1, &running);
    submit_all(pool, futures);
    word_set(ALL_IN, 1);
    check_all(pool, futures, begin);
    release(0);
    wait_and_free(&running, 1);
    pool_free(pool);
}

static void check_was_running(future_t *future, uint64_t begin) {
    uint64_t queued, running, done, total, most = now_ns() - begin;
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_OK(future_duration(future, &queued, &running));
    CHECK(running > 0 && queued + running <= most + (now_ns() - begin));
    CHECK_OK(future_progress(future, &done, &total));
    CHECK(done == 3 && total == 7);
    future_free(future);
}

static future_t *submit_one_that_stays(pool_t *pool) {
    future_t *future;
    word_set(STARTED, 0);
    CHECK_OK(pool_submit(pool, report_and_stay, NULL, 0, &future));
    word_wait(STARTED, 1);
    return future;
}

static void after_a_lost_worker(pool_options_t options) {
    future_t *futures[TASKS];
    uint64_t begin = now_ns();
    options.on_worker_lost = POOL_LOST_BREAK;
    options.kill_grace_ms = POOL_NOW;
    pool_t *pool = new_pool(&options, 1);
    future_t *cancelled = submit_one_that_stays(pool);
    CHECK_OK(future_cancel(cancelled, POOL_CANCEL_RUNNING));
    check_was_running(cancelled, begin);

    future_t *lost = submit_one_that_stays(pool);
    submit_all(pool, futures);
    pool_worker_info_t worker = {.struct_size = sizeof worker};
    CHECK_OK(pool_workers(pool, &worker, 1, NULL));
    kill_and_wait((pid_t)worker.pid);
    check_all(pool, futures, begin);
    CHECK_EQUAL(future_state(lost), FUTURE_FAILED);
    check_was_running(lost, begin);
    pool_free(pool);
}

static void after_a_kill(pool_options_t options) {
    uint64_t begin = now_ns();
    pool_t *pool = new_pool(&options, 1);
    future_t *killed = submit_one_that_stays(pool);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER));
    CHECK_IS(future_result(killed, &(const void *){NULL}, NULL), POOL_ERR_TERMINATED);
    check_was_running(killed, begin);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    after_a_failed_initializer(options);
    if (options.kind == POOL_PROCESS) {
        after_a_lost_worker(options);
        after_a_kill(options);
    }
    return leaves_nothing_behind();
}
