/* item_hard_limit_ms: an item that runs for longer is killed with its worker and fails so; the items
 * beside it have their results. For maps over an array, in the background, and lazy ones. */
#include "lazy_map.h"
#include "time_limits.h"

enum { ITEMS = 12, BAD = 5, LIMIT_MS = 60, STARTED = WORD_FIRST };

/* Squares, but number BAD runs for ever. */
static int32_t square_or_stay(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    while (n == BAD) pause_briefly();
    n *= n;
    return pool_task_return(task, &n, sizeof n);
}

static uint64_t items[ITEMS];

static void check_results(const uint64_t *results, const pool_status_t *status) {
    for (uint64_t i = 0; i < ITEMS; i++) {
        CHECK_IS(status[i], i == BAD ? POOL_ERR_HARD_LIMIT : POOL_OK);
        if (i != BAD) CHECK_EQUAL(results[i], i * i);
    }
}

static void check_lazy(pool_t *pool, pool_map_options_t how) {
    struct source source = {.end = ITEMS};
    uint64_t index, n = 0;
    const void *data;
    pool_error_t error;
    how.window = 4;
    pool_map_t *map = start_map(pool, square_or_stay, &source, &how);
    for (;; n++) {
        pool_status_t status = pool_map_next(map, POOL_FOREVER, &data, NULL, &index);
        if (status == POOL_ERR_END) break;
        CHECK_EQUAL(index, n);
        CHECK_IS(status, index == BAD ? POOL_ERR_HARD_LIMIT : POOL_OK);
        CHECK_OK(pool_map_error(map, &error));
        CHECK_IS(error.status, status);
    }
    CHECK_EQUAL(n, ITEMS);
    pool_map_free(map);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    uint64_t results[ITEMS];
    pool_status_t status[ITEMS];
    pool_map_options_t how = POOL_MAP_INIT;
    for (uint64_t i = 0; i < ITEMS; i++) items[i] = i;
    pool_t *pool = new_pool(&options, 2);
    how.item_hard_limit_ms = LIMIT_MS;
    if (options.kind != POOL_PROCESS) {
        CHECK_IS(pool_map(pool, square_or_stay, items, 8, ITEMS, &how, results, 8, status),
                 POOL_ERR_UNSUPPORTED);
        pool_free(pool);
        return leaves_nothing_behind();
    }
    CHECK_IS(pool_map(pool, square_or_stay, items, 8, ITEMS, &how, results, 8, status),
             POOL_ERR_HARD_LIMIT);
    check_results(results, status);

    future_t *whole;
    const void *data;
    how.chunk_size = 1;
    memset(results, 0, sizeof results);
    CHECK_OK(pool_map_async(pool, square_or_stay, items, 8, ITEMS, &how, results, 8, status, &whole));
    CHECK_IS(future_collect(whole, POOL_FOREVER, &data, NULL), POOL_ERR_HARD_LIMIT);
    check_results(results, status);
    future_free(whole);
    check_lazy(pool, how);

    how.chunk_size = 2;
    CHECK_IS(pool_map(pool, square, items, 8, ITEMS, &how, results, 8, status), POOL_ERR_INVALID);
    how.chunk_size = 0;
    how.item_hard_limit_ms = -2;
    CHECK_IS(pool_map(pool, square, items, 8, ITEMS, &how, results, 8, status), POOL_ERR_INVALID);
    pool_free(pool);
    return leaves_nothing_behind();
}
