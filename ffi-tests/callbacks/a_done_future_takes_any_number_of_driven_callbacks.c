/* With POOL_DRIVER_EXTERNAL a callback that is added to a done future is called like the others, also while
 * others of the same future are due, or one of them runs, or after the future is freed; when its pool has
 * ended, it is called at once, because pool_process_events is not called any more. */
#include "external_driver.h"

enum { N = 50 };

static void add_another(future_t *future, void *user) {
    count_driven(future, user);
    CHECK_OK(future_on_done(future, count_driven, user_of((uintptr_t)user + 1), count_driven_drop, NULL));
    check_counts((uintptr_t)user + 1, 0, 0);
}

/* It would run for ever if it were not left to the next call. */
static void add_itself(future_t *future, void *user) {
    word_add(calls_of((uintptr_t)user), 1);
    if (word_get(calls_of((uintptr_t)user)) < N) {
        CHECK_OK(future_on_done(future, add_itself, user, count_driven_drop, NULL));
    }
}

static void called_at_once(future_t *future, size_t n) {
    may_call = 1;
    count_when_driven(future, n);
    may_call = 0;
    check_counts(n, 1, 1);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_driven_pool(&options, 1);
    future_t *future = submit_warm_up(pool), *freed = submit_warm_up(pool);
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_OK(future_wait(freed, POOL_FOREVER));

    for (size_t i = 0; i < N; i++) {
        count_when_driven(future, i);
        if (i % 10 == 0) CHECK(is_due_within(pool, -1));
    }
    for (size_t i = 0; i < N; i++) drive_until_drop(pool, i);
    for (size_t i = 0; i < N; i++) check_counts(i, 1, 1);
    check_due(pool, 0);

    CHECK_OK(future_on_done(future, add_another, user_of(N), count_driven_drop, NULL));
    drive_until_drop(pool, N + 1);
    for (size_t i = N; i < N + 2; i++) check_counts(i, 1, 1);

    count_when_driven(freed, N + 2);
    CHECK(is_due_within(pool, -1));
    count_when_driven(freed, N + 3);
    future_free(freed);
    drive_until_drop(pool, N + 3);
    for (size_t i = N + 2; i < N + 4; i++) check_counts(i, 1, 1);

    /* Each is left to the next call. */
    CHECK_OK(future_on_done(future, add_itself, user_of(2 * N), count_driven_drop, NULL));
    for (uint32_t i = 1; i <= N; i++) {
        CHECK(is_due_within(pool, -1));
        CHECK_EQUAL(process_events(pool), 1);
        check_counts(2 * N, i, i);
    }
    check_due(pool, 0);

    /* One that adds another runs while the pool ends. */
    CHECK_OK(future_on_done(future, count_driven, user_of(N + 4), count_driven_drop, NULL));
    may_call = 1;
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    may_call = 0;
    check_counts(N + 4, 1, 1);
    called_at_once(future, N + 5);
    pool_free(pool);
    called_at_once(future, N + 6);
    called_at_once(future, N + 7);
    future_free(future);

    /* A pool of which nothing was asked before its end. */
    pool = new_driven_pool(&options, 1);
    future = submit_warm_up(pool);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    called_at_once(future, N + 8);
    pool_free(pool);
    called_at_once(future, N + 9);
    future_free(future);
    return leaves_nothing_behind();
}
