/* A task that another task runs while it waits cannot wait for that task, nor for those below it on the
 * stack: every way of waiting returns an error, and the outer wait goes on. */
#include "lifecycle.h"

enum { DEPTH = 5 };

static pool_t *pool;
static future_t *futures[DEPTH];

/* Arguments: how deep, a uint64_t. Each one but the last waits for the next. */
static int32_t wait_for_the_next(pool_task_t *task) {
    uint64_t depth;
    const void *data;
    memcpy(&depth, pool_task_args(task, NULL), sizeof depth);
    if (depth == 0) word_wait(WORD_FIRST, 1);
    uint64_t next = depth + 1;
    if (next < DEPTH) {
        CHECK_OK(pool_submit(pool, wait_for_the_next, &next, sizeof next, &futures[next]));
        CHECK_EQUAL(collect_number(futures[next]), next);
    }
    for (uint64_t i = 0; i < next && next == DEPTH; i++) {
        CHECK_IS(future_wait(futures[i], POOL_FOREVER), POOL_ERR_DEADLOCK);
        CHECK_IS(future_wait(futures[i], 1000000), POOL_ERR_DEADLOCK);
        CHECK_IS(future_wait(futures[i], 0), POOL_ERR_TIMEOUT);
        CHECK_IS(future_collect(futures[i], POOL_FOREVER, &data, NULL), POOL_ERR_DEADLOCK);
        CHECK_IS(future_wait_many(futures, DEPTH, POOL_WAIT_ALL, POOL_FOREVER, NULL),
                 POOL_ERR_DEADLOCK);
        CHECK_IS(future_collect_many(futures, DEPTH, POOL_FOREVER, NULL, NULL), POOL_ERR_DEADLOCK);
    }
    return pool_task_return(task, &depth, sizeof depth);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_THREAD) return SKIPPED;
    pool = new_pool(&options, 1);
    uint64_t first = 0;
    CHECK_OK(pool_submit(pool, wait_for_the_next, &first, sizeof first, &futures[0]));
    word_set(WORD_FIRST, 1);
    CHECK_EQUAL(collect_number(futures[0]), 0);
    wait_and_free(futures, DEPTH);
    pool_free(pool);
    return leaves_nothing_behind();
}
