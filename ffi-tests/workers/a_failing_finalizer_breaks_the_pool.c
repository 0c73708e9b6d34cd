/* A finalizer that fails breaks the pool, with its code and its words; results that were delivered
 * before stay. */
#include "lifecycle.h"

static int32_t refuse(pool_task_t *task) {
    return pool_task_fail(task, -5, "cannot say goodbye");
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    options.finalizer.pointer = refuse;
    pool_t *pool = new_pool(&options, 1);
    future_t *future;
    pool_error_t error;
    uint64_t number = 9;
    CHECK_OK(pool_submit(pool, square, &number, sizeof number, &future));
    CHECK_EQUAL(collect_number(future), 81);
    CHECK_OK(pool_check(pool, NULL));
    CHECK_IS(pool_join(pool, POOL_FOREVER), POOL_ERR_FINALIZER);
    CHECK_IS(pool_check(pool, &error), POOL_ERR_FINALIZER);
    CHECK_EQUAL(error.task_code, -5);
    CHECK(strcmp(error.message, "cannot say goodbye") == 0);
    CHECK_IS(pool_submit(pool, return_pid, NULL, 0, NULL), POOL_ERR_FINALIZER);
    CHECK_EQUAL(collect_number(future), 81);
    future_free(future);
    pool_free(pool);
    return leaves_nothing_behind();
}
