/* A soft limit that is not below the hard one is invalid, wherever each of them comes from; a hard limit
 * is not for threads, and none at all for inline pools. What is refused is never set silently. */
#include "time_limits.h"

static pool_options_t base;
static struct timeouts told;
static uint32_t refused;

static void new_answers(int64_t soft_ms, int64_t hard_ms, pool_status_t expected) {
    pool_options_t options = base;
    pool_error_t error;
    pool_t *pool = NULL;
    options.soft_limit_ms = soft_ms;
    options.hard_limit_ms = hard_ms;
    CHECK_IS(pool_new(&options, &pool, &error), expected);
    CHECK(pool == NULL && error.message[0] != 0);
}

static void call_answers(pool_t *pool, int64_t soft_ms, int64_t hard_ms, pool_status_t expected) {
    pool_call_t call = call_recording_timeouts(warm_up, &told);
    future_t *future = NULL;
    call.soft_limit_ms = soft_ms;
    call.hard_limit_ms = hard_ms;
    CHECK_IS(pool_submit_call(pool, &call, &future), expected);
    CHECK(expected == POOL_OK || future == NULL);
    if (expected == POOL_OK) CHECK_OK(future_wait(future, POOL_FOREVER));
    future_free(future);
    await_count(&told.drops, ++refused);
}

static void limits_are(pool_t *pool, int64_t soft_ms, int64_t hard_ms) {
    pool_options_t now = POOL_OPTIONS_INIT;
    CHECK_OK(pool_get_options(pool, &now));
    CHECK_EQUAL(now.soft_limit_ms, soft_ms);
    CHECK_EQUAL(now.hard_limit_ms, hard_ms);
}

/* Threads and inline pools: from the kind's point of view. */
static void check_what_cannot_be_killed(pool_status_t soft_answers) {
    new_answers(0, 1000, POOL_ERR_UNSUPPORTED);
    new_answers(500, 1000, POOL_ERR_UNSUPPORTED);
    if (soft_answers != POOL_OK) new_answers(500, 0, soft_answers);
    pool_t *pool = new_pool(&base, 1);
    call_answers(pool, 0, 1000, POOL_ERR_UNSUPPORTED);
    call_answers(pool, 500, POOL_FOREVER, soft_answers);
    call_answers(pool, POOL_FOREVER, POOL_FOREVER, POOL_OK);
    CHECK_IS(pool_set_limits(pool, 0, 1000), POOL_ERR_UNSUPPORTED);
    CHECK_IS(pool_set_limits(pool, 500, 1000), POOL_ERR_UNSUPPORTED);
    CHECK_IS(pool_set_limits(pool, 500, 0), soft_answers);
    CHECK_OK(pool_set_limits(pool, POOL_FOREVER, 0));
    pool_free(pool);
}

static void check_processes(void) {
    new_answers(1000, 1000, POOL_ERR_INVALID);
    new_answers(1001, 1000, POOL_ERR_INVALID);
    base.soft_limit_ms = 60000;
    base.hard_limit_ms = 90000;
    pool_t *pool = new_pool(&base, 1);
    call_answers(pool, 5000, 5000, POOL_ERR_INVALID);
    call_answers(pool, 5001, 5000, POOL_ERR_INVALID);
    call_answers(pool, 90000, 0, POOL_ERR_INVALID); /* against the pool's */
    call_answers(pool, 0, 60000, POOL_ERR_INVALID);
    call_answers(pool, 90000, POOL_FOREVER, POOL_OK);
    call_answers(pool, POOL_FOREVER, 60000, POOL_OK);
    call_answers(pool, 89999, 0, POOL_OK);
    call_answers(pool, -2, 0, POOL_ERR_INVALID);
    call_answers(pool, 0, -3, POOL_ERR_INVALID);
    CHECK_IS(pool_set_limits(pool, 10, 10), POOL_ERR_INVALID);
    CHECK_IS(pool_set_limits(pool, 11, 10), POOL_ERR_INVALID);
    CHECK_IS(pool_set_limits(pool, -2, 10), POOL_ERR_INVALID);
    limits_are(pool, 60000, 90000);
    CHECK_OK(pool_set_limits(pool, 70000, 80000));
    limits_are(pool, 70000, 80000);
    CHECK_IS(pool_set_limits(NULL, 1, 2), POOL_ERR_INVALID);
    pool_free(pool);
}

int main(int argc, char **argv) {
    base = test_begin(argc, argv);
    new_answers(-2, 0, POOL_ERR_INVALID);
    new_answers(0, -2, POOL_ERR_INVALID);
    if (base.kind == POOL_PROCESS) check_processes();
    if (base.kind == POOL_THREAD) check_what_cannot_be_killed(POOL_OK);
    if (base.kind == POOL_INLINE) check_what_cannot_be_killed(POOL_ERR_UNSUPPORTED);
    CHECK_EQUAL(told.soft + told.hard, 0);
    return leaves_nothing_behind();
}
