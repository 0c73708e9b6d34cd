/* pool_test tries a second pool of the same configuration: it returns what is wrong with that, and does not
 * affect the pool itself. */
#include "lifecycle.h"

static int32_t refuse(pool_task_t *task) {
    return pool_task_fail(task, 13, "not today");
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_error_t error;
    pool_t *pool = new_pool(&options, 2);
    CHECK_OK(pool_test(pool, POOL_FOREVER, &error));
    CHECK_EQUAL(pool_count_workers(pool), 0);
    CHECK_OK(pool_close(pool));
    CHECK_IS(pool_test(pool, POOL_FOREVER, &error), POOL_ERR_CLOSED);
    pool_free(pool);

    pool_options_t bad = options;
    bad.initializer.pointer = refuse;
    pool = new_pool(&bad, 2);
    CHECK_IS(pool_test(pool, POOL_FOREVER, &error), POOL_ERR_INITIALIZER);
    CHECK_IS(error.status, POOL_ERR_INITIALIZER);
    CHECK_EQUAL(error.task_code, 13);
    CHECK(strcmp(error.message, "not today") == 0);
    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);

    bad = options;
    bad.finalizer.pointer = refuse;
    pool = new_pool(&bad, 2);
    CHECK_IS(pool_test(pool, POOL_FOREVER, &error), POOL_ERR_FINALIZER);
    CHECK_OK(pool_check(pool, NULL));
    CHECK_OK(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER));
    CHECK_IS(pool_test(pool, POOL_FOREVER, &error), POOL_ERR_CLOSED);
    pool_free(pool);

    /* A copy of the caller executes no program. */
    if (options.kind == POOL_PROCESS && options.start != POOL_FORK) {
        bad = options;
        bad.worker_executable = "/nowhere/worker";
        bad.max_restarts = 1;
        pool = new_pool(&bad, 2);
        CHECK_IS(pool_test(pool, POOL_FOREVER, &error), POOL_ERR_RESTARTS);
        CHECK(strstr(error.message, "/nowhere/worker") != NULL);
        pool_free(pool);
    }
    return leaves_nothing_behind();
}
