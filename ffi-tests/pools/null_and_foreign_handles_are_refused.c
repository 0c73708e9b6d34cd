/* Calls with NULL, freed or foreign handles, or with meaningless arguments, return an error status. */
#include "rendezvous.h"

static pool_t *good_pool;
static future_t *good_future;

static void refuses_pool(pool_t *bad) {
    future_t *future = good_future;
    pool_buffer_t *buffer = (pool_buffer_t *)bad;
    void *bytes = &buffer;
    size_t len = 1;
    pool_call_t call = POOL_CALL_INIT;
    pool_error_t error;
    call.task.pointer = warm_up;
    CHECK_IS(pool_submit(bad, warm_up, NULL, 0, &future), POOL_ERR_INVALID);
    CHECK(future == NULL);
    future = good_future;
    CHECK_IS(pool_submit_symbol(bad, NULL, "main", NULL, 0, &future), POOL_ERR_INVALID);
    CHECK(future == NULL);
    future = good_future;
    CHECK_IS(pool_submit_call(bad, &call, &future), POOL_ERR_INVALID);
    CHECK(future == NULL);
    CHECK_IS(pool_run(bad, warm_up, NULL, 0, 0, NULL, 0, &len), POOL_ERR_INVALID);
    CHECK_EQUAL(len, 0);
    CHECK_IS(pool_buffer_new(bad, 1, &buffer, &bytes), POOL_ERR_INVALID);
    CHECK(buffer == NULL && bytes == NULL);
    CHECK_IS(pool_check(bad, &error), POOL_ERR_INVALID);
    CHECK_IS(pool_close(bad), POOL_ERR_INVALID);
    CHECK_IS(pool_join(bad, 0), POOL_ERR_INVALID);
    CHECK_IS(pool_shutdown(bad, POOL_STOP_CANCEL, 0), POOL_ERR_INVALID);
    CHECK_EQUAL(pool_count_workers(bad), 0);
    CHECK_EQUAL(pool_count_busy_workers(bad), 0);
    CHECK_EQUAL(pool_count_free_workers(bad), 0);
    CHECK_EQUAL(pool_count_pending_tasks(bad), 0);
    CHECK_EQUAL(pool_state(bad), 0);
    pool_free(bad);
}

static void refuses_future(future_t *bad) {
    const void *data = &data;
    size_t len = 1;
    uint64_t first = 1, second = 1;
    pool_error_t error;
    CHECK_IS(future_wait(bad, 0), POOL_ERR_INVALID);
    CHECK_IS(future_wait(bad, POOL_FOREVER), POOL_ERR_INVALID);
    CHECK_IS(future_result(bad, &data, &len), POOL_ERR_INVALID);
    CHECK(data == NULL && len == 0);
    data = &data;
    CHECK_IS(future_collect(bad, POOL_FOREVER, &data, &len), POOL_ERR_INVALID);
    CHECK(data == NULL && len == 0);
    CHECK_IS(future_error(bad, &error), POOL_ERR_INVALID);
    CHECK_EQUAL(future_state(bad), 0);
    CHECK(!future_is_done(bad));
    CHECK_IS(future_cancel(bad, POOL_CANCEL_QUEUED), POOL_ERR_INVALID);
    CHECK_EQUAL(future_id(bad), 0);
    CHECK(future_pool(bad) == NULL);
    CHECK_IS(future_duration(bad, &first, &second), POOL_ERR_INVALID);
    CHECK(first == 0 && second == 0);
    first = second = 1;
    CHECK_IS(future_progress(bad, &first, &second), POOL_ERR_INVALID);
    CHECK(first == 0 && second == 0);
    future_t *both[2] = {good_future, bad};
    CHECK_IS(future_wait_many(both, 2, POOL_WAIT_ALL, POOL_FOREVER, &len), POOL_ERR_INVALID);
    future_free(bad);
}

static void refuses_missing_arguments(void) {
    pool_t *pool = good_pool;
    pool_call_t call = POOL_CALL_INIT;
    pool_buffer_t *buffer;
    void *bytes;
    CHECK_IS(pool_new(NULL, NULL, NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_submit(pool, NULL, NULL, 0, NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_submit(pool, warm_up, NULL, 1, NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_submit_symbol(pool, NULL, NULL, NULL, 0, NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_submit_symbol(pool, NULL, "main", NULL, 1, NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_submit_call(pool, NULL, NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_submit_call(pool, &call, NULL), POOL_ERR_INVALID); /* no function */
    call.task.pointer = warm_up;
    call.task.len = 1;
    CHECK_IS(pool_submit_call(pool, &call, NULL), POOL_ERR_INVALID); /* no bytes */
    CHECK_IS(pool_run(pool, NULL, NULL, 0, 0, NULL, 0, NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_run(pool, warm_up, NULL, 0, 0, NULL, 1, NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_buffer_new(pool, 1, NULL, &bytes), POOL_ERR_INVALID);
    CHECK_IS(pool_buffer_new(pool, 1, &buffer, NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_shutdown(pool, 9, 0), POOL_ERR_INVALID);
    CHECK_IS(future_result(good_future, NULL, NULL), POOL_ERR_INVALID);
    CHECK_IS(future_error(good_future, NULL), POOL_ERR_INVALID);
}

/* The functions for tasks answer NULL with nothing, too. */
static void takes_no_task(void) {
    size_t len = 1;
    CHECK(pool_task_args(NULL, &len) == NULL && len == 0);
    CHECK(pool_task_result(NULL, 1) == NULL);
    CHECK_IS(pool_task_return(NULL, "x", 1), POOL_ERR_INVALID);
    CHECK_EQUAL(pool_task_fail(NULL, 7, "x"), 7);
    CHECK(!pool_task_cancelled(NULL) && !pool_task_soft_expired(NULL));
    pool_task_progress(NULL, 1, 2);
    CHECK(pool_task_id(NULL) == 0 && pool_task_worker(NULL) == 0 && pool_task_state(NULL) == NULL);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *freed_pool = new_pool(&options, 1);
    future_t *freed_future, *future_of_freed_pool;
    CHECK_OK(pool_submit(freed_pool, warm_up, NULL, 0, &future_of_freed_pool));
    pool_free(freed_pool);
    future_free(future_of_freed_pool);

    good_pool = new_pool(&options, 1);
    CHECK_OK(pool_submit(good_pool, warm_up, NULL, 0, &freed_future));
    CHECK_OK(future_wait(freed_future, POOL_FOREVER));
    future_free(freed_future);
    CHECK_OK(pool_submit(good_pool, warm_up, NULL, 0, &good_future));
    CHECK_OK(future_wait(good_future, POOL_FOREVER));

    char here[64];
    uintptr_t strangers[] = {
        0, 1, 8, 0xdeadbeef, (uintptr_t)here, (uintptr_t)here + 1, (uintptr_t)&main, INTPTR_MAX,
        UINTPTR_MAX, UINTPTR_MAX - 7, (uintptr_t)freed_pool, (uintptr_t)freed_future,
        (uintptr_t)future_of_freed_pool, (uintptr_t)good_pool + 1, (uintptr_t)good_future ^ 1 << 20,
    };
    memset(here, 0xff, sizeof here);
    for (size_t i = 0; i < COUNT_OF(strangers); i++) {
        refuses_pool((pool_t *)strangers[i]);
        refuses_future((future_t *)strangers[i]);
        pool_buffer_free((pool_buffer_t *)strangers[i]);
    }
    refuses_pool((pool_t *)good_future);
    refuses_future((future_t *)good_pool);
    refuses_missing_arguments();
    takes_no_task();

    /* All that harmed nobody. */
    const void *data;
    CHECK_OK(future_result(good_future, &data, NULL));
    CHECK_OK(pool_run(good_pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    future_free(good_future);
    pool_free(good_pool);
    return leaves_nothing_behind();
}
