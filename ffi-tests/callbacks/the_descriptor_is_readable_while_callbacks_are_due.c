/* pool_fd is readable exactly while callbacks are due, and pool_next_timeout_ms says the same. Each is
 * called once, in order; callbacks that become due meanwhile are left to the next call; an idle pool causes
 * no wake-ups. */
#include "external_driver.h"

enum { N = 200, LATE = 1000 };

static size_t called;

static void note_order(future_t *future, void *user) {
    count_driven(future, user);
    CHECK_EQUAL((uintptr_t)user, 100 + called++ % (2 * N));
}

/* An inline pool runs it at once. */
static future_t *submit_blocked(pool_t *pool) {
    pool_options_t options = POOL_OPTIONS_INIT;
    CHECK_OK(pool_get_options(pool, &options));
    return options.kind == POOL_INLINE ? submit_warm_up(pool) : submit_to_gate(pool, 1);
}

/* One more becomes due before this one has returned. */
static void add_late(future_t *future, void *user) {
    pool_t *pool = future_pool(future);
    count_driven(future, user);
    if ((uintptr_t)user == LATE) {
        future_t *next = submit_warm_up(pool);
        CHECK_OK(future_on_done(next, count_driven, user_of(LATE + 1), count_driven_drop, NULL));
        future_free(next);
        CHECK(is_due_within(pool, -1));
        CHECK_EQUAL(pool_next_timeout_ms(pool), 0);
    }
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_driven_pool(&options, 1);
    future_t *futures[N];
    int fd = pool_fd(pool);
    check_due(pool, 0);
    CHECK_EQUAL(process_events(pool), 0);
    CHECK_OK(pool_process_events(pool, NULL));

    /* Nobody asks about these. */
    for (size_t i = 0; i < N; i++) futures[i] = submit_warm_up(pool);
    CHECK_OK(future_wait_many(futures, N, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    CHECK_EQUAL(is_due_within(pool, 50), 0);
    check_due(pool, 0);

    /* One after the other, of futures that are done, with a wait after each. */
    for (size_t i = 0; i < 20; i++) {
        count_when_driven(futures[i], i);
        CHECK(is_due_within(pool, -1));
        check_due(pool, 1);
        CHECK_EQUAL(process_events(pool), 1);
        check_due(pool, 0);
        CHECK_EQUAL(process_events(pool), 0);
        check_counts(i, 1, 1);
    }
    CHECK_EQUAL(is_due_within(pool, 50), 0);
    for (size_t i = 0; i < N; i++) future_free(futures[i]);

    /* Many of one future, each of which counts: from the pool's worker, then when it is done. */
    futures[0] = submit_blocked(pool);
    for (size_t i = 0; i < N; i++) {
        CHECK_OK(future_on_done(futures[0], note_order, user_of(100 + i), count_driven_drop, NULL));
    }
    release(1);
    for (size_t i = 0; i < N; i++) {
        if (i == N / 2) CHECK_OK(future_wait(futures[0], POOL_FOREVER));
        CHECK_OK(future_on_done(futures[0], note_order, user_of(100 + N + i), count_driven_drop, NULL));
    }
    for (uint32_t n = 0; n < 2 * N;) {
        CHECK(is_due_within(pool, -1));
        check_due(pool, 1);
        uint32_t now = process_events(pool);
        CHECK(now > 0);
        n += now;
        CHECK_EQUAL(called, n);
    }
    CHECK_EQUAL(is_due_within(pool, 50), 0);
    check_due(pool, 0);
    future_free(futures[0]);

    /* Many futures at once. */
    for (size_t i = 0; i < N; i++) {
        futures[i] = submit_warm_up(pool);
        CHECK_OK(future_on_done(futures[i], count_driven, user_of(600 + i), count_driven_drop, NULL));
    }
    for (uint32_t n = 0; n < N; n += process_events(pool)) CHECK(is_due_within(pool, -1));
    for (size_t i = 0; i < N; i++) check_counts(600 + i, 1, 1);
    check_due(pool, 0);
    for (size_t i = 0; i < N; i++) future_free(futures[i]);

    /* The next one is for the next call. */
    futures[0] = submit_warm_up(pool);
    CHECK_OK(future_on_done(futures[0], add_late, user_of(LATE), count_driven_drop, NULL));
    CHECK(is_due_within(pool, -1));
    CHECK_EQUAL(process_events(pool), 1);
    check_counts(LATE + 1, 0, 0);
    check_due(pool, 1);
    CHECK_EQUAL(process_events(pool), 1);
    check_counts(LATE + 1, 1, 1);
    check_due(pool, 0);

    /* One that is removed is not due. */
    uint64_t id;
    if (options.kind != POOL_INLINE) {
        future_t *waits = submit_to_gate(pool, 0);
        CHECK_OK(future_on_done(waits, count_driven, user_of(LATE + 2), count_drop, &id));
        CHECK_OK(future_remove_callback(waits, id));
        release(0);
        wait_and_free(&waits, 1);
        CHECK_EQUAL(is_due_within(pool, 50), 0);
        check_counts(LATE + 2, 0, 1);
    }
    CHECK_EQUAL(pool_fd(pool), fd);
    future_free(futures[0]);
    pool_free(pool);
    return leaves_nothing_behind();
}
