/* When the source of a lazy map fails, the results of the items before that come first, then what
 * the source has said, once, and then the end. The source is not asked again. */
#include "lazy_map.h"

static void fails_with(pool_t *pool, pool_status_t answer, pool_status_t expected, uint64_t after,
                       size_t chunk_size, int is_unordered) {
    struct source source = {.end = after, .end_status = answer};
    pool_map_options_t options = POOL_MAP_INIT;
    options.chunk_size = chunk_size;
    options.unordered = is_unordered;
    pool_map_t *map = start_map(pool, square, &source, &options);
    for (uint64_t i = 0; i < after; i++) {
        uint64_t index = take_square(map, &source);
        if (!is_unordered) CHECK_EQUAL(index, i);
    }
    check_next(map, POOL_FOREVER, expected);
    for (int i = 0; i < 3; i++) check_next(map, POOL_FOREVER, POOL_ERR_END);
    CHECK_EQUAL(source.calls_after_end, 1);
    pool_map_free(map);
}

/* A source of nothing where there should be something. */
static pool_status_t give_nothing(void *user, const void **item, size_t *len) {
    (*(int *)user)++;
    *item = NULL;
    *len = 5;
    return POOL_OK;
}

static pool_map_t *own_map;

static pool_status_t ask_own_map(void *user, const void **item, size_t *len) {
    (void)item, (void)len;
    if ((*(int *)user)++) return POOL_ERR_END;
    check_next(own_map, POOL_FOREVER, POOL_ERR_STATE);
    CHECK_IS(pool_map_error(own_map, &(pool_error_t){0}), POOL_ERR_STATE);
    return POOL_ERR_END;
}

int main(int argc, char **argv) {
    static const pool_status_t ANSWERS[] = {POOL_ERR_OS,    POOL_ERR_TASK,    POOL_ERR_INVALID,
                                            POOL_ERR_STATE, POOL_ERR_TIMEOUT, POOL_ERR_CLOSED,
                                            POOL_ERR_CANCELLED};
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    for (size_t i = 0; i < COUNT_OF(ANSWERS); i++) {
        for (size_t chunk_size = 0; chunk_size < 12; chunk_size += 4) {
            for (uint64_t after = 0; after < 40; after += 13) {
                fails_with(pool, ANSWERS[i], ANSWERS[i], after, chunk_size, i % 2);
            }
        }
    }
    /* What is no status. */
    fails_with(pool, 1000, POOL_ERR_INVALID, 5, 1, 0);
    fails_with(pool, -1, POOL_ERR_INVALID, 5, 1, 0);
    int calls = 0;
    pool_map_t *map;
    CHECK_OK(pool_map_start(pool, square, give_nothing, &calls, NULL, &map));
    check_next(map, POOL_FOREVER, POOL_ERR_INVALID);
    check_next(map, POOL_FOREVER, POOL_ERR_END);
    CHECK_EQUAL(calls, 1);
    pool_map_free(map);

    /* A source that would wait for itself. */
    calls = 0;
    CHECK_OK(pool_map_start(pool, square, ask_own_map, &calls, NULL, &own_map));
    check_next(own_map, POOL_FOREVER, POOL_ERR_END);
    CHECK_EQUAL(calls, 1);
    pool_map_free(own_map);

    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
