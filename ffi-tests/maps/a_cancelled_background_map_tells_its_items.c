/* Cancelling a map in the background reaches the items that run: they can see it, and what they give
 * then counts. */
#include "rendezvous.h"

enum { N = 100, STARTED = WORD_FIRST, RUNS };

static int32_t run_until_cancelled(pool_task_t *task) {
    word_add(STARTED, 1);
    while (!pool_task_cancelled(task)) pause_briefly();
    word_add(RUNS, 1);
    return square(task);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options); /* It is done before it can be cancelled. */
    pool_t *pool = new_pool(&options, 2);
    pool_map_options_t with = POOL_MAP_INIT;
    uint64_t items[N], results[N];
    pool_status_t statuses[N];
    future_t *future;
    with.chunk_size = 1;
    for (uint64_t i = 0; i < N; i++) items[i] = i;
    CHECK_OK(pool_map_async(pool, run_until_cancelled, items, 8, N, &with, results, 8, statuses,
                            &future));
    word_wait(STARTED, 2);
    CHECK_IS(future_cancel(future, POOL_CANCEL_QUEUED), POOL_ERR_STATE);
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_EQUAL(future_state(future), FUTURE_CANCELLED);
    CHECK_IS(statuses[N - 1], POOL_ERR_CANCELLED);
    for (uint64_t i = 0; i < N; i++) {
        if (statuses[i] == POOL_OK) CHECK_EQUAL(results[i], i * i);
        else CHECK_IS(statuses[i], POOL_ERR_CANCELLED);
    }
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    CHECK(word_get(RUNS) < N);
    future_free(future);
    pool_free(pool);
    return leaves_nothing_behind();
}
