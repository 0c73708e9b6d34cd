/* Maps of all sorts come to their end where only one task may wait, and one that must not wait for a
 * place does not. */
#include "queue.h"

enum { N = 2000 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    options.max_pending = 1;
    pool_t *pool = new_pool(&options, 2);
    static uint64_t items[N], results[N];
    for (uint64_t i = 0; i < N; i++) items[i] = i;
    for (size_t chunk = 0; chunk <= 7; chunk += 7) {
        pool_map_options_t how = POOL_MAP_INIT;
        how.chunk_size = chunk;
        memset(results, 0, sizeof results);
        CHECK_OK(pool_map(pool, square, items, sizeof *items, N, &how, results, sizeof *results, NULL));
        for (uint64_t i = 0; i < N; i++) CHECK_EQUAL(results[i], i * i);

        memset(results, 0, sizeof results);
        future_t *future;
        CHECK_OK(pool_map_async(pool, square, items, sizeof *items, N, &how, results,
                                sizeof *results, NULL, &future));
        CHECK_OK(future_wait(future, POOL_FOREVER));
        future_free(future);
        for (uint64_t i = 0; i < N; i++) CHECK_EQUAL(results[i], i * i);
    }
    pool_free(pool);
    if (options.kind == POOL_INLINE) return leaves_nothing_behind();

    /* A map that finds the queue full waits as long as it may, and no longer. */
    future_t *futures[2];
    pool = new_full_pool(&options, 0, 1, WORD_FIRST, futures);
    pool_map_options_t how = POOL_MAP_INIT;
    how.deadline_ms = 20;
    CHECK_IS(pool_map(pool, square, items, sizeof *items, N, &how, results, sizeof *results, NULL),
             POOL_ERR_TIMEOUT);
    release(0);
    wait_and_free(futures, 2);
    pool_free(pool);
    return leaves_nothing_behind();
}
