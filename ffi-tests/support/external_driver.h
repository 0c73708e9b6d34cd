/* Pools with POOL_DRIVER_EXTERNAL, and callbacks that fail if they run outside pool_process_events. */
#ifndef EXTERNAL_DRIVER_H
#define EXTERNAL_DRIVER_H

#include "callbacks.h"
#include <poll.h>
#include <pthread.h>

/* Whether this thread is in a call that may run callbacks. */
static _Thread_local int may_call;

static inline pool_t *new_driven_pool(const pool_options_t *options, uint32_t workers) {
    pool_options_t chosen = *options;
    chosen.driver = POOL_DRIVER_EXTERNAL;
    pool_t *pool = new_pool(&chosen, workers);
    CHECK(pool_fd(pool) >= 0);
    return pool;
}

/* Returns the number of callbacks that ran. */
static inline uint32_t process_events(pool_t *pool) {
    uint32_t n = UINT32_MAX;
    int before = may_call;
    may_call = 1;
    CHECK_OK(pool_process_events(pool, &n));
    may_call = before;
    return n;
}

/* Waits until callbacks are due. Returns false on timeout. */
static inline int is_due_within(pool_t *pool, int timeout_ms) {
    struct pollfd look = {pool_fd(pool), POLLIN, 0};
    int n = poll(&look, 1, timeout_ms);
    CHECK(n >= 0);
    CHECK_EQUAL(look.revents, n ? POLLIN : 0);
    return n;
}

/* The descriptor and pool_next_timeout_ms agree. */
static inline void check_due(pool_t *pool, int is_due) {
    for (int twice = 0; twice < 2; twice++) {
        CHECK_EQUAL(is_due_within(pool, 0), is_due);
        CHECK_EQUAL(pool_next_timeout_ms(pool), is_due ? 0 : POOL_FOREVER);
    }
}

/* The event loop of a program. Returns when callback n was called and its user pointer dropped. */
static inline void drive_until_drop(pool_t *pool, size_t n) {
    while (word_get(drops_of(n)) == 0) {
        CHECK(is_due_within(pool, -1));
        process_events(pool);
    }
}

static inline void count_driven(future_t *future, void *user) {
    CHECK(may_call);
    count_call(future, user);
}

static inline void count_driven_drop(void *user) {
    CHECK(may_call);
    count_drop(user);
}

static inline void count_when_driven(future_t *future, size_t n) {
    CHECK_OK(future_on_done(future, count_driven, user_of(n), count_driven_drop, NULL));
}

static inline future_t *submit_warm_up(pool_t *pool) {
    future_t *future;
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &future));
    return future;
}

#endif
