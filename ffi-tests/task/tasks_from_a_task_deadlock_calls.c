/* A task that would wait for its own pool to stop gets an error instead of a deadlock. */
#include "rendezvous.h"

enum { RAN = WORD_FIRST };

static int32_t stop_own_pool(pool_task_t *task) {
    pool_t *pool;
    uint32_t ran = RAN;
    memcpy(&pool, pool_task_args(task, NULL), sizeof pool);
    CHECK_IS(pool_join(pool, POOL_FOREVER), POOL_ERR_DEADLOCK);
    CHECK_IS(pool_join(pool, 0), POOL_ERR_DEADLOCK);
    CHECK_IS(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER), POOL_ERR_DEADLOCK);
    CHECK_IS(pool_shutdown(pool, POOL_STOP_KILL, 0), POOL_ERR_DEADLOCK);
    pool_free(pool); /* does nothing */
    CHECK_OK(pool_check(pool, NULL));

    /* It may give its pool more to do, as long as it does not wait for it. */
    return pool_submit(pool, count_in_word, &ran, sizeof ran, NULL);
}

/* Another pool is no deadlock. */
static int32_t stop_other_pool(pool_task_t *task) {
    pool_t *other;
    memcpy(&other, pool_task_args(task, NULL), sizeof other);
    CHECK_OK(pool_join(other, POOL_FOREVER));
    CHECK_OK(pool_shutdown(other, POOL_STOP_CANCEL, POOL_FOREVER));
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_THREAD) return SKIPPED; /* Handles mean nothing in other processes. */
    pool_t *pool = new_pool(&options, 1), *other = new_pool(&options, 1);
    CHECK_OK(pool_run(pool, stop_own_pool, &pool, sizeof pool, POOL_FOREVER, NULL, 0, NULL));
    word_wait(RAN, 1);
    CHECK_OK(pool_run(pool, stop_other_pool, &other, sizeof other, POOL_FOREVER, NULL, 0, NULL));
    pool_free(other);
    pool_free(pool);
    return leaves_nothing_behind();
}
