/* A set agrees with its futures: one that is done comes out of its set at once, without a wait, each
 * time that it was added, and no more often, whether it is freed then or not. */
#include "rendezvous.h"

enum { ROUNDS = 500, ROW = 8 };

static void is_next(future_set_t *set, future_t *expected) {
    future_t *taken;
    CHECK_OK(future_set_next(set, 0, &taken));
    CHECK(taken == expected);
}

static void has_nothing(future_set_t *set, pool_status_t status) {
    future_t *taken;
    CHECK_IS(future_set_next(set, 0, &taken), status);
    CHECK(taken == NULL);
}

static future_t *add_task(pool_t *pool, future_set_t *set, int times) {
    future_t *future;
    uint64_t number = 3;
    CHECK_OK(pool_submit(pool, square, &number, sizeof number, &future));
    for (int i = 0; i < times; i++) CHECK_OK(future_set_add(set, future));
    return future;
}

static void await_done(future_t *future) {
    while (!future_is_done(future)) {
    }
}

/* With one that is never done, and without. */
static void one_by_one(pool_t *pool, future_set_t *set, pool_status_t at_the_end) {
    for (int round = 0; round < ROUNDS; round++) {
        int times = 1 + round % 3;
        future_t *future = add_task(pool, set, times);
        await_done(future);
        for (int i = 0; i < times; i++) is_next(set, future);
        has_nothing(set, at_the_end);
        if (round % 2) {
            /* Again, also while an earlier delivery may be under way. */
            CHECK_OK(future_set_add(set, future));
            is_next(set, future);
            has_nothing(set, at_the_end);
        }
        future_free(future);
        has_nothing(set, at_the_end);
    }
}

/* Each of several comes once. */
static void all_at_once(pool_t *pool, future_set_t *set) {
    for (int round = 0; round < ROUNDS / 5; round++) {
        future_t *futures[ROW], *taken;
        int seen[ROW] = {0};
        for (int i = 0; i < ROW; i++) futures[i] = add_task(pool, set, 1);
        for (int i = 0; i < ROW; i++) await_done(futures[i]);
        for (int k = 0; k < ROW; k++) {
            CHECK_OK(future_set_next(set, 0, &taken));
            for (int i = 0; i < ROW; i++) seen[i] += futures[i] == taken;
        }
        has_nothing(set, POOL_ERR_END);
        for (int i = 0; i < ROW; i++) {
            CHECK_EQUAL(seen[i], 1);
            future_free(futures[i]);
        }
    }
}

/* Freed when it is done, before it was returned or after one of two. */
static void freed_in_between(pool_t *pool, future_set_t *set) {
    for (int round = 0; round < ROUNDS / 5; round++) {
        future_t *future = add_task(pool, set, 2);
        await_done(future);
        if (round % 2) is_next(set, future);
        future_free(future);
        future_t *next = add_task(pool, set, 1);
        await_done(next);
        is_next(set, next);
        future_free(next);
    }
    /* A delivery may be under way to a future that is gone. */
    future_t *taken;
    CHECK_IS(future_set_next(set, POOL_FOREVER, &taken), POOL_ERR_END);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    future_set_t *set;
    future_t *never;
    CHECK_OK(future_set_new(&set));
    one_by_one(pool, set, POOL_ERR_END);
    all_at_once(pool, set);
    freed_in_between(pool, set);
    CHECK_OK(future_new_promise(&never));
    CHECK_OK(future_set_add(set, never));
    one_by_one(pool, set, POOL_ERR_TIMEOUT);
    CHECK_OK(future_resolve(never, NULL, 0));
    is_next(set, never);
    has_nothing(set, POOL_ERR_END);
    future_free(never);
    future_set_free(set);
    pool_free(pool);
    return leaves_nothing_behind();
}
