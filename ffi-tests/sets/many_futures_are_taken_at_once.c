/* One call takes all futures of a set that are done, and waits for the first one. */
#include "rendezvous.h"

enum { N = 500 };

static future_t *futures[N];

static int index_of(future_t *future) {
    for (int i = 0; i < N; i++) {
        if (futures[i] == future) return i;
    }
    return -1;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    future_set_t *set;
    future_t *taken[N + 1];
    uint64_t items[N] = {0};
    bool seen[N] = {false};
    size_t total = 0, n;
    CHECK_OK(future_set_new(&set));
    CHECK_IS(future_set_next_many(set, 0, taken, N, &n), POOL_ERR_END);
    CHECK_EQUAL(n, 0);
    CHECK_OK(pool_submit_many(pool, square, items, sizeof *items, N, futures, NULL));
    for (int i = 0; i < N; i++) CHECK_OK(future_set_add(set, futures[i]));
    while (total < N) {
        CHECK_OK(future_set_next_many(set, POOL_FOREVER, taken, 100, &n));
        CHECK(n >= 1 && n <= 100);
        for (size_t i = 0; i < n; i++) {
            int index = index_of(taken[i]);
            CHECK(index >= 0 && !seen[index]);
            CHECK(future_is_done(taken[i]));
            seen[index] = true;
        }
        for (size_t i = n; i < 100; i++) CHECK(taken[i] == NULL);
        total += n;
    }
    CHECK_EQUAL(total, N);
    CHECK_IS(future_set_next_many(set, POOL_FOREVER, taken, N, &n), POOL_ERR_END);
    CHECK_IS(future_set_next_many(set, 0, NULL, N, &n), POOL_ERR_INVALID);
    CHECK_IS(future_set_next_many(set, 0, taken, 0, &n), POOL_ERR_INVALID);
    CHECK_IS(future_set_next_many(set, 0, taken, N, NULL), POOL_ERR_INVALID);
    /* No handle is left unset. */
    for (int without = 0; without < 2; without++) {
        for (int i = 0; i < N; i++) taken[i] = (future_t *)taken;
        CHECK_IS(future_set_next_many(without ? set : NULL, 0, taken, N, without ? NULL : &n),
                 POOL_ERR_INVALID);
        for (int i = 0; i < N; i++) CHECK(taken[i] == NULL);
    }
    CHECK_EQUAL(n, 0);
    future_set_free(set);
    future_free_many(futures, N);
    pool_free(pool);
    return leaves_nothing_behind();
}
