/* pool_stats adds up whenever nothing is queued or runs: after workers were killed at any moment, with tasks
 * that were taken in advance, run again, cancelled while they ran or at their end. A task is counted once. */
#include "processes.h"

enum { ROUNDS = 80, TASKS = 200 };

static uint64_t sum_of(const uint64_t *entries) {
    uint64_t sum = 0;
    for (int i = 0; i < 64; i++) sum += entries[i];
    return sum;
}

static void kill_a_worker(pool_t *pool, int which) {
    pool_worker_info_t workers[4] = {{.struct_size = sizeof *workers}};
    size_t n = 0;
    CHECK_OK(pool_workers(pool, workers, COUNT_OF(workers), &n));
    if (n > 0 && workers[which % n].pid > 0) kill((pid_t)workers[which % n].pid, SIGKILL);
}

static void check_stats(pool_t *pool, uint64_t submitted, const uint64_t *ends) {
    pool_stats_t stats = POOL_STATS_INIT;
    CHECK_OK(pool_stats(pool, &stats));
    CHECK_EQUAL(stats.tasks_submitted, submitted);
    CHECK_EQUAL(stats.tasks_completed, ends[FUTURE_COMPLETED]);
    CHECK_EQUAL(stats.tasks_failed, ends[FUTURE_FAILED]);
    CHECK_EQUAL(stats.tasks_cancelled, ends[FUTURE_CANCELLED]);
    CHECK_EQUAL(sum_of(stats.run_ns), ends[FUTURE_COMPLETED]);
    CHECK_EQUAL(sum_of(stats.queue_ns), ends[FUTURE_COMPLETED]);
    CHECK_EQUAL(stats.args_bytes, ends[FUTURE_COMPLETED] * sizeof(uint64_t));
    CHECK_EQUAL(stats.result_bytes, ends[FUTURE_COMPLETED] * sizeof(uint64_t));
}

static void check_sched(pool_options_t options, pool_sched_t sched, pool_cancel_t cancel) {
    future_t *futures[TASKS];
    uint64_t ends[8] = {0};
    options.sched = sched;
    /* They leave what they have taken in advance. */
    if (sched == POOL_SCHED_PREFETCH && options.kind == POOL_THREAD) options.max_tasks_per_worker = 5;
    if (options.kind == POOL_PROCESS) options.kill_grace_ms = POOL_NOW;
    pool_t *pool = new_pool(&options, 2);
    for (int round = 0; round < ROUNDS; round++) {
        for (uint64_t i = 0; i < TASKS; i++) {
            pool_call_t call = POOL_CALL_INIT;
            call.task.pointer = square;
            call.task.args = &i;
            call.task.len = sizeof i;
            call.retries = options.kind == POOL_PROCESS && i % 2;
            CHECK_OK(pool_submit_call(pool, &call, &futures[i]));
            if (i > 0 && i % 7 == 0) future_cancel(futures[i - i % 5], cancel);
            if (i == (uint64_t)(round * 5 % TASKS)) kill_a_worker(pool, round);
        }
        kill_a_worker(pool, round);
        CHECK_OK(future_wait_many(futures, TASKS, POOL_WAIT_ALL, POOL_FOREVER, NULL));
        for (int i = 0; i < TASKS; i++) ends[future_state(futures[i])]++;
        check_stats(pool, (uint64_t)(round + 1) * TASKS, ends);
        for (int i = 0; i < TASKS; i++) future_free(futures[i]);
    }
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    check_sched(options, POOL_SCHED_FIFO, POOL_CANCEL_QUEUED);
    check_sched(options, POOL_SCHED_PREFETCH, POOL_CANCEL_QUEUED);
    if (options.kind == POOL_PROCESS) {
        check_sched(options, POOL_SCHED_FIFO, POOL_CANCEL_RUNNING);
        check_sched(options, POOL_SCHED_PREFETCH, POOL_CANCEL_RUNNING);
    }
    return leaves_nothing_behind();
}
