/* Ten thousand callbacks, of as many tasks or of one task, are added by several threads while tasks end:
 * each is called once, and those of one future in their order. */
#include "callbacks.h"
#include <pthread.h>

enum { N = 10000, THREADS = 4 };

static pool_t *pool;
static size_t in_order;

/* A thread's own share of the tasks. */
static void *submit_and_add(void *first) {
    for (size_t i = (uintptr_t)first; i < N; i += THREADS) {
        future_t *future;
        CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &future));
        count_when_done(future, i);
        if (i % 2) CHECK_OK(future_wait(future, POOL_FOREVER));
        future_free(future);
    }
    return NULL;
}

static void call_in_order(future_t *future, void *user) {
    CHECK_EQUAL((uintptr_t)user, N + in_order);
    in_order++;
    count_call(future, user);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pthread_t threads[THREADS];
    pool = new_pool(&options, 2);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, submit_and_add, user_of(i));
    }
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (size_t i = 0; i < N; i++) await_drop(i);

    /* All of one future. */
    uint32_t gate = 0;
    future_t *future;
    if (options.kind == POOL_INLINE) release(gate);
    CHECK_OK(pool_submit(pool, wait_at_gate, &gate, sizeof gate, &future));
    for (size_t i = N; i < 2 * N; i++) {
        CHECK_OK(future_on_done(future, call_in_order, user_of(i), count_drop, NULL));
    }
    release(gate);
    for (size_t i = N; i < 2 * N; i++) await_drop(i);
    future_free(future);
    pool_free(pool);
    for (size_t i = 0; i < 2 * N; i++) check_counts(i, 1, 1);
    return leaves_nothing_behind();
}
