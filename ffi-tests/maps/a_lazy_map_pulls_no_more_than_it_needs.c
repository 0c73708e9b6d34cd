/* A lazy map asks its source for nothing before the first result is wanted, never for more than its
 * window ahead of what was taken, and not again after the source has said that it is at its end. */
#include "lazy_map.h"

enum { WORKERS = 2, N = 300 };

static void pull(pool_t *pool, size_t window, size_t chunk_size, int is_unordered, uint64_t n) {
    struct source source = {.end = n};
    pool_map_options_t options = POOL_MAP_INIT;
    options.window = window;
    options.chunk_size = chunk_size;
    options.unordered = is_unordered;
    pool_map_t *map = start_map(pool, square, &source, &options);
    for (uint64_t i = 0; i < n; i++) take_square(map, &source);
    CHECK_EQUAL(source.pulled, n);
    for (int i = 0; i < 5; i++) check_next(map, POOL_FOREVER, POOL_ERR_END);
    check_next(map, 0, POOL_ERR_END);
    CHECK_EQUAL(source.calls_after_end, 1);
    if (window > 0) CHECK(source.most_ahead <= window);
    if (window == 0 && chunk_size > 0) CHECK(source.most_ahead <= 2 * WORKERS * chunk_size);
    pool_map_free(map);
    CHECK_EQUAL(source.calls_after_end, 1);
}

int main(int argc, char **argv) {
    static const size_t WINDOWS[] = {0, 1, 2, 5, 16, 100, 1000, SIZE_MAX / 8};
    static const size_t CHUNK_SIZES[] = {0, 1, 2, 3, 10, 50, 400};
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, WORKERS);

    /* Nobody wants anything. */
    struct source source = {.end = N};
    pool_map_t *map = start_map(pool, square, &source, NULL);
    CHECK_EQUAL(pool_count_workers(pool), 0);
    pool_map_free(map);
    CHECK_EQUAL(source.pulled + source.calls_after_end, 0);

    /* There is nothing. */
    source = (struct source){.end = 0};
    map = start_map(pool, square, &source, NULL);
    for (int i = 0; i < 3; i++) check_next(map, POOL_FOREVER, POOL_ERR_END);
    CHECK_EQUAL(source.calls_after_end, 1);
    CHECK_EQUAL(pool_count_workers(pool), 0);
    pool_map_free(map);

    for (size_t i = 0; i < COUNT_OF(WINDOWS); i++) {
        for (size_t k = 0; k < COUNT_OF(CHUNK_SIZES); k++) {
            pull(pool, WINDOWS[i], CHUNK_SIZES[k], (i + k) % 2, N);
            pull(pool, WINDOWS[i], CHUNK_SIZES[k], (i + k) % 2, 1);
        }
    }
    pool_free(pool);
    return leaves_nothing_behind();
}
