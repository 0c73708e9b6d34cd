/* Where a worker cannot be started, or the pool has no room for it, pool_grow changes nothing. */
#include "lifecycle.h"
#include <sys/resource.h>

enum { WORKERS = 2, MORE = 20 };

static void check_unchanged(pool_t *pool) {
    pool_options_t options = POOL_OPTIONS_INIT;
    CHECK_OK(pool_get_options(pool, &options));
    CHECK_EQUAL(options.max_workers, WORKERS);
    await_workers(pool, WORKERS);
    for (uint64_t i = 0; i < 20; i++) {
        uint64_t squared;
        CHECK_OK(pool_run(pool, square, &i, sizeof i, POOL_FOREVER, &squared, sizeof squared, NULL));
        CHECK_EQUAL(squared, i * i);
    }
    CHECK_OK(pool_check(pool, NULL));
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    options.min_workers = WORKERS;
    options.max_restarts = 1;
    pool_t *pool = new_pool(&options, WORKERS);
    CHECK_OK(pool_wait_ready(pool, WORKERS, POOL_FOREVER));
    struct rlimit before, low;
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    int next = dup(0);
    close(next);
    low = before;
    low.rlim_cur = (rlim_t)next + 12;
    CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
    pool_status_t status = pool_grow(pool, MORE);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK_IS(status, POOL_ERR_OS);
    check_unchanged(pool);
    CHECK_OK(pool_grow(pool, 1));
    CHECK_OK(pool_wait_ready(pool, WORKERS + 1, POOL_FOREVER));
    pool_free(pool);

    /* A board in so few addresses has no seats to spare. */
    CHECK(getrlimit(RLIMIT_AS, &before) == 0);
    low = before;
    low.rlim_cur = (rlim_t)2 << 30;
    CHECK(setrlimit(RLIMIT_AS, &low) == 0);
    pool = new_pool(&options, WORKERS);
    CHECK_IS(pool_grow(pool, 500), POOL_ERR_FULL);
    CHECK(setrlimit(RLIMIT_AS, &before) == 0);
    check_unchanged(pool);
    pool_free(pool);
    return leaves_nothing_behind();
}
