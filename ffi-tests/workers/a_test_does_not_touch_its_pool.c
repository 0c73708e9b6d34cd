/* pool_test runs beside a pool that is at work: that goes on, keeps its workers, and its numbers;
 * a broken pool says that it is. */
#include "lifecycle.h"

static int32_t refuse(pool_task_t *task) {
    return pool_task_fail(task, 3, "no");
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    pool_t *pool = new_pool(&options, 1);
    future_t *running, *waiting;
    pool_error_t error;
    occupy(pool, 0, 1, &running);
    CHECK_OK(pool_submit(pool, return_pid, NULL, 0, &waiting));
    CHECK_OK(pool_test(pool, POOL_FOREVER, &error));
    CHECK_EQUAL(future_state(running), FUTURE_RUNNING);
    CHECK_EQUAL(future_state(waiting), FUTURE_PENDING);
    CHECK_EQUAL(pool_count_live(), 1);
    release(0);
    CHECK_OK(future_wait(waiting, POOL_FOREVER));
    CHECK_EQUAL(future_id(waiting), future_id(running) + 1);
    future_free(running);
    future_free(waiting);
    pool_free(pool);

    options.initializer.pointer = refuse;
    pool = new_pool(&options, 1);
    CHECK_IS(pool_run(pool, return_pid, NULL, 0, POOL_FOREVER, NULL, 0, NULL), POOL_ERR_BROKEN);
    CHECK_IS(pool_test(pool, POOL_FOREVER, &error), POOL_ERR_INITIALIZER);
    CHECK_EQUAL(error.task_code, 3);
    pool_free(pool);
    return leaves_nothing_behind();
}
