/* With fork_with_threads a caller is copied while its other threads make pools and submit to them, which
 * looks functions up in the dynamic loader. Workers that are copies look theirs up as well. */
#include "lifecycle.h"
#include <pthread.h>

enum { POOLS = 300 };

static _Atomic int is_over;

static void use_pool(const pool_options_t *options) {
    uint64_t n = 5;
    pool_t *pool = new_pool(options, 1);
    CHECK_OK(pool_run(pool, square, &n, sizeof n, POOL_FOREVER, &n, sizeof n, NULL));
    CHECK_EQUAL(n, 25);
    pool_free(pool);
}

static void *use_pools(void *unused) {
    pool_options_t threads = POOL_OPTIONS_INIT;
    (void)unused;
    threads.kind = POOL_THREAD;
    while (!atomic_load(&is_over)) use_pool(&threads);
    return NULL;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.start != POOL_FORK) return SKIPPED;
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, use_pools, NULL) == 0);
    for (int i = 0; i < POOLS; i++) use_pool(&options);
    atomic_store(&is_over, 1);
    CHECK(pthread_join(thread, NULL) == 0);
    return leaves_nothing_behind();
}
