/* A task that has passed its soft limit can see that, on_timeout is called once, and the task goes on and
 * has a result. The limit is the task's, or else the pool's. */
#include "time_limits.h"

enum { GATE = 0 };

/* Waits at the gate; then says whether its soft limit has passed, or it was cancelled. */
static int32_t was_told(pool_task_t *task) {
    uint64_t told;
    wait_at_gate(task);
    told = pool_task_soft_expired(task) || pool_task_cancelled(task);
    return pool_task_return(task, &told, sizeof told);
}

static void check_told(const struct timeouts *told, int64_t limit_ms) {
    CHECK_EQUAL(told->soft, 1);
    CHECK_EQUAL(told->soft_ms, limit_ms);
    CHECK_EQUAL(told->hard, 0);
    CHECK_EQUAL(told->drops, 1);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    static struct timeouts by_pool, by_itself, never;
    const uint32_t gate = GATE;
    options.soft_limit_ms = 40;
    pool_t *pool = new_pool(&options, 2);

    pool_call_t call = call_recording_timeouts(was_told, &never);
    call.task.args = &gate;
    call.task.len = sizeof gate;
    call.soft_limit_ms = POOL_FOREVER;
    future_t *unlimited = submit_call(pool, &call);
    word_wait(gate_started(GATE), 1);

    call = call_recording_timeouts(run_until_soft_limit, &by_pool);
    future_t *future = submit_call(pool, &call);
    CHECK_EQUAL(collect_number(future), 7);
    check_ended(future, FUTURE_COMPLETED, POOL_OK);
    CHECK(!future_cancel_requested(future));
    future_free(future);

    call = call_recording_timeouts(run_until_soft_limit, &by_itself);
    call.soft_limit_ms = 10;
    future = submit_call(pool, &call);
    CHECK_EQUAL(collect_number(future), 7);
    future_free(future);
    while (by_pool.drops + by_itself.drops < 2) pause_briefly();
    check_told(&by_pool, 40);
    check_told(&by_itself, 10);

    /* By now the first has run for longer than the pool's limit. */
    release(GATE);
    CHECK_EQUAL(collect_number(unlimited), 0);
    future_free(unlimited);
    uint64_t n = 12;
    CHECK_OK(pool_run(pool, square, &n, sizeof n, POOL_FOREVER, &n, sizeof n, NULL));
    CHECK_EQUAL(n, 144);
    pool_free(pool);
    CHECK_EQUAL(never.soft + never.hard, 0);
    CHECK_EQUAL(never.drops, 1);
    check_told(&by_pool, 40);
    return leaves_nothing_behind();
}
