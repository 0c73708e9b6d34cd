/* pool_shrink removes the requested number of idle workers, or changes nothing; with WHEN_IDLE busy workers
 * exit after their task. Running tasks are not affected, and the options have the new numbers. */
#include "lifecycle.h"

enum { WORKERS = 4, FIRST = 0, SECOND = 1, THIRD = 2 };

static void check_size(pool_t *pool, uint32_t least, uint32_t most) {
    pool_options_t options = POOL_OPTIONS_INIT;
    CHECK_OK(pool_get_options(pool, &options));
    CHECK_EQUAL(options.min_workers, least);
    CHECK_EQUAL(options.max_workers, most);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, WORKERS);
    CHECK_IS(pool_shrink(NULL, 1, POOL_SHRINK_IDLE), POOL_ERR_INVALID);
    CHECK_IS(pool_shrink(pool, 1, 2), POOL_ERR_INVALID);
    if (options.kind == POOL_INLINE) {
        CHECK_IS(pool_shrink(pool, 1, POOL_SHRINK_IDLE), POOL_ERR_UNSUPPORTED);
        CHECK_IS(pool_grow(pool, 1), POOL_ERR_UNSUPPORTED);
        pool_free(pool);
        return leaves_nothing_behind();
    }
    CHECK_IS(pool_shrink(pool, WORKERS, POOL_SHRINK_IDLE), POOL_ERR_INVALID);
    CHECK_OK(pool_shrink(pool, 0, POOL_SHRINK_IDLE));
    check_size(pool, 0, WORKERS);
    pool_free(pool);

    options.min_workers = WORKERS - 1;
    count_lifecycle(&options);
    pool = new_pool(&options, WORKERS);
    future_t *busy[WORKERS], *queued;
    occupy(pool, FIRST, WORKERS, busy);
    CHECK_IS(pool_shrink(pool, 1, POOL_SHRINK_IDLE), POOL_ERR_STATE);
    check_size(pool, WORKERS - 1, WORKERS);
    CHECK_EQUAL(pool_count_workers(pool), WORKERS);
    CHECK_OK(pool_submit(pool, count_task, NULL, 0, &queued));

    /* Whoever is first: with one task left, another two leave. */
    CHECK_OK(pool_shrink(pool, 2, POOL_SHRINK_WHEN_IDLE));
    check_size(pool, WORKERS - 2, WORKERS - 2);
    CHECK_EQUAL(pool_count_workers(pool), WORKERS);
    release(FIRST);
    wait_and_free(busy, WORKERS);
    CHECK_OK(future_wait(queued, POOL_FOREVER));
    CHECK_EQUAL(future_state(queued), FUTURE_COMPLETED);
    future_free(queued);
    await_workers(pool, WORKERS - 2);
    CHECK_EQUAL(word_get(FINALIZED), 2);

    /* One is idle: it can go, whichever its place is, and no more. */
    busy[0] = submit_to_gate(pool, SECOND);
    word_wait(gate_started(SECOND), 1);
    CHECK_OK(pool_shrink(pool, 1, POOL_SHRINK_IDLE));
    await_workers(pool, 1);
    CHECK_IS(pool_shrink(pool, 1, POOL_SHRINK_WHEN_IDLE), POOL_ERR_INVALID);
    CHECK_EQUAL(future_state(busy[0]), FUTURE_RUNNING);
    release(SECOND);
    wait_and_free(busy, 1);
    check_size(pool, 1, 1);
    CHECK_EQUAL(word_get(FINALIZED), 3);

    /* Places without a worker go first. */
    CHECK_OK(pool_grow(pool, 2));
    check_size(pool, 1, 3);
    CHECK_OK(pool_wait_ready(pool, 3, POOL_FOREVER));
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    CHECK_OK(pool_wait_ready(pool, 1, POOL_FOREVER));
    busy[0] = submit_to_gate(pool, THIRD);
    word_wait(gate_started(THIRD), 1);
    CHECK_OK(pool_shrink(pool, 2, POOL_SHRINK_IDLE));
    CHECK_EQUAL(pool_count_workers(pool), 1);
    release(THIRD);
    wait_and_free(busy, 1);

    CHECK_OK(pool_close(pool));
    CHECK_IS(pool_shrink(pool, 0, POOL_SHRINK_IDLE), POOL_ERR_CLOSED);
    CHECK_IS(pool_grow(pool, 1), POOL_ERR_CLOSED);
    pool_free(pool);
    return leaves_nothing_behind();
}
