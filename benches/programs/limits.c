/* How late is a time limit? And how long does it take to cancel a running task?
 *
 *     limits process|thread LIMIT_MS TASKS
 *
 * The lateness is the time from the limit until the task sees that its soft limit has expired (soft), or
 * until the caller sees that its future is done (hard). The hard limit starts before the submit to a worker
 * that is ready. */
#include "bench.h"

/* Arguments: its limit in ms. Result: the lateness. */
static int32_t await_soft_limit(pool_task_t *task) {
    uint64_t limit_ms, begin_ns = now_ns();
    memcpy(&limit_ms, pool_task_args(task, NULL), sizeof limit_ms);
    while (!pool_task_soft_expired(task)) sleep_ns(20000);
    uint64_t late_ns = now_ns() - begin_ns - limit_ms * 1000000;
    return pool_task_return(task, &late_ns, sizeof late_ns);
}

static int32_t run_forever(pool_task_t *task) {
    (void)task;
    for (;;) pause();
    return 0;
}

static future_t *submit(pool_t *pool, pool_task_fn function, uint64_t soft_ms, uint64_t hard_ms) {
    pool_call_t call = POOL_CALL_INIT;
    future_t *future;
    call.task = (pool_function_t){.pointer = function, .args = &soft_ms, .len = sizeof soft_ms};
    call.soft_limit_ms = (int64_t)soft_ms;
    call.hard_limit_ms = (int64_t)hard_ms;
    CHECK_OK(pool_submit_call(pool, &call, &future));
    return future;
}

static uint64_t soft_lateness(pool_t *pool, uint64_t limit_ms) {
    uint64_t late_ns;
    future_t *future = submit(pool, await_soft_limit, limit_ms, 0);
    memcpy(&late_ns, collect(future, sizeof late_ns), sizeof late_ns);
    future_free(future);
    return late_ns;
}

static uint64_t hard_lateness(pool_t *pool, uint64_t limit_ms) {
    const void *data;
    CHECK_OK(pool_wait_ready(pool, 1, POOL_FOREVER));
    uint64_t begin_ns = now_ns();
    future_t *future = submit(pool, run_forever, 0, limit_ms);
    CHECK(future_collect(future, POOL_FOREVER, &data, NULL) == POOL_ERR_HARD_LIMIT);
    uint64_t late_ns = now_ns() - begin_ns - limit_ms * 1000000;
    future_free(future);
    return late_ns;
}

static uint64_t cancel_time(pool_t *pool) {
    CHECK_OK(pool_wait_ready(pool, 1, POOL_FOREVER));
    future_t *future = submit(pool, run_forever, 0, 0);
    while (future_state(future) == FUTURE_PENDING) relax();
    uint64_t begin_ns = now_ns();
    CHECK_OK(future_cancel(future, POOL_CANCEL_RUNNING));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    uint64_t took_ns = now_ns() - begin_ns;
    CHECK(future_state(future) == FUTURE_CANCELLED);
    future_free(future);
    return took_ns;
}

int main(int argc, char **argv) {
    if (argc != 4) die("usage: %s process|thread LIMIT_MS TASKS", argv[0]);
    uint64_t limit_ms = number(argv[2]), tasks = number(argv[3]);
    uint64_t *soft_ns = new_touched(tasks * sizeof *soft_ns);
    uint64_t *hard_ns = new_touched(tasks * sizeof *hard_ns);
    uint64_t *cancel_ns = new_touched(tasks * sizeof *cancel_ns);
    pool_t *pool = new_pool(argv[1], 1);
    start_workers(pool, 1);

    for (uint64_t i = 0; i < tasks; i++) soft_ns[i] = soft_lateness(pool, limit_ms);
    printf("{\"soft_p50_ns\": %" PRIu64 ", \"soft_max_ns\": %" PRIu64, percentile(soft_ns, tasks, 50),
           percentile(soft_ns, tasks, 100));
    if (strcmp(argv[1], "thread") != 0) {
        for (uint64_t i = 0; i < tasks; i++) hard_ns[i] = hard_lateness(pool, limit_ms);
        for (uint64_t i = 0; i < tasks; i++) cancel_ns[i] = cancel_time(pool);
        printf(", \"hard_p50_ns\": %" PRIu64 ", \"hard_max_ns\": %" PRIu64 ", \"cancel_p50_ns\": %" PRIu64
               ", \"cancel_max_ns\": %" PRIu64,
               percentile(hard_ns, tasks, 50), percentile(hard_ns, tasks, 100),
               percentile(cancel_ns, tasks, 50), percentile(cancel_ns, tasks, 100));
    }
    printf("}\n");
    pool_free(pool);
    return 0;
}
