/* Limits, deadlines and cancel requests stay in effect while a pool is joined, drained, shut down or freed:
 * so that always ends, although no future is held. */
#include "time_limits.h"
#include "processes.h"

enum { STARTED = WORD_FIRST, RAN };

static pool_call_t endless(int64_t hard_ms) {
    static const uint32_t started = STARTED;
    pool_call_t call = POOL_CALL_INIT;
    call.task = (pool_function_t){run_for_ever, NULL, NULL, &started, sizeof started};
    call.hard_limit_ms = hard_ms;
    return call;
}

/* Runs for ever, though somebody wants it to end. */
static future_t *start_endless(pool_t *pool) {
    pool_call_t call = endless(0);
    uint32_t before = word_get(STARTED);
    future_t *future = submit_call(pool, &call);
    word_wait(STARTED, before + 1);
    return future;
}

static void check_limits(const pool_options_t *options) {
    for (int way = 0; way < 4; way++) {
        pool_t *pool = new_pool(options, 1);
        static const uint32_t ran = RAN;
        uint32_t before = word_get(RAN);
        pool_call_t call = endless(40);
        CHECK_OK(pool_submit_call(pool, &call, NULL));
        CHECK_OK(pool_submit_call(pool, &call, NULL));
        CHECK_OK(pool_submit(pool, count_in_word, &ran, sizeof ran, NULL));
        call.start_deadline_ms = 10;
        CHECK_OK(pool_submit_call(pool, &call, NULL));
        if (way == 0) CHECK_OK(pool_join(pool, POOL_FOREVER));
        if (way == 1) CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
        if (way == 2) CHECK_OK(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER));
        if (way < 2) CHECK_EQUAL(word_get(RAN), before + 1);
        pool_free(pool);
    }
}

static void check_cancels(pool_options_t options) {
    options.kill_grace_ms = 60;
    pool_t *pool = new_pool(&options, 1);
    future_t *future = start_endless(pool);
    CHECK_OK(future_cancel(future, POOL_CANCEL_RUNNING));
    pool_free(pool);
    check_ended(future, FUTURE_CANCELLED, POOL_ERR_CANCELLED);
    future_free(future);

    /* A grace that never ends is cut short by a kill. */
    options.kill_grace_ms = 3600000;
    pool = new_pool(&options, 1);
    future = start_endless(pool);
    CHECK_OK(future_cancel(future, POOL_CANCEL_RUNNING));
    CHECK_IS(pool_shutdown(pool, POOL_STOP_CANCEL, 20), POOL_ERR_TIMEOUT);
    CHECK_EQUAL(future_state(future), FUTURE_RUNNING);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER));
    CHECK_OK(future_wait(future, 0));
    CHECK_EQUAL(future_state(future), FUTURE_CANCELLED);
    future_free(future);
    pool_free(pool);

    /* And by a hard limit, of a task that was told to end before. */
    pool = new_pool(&options, 1);
    pool_call_t call = endless(200);
    uint32_t before = word_get(STARTED);
    future = submit_call(pool, &call);
    word_wait(STARTED, before + 1);
    CHECK_OK(future_cancel(future, POOL_CANCEL_RUNNING));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK(future_state(future) == FUTURE_CANCELLED || future_state(future) == FUTURE_FAILED);
    future_free(future);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    check_limits(&options);
    check_cancels(options);
    return leaves_nothing_behind();
}
