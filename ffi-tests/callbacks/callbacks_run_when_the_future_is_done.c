/* Callbacks run once, in their order, when the task is done: by a thread of the library, or at once
 * in the caller where it is done already. They can read the result. */
#include "callbacks.h"
#include <pthread.h>

enum { N = 20 };

static pthread_t caller;
static uint32_t order[2 * N];
static _Atomic uint32_t n_called;
static _Atomic int n_in_caller;

static void note_order(future_t *future, void *user) {
    order[atomic_fetch_add(&n_called, 1)] = (uint32_t)(uintptr_t)user;
    atomic_fetch_add(&n_in_caller, pthread_equal(caller, pthread_self()) ? 1 : 0);
    CHECK_EQUAL(future_state(future), FUTURE_COMPLETED);
    CHECK_EQUAL(collect_number(future), 144);
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_EQUAL(word_get(drops_of((uintptr_t)user)), 0);
}

static void add(future_t *future, size_t n) {
    CHECK_OK(future_on_done(future, note_order, user_of(n), count_drop, NULL));
}

static int32_t square_at_gate(pool_task_t *task) {
    word_wait(gate_open(0), 1);
    return square(task);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    future_t *future;
    uint64_t twelve = 12;
    caller = pthread_self();

    /* Before it is done: later, in another thread. */
    if (options.kind == POOL_INLINE) release(0);
    CHECK_OK(pool_submit(pool, square_at_gate, &twelve, sizeof twelve, &future));
    if (options.kind != POOL_INLINE) {
        for (size_t i = 0; i < N; i++) add(future, i);
        CHECK_EQUAL(n_called, 0);
        release(0);
        for (size_t i = 0; i < N; i++) await_drop(i);
        CHECK_EQUAL(n_called, N);
        CHECK_EQUAL(n_in_caller, 0);
    }

    /* Afterwards: at once, in this one. */
    CHECK_OK(future_wait(future, POOL_FOREVER));
    uint32_t before = n_called;
    for (size_t i = N; i < 2 * N; i++) {
        add(future, i);
        CHECK_EQUAL(n_called, ++before);
        CHECK_EQUAL(word_get(drops_of(i)), 1);
    }
    CHECK_EQUAL(n_in_caller, N);
    for (uint32_t i = 0; i < n_called; i++) CHECK_EQUAL(order[i], i + 2 * N - n_called);

    /* The same function with the same pointer counts each time. */
    future_t *other;
    CHECK_OK(pool_submit(pool, square, &twelve, sizeof twelve, &other));
    for (int i = 0; i < 3; i++) count_when_done(other, 2 * N);
    word_wait(drops_of(2 * N), 3);
    check_counts(2 * N, 3, 3);

    /* Not everybody has a pointer, or something to drop. */
    CHECK_OK(future_on_done(other, count_call, user_of(2 * N + 1), NULL, NULL));
    check_counts(2 * N + 1, 1, 0);

    /* Numbers of callbacks are not 0 and differ. */
    uint64_t first = count_when_done(other, 2 * N + 2), second = count_when_done(future, 2 * N + 3);
    CHECK(first != 0 && second != 0 && first != second);

    future_free(future);
    future_free(other);
    pool_free(pool);
    for (size_t i = options.kind == POOL_INLINE ? N : 0; i < 2 * N; i++) {
        CHECK_EQUAL(word_get(drops_of(i)), 1);
    }
    return leaves_nothing_behind();
}
