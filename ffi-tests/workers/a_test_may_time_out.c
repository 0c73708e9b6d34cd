/* pool_test returns when its timeout expires, also while an initializer does not end. */
#include "lifecycle.h"

enum { GO = LIFECYCLE_FIRST };

static int32_t take_long(pool_task_t *task) {
    (void)task;
    word_wait(GO, 1);
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    options.initializer.pointer = take_long;
    pool_t *pool = new_pool(&options, 1);
    pool_error_t error;
    CHECK_IS(pool_test(pool, 20, &error), POOL_ERR_TIMEOUT);
    CHECK_IS(error.status, POOL_ERR_TIMEOUT);
    CHECK_IS(pool_test(pool, 0, NULL), POOL_ERR_TIMEOUT);
    CHECK_OK(pool_check(pool, NULL));
    word_set(GO, 1);
    CHECK_OK(pool_test(pool, POOL_FOREVER, &error));
    pool_free(pool);
    return leaves_nothing_behind();
}
