/* A callback may free its future, and the handle is good until the callback returns: in the
 * library's thread, and in the caller where the future was done already. */
#include "callbacks.h"

enum { N = 100 };

static future_t *handles[2 * N];

static void free_it(future_t *future, void *user) {
    uint64_t n = (uintptr_t)user;
    future_free(future);
    CHECK_EQUAL(future_state(future), FUTURE_COMPLETED);
    CHECK_EQUAL(collect_number(future), n * n);
    future_free(future);
    count_call(future, user);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    size_t begin = 0;

    if (options.kind != POOL_INLINE) {
        future_t *busy;
        occupy(pool, 0, 1, &busy);
        for (uint64_t n = 0; n < N; n++) {
            CHECK_OK(pool_submit(pool, square, &n, sizeof n, &handles[n]));
            CHECK_OK(future_on_done(handles[n], free_it, user_of(n), count_drop, NULL));
        }
        release(0);
        for (size_t n = 0; n < N; n++) await_drop(n);
        wait_and_free(&busy, 1);
    } else {
        begin = N;
    }

    for (uint64_t n = N; n < 2 * N; n++) {
        CHECK_OK(pool_submit(pool, square, &n, sizeof n, &handles[n]));
        CHECK_OK(future_wait(handles[n], POOL_FOREVER));
        CHECK_OK(future_on_done(handles[n], free_it, user_of(n), count_drop, NULL));
    }

    pool_free(pool);
    for (size_t n = begin; n < 2 * N; n++) {
        check_counts(n, 1, 1);
        CHECK_EQUAL(future_state(handles[n]), 0);
        CHECK_IS(future_wait(handles[n], 0), POOL_ERR_INVALID);
    }
    return leaves_nothing_behind();
}
