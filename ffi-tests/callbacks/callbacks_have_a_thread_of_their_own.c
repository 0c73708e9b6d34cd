/* Callbacks of futures that are not done yet are called in one thread of the pool, which is none of the
 * threads that submit, wait or shut down. A slow callback delays no task, no wait, no set, and no other
 * pool. */
#include "callbacks.h"
#include <pthread.h>

enum { THREADS = 4, EACH = 50, GATE = 60, SLOW = 90000 };

static _Thread_local int is_callers;
static pool_t *pool;
static pthread_t only;
static _Atomic int is_known, is_wrong;

static void note_thread(future_t *future, void *user) {
    if (is_callers) atomic_store(&is_wrong, 1);
    if (!atomic_exchange(&is_known, 1)) only = pthread_self();
    if (!pthread_equal(only, pthread_self())) atomic_store(&is_wrong, 1);
    count_call(future, user);
}

static void wait_in_callback(future_t *future, void *user) {
    word_add(gate_started(GATE), 1);
    word_wait(gate_open(GATE), 1);
    count_call(future, user);
}

static void *submit_and_wait(void *first) {
    is_callers = 1;
    for (size_t i = 0; i < EACH; i++) {
        size_t n = (uintptr_t)first + i;
        uint32_t gate = (uint32_t)((uintptr_t)first / EACH);
        reset_gate(gate);
        future_t *future = submit_to_gate(pool, gate);
        CHECK_OK(future_on_done(future, note_thread, user_of(n), count_drop, NULL));
        release(gate);
        CHECK_OK(future_wait(future, POOL_FOREVER));
        word_wait(gate_started(gate), 1);
        future_free(future);
        await_drop(n);
        check_counts(n, 1, 1);
    }
    return NULL;
}

static void tell_done(future_t *future, void *user) {
    count_call(future, user);
}

/* All that is not a callback of this pool goes on. */
static void nothing_is_held_up(const pool_options_t *options) {
    future_t *slow = submit_to_gate(pool, 10), *futures[20], *taken;
    future_set_t *set;
    CHECK_OK(future_on_done(slow, wait_in_callback, user_of(SLOW), count_drop, NULL));
    release(10);
    word_wait(gate_started(GATE), 1);

    CHECK_OK(future_set_new(&set));
    for (size_t i = 0; i < COUNT_OF(futures); i++) {
        CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &futures[i]));
        CHECK_OK(future_set_add(set, futures[i]));
    }
    for (size_t i = 0; i < COUNT_OF(futures); i++) CHECK_OK(future_set_next(set, POOL_FOREVER, &taken));
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));

    pool_t *other = new_pool(options, 1);
    future_t *gated = submit_to_gate(other, 11);
    CHECK_OK(future_on_done(gated, tell_done, user_of(SLOW + 1), count_drop, NULL));
    release(11);
    await_drop(SLOW + 1);
    wait_and_free(&gated, 1);
    pool_free(other);

    check_counts(SLOW, 0, 0);
    release(GATE);
    await_drop(SLOW);
    check_counts(SLOW, 1, 1);
    wait_and_free(futures, COUNT_OF(futures));
    future_free(slow);
    future_set_free(set);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options); /* Callbacks run where they are added. */
    pthread_t threads[THREADS];
    pool = new_pool(&options, THREADS);
    for (size_t i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, submit_and_wait, user_of(i * EACH)) == 0);
    }
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    CHECK(!is_wrong && is_known);

    /* Nor the one that ends the pool. */
    nothing_is_held_up(&options);
    future_t *last = submit_to_gate(pool, 12);
    word_wait(gate_started(12), 1);
    CHECK_OK(future_on_done(last, note_thread, user_of(SLOW + 2), count_drop, NULL));
    future_free(last);
    is_callers = 1;
    release(12);
    pool_free(pool);
    check_counts(SLOW + 2, 1, 1);
    CHECK(!is_wrong);
    return leaves_nothing_behind();
}
