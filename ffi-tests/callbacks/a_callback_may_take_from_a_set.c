/* A callback may wait in a set for futures of its own pool, like in every other way of waiting. */
#include "callbacks.h"

enum { N = 10 };

static pool_t *pool;

static void take_from_a_set(future_t *future, void *user) {
    future_t *futures[N], *taken;
    future_set_t *set;
    CHECK_OK(future_set_new(&set));
    for (uint64_t i = 0; i < N; i++) {
        CHECK_OK(pool_submit(pool, square, &i, sizeof i, &futures[i]));
        CHECK_OK(future_set_add(set, futures[i]));
    }
    for (int i = 0; i < N; i++) {
        CHECK_OK(future_set_next(set, POOL_FOREVER, &taken));
        CHECK(future_is_done(taken));
    }
    CHECK_IS(future_set_next(set, POOL_FOREVER, &taken), POOL_ERR_END);
    future_set_free(set);
    for (int i = 0; i < N; i++) future_free(futures[i]);
    count_call(future, user);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind == POOL_INLINE) release(0);
    pool = new_pool(&options, 2);
    uint32_t gate = 0;
    future_t *future;
    CHECK_OK(pool_submit(pool, wait_at_gate, &gate, sizeof gate, &future));
    CHECK_OK(future_on_done(future, take_from_a_set, user_of(0), count_drop, NULL));
    release(0);
    await_drop(0);
    check_counts(0, 1, 1);
    future_free(future);
    pool_free(pool);
    return leaves_nothing_behind();
}
