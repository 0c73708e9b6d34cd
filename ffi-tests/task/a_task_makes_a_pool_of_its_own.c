/* A task in a worker can make a pool of threads or processes; processes nest to the depth in the options,
 * and no process is left. */
#include "lifecycle.h"

/* Arguments: the kind, an int32_t. Makes a pool of that kind whose task makes the next one. Result:
 * how many there are below. */
static int32_t go_deeper(pool_task_t *task) {
    int32_t kind;
    memcpy(&kind, pool_task_args(task, NULL), sizeof kind);
    pool_options_t options = POOL_OPTIONS_INIT;
    options.kind = kind;
    options.max_workers = 1;
    pool_t *pool;
    pool_error_t error;
    uint64_t depth = 0;
    pool_status_t status = pool_new(&options, &pool, &error);
    if (status == POOL_ERR_STATE) {
        CHECK(strstr(error.message, "deep") != NULL);
        return pool_task_return(task, &depth, sizeof depth);
    }
    CHECK_OK(status);
    CHECK_OK(pool_run(pool, go_deeper, &kind, sizeof kind, POOL_FOREVER, &depth, sizeof depth, NULL));
    pool_free(pool);
    depth++;
    return pool_task_return(task, &depth, sizeof depth);
}

static int32_t use_threads(pool_task_t *task) {
    pool_options_t options = POOL_OPTIONS_INIT;
    options.kind = POOL_THREAD;
    pool_t *pool;
    CHECK_OK(pool_new(&options, &pool, NULL));
    uint64_t items[100], results[100], sum = 0;
    for (uint64_t i = 0; i < 100; i++) items[i] = i;
    CHECK_OK(pool_map(pool, square, items, 8, 100, NULL, results, 8, NULL));
    for (uint64_t i = 0; i < 100; i++) sum += results[i];
    pool_free(pool);
    return pool_task_return(task, &sum, sizeof sum);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    uint64_t sum, depth;
    CHECK_OK(pool_run(pool, use_threads, NULL, 0, POOL_FOREVER, &sum, sizeof sum, NULL));
    CHECK_EQUAL(sum, 328350);
    int32_t kind = POOL_PROCESS;
    CHECK_OK(pool_run(pool, go_deeper, &kind, sizeof kind, POOL_FOREVER, &depth, sizeof depth, NULL));
    CHECK_EQUAL(depth, options.kind == POOL_PROCESS ? 7 : 8);
    pool_free(pool);
    return leaves_nothing_behind();
}
