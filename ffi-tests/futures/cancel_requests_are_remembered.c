/* A future reports whether its cancellation was requested, whatever the outcome; the running task can see
 * the request, and no other task can. */
#include "rendezvous.h"

enum { SEEN = WORD_FIRST, LOOKS = WORD_FIRST + 8 };

/* Arguments: its number. Looks until it is cancelled, and lets others see how often it looked. */
static int32_t run_until_cancelled(pool_task_t *task) {
    uint32_t number;
    memcpy(&number, pool_task_args(task, NULL), sizeof number);
    CHECK(!pool_task_cancelled(task));
    word_add(LOOKS + number, 1);
    while (!pool_task_cancelled(task)) pause_briefly();
    word_add(SEEN + number, 1);
    return pool_task_return(task, "seen", 4);
}

static int32_t is_not_cancelled(pool_task_t *task) {
    return pool_task_cancelled(task);
}

static void running_tasks_see_it(pool_t *pool) {
    future_t *futures[2];
    const void *data;
    size_t len;
    for (uint32_t i = 0; i < 2; i++) {
        CHECK_OK(pool_submit(pool, run_until_cancelled, &i, sizeof i, &futures[i]));
    }
    for (uint32_t i = 0; i < 2; i++) word_wait(LOOKS + i, 1);
    for (uint32_t i = 0; i < 2; i++) {
        CHECK(!future_cancel_requested(futures[i]));
        CHECK_IS(future_cancel(futures[i], POOL_CANCEL_QUEUED), POOL_ERR_STATE);
        CHECK(future_cancel_requested(futures[i]));
        word_wait(SEEN + i, 1);
        /* It ended by itself, with a result. */
        CHECK_OK(future_collect(futures[i], POOL_FOREVER, &data, &len));
        CHECK(len == 4 && memcmp(data, "seen", 4) == 0);
        CHECK_EQUAL(word_get(SEEN + 1), i);
        CHECK(future_cancel_requested(futures[i]));
    }
    /* Their workers' next tasks were not asked. */
    for (int i = 0; i < 100; i++) {
        CHECK_OK(pool_run(pool, is_not_cancelled, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    }
    for (int i = 0; i < 2; i++) future_free(futures[i]);
}

static void waiting_tasks_remember_it(pool_t *pool) {
    future_t *busy[2], *waiting[3];
    occupy(pool, 0, 2, busy);
    for (int i = 0; i < 3; i++) CHECK_OK(pool_submit(pool, is_not_cancelled, NULL, 0, &waiting[i]));
    CHECK_OK(future_cancel(waiting[1], POOL_CANCEL_QUEUED));
    for (int i = 0; i < 3; i++) CHECK_EQUAL(future_cancel_requested(waiting[i]), i == 1);
    CHECK_EQUAL(future_state(waiting[1]), FUTURE_CANCELLED);
    release(0);
    wait_and_free(busy, 2);
    CHECK_OK(future_collect(waiting[0], POOL_FOREVER, &(const void *){NULL}, NULL));
    CHECK_OK(future_collect(waiting[2], POOL_FOREVER, &(const void *){NULL}, NULL));
    wait_and_free(waiting, 3);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    future_t *future;
    if (options.kind != POOL_INLINE) {
        running_tasks_see_it(pool);
        waiting_tasks_remember_it(pool);
    }

    /* A slot that is used again has forgotten it; one that is done takes note of it. */
    for (int i = 0; i < 100; i++) {
        CHECK_OK(pool_submit(pool, is_not_cancelled, NULL, 0, &future));
        CHECK(!future_cancel_requested(future));
        CHECK_OK(future_collect(future, POOL_FOREVER, &(const void *){NULL}, NULL));
        CHECK(!future_cancel_requested(future));
        CHECK_IS(future_cancel(future, POOL_CANCEL_QUEUED), POOL_ERR_STATE);
        CHECK(future_cancel_requested(future));
        CHECK_EQUAL(future_state(future), FUTURE_COMPLETED);
        future_free(future);
    }
    CHECK(!future_cancel_requested(future));
    CHECK(!future_cancel_requested(NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
