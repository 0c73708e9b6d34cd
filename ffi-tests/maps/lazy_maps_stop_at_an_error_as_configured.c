/* After an item of a lazy map has failed, the map goes on, or ends with that item: submitted items then run,
 * or are cancelled, depending on on_error. */
#include "lazy_map.h"

enum { N = 500, BAD = 40, RUNS = WORD_FIRST };

static int32_t fail_at_bad(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    word_add(RUNS + n, 1);
    return n == BAD ? pool_task_fail(task, 6, "bad") : square(task);
}

static void check_error(pool_map_t *map, pool_status_t expected) {
    pool_error_t error;
    CHECK_OK(pool_map_error(map, &error));
    CHECK_IS(error.status, expected);
    if (expected == POOL_OK) return;
    CHECK_EQUAL(error.task_code, 6);
    CHECK(strcmp(error.message, "bad") == 0);
}

static void map(pool_t *pool, pool_on_error_t on_error, size_t chunk_size) {
    struct source source = {.end = N};
    pool_map_options_t options = POOL_MAP_INIT;
    const void *data;
    uint64_t index;
    options.on_error = on_error;
    options.chunk_size = chunk_size;
    for (size_t i = 0; i < N; i++) word_set(RUNS + i, 0);
    pool_map_t *map = start_map(pool, fail_at_bad, &source, &options);
    for (uint64_t i = 0; i < BAD; i++) CHECK_EQUAL(take_square(map, &source), i);
    check_error(map, POOL_OK);
    CHECK_IS(pool_map_next(map, POOL_FOREVER, &data, NULL, &index), POOL_ERR_TASK);
    CHECK(data == NULL);
    CHECK_EQUAL(index, BAD);
    check_error(map, POOL_ERR_TASK);
    uint64_t pulled = source.pulled;
    if (on_error == POOL_ON_ERROR_CONTINUE) {
        for (uint64_t i = BAD + 1; i < N; i++) CHECK_EQUAL(take_square(map, &source), i);
        check_error(map, POOL_OK);
    }
    for (int i = 0; i < 3; i++) check_next(map, POOL_FOREVER, POOL_ERR_END);
    if (on_error != POOL_ON_ERROR_CONTINUE) CHECK_EQUAL(source.pulled, pulled);
    pool_map_free(map);
    CHECK_OK(pool_join(pool, POOL_FOREVER));

    /* Chunks that were handed out have run, if they were to. */
    for (uint64_t i = 0; i < source.pulled; i++) {
        uint32_t runs = word_get(RUNS + i);
        CHECK(runs <= 1);
        if (on_error == POOL_ON_ERROR_CONTINUE || i <= BAD) CHECK_EQUAL(runs, 1);
        if (on_error == POOL_ON_ERROR_STOP && chunk_size > 0) {
            int is_behind_bad = i > BAD && i / chunk_size == BAD / chunk_size;
            CHECK_EQUAL(runs, !is_behind_bad);
        }
    }
    if (on_error != POOL_ON_ERROR_CONTINUE) CHECK_EQUAL(word_get(RUNS + N - 1), 0);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    for (pool_on_error_t mode = 0; mode <= POOL_ON_ERROR_CANCEL_REST; mode++) {
        for (size_t chunk_size = 1; chunk_size < 30; chunk_size = chunk_size * 3 + 1) {
            map(pool, mode, chunk_size);
        }
    }
    pool_free(pool);
    return leaves_nothing_behind();
}
