/* A map of nothing succeeds and starts no worker; arguments and options that make no sense are
 * refused, and nothing of the map is run. */
#include "rendezvous.h"

enum { RAN = WORD_FIRST };

static uint64_t items[4] = {1, 2, 3, 4}, results[4];
static pool_status_t statuses[4];

static int32_t count_runs(pool_task_t *task) {
    word_add(RAN, 1);
    return square(task);
}

static pool_status_t end_at_once(void *user, const void **item, size_t *len) {
    (void)user, (void)item, (void)len;
    return POOL_ERR_END;
}

static pool_status_t map(pool_t *pool, const pool_map_options_t *options) {
    return pool_map(pool, count_runs, items, 8, 4, options, results, 8, statuses);
}

/* All three kinds of maps refuse the same options. */
static void refuses(pool_t *pool, pool_map_options_t options, pool_status_t expected, int line) {
    pool_map_t *lazy = (pool_map_t *)pool;
    future_t *future = (future_t *)pool;
    pool_status_t status = map(pool, &options);
    if (status != expected) fprintf(stderr, "in line %d: ", line);
    CHECK_IS(status, expected);
    CHECK_IS(pool_map_async(pool, count_runs, items, 8, 4, &options, results, 8, NULL, &future),
             expected);
    CHECK(future == NULL);
    CHECK_IS(pool_map_start(pool, count_runs, end_at_once, NULL, &options, &lazy), expected);
    CHECK(lazy == NULL);
}

#define OPTION(assignment, expected)                                                              \
    do {                                                                                          \
        pool_map_options_t with = POOL_MAP_INIT;                                                  \
        with.assignment;                                                                          \
        refuses(pool, with, expected, __LINE__);                                                  \
    } while (0)

static void nothing_to_do(pool_t *pool) {
    future_t *future;
    size_t n = 9;
    pool_array_t arrays[2] = {{items, 8, 4}, {NULL, 4, 0}};
    CHECK_OK(pool_map(pool, count_runs, NULL, 8, 0, NULL, NULL, 8, NULL));
    CHECK_OK(pool_map(pool, count_runs, items, 8, 0, NULL, results, 8, statuses));
    CHECK_OK(pool_map(pool, count_runs, NULL, 0, 0, NULL, NULL, 0, NULL));
    CHECK_OK(pool_map_zip(pool, count_runs, arrays, 2, NULL, NULL, 8, NULL, &n));
    CHECK_EQUAL(n, 0);
    CHECK_OK(pool_map_async(pool, count_runs, NULL, 8, 0, NULL, NULL, 8, NULL, &future));
    CHECK_OK(future_collect(future, POOL_FOREVER, &(const void *){NULL}, NULL));
    future_free(future);
    CHECK_EQUAL(pool_count_workers(pool), 0);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    struct {
        pool_map_options_t options;
        size_t more;
    } longer = {POOL_MAP_INIT, 0};
    pool_map_t *lazy = NULL;

    nothing_to_do(pool);

    OPTION(chunk_size = SIZE_MAX, POOL_ERR_INVALID);
    OPTION(chunk_size = SIZE_MAX / 2, POOL_ERR_INVALID);
    OPTION(window = SIZE_MAX, POOL_ERR_INVALID);
    OPTION(on_error = 3, POOL_ERR_INVALID);
    OPTION(on_error = -1, POOL_ERR_INVALID);
    OPTION(deadline_ms = -2, POOL_ERR_INVALID);
    OPTION(deadline_ms = INT64_MIN, POOL_ERR_INVALID);
    OPTION(item_hard_limit_ms = -2, POOL_ERR_INVALID);
    if (options.kind != POOL_PROCESS) OPTION(item_hard_limit_ms = 60000, POOL_ERR_UNSUPPORTED);
    OPTION(struct_size = 0, POOL_ERR_INVALID);

    CHECK_IS(map(NULL, NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_map(pool, NULL, items, 8, 4, NULL, results, 8, NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_map(pool, count_runs, NULL, 8, 4, NULL, results, 8, NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_map(pool, count_runs, items, 8, 4, NULL, NULL, 8, NULL), POOL_ERR_INVALID);
    CHECK(pool_map(pool, count_runs, items, SIZE_MAX, 4, NULL, results, 8, NULL) != POOL_OK);
    CHECK(pool_map(pool, count_runs, items, 8, 4, NULL, results, SIZE_MAX, NULL) != POOL_OK);
    CHECK_IS(pool_map_async(pool, count_runs, items, 8, 4, NULL, results, 8, NULL, NULL),
             POOL_ERR_INVALID);
    CHECK_IS(pool_map_zip(pool, count_runs, NULL, 1, NULL, results, 8, NULL, NULL),
             POOL_ERR_INVALID);
    CHECK_IS(pool_map_zip(pool, count_runs, &(pool_array_t){items, 8, 4}, 0, NULL, results, 8,
                          NULL, NULL),
             POOL_ERR_INVALID);
    CHECK_IS(pool_map_start(pool, NULL, end_at_once, NULL, NULL, &lazy), POOL_ERR_INVALID);
    CHECK_IS(pool_map_start(pool, count_runs, NULL, NULL, NULL, &lazy), POOL_ERR_INVALID);
    CHECK_IS(pool_map_start(pool, count_runs, end_at_once, NULL, NULL, NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_map_next(NULL, 0, NULL, NULL, NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_map_cancel(NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_map_error(NULL, &(pool_error_t){0}), POOL_ERR_INVALID);
    pool_map_free(NULL);
    CHECK_EQUAL(word_get(RAN), 0);
    CHECK_EQUAL(pool_count_workers(pool), 0);

    /* What is large is not wrong, nor is a struct that has grown. */
    longer.options.chunk_size = SIZE_MAX / 8;
    longer.options.window = SIZE_MAX / 8;
    longer.options.struct_size = sizeof longer;
    longer.options.deadline_ms = INT64_MAX;
    CHECK_OK(map(pool, &longer.options));
    longer.options.deadline_ms = POOL_FOREVER;
    CHECK_OK(map(pool, &longer.options));
    CHECK_EQUAL(word_get(RAN), 8);
    longer.more = 1;
    CHECK_IS(map(pool, &longer.options), POOL_ERR_VERSION);

    CHECK_OK(pool_map_start(pool, count_runs, end_at_once, NULL, NULL, &lazy));
    pool_map_free(lazy);
    CHECK_IS(pool_map_next(lazy, 0, &(const void *){NULL}, NULL, NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_map_cancel(lazy), POOL_ERR_INVALID);
    pool_map_free(lazy);

    CHECK_OK(pool_close(pool));
    CHECK_IS(map(pool, NULL), POOL_ERR_CLOSED);
    CHECK_IS(pool_map_start(pool, count_runs, end_at_once, NULL, NULL, &lazy), POOL_ERR_CLOSED);
    CHECK_EQUAL(word_get(RAN), 8);
    pool_free(pool);
    CHECK_IS(map(pool, NULL), POOL_ERR_INVALID);
    return leaves_nothing_behind();
}
