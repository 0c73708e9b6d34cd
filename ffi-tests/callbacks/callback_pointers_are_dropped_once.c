/* The pointer of a callback is dropped once, after its last use, on every path, also when the call failed. */
#include "callbacks.h"

static void check_after_call(void *user) {
    CHECK_EQUAL(word_get(calls_of((uintptr_t)user)), 1);
    count_drop(user);
}

static void failing_calls(future_t *done, future_t *freed) {
    uint64_t id = 7;
    CHECK_IS(future_on_done(NULL, count_call, user_of(0), count_drop, &id), POOL_ERR_INVALID);
    check_counts(0, 0, 1);
    CHECK_EQUAL(id, 0);
    CHECK_IS(future_on_done(freed, count_call, user_of(1), count_drop, NULL), POOL_ERR_INVALID);
    check_counts(1, 0, 1);
    CHECK_IS(future_on_done(done, NULL, user_of(2), count_drop, NULL), POOL_ERR_INVALID);
    check_counts(2, 0, 1);
    CHECK_IS(future_on_done((future_t *)&id, count_call, user_of(3), count_drop, NULL),
             POOL_ERR_INVALID);
    check_counts(3, 0, 1);
    CHECK_IS(future_on_done(NULL, NULL, NULL, NULL, NULL), POOL_ERR_INVALID);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    future_t *done, *freed;
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &done));
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &freed));
    CHECK_OK(future_wait(done, POOL_FOREVER));
    CHECK_OK(future_wait(freed, POOL_FOREVER));
    future_free(freed);
    failing_calls(done, freed);

    /* Called at once. */
    CHECK_OK(future_on_done(done, count_call, user_of(4), check_after_call, NULL));
    check_counts(4, 1, 1);

    size_t last = 5;
    if (options.kind != POOL_INLINE) {
        /* Called later; removed; of a future that is freed before; of one that is cancelled; of one
         * that is freed and cancelled; of one that its pool takes with it. */
        future_t *running = submit_to_gate(pool, 0), *waiting[4];
        word_wait(gate_started(0), 1);
        CHECK_OK(future_on_done(running, count_call, user_of(5), check_after_call, NULL));
        CHECK_OK(future_remove_callback(running, count_when_done(running, 6)));
        for (size_t i = 0; i < 4; i++) {
            CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &waiting[i]));
            count_when_done(waiting[i], 7 + i);
        }
        future_free(waiting[0]);
        CHECK_OK(future_cancel(waiting[1], POOL_CANCEL_QUEUED));
        CHECK_OK(future_cancel(waiting[2], POOL_CANCEL_QUEUED));
        future_free(waiting[2]);
        await_drop(8);
        await_drop(9);
        CHECK_IS(pool_shutdown(pool, POOL_STOP_CANCEL, 0), POOL_ERR_TIMEOUT);
        CHECK_OK(future_wait(waiting[3], POOL_FOREVER));
        release(0);
        pool_free(pool);
        for (size_t i = 0; i < 3; i++) future_free(waiting[1 + i]);
        future_free(running);
        last = 11;
        for (size_t i = 5; i < last; i++) check_counts(i, i != 6, 1);
    } else {
        pool_free(pool);
    }

    /* The pool is gone, the future is not. */
    CHECK_OK(future_on_done(done, count_call, user_of(last), check_after_call, NULL));
    check_counts(last, 1, 1);
    future_free(done);
    CHECK_IS(future_on_done(done, count_call, user_of(last + 1), count_drop, NULL),
             POOL_ERR_INVALID);
    check_counts(last + 1, 0, 1);
    for (size_t i = 0; i < 4; i++) check_counts(i, 0, 1);
    return leaves_nothing_behind();
}
