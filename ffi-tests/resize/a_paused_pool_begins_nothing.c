/* While a pool is paused what runs goes on, and nothing else begins, however workers take their tasks. */
#include "rendezvous.h"

enum { TASKS = 200, RAN = WORD_FIRST };

static void submit_all(pool_t *pool) {
    uint32_t ran = RAN;
    pool_call_t call = POOL_CALL_INIT;
    call.task = (pool_function_t){.pointer = count_in_word, .args = &ran, .len = sizeof ran};
    for (int i = 0; i < TASKS; i++) {
        call.priority = i % 3 - 1;
        CHECK_OK(pool_submit_call(pool, &call, NULL));
    }
}

static void nothing_begins(pool_t *pool) {
    CHECK(pool_state(pool) & POOL_STATE_PAUSED);
    CHECK_IS(pool_wait_idle(pool, 20), POOL_ERR_TIMEOUT);
    CHECK_EQUAL(word_get(RAN), 0);
    CHECK_EQUAL(pool_count_pending_tasks(pool), TASKS);
}

static void what_runs_goes_on(pool_t *pool) {
    future_t *running[2];
    word_set(RAN, 0);
    reset_gate(0);
    occupy(pool, 0, 2, running);
    CHECK_OK(pool_pause(pool));
    CHECK_OK(pool_pause(pool)); /* no effect */
    submit_all(pool);
    release(0);
    wait_and_free(running, 2);
    nothing_begins(pool);
    CHECK_OK(pool_resume(pool));
    CHECK_OK(pool_resume(pool)); /* no effect */
    CHECK_EQUAL(pool_state(pool), 0);
    CHECK_OK(pool_wait_idle(pool, POOL_FOREVER));
    CHECK_EQUAL(word_get(RAN), TASKS);
}

/* Also when it has no worker yet, or none any more. */
static void a_pool_may_begin_paused(const pool_options_t *options) {
    pool_t *pool = new_pool(options, 2);
    word_set(RAN, 0);
    CHECK_OK(pool_pause(pool));
    submit_all(pool);
    nothing_begins(pool);
    CHECK_EQUAL(pool_count_workers(pool), 0);
    CHECK_OK(pool_set_idle_timeout(pool, POOL_NOW));
    CHECK_OK(pool_wait_ready(pool, 2, POOL_FOREVER));
    nothing_begins(pool);
    CHECK_OK(pool_resume(pool));
    CHECK_OK(pool_wait_idle(pool, POOL_FOREVER));
    CHECK_EQUAL(word_get(RAN), TASKS);
    pool_free(pool);
}

static void a_join_runs_what_is_queued(pool_t *pool) {
    word_set(RAN, 0);
    CHECK_OK(pool_pause(pool));
    submit_all(pool);
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    CHECK_EQUAL(word_get(RAN), TASKS);
    word_set(RAN, 0);
    submit_all(pool);
    nothing_begins(pool);
}

static void what_is_queued_can_be_cancelled(pool_t *pool) {
    uint64_t cancelled;
    CHECK_OK(pool_cancel_pending(pool, &cancelled));
    CHECK_EQUAL(cancelled, TASKS);
    CHECK_OK(pool_wait_idle(pool, 0));
    submit_all(pool);
}

static void a_stop_ends_the_pause(pool_t *pool, pool_stop_t mode) {
    CHECK_OK(pool_shutdown(pool, mode, POOL_FOREVER));
    CHECK_EQUAL(word_get(RAN), mode == POOL_STOP_DRAIN ? TASKS : 0);
    CHECK_IS(pool_pause(pool), POOL_ERR_CLOSED);
    CHECK_IS(pool_resume(pool), POOL_ERR_CLOSED);
    pool_free(pool);
    CHECK_IS(pool_pause(pool), POOL_ERR_INVALID);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    static const pool_stop_t modes[] = {POOL_STOP_DRAIN, POOL_STOP_CANCEL, POOL_STOP_KILL};
    for (int i = 0; i < 6; i++) {
        options.sched = i % 2 ? POOL_SCHED_PREFETCH : POOL_SCHED_FIFO;
        pool_t *pool = new_pool(&options, 2);
        if (options.kind == POOL_INLINE) {
            CHECK_IS(pool_pause(pool), POOL_ERR_UNSUPPORTED);
            pool_free(pool);
            continue;
        }
        what_runs_goes_on(pool);
        a_join_runs_what_is_queued(pool);
        what_is_queued_can_be_cancelled(pool);
        a_stop_ends_the_pause(pool, modes[i / 2]);
        a_pool_may_begin_paused(&options);
    }
    return leaves_nothing_behind();
}
