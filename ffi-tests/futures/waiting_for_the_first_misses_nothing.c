/* A thread that waits for the first of some futures wakes when that future is done, however close its end is
 * to the beginning of the wait. */
#include "lazy_map.h"

enum { ROUNDS = 60000, N = 4 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    future_t *futures[N];
    for (uint64_t i = 0; i < ROUNDS; i++) {
        size_t n = i % 5 == 0 ? N : 1, done;
        for (size_t k = 0; k < n; k++) {
            CHECK_OK(pool_submit(pool, square, &i, sizeof i, &futures[k]));
        }
        pool_wait_t mode = i % 2 ? POOL_WAIT_FIRST : POOL_WAIT_FIRST_ERROR;
        CHECK_OK(future_wait_many(futures, n, mode, POOL_FOREVER, &done));
        CHECK(mode == POOL_WAIT_FIRST ? done >= 1 : done == n);
        for (size_t k = 0; k < n; k++) future_free(futures[k]);
    }

    struct source source = {.end = ROUNDS};
    pool_map_options_t with = POOL_MAP_INIT;
    with.unordered = true;
    with.window = 1;
    pool_map_t *map = start_map(pool, square, &source, &with);
    for (uint64_t i = 0; i < ROUNDS; i++) CHECK_EQUAL(take_square(map, &source), i);
    pool_map_free(map);
    pool_free(pool);
    return leaves_nothing_behind();
}
