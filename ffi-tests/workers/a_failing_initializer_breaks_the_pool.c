/* An initializer that fails breaks the pool: queued tasks are cancelled and report the reason, and later
 * calls return its code and its message. */
#include "lifecycle.h"

static int32_t refuse(pool_task_t *task) {
    return pool_task_fail(task, 42, "no licence");
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    options.initializer.pointer = refuse;
    pool_t *pool = new_pool(&options, 2);
    future_t *future;
    pool_error_t error;
    const void *data;
    CHECK_OK(pool_submit(pool, return_pid, NULL, 0, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_EQUAL(future_state(future), FUTURE_CANCELLED);
    CHECK_IS(future_result(future, &data, NULL), POOL_ERR_BROKEN);
    CHECK_OK(future_error(future, &error));
    CHECK_EQUAL(error.task_code, 42);
    CHECK(strstr(error.message, "no licence") != NULL);

    CHECK_IS(pool_submit(pool, return_pid, NULL, 0, NULL), POOL_ERR_INITIALIZER);
    CHECK_IS(pool_check(pool, &error), POOL_ERR_INITIALIZER);
    CHECK_EQUAL(error.task_code, 42);
    CHECK(strcmp(error.message, "no licence") == 0);
    CHECK_IS(pool_spawn_workers(pool, 1, NULL), POOL_ERR_INITIALIZER);
    CHECK_IS(pool_join(pool, POOL_FOREVER), POOL_ERR_INITIALIZER);
    CHECK_EQUAL(pool_state(pool), POOL_STATE_BROKEN);
    CHECK_EQUAL(pool_cancelled_count(pool), 1);

    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    CHECK_IS(pool_check(pool, NULL), POOL_ERR_CLOSED);
    CHECK(pool_state(pool) & POOL_STATE_BROKEN);
    CHECK_IS(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER), POOL_ERR_CLOSED);
    future_free(future);
    pool_free(pool);
    return leaves_nothing_behind();
}
