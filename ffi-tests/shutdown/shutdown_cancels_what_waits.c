/* Shutdown with CANCEL: queued tasks never run; running tasks get a cancel request, and the shutdown waits
 * for them. */
#include "rendezvous.h"

enum { QUEUED = 20, STARTED = WORD_FIRST, RAN };

/* Works until it is told to stop. */
static int32_t work_until_cancelled(pool_task_t *task) {
    word_add(STARTED, 1);
    while (!pool_task_cancelled(task)) pause_briefly();
    return pool_task_return(task, "stopped", 7);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    pool_t *pool = new_pool(&options, 1);
    future_t *running, *queued[QUEUED], *late;
    const void *data;
    uint32_t ran = RAN;
    CHECK_OK(pool_submit(pool, work_until_cancelled, NULL, 0, &running));
    word_wait(STARTED, 1);
    for (int i = 0; i < QUEUED; i++) {
        CHECK_OK(pool_submit(pool, count_in_word, &ran, sizeof ran, &queued[i]));
    }
    CHECK_OK(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER));
    CHECK_OK(future_result(running, &data, NULL));
    CHECK(memcmp(data, "stopped", 7) == 0);
    for (int i = 0; i < QUEUED; i++) {
        CHECK_EQUAL(future_state(queued[i]), FUTURE_CANCELLED);
        CHECK_IS(future_result(queued[i], &data, NULL), POOL_ERR_CANCELLED);
    }
    CHECK_EQUAL(word_get(RAN), 0);

    /* There is nothing left to do with this pool. */
    uint32_t state = pool_state(pool);
    CHECK(state & POOL_STATE_TERMINATED && state & POOL_STATE_CLOSED);
    CHECK_EQUAL(pool_count_workers(pool), 0);
    CHECK_EQUAL(pool_count_pending_tasks(pool), 0);
    CHECK_IS(pool_submit(pool, warm_up, NULL, 0, &late), POOL_ERR_CLOSED);
    CHECK_IS(pool_check(pool, NULL), POOL_ERR_CLOSED);
    CHECK_IS(pool_join(pool, POOL_FOREVER), POOL_ERR_CLOSED);
    CHECK_IS(pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER), POOL_ERR_CLOSED);
    future_free(running);
    wait_and_free(queued, QUEUED);
    pool_free(pool);

    /* pool_free does the same on the way. */
    word_set(STARTED, 0);
    pool = new_pool(&options, 1);
    CHECK_OK(pool_submit(pool, work_until_cancelled, NULL, 0, &running));
    word_wait(STARTED, 1);
    CHECK_OK(pool_submit(pool, count_in_word, &ran, sizeof ran, &queued[0]));
    pool_free(pool);
    CHECK_EQUAL(future_state(running), FUTURE_COMPLETED);
    CHECK_EQUAL(future_state(queued[0]), FUTURE_CANCELLED);
    future_free(running);
    future_free(queued[0]);
    return leaves_nothing_behind();
}
