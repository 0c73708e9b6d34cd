/* A task may wait for a map in the background of its own pool, also as the only worker. */
#include "rendezvous.h"

enum { N = 100 };

static int32_t map_and_wait(pool_task_t *task) {
    pool_t *pool;
    uint64_t items[N], results[N];
    future_t *future;
    memcpy(&pool, pool_task_args(task, NULL), sizeof pool);
    for (uint64_t i = 0; i < N; i++) items[i] = i;
    CHECK_OK(pool_map_async(pool, square, items, 8, N, NULL, results, 8, NULL, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    future_free(future);
    for (uint64_t i = 0; i < N; i++) CHECK_EQUAL(results[i], i * i);
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind == POOL_PROCESS) return SKIPPED; /* The pool is in another process. */
    pool_t *pool = new_pool(&options, 1);
    CHECK_OK(pool_run(pool, map_and_wait, &pool, sizeof pool, POOL_FOREVER, NULL, 0, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
