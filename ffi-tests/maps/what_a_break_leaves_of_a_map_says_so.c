/* When a pool breaks, a chunk that runs ends after its current item. The items behind it, and those of
 * the chunks that wait, end with POOL_ERR_BROKEN, and so does the map. */
#include "lazy_map.h"
#include "lifecycle.h"

enum { ITEMS = 12, CHUNK = 4, FIRST_RUNS = LIFECYCLE_FIRST };

/* The second worker fails, when the first item runs. */
static int32_t refuse_the_second(pool_task_t *task) {
    if (word_add(INITIALIZED, 1) == 0) return 0;
    word_wait(FIRST_RUNS, 1);
    return pool_task_fail(task, 42, "only one");
}

static int32_t square_until_the_end(pool_task_t *task) {
    uint64_t number;
    memcpy(&number, pool_task_args(task, NULL), sizeof number);
    word_set(FIRST_RUNS, 1);
    while (!pool_task_cancelled(task)) pause_briefly();
    number *= number;
    return pool_task_return(task, &number, sizeof number);
}

static pool_t *breaking_pool(pool_options_t options) {
    word_set(INITIALIZED, 0);
    word_set(FIRST_RUNS, 0);
    options.initializer.pointer = refuse_the_second;
    return new_pool(&options, 2);
}

static void map(const pool_options_t *options, pool_on_error_t on_error) {
    uint64_t items[ITEMS], results[ITEMS];
    pool_status_t statuses[ITEMS];
    pool_map_options_t how = POOL_MAP_INIT;
    how.chunk_size = CHUNK;
    how.on_error = on_error;
    for (uint64_t i = 0; i < ITEMS; i++) items[i] = i + 3;
    pool_t *pool = breaking_pool(*options);
    CHECK_IS(pool_map(pool, square_until_the_end, items, sizeof *items, ITEMS, &how, results, sizeof *results,
                      statuses),
             POOL_ERR_BROKEN);
    CHECK_OK(statuses[0]);
    CHECK_EQUAL(results[0], 9);
    for (int i = 1; i < ITEMS; i++) {
        CHECK_IS(statuses[i], POOL_ERR_BROKEN);
        CHECK_EQUAL(results[i], 0);
    }
    pool_free(pool);
}

static void lazy_map(const pool_options_t *options) {
    struct source source = {.end = ITEMS};
    pool_map_options_t how = POOL_MAP_INIT;
    how.chunk_size = CHUNK;
    how.window = 2 * CHUNK;
    pool_t *pool = breaking_pool(*options);
    pool_map_t *map = start_map(pool, square_until_the_end, &source, &how);
    CHECK_EQUAL(take_square(map, &source), 0);
    for (uint64_t i = 1; i < 2 * CHUNK; i++) {
        pool_error_t error;
        check_next(map, POOL_FOREVER, POOL_ERR_BROKEN);
        CHECK_OK(pool_map_error(map, &error));
        CHECK_IS(error.status, POOL_ERR_BROKEN);
        CHECK(strstr(error.message, "only one") != NULL);
    }
    pool_map_free(map);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    map(&options, POOL_ON_ERROR_CONTINUE);
    map(&options, POOL_ON_ERROR_CANCEL_REST);
    lazy_map(&options);
    return leaves_nothing_behind();
}
