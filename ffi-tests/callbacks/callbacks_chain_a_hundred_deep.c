/* A callback submits the next task, whose callback submits the next, and so on; nothing is delayed or lost.
 * The same holds where a callback adds the next one to the same future. */
#include "callbacks.h"

enum { DEEP = 100, CHAINS = 4 };

static pool_t *pool;

/* Callback n of a chain has the number chain * DEEP + n. */
static void go_on(future_t *future, void *user) {
    uint64_t n = (uintptr_t)user, next = n + 1;
    CHECK_EQUAL(collect_number(future), n * n);
    if (next % DEEP != 0) {
        future_t *following;
        CHECK_OK(pool_submit(pool, square, &next, sizeof next, &following));
        CHECK_OK(future_on_done(following, go_on, user_of(next), count_drop, NULL));
        future_free(following);
    }
    count_call(future, user);
}

static void go_deeper(future_t *future, void *user) {
    uint64_t n = (uintptr_t)user, next = n + 1;
    if (next % DEEP != 0) {
        CHECK_OK(future_on_done(future, go_deeper, user_of(next), count_drop, NULL));
        check_counts(next, 1, 1);
    }
    count_call(future, user);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool = new_pool(&options, 2);
    for (uint64_t chain = 0; chain < CHAINS; chain++) {
        uint64_t n = chain * DEEP;
        future_t *future;
        CHECK_OK(pool_submit(pool, square, &n, sizeof n, &future));
        CHECK_OK(future_on_done(future, go_on, user_of(n), count_drop, NULL));
        future_free(future);
    }
    for (uint64_t chain = 0; chain < CHAINS; chain++) await_drop(chain * DEEP + DEEP - 1);

    uint64_t n = CHAINS * DEEP;
    future_t *future;
    CHECK_OK(pool_submit(pool, square, &n, sizeof n, &future));
    CHECK_OK(future_on_done(future, go_deeper, user_of(n), count_drop, NULL));
    await_drop(n);
    future_free(future);
    pool_free(pool);
    for (size_t i = 0; i < (CHAINS + 1) * DEEP; i++) check_counts(i, 1, 1);
    return leaves_nothing_behind();
}
