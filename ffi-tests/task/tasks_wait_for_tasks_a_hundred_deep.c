/* One worker is enough for a hundred tasks that each wait for the next one; so is an inline pool, where each
 * of them has its own worker index. */
#include "lifecycle.h"

enum { DEPTH = 100 };

static pool_t *pool;

static int32_t go_down(pool_task_t *task) {
    uint64_t depth, below = 0;
    memcpy(&depth, pool_task_args(task, NULL), sizeof depth);
    char frame[1024];
    memset(frame, (int)depth, sizeof frame);
    uint64_t next = depth - 1;
    if (depth > 1) {
        CHECK_OK(pool_run(pool, go_down, &next, sizeof next, POOL_FOREVER, &below, sizeof below,
                          NULL));
    }
    for (size_t i = 0; i < sizeof frame; i++) CHECK_EQUAL(frame[i], (char)depth);
    below++;
    return pool_task_return(task, &below, sizeof below);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind == POOL_PROCESS) return SKIPPED;
    pool = new_pool(&options, 1);
    uint64_t depth = DEPTH, result;
    for (int i = 0; i < 3; i++) {
        CHECK_OK(pool_run(pool, go_down, &depth, 8, POOL_FOREVER, &result, 8, NULL));
        CHECK_EQUAL(result, DEPTH);
    }
    pool_free(pool);
    return leaves_nothing_behind();
}
