/* A pool is shut down, or freed, when its last callback has returned and its pointer was dropped;
 * until then a shutdown that cannot wait says so. */
#include "callbacks.h"
#include <pthread.h>

enum { GATE = 60, N = 200 };

static _Atomic int is_in_callback;

static void wait_in_callback(future_t *future, void *user) {
    atomic_store(&is_in_callback, 1);
    word_add(gate_started(GATE), 1);
    word_wait(gate_open(GATE), 1);
    atomic_store(&is_in_callback, 0);
    count_call(future, user);
}

static void *release_soon(void *unused) {
    (void)unused;
    for (int i = 0; i < 20; i++) pause_briefly();
    release(GATE);
    return NULL;
}

static future_t *submit_with_waiting_callback(pool_t *pool, uint32_t gate, size_t n) {
    future_t *future = submit_to_gate(pool, gate);
    word_set(gate_open(GATE), 0);
    word_set(gate_started(GATE), 0);
    CHECK_OK(future_on_done(future, wait_in_callback, user_of(n), count_drop, NULL));
    release(gate);
    word_wait(gate_started(GATE), 1);
    CHECK(future_is_done(future));
    return future;
}

static void timeouts(const pool_options_t *options, pool_stop_t mode, size_t n) {
    pool_t *pool = new_pool(options, 1);
    future_t *future = submit_with_waiting_callback(pool, (uint32_t)n, n);
    CHECK_IS(pool_shutdown(pool, mode, 0), POOL_ERR_TIMEOUT);
    CHECK_IS(pool_shutdown(pool, mode, 10), POOL_ERR_TIMEOUT);
    CHECK_EQUAL(is_in_callback, 1);
    CHECK_IS(pool_submit(pool, warm_up, NULL, 0, NULL), POOL_ERR_CLOSED);
    check_counts(n, 0, 0);
    release(GATE);
    pool_status_t status = pool_shutdown(pool, mode, POOL_FOREVER);
    CHECK(status == POOL_OK || status == POOL_ERR_CLOSED);
    check_counts(n, 1, 1);
    pool_free(pool);
    future_free(future);
}

static void waits(const pool_options_t *options, int is_freed, size_t n) {
    pool_t *pool = new_pool(options, 1);
    future_t *future = submit_with_waiting_callback(pool, (uint32_t)n, n);
    pthread_t releaser;
    pthread_create(&releaser, NULL, release_soon, NULL);
    if (!is_freed) CHECK_OK(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER));
    if (is_freed) pool_free(pool);
    check_counts(n, 1, 1);
    CHECK_EQUAL(is_in_callback, 0);
    pthread_join(releaser, NULL);
    if (!is_freed) pool_free(pool);
    future_free(future);
}

static void submit_again(future_t *future, void *user) {
    pool_t *pool = future_pool(future);
    future_t *next;
    if (pool != NULL && pool_submit(pool, warm_up, NULL, 0, &next) == POOL_OK) {
        CHECK_OK(future_on_done(next, submit_again, user, count_drop, NULL));
        future_free(next);
    } else {
        count_call(future, user);
    }
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options); /* Callbacks run where they are added. */
    timeouts(&options, POOL_STOP_CANCEL, 0);
    timeouts(&options, POOL_STOP_DRAIN, 1);
    timeouts(&options, POOL_STOP_KILL, 2);
    waits(&options, 0, 3);
    waits(&options, 1, 4);

    /* A pool with many of them is freed at once: none comes later. */
    pool_t *pool = new_pool(&options, 2);
    future_t *futures[N];
    for (size_t i = 0; i < N; i++) {
        CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &futures[i]));
        count_when_done(futures[i], 100 + i);
    }
    pool_free(pool);
    for (size_t i = 0; i < N; i++) check_counts(100 + i, 1, 1);
    for (size_t i = 0; i < N; i++) future_free(futures[i]);

    /* One that always finds something more to do does not keep a pool from being freed. */
    pool = new_pool(&options, 2);
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &futures[0]));
    CHECK_OK(future_on_done(futures[0], submit_again, user_of(99), count_drop, NULL));
    future_free(futures[0]);
    word_wait(drops_of(99), 20);
    pool_free(pool);
    CHECK_EQUAL(word_get(calls_of(99)), 1);
    return leaves_nothing_behind();
}
