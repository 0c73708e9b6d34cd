/* A future that is freed before its task is done calls back all the same, and the handle that the
 * callback gets is good until it returns. */
#include "callbacks.h"

enum { N = 300 };

static future_t *handles[2 * N];

static void read_it(future_t *future, void *user) {
    uint64_t n = (uintptr_t)user;
    CHECK_EQUAL(future_state(future), FUTURE_COMPLETED);
    CHECK_EQUAL(collect_number(future), n * n);
    CHECK(future_id(future) > 0);
    CHECK_OK(future_on_done(future, count_call, user_of(N + n), count_drop, NULL));
    check_counts(N + n, 1, 1);
    count_call(future, user);
}

static void submit(pool_t *pool, uint64_t n) {
    CHECK_OK(pool_submit(pool, square, &n, sizeof n, &handles[n]));
    CHECK_OK(future_on_done(handles[n], read_it, user_of(n), count_drop, NULL));
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    int is_inline = options.kind == POOL_INLINE;
    future_t *busy = NULL;

    /* Freed long before. */
    if (!is_inline) {
        occupy(pool, 0, 1, &busy);
        for (uint64_t n = 0; n < N / 3; n++) {
            submit(pool, n);
            future_free(handles[n]);
            CHECK_EQUAL(future_state(handles[n]) != 0, 0);
            CHECK(!future_is_done(handles[n]));
        }
        release(0);
        wait_and_free(&busy, 1);
    }
    /* Freed at about that time. */
    for (uint64_t n = N / 3; n < N; n++) {
        submit(pool, n);
        future_free(handles[n]);
    }

    for (size_t n = is_inline ? N / 3 : 0; n < N; n++) {
        await_drop(n);
        check_counts(n, 1, 1);
        check_counts(N + n, 1, 1);
    }
    pool_free(pool);
    for (size_t n = 0; n < N; n++) {
        CHECK_EQUAL(future_state(handles[n]), 0);
        CHECK_IS(future_wait(handles[n], 0), POOL_ERR_INVALID);
    }
    return leaves_nothing_behind();
}
