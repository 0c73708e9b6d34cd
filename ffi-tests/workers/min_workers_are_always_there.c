/* min_workers start with the pool, stay however long they have nothing to do, and come back after
 * a join; only those beyond them leave. */
#include "lifecycle.h"

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    options.min_workers = 2;
    options.idle_timeout_ms = POOL_NOW;
    pool_t *pool = new_pool(&options, 3);
    await_workers(pool, 2);

    future_t *futures[3];
    occupy(pool, 0, 3, futures);
    CHECK_EQUAL(pool_count_workers(pool), 3);
    release(0);
    wait_and_free(futures, 3);
    await_workers(pool, 2);

    CHECK_OK(pool_join(pool, POOL_FOREVER));
    await_workers(pool, 2);

    options.min_workers = 4;
    options.max_workers = 3;
    pool_t *none;
    CHECK_IS(pool_new(&options, &none, NULL), POOL_ERR_INVALID);
    pool_free(pool);
    return leaves_nothing_behind();
}
