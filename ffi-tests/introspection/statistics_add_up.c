/* pool_stats: every task that was submitted is counted once when it is done, however it ends: completed,
 * failed, cancelled, lost with its worker, run again, helped by a waiter, as a chunk, in a pool that breaks.
 * The histograms count every task that a worker has ended. */
#include "lifecycle.h"
#include <errno.h>
#include <signal.h>

enum { GOOD = 40, BAD = 7, QUEUED = 9, LARGE = 100000, FAST = 1000 };

static pool_stats_t stats_of(pool_t *pool) {
    pool_stats_t stats = POOL_STATS_INIT;
    CHECK_OK(pool_stats(pool, &stats));
    return stats;
}

static uint64_t sum_of(const uint64_t *entries) {
    uint64_t sum = 0;
    for (int i = 0; i < 64; i++) sum += entries[i];
    return sum;
}

static pool_stats_t check_sums(pool_t *pool, uint64_t ended_by_workers) {
    pool_stats_t stats = stats_of(pool);
    CHECK_EQUAL(stats.tasks_submitted,
                stats.tasks_completed + stats.tasks_failed + stats.tasks_cancelled);
    CHECK_EQUAL(sum_of(stats.queue_ns), ended_by_workers);
    CHECK_EQUAL(sum_of(stats.run_ns), ended_by_workers);
    return stats;
}

int32_t fail(pool_task_t *task) {
    return pool_task_fail(task, 3, "on purpose");
}

int32_t answer_much(pool_task_t *task) {
    return pool_task_result(task, LARGE) ? 0 : ENOMEM;
}

int32_t take_a_while(pool_task_t *task) {
    (void)task;
    struct timespec pause = {0, 20000000};
    while (nanosleep(&pause, &pause) != 0 && errno == EINTR) {}
    return 0;
}

int32_t die(pool_task_t *task) {
    (void)task;
    raise(SIGKILL);
    return 0;
}

static void check_ends(pool_options_t options) {
    pool_t *pool = new_pool(&options, 2);
    future_t *futures[GOOD + BAD];
    static char args[LARGE];
    for (int i = 0; i < GOOD; i++) {
        CHECK_OK(pool_submit(pool, return_pid, args, i ? 3 : LARGE, &futures[i]));
    }
    for (int i = GOOD; i < GOOD + BAD; i++) {
        CHECK_OK(pool_submit(pool, fail, NULL, 0, &futures[i]));
    }
    wait_and_free(futures, GOOD + BAD);
    pool_stats_t stats = check_sums(pool, GOOD + BAD);
    CHECK_EQUAL(stats.tasks_completed, GOOD);
    CHECK_EQUAL(stats.tasks_failed, BAD);
    CHECK_EQUAL(stats.args_bytes, LARGE + 3 * (GOOD - 1));
    CHECK_EQUAL(stats.result_bytes, GOOD * sizeof(int64_t));
    CHECK(stats.workers_started >= 1 && stats.workers_started <= 2);

    CHECK_OK(pool_run(pool, take_a_while, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_OK(pool_submit(pool, answer_much, NULL, 0, &futures[0]));
    wait_and_free(futures, 1);
    stats = check_sums(pool, GOOD + BAD + 2);
    CHECK_EQUAL(stats.result_bytes, GOOD * sizeof(int64_t) + LARGE);
    uint64_t slow = 0; /* 20 ms are more than 2^24 ns, less what a clock may be off */
    for (int i = 24; i < 64; i++) slow += stats.run_ns[i];
    CHECK(slow >= 1);
    CHECK(stats.run_total_ns > 19000000);

    uint64_t items[GOOD] = {0}, results[GOOD];
    pool_map_options_t chunks = POOL_MAP_INIT;
    chunks.chunk_size = 10;
    CHECK_OK(pool_map(pool, square, items, sizeof *items, GOOD, &chunks, results, sizeof *results,
                      NULL));
    CHECK_EQUAL(check_sums(pool, GOOD + BAD + 2 + GOOD / 10).tasks_completed, GOOD + 2 + GOOD / 10);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER));
    check_sums(pool, GOOD + BAD + 2 + GOOD / 10);
    pool_free(pool);
}

static void check_cancelled(pool_options_t options) {
    pool_t *pool = new_pool(&options, 1);
    future_t *running, *futures[QUEUED];
    occupy(pool, 0, 1, &running);
    for (int i = 0; i < QUEUED; i++) {
        CHECK_OK(pool_submit(pool, return_pid, NULL, 0, &futures[i]));
    }
    pool_stats_t stats = stats_of(pool);
    CHECK_EQUAL(stats.tasks_submitted, 1 + QUEUED);
    CHECK_EQUAL(stats.tasks_completed, 0);
    CHECK_OK(future_cancel(futures[0], POOL_CANCEL_QUEUED));
    CHECK_IS(future_cancel(running, POOL_CANCEL_QUEUED), POOL_ERR_STATE);
    CHECK_EQUAL(stats_of(pool).tasks_cancelled, 1);
    CHECK_OK(pool_close(pool));
    CHECK_IS(pool_submit(pool, return_pid, NULL, 0, NULL), POOL_ERR_CLOSED);
    CHECK_IS(pool_shutdown(pool, POOL_STOP_CANCEL, 0), POOL_ERR_TIMEOUT);
    release(0);
    pool_status_t status = pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER);
    CHECK(status == POOL_OK || status == POOL_ERR_CLOSED); /* perhaps it was just over */
    stats = check_sums(pool, 1);
    CHECK_EQUAL(stats.tasks_submitted, 1 + QUEUED);
    CHECK_EQUAL(stats.tasks_cancelled, QUEUED);
    future_free(running);
    for (int i = 0; i < QUEUED; i++) future_free(futures[i]);
    pool_free(pool);
}

static void check_lost(pool_options_t options) {
    pool_t *pool = new_pool(&options, 1);
    CHECK_IS(pool_run(pool, die, NULL, 0, POOL_FOREVER, NULL, 0, NULL), POOL_ERR_WORKER_LOST);
    pid_of_any_worker(pool);
    pool_stats_t stats = check_sums(pool, 1);
    CHECK_EQUAL(stats.tasks_submitted, 2);
    CHECK_EQUAL(stats.tasks_failed, 1);
    CHECK_EQUAL(stats.tasks_lost, 1);
    CHECK_EQUAL(stats.workers_started, 2);
    CHECK_EQUAL(stats.workers_lost, 1);
    pool_free(pool);

    options.on_worker_lost = POOL_LOST_RETRY;
    options.retries = 2;
    pool = new_pool(&options, 1);
    CHECK_IS(pool_run(pool, die, NULL, 0, POOL_FOREVER, NULL, 0, NULL), POOL_ERR_WORKER_LOST);
    stats = check_sums(pool, 0);
    CHECK_EQUAL(stats.tasks_submitted, 1);
    CHECK_EQUAL(stats.tasks_failed, 1);
    CHECK_EQUAL(stats.tasks_lost, 3);
    CHECK_EQUAL(stats.tasks_retried, 2);
    pool_free(pool);

    future_t *running;
    options.on_worker_lost = POOL_LOST_FAIL_TASK;
    options.retries = 0;
    pool = new_pool(&options, 1);
    occupy(pool, 1, 1, &running);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER));
    stats = check_sums(pool, 0);
    CHECK_EQUAL(stats.tasks_cancelled, 1);
    CHECK_EQUAL(stats.tasks_lost, 0);
    future_free(running);
    pool_free(pool);
}

/* Workers that are killed at any moment: also between counting a task and ending it. */
static void check_kills(pool_options_t options) {
    pool_t *pool = new_pool(&options, 2);
    static future_t *futures[FAST];
    pool_stats_t stats;
    uint64_t completed = 0;
    for (int round = 0; round < 8; round++) {
        pool_worker_info_t worker = {.struct_size = sizeof worker};
        size_t n = 0;
        for (int i = 0; i < FAST; i++) {
            CHECK_OK(pool_submit(pool, return_pid, NULL, 0, &futures[i]));
            if (i != FAST / 2) continue;
            CHECK_OK(pool_workers(pool, &worker, 1, &n));
            if (n > 0 && worker.pid > 0) kill((pid_t)worker.pid, SIGKILL);
        }
        CHECK_OK(future_wait_many(futures, FAST, POOL_WAIT_ALL, POOL_FOREVER, NULL));
        for (int i = 0; i < FAST; i++) {
            completed += future_state(futures[i]) == FUTURE_COMPLETED;
            future_free(futures[i]);
        }
        stats = stats_of(pool);
        CHECK_EQUAL(stats.tasks_submitted, (round + 1) * FAST);
        CHECK_EQUAL(stats.tasks_completed, completed);
        CHECK_EQUAL(stats.tasks_completed + stats.tasks_failed, stats.tasks_submitted);
    }
    pool_free(pool);
}

static int32_t never_ready(pool_task_t *task) {
    return pool_task_fail(task, 1, "not today");
}

static void check_broken(pool_options_t options) {
    options.initializer.pointer = never_ready;
    pool_t *pool = new_pool(&options, 1);
    for (int i = 0; i < QUEUED; i++) pool_submit(pool, return_pid, NULL, 0, NULL);
    pool_join(pool, POOL_FOREVER);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    pool_stats_t stats = check_sums(pool, 0);
    CHECK(stats.tasks_submitted >= 1 && stats.tasks_cancelled == stats.tasks_submitted);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    check_ends(options);
    check_broken(options);
    if (options.kind != POOL_INLINE) check_cancelled(options);
    if (options.kind == POOL_PROCESS) {
        check_lost(options);
        check_kills(options);
    }
    pool_stats_t small = {.struct_size = 16};
    pool_t *pool = new_pool(&options, 1);
    CHECK_IS(pool_stats(pool, &small), POOL_ERR_VERSION);
    CHECK_IS(pool_stats(pool, NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_stats(NULL, &small), POOL_ERR_VERSION);
    pool_free(pool);
    return leaves_nothing_behind();
}
