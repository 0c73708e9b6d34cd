/* A task with a start deadline that has not started by then is cancelled, also while every worker is busy,
 * and never runs; who waits for it wakes, and its callbacks are called. One that has started is not
 * touched, whatever the deadline. */
#include "callbacks.h"

enum { WORKERS = 2, QUEUED = 200, GATE = 0, OTHER = 1, DEADLINE_MS = 30, RAN = WORD_OTHER };

static pool_call_t call_within(pool_task_fn function, const uint32_t *word, int64_t deadline_ms) {
    pool_call_t call = POOL_CALL_INIT;
    call.task.pointer = function;
    call.task.args = word;
    call.task.len = sizeof *word;
    call.start_deadline_ms = deadline_ms;
    return call;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, WORKERS);
    static future_t *early[QUEUED], *patient[QUEUED];
    future_t *busy[WORKERS], *in_time;
    const uint32_t ran = RAN, gate = OTHER;
    pool_error_t error;
    uint64_t waited, took;
    const void *data;

    /* There is somebody to start it, so it runs, and goes on behind its deadline. */
    pool_call_t call = call_within(count_in_word, &ran, 60000);
    CHECK_OK(pool_submit_call(pool, &call, &in_time));
    CHECK_OK(future_collect(in_time, POOL_FOREVER, &data, NULL));
    future_free(in_time);
    CHECK_EQUAL(word_get(RAN), 1);
    call = call_within(warm_up, &ran, -2);
    CHECK_IS(pool_submit_call(pool, &call, &in_time), POOL_ERR_INVALID);
    skip_inline(&options);
    call = call_within(wait_at_gate, &gate, 2000);
    CHECK_OK(pool_submit_call(pool, &call, &in_time));
    word_wait(gate_started(OTHER), 1);

    occupy(pool, GATE, WORKERS - 1, busy);
    for (int i = 0; i < QUEUED; i++) {
        call = call_within(count_in_word, &ran, DEADLINE_MS + i % 10);
        call.on_done = count_call;
        call.drop = count_drop;
        call.user = user_of(i);
        CHECK_OK(pool_submit_call(pool, &call, &early[i]));
        call = call_within(count_in_word, &ran, i % 2 ? POOL_FOREVER : 3600000);
        CHECK_OK(pool_submit_call(pool, &call, &patient[i]));
    }
    CHECK_OK(future_wait_many(early, QUEUED, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    for (int i = 0; i < QUEUED; i++) {
        CHECK_EQUAL(future_state(early[i]), FUTURE_CANCELLED);
        CHECK_IS(future_result(early[i], &data, NULL), POOL_ERR_EXPIRED);
        CHECK_OK(future_error(early[i], &error));
        CHECK_IS(error.status, POOL_ERR_EXPIRED);
        CHECK(error.message[0] != 0);
        CHECK_OK(future_duration(early[i], &waited, &took));
        CHECK(waited >= (uint64_t)DEADLINE_MS * 1000000 && took == 0);
        await_drop(i);
        check_counts(i, 1, 1);
        CHECK_EQUAL(future_state(patient[i]), FUTURE_PENDING);
    }
    while (pool_count_pending_tasks(pool) != QUEUED) pause_briefly();
    CHECK_EQUAL(word_get(RAN), 1);
    CHECK_EQUAL(future_state(in_time), FUTURE_RUNNING);

    release(GATE);
    release(OTHER);
    CHECK_OK(future_collect(in_time, POOL_FOREVER, &data, NULL));
    future_free(in_time);
    wait_and_free(patient, QUEUED);
    CHECK_EQUAL(word_get(RAN), 1 + QUEUED);
    wait_and_free(early, QUEUED);
    wait_and_free(busy, WORKERS - 1);
    pool_free(pool);
    return leaves_nothing_behind();
}
