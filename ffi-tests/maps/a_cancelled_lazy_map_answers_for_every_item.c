/* A lazy map that is cancelled returns an answer for each item that it has taken from its source, also
 * for those for which the pool's queue had no room yet; and then the end. */
#include "lazy_map.h"

enum { N = 100, GATE = 0 };

/* Returns how many items were taken from the source. */
static uint64_t cancel_while_full(pool_t *pool, size_t chunk_size, uint64_t window, bool unordered,
                                  uint64_t end) {
    struct source source = {.end = end};
    pool_map_options_t options = POOL_MAP_INIT;
    const void *data;
    size_t len;
    bool seen[N] = {false};
    options.chunk_size = chunk_size;
    options.window = window;
    options.unordered = unordered;
    pool_map_t *map = start_map(pool, square, &source, &options);
    check_next(map, 0, POOL_ERR_TIMEOUT);
    uint64_t pulled = source.pulled;
    CHECK(pulled > 0);
    CHECK_OK(pool_map_cancel(map));
    for (uint64_t i = 0; i < pulled; i++) {
        uint64_t index = N;
        pool_error_t error;
        CHECK_IS(pool_map_next(map, POOL_FOREVER, &data, &len, &index), POOL_ERR_CANCELLED);
        CHECK(data == NULL && index < pulled && !seen[index]);
        if (!unordered) CHECK_EQUAL(index, i);
        seen[index] = true;
        CHECK_OK(pool_map_error(map, &error));
        CHECK_IS(error.status, POOL_ERR_CANCELLED);
    }
    for (int i = 0; i < 3; i++) check_next(map, POOL_FOREVER, POOL_ERR_END);
    CHECK_EQUAL(source.pulled, pulled);
    pool_map_free(map);
    return pulled;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    options.max_pending = 1;
    pool_t *pool = new_pool(&options, 1);
    future_t *busy, *queued;
    occupy(pool, GATE, 1, &busy);
    for (size_t chunk = 0; chunk <= 3; chunk++) {
        for (int unordered = 0; unordered < 2; unordered++) {
            /* One chunk finds room, the next does not; also where the source has no more. */
            CHECK_EQUAL(cancel_while_full(pool, chunk, 12, unordered, N), 2 * (chunk ? chunk : 1));
            if (chunk > 1) CHECK_EQUAL(cancel_while_full(pool, chunk, 12, unordered, 3), 3);
        }
    }
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &queued));
    for (size_t chunk = 1; chunk <= 3; chunk++) {
        CHECK_EQUAL(cancel_while_full(pool, chunk, 12, false, N), chunk);
    }
    release(GATE);
    wait_and_free(&busy, 1);
    wait_and_free(&queued, 1);
    pool_free(pool);
    return leaves_nothing_behind();
}
