/* However many threads request workers, and submit as well, the number of workers never exceeds max_workers,
 * and the numbers of started workers that the calls return add up. */
#include "lifecycle.h"
#include <pthread.h>

enum { MOST = 3, THREADS = 4, ROUNDS = 50 };

static pool_t *pool;
static _Atomic uint32_t started;

static int32_t check_place(pool_task_t *task) {
    CHECK(pool_task_worker(task) < MOST);
    return 0;
}

static void *ask(void *unused) {
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t spawned;
        size_t n;
        CHECK_OK(pool_spawn_workers(pool, i % 5 - 1, &spawned));
        started += spawned;
        CHECK_OK(pool_submit(pool, check_place, NULL, 0, NULL));
        CHECK_OK(pool_spawn_max_workers(pool, &spawned));
        started += spawned;
        CHECK(pool_count_workers(pool) <= MOST);
        CHECK_OK(pool_workers(pool, NULL, 0, &n));
        CHECK(n <= MOST);
    }
    return NULL;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    options.idle_timeout_ms = POOL_FOREVER;
    pool = new_pool(&options, MOST);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, ask, NULL);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    CHECK(started <= MOST);
    CHECK_EQUAL(pool_count_workers(pool), MOST);
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    pool_free(pool);
    return leaves_nothing_behind();
}
