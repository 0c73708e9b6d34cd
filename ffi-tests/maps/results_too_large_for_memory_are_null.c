/* pool_task_result returns NULL for a size that no memory has, also to an item of a lazy map and to an initializer;
 * the item may go on and fail, and the items after it are not affected. */
#include "check.h"

static const size_t too_large[] = {SIZE_MAX, SIZE_MAX - 7, SIZE_MAX / 2, (size_t)1 << 60};

static int32_t ask_for_too_much(pool_task_t *task) {
    for (size_t i = 0; i < COUNT_OF(too_large); i++) {
        if (pool_task_result(task, too_large[i]) != NULL) return 1;
    }
    return 0;
}

static int32_t ask_then_return(pool_task_t *task) {
    const char *item = (const char *)pool_task_args(task, NULL);
    if (ask_for_too_much(task)) return 1;
    if (*item % 2) return pool_task_fail(task, 7, "odd");
    return pool_task_return(task, item, 1);
}

static pool_status_t count_to_nine(void *user, const void **item, size_t *len) {
    char *last = (char *)user;
    if (++*last > 9) return POOL_ERR_END;
    *item = last;
    *len = 1;
    return POOL_OK;
}

/* A task that fails after it has got no memory fails for that, if it is not part of a chunk. */
static void check_outcome(pool_status_t status, int item) {
    CHECK(item % 2 ? status == POOL_ERR_TASK || status == POOL_ERR_NOMEM : status == POOL_OK);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    options.initializer.pointer = ask_for_too_much;
    pool_t *pool = new_pool(&options, 1);
    pool_map_t *map;
    char last = 0;
    const void *data;
    size_t len;
    uint64_t index;
    CHECK_OK(pool_map_start(pool, ask_then_return, count_to_nine, &last, NULL, &map));
    for (int i = 1; i <= 9; i++) {
        check_outcome(pool_map_next(map, POOL_FOREVER, &data, &len, &index), i);
        if (i % 2 == 0) CHECK(len == 1 && *(const char *)data == i);
    }
    CHECK_IS(pool_map_next(map, POOL_FOREVER, &data, &len, &index), POOL_ERR_END);
    pool_map_free(map);
    check_outcome(pool_run(pool, ask_then_return, "\1", 1, POOL_FOREVER, NULL, 0, NULL), 1);
    CHECK_OK(pool_run(pool, ask_for_too_much, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
