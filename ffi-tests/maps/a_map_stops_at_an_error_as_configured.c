/* After an item has failed, a map goes on, or submits no more items, or cancels its queued items, depending
 * on on_error; items that did not run are cancelled, and items that ran keep their results. */
#include "rendezvous.h"

enum { N = 2000, BAD = 100, RUNS = WORD_FIRST };

static int32_t fail_at_bad(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    word_add(RUNS + n, 1);
    return n == BAD ? pool_task_fail(task, 1, "bad") : square(task);
}

static uint64_t items[N], results[N];
static pool_status_t statuses[N];

static void check(pool_on_error_t on_error, size_t chunk_size, size_t window, int is_async,
                  pool_t *pool) {
    pool_map_options_t options = POOL_MAP_INIT;
    pool_status_t status;
    options.on_error = on_error;
    options.chunk_size = chunk_size;
    options.window = window;
    for (size_t i = 0; i < N; i++) word_set(RUNS + i, 0);
    memset(results, 0xee, sizeof results);
    if (is_async) {
        future_t *future;
        CHECK_OK(pool_map_async(pool, fail_at_bad, items, 8, N, &options, results, 8, statuses,
                                &future));
        status = future_collect(future, POOL_FOREVER, &(const void *){NULL}, NULL);
        future_free(future);
    } else {
        status = pool_map(pool, fail_at_bad, items, 8, N, &options, results, 8, statuses);
    }
    CHECK_IS(status, POOL_ERR_TASK);
    size_t n_cancelled = 0;
    for (uint64_t i = 0; i < N; i++) {
        CHECK(word_get(RUNS + i) <= 1);
        if (i == BAD) {
            CHECK_IS(statuses[i], POOL_ERR_TASK);
        } else if (statuses[i] == POOL_ERR_CANCELLED) {
            n_cancelled++;
        } else {
            CHECK_IS(statuses[i], POOL_OK);
            CHECK_EQUAL(word_get(RUNS + i), 1);
        }
        CHECK_EQUAL(results[i], statuses[i] == POOL_OK ? i * i : 0);
        if (i < BAD || on_error == POOL_ON_ERROR_CONTINUE) CHECK(statuses[i] != POOL_ERR_CANCELLED);
    }
    /* What was cancelled was not run; and no more than the window was handed out too many. */
    size_t n_run = 0;
    for (uint64_t i = 0; i < N; i++) {
        if (statuses[i] == POOL_ERR_CANCELLED) CHECK_EQUAL(word_get(RUNS + i), 0);
        n_run += word_get(RUNS + i);
    }
    CHECK_EQUAL(n_run + n_cancelled, N);
    if (on_error == POOL_ON_ERROR_CONTINUE) CHECK_EQUAL(n_cancelled, 0);
    if (on_error != POOL_ON_ERROR_CONTINUE && chunk_size > 0) {
        size_t most = window > 0 ? window : 4 * chunk_size;
        CHECK(n_run <= BAD + 1 + most + chunk_size);
    }
}

int main(int argc, char **argv) {
    static const size_t CHUNK_SIZES[] = {0, 1, 3, 50, N};
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    for (uint64_t i = 0; i < N; i++) items[i] = i;
    for (size_t k = 0; k < COUNT_OF(CHUNK_SIZES); k++) {
        for (pool_on_error_t mode = 0; mode <= POOL_ON_ERROR_CANCEL_REST; mode++) {
            check(mode, CHUNK_SIZES[k], 0, 0, pool);
            check(mode, CHUNK_SIZES[k], 10, 0, pool);
            check(mode, CHUNK_SIZES[k], 0, 1, pool);
        }
    }
    pool_free(pool);
    return leaves_nothing_behind();
}
