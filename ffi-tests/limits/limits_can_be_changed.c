/* pool_set_limits holds for tasks that start from then on and bring no limits of their own; those that
 * run keep what they have. */
#include "time_limits.h"

enum { GATE = 0, OTHER = 1, STARTED = WORD_FIRST };

/* Waits at the gate, and says whether it was told of a limit. */
static int32_t was_told(pool_task_t *task) {
    uint64_t told;
    wait_at_gate(task);
    told = pool_task_soft_expired(task);
    return pool_task_return(task, &told, sizeof told);
}

static int32_t take_longer(pool_task_t *task) {
    struct timespec longer = {0, 60000000};
    nanosleep(&longer, NULL);
    uint64_t told = pool_task_soft_expired(task);
    return pool_task_return(task, &told, sizeof told);
}

static future_t *submit_was_told(pool_t *pool, uint32_t gate, int64_t soft_ms) {
    pool_call_t call = POOL_CALL_INIT;
    call.task.pointer = was_told;
    call.task.args = &gate;
    call.task.len = sizeof gate;
    call.soft_limit_ms = soft_ms;
    return submit_call(pool, &call);
}

static void check_soft(pool_t *pool) {
    static struct timeouts told;
    future_t *before = submit_was_told(pool, GATE, 0);
    word_wait(gate_started(GATE), 1);
    CHECK_OK(pool_set_limits(pool, 20, 0));
    pool_call_t call = call_recording_timeouts(run_until_soft_limit, &told);
    future_t *after = submit_call(pool, &call);
    CHECK_EQUAL(collect_number(after), 7);
    await_count(&told.drops, 1);
    CHECK_EQUAL(told.soft_ms, 20);
    future_free(after);
    future_t *own = submit_was_told(pool, GATE, POOL_FOREVER);
    word_wait(gate_started(GATE), 2);

    /* Off again: who starts now may run for longer than the limit that there was. */
    CHECK_OK(pool_set_limits(pool, POOL_FOREVER, POOL_FOREVER));
    release(GATE);
    CHECK_EQUAL(collect_number(before), 0);
    CHECK_EQUAL(collect_number(own), 0);
    future_free(before);
    future_free(own);
    uint64_t told_of_it;
    CHECK_OK(pool_run(pool, take_longer, NULL, 0, POOL_FOREVER, &told_of_it, 8, NULL));
    CHECK_EQUAL(told_of_it, 0);
}

static void check_hard(pool_t *pool) {
    static struct timeouts told;
    uint32_t started = STARTED;
    CHECK_OK(pool_set_limits(pool, 0, 0));
    future_t *before = submit_to_gate(pool, OTHER);
    word_wait(gate_started(OTHER), 1);
    CHECK_OK(pool_set_limits(pool, 20, 60));
    pool_call_t call = call_recording_timeouts(run_for_ever, &told);
    call.task.args = &started;
    call.task.len = sizeof started;
    future_t *after = submit_call(pool, &call);
    check_ended(after, FUTURE_FAILED, POOL_ERR_HARD_LIMIT);
    await_count(&told.drops, 1);
    CHECK_EQUAL(told.soft, 1);
    CHECK_EQUAL(told.hard, 1);
    CHECK_EQUAL(told.hard_ms, 60);
    CHECK_EQUAL(future_state(before), FUTURE_RUNNING);
    release(OTHER);
    check_ended(before, FUTURE_COMPLETED, POOL_OK);
    future_free(before);
    future_free(after);
}

/* A task that waits when they are changed starts later: the new ones are its own. */
static void check_queued(pool_t *pool) {
    static struct timeouts told;
    future_t *busy[2];
    reset_gate(GATE);
    CHECK_OK(pool_set_limits(pool, 0, 0));
    occupy(pool, GATE, 2, busy);
    pool_call_t call = call_recording_timeouts(run_until_soft_limit, &told);
    future_t *queued = submit_call(pool, &call);
    CHECK_OK(pool_set_limits(pool, 30, 0));
    release(GATE);
    CHECK_EQUAL(collect_number(queued), 7);
    await_count(&told.drops, 1);
    CHECK_EQUAL(told.soft, 1);
    future_free(queued);
    wait_and_free(busy, 2);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    pool_t *pool = new_pool(&options, 2);
    check_soft(pool);
    check_queued(pool);
    if (options.kind == POOL_PROCESS) check_hard(pool);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    pool_free(pool);
    return leaves_nothing_behind();
}
