/* Any number of threads can submit to one pool and wait for one future. */
#include "rendezvous.h"
#include <pthread.h>

enum { THREADS = 8, ROUNDS = 500 };

static pool_t *pool;
static future_t *shared_future;

static void *submit_and_wait(void *unused) {
    (void)unused;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        future_t *future;
        CHECK_OK(pool_submit(pool, square, &i, sizeof i, &future));
        CHECK_EQUAL(collect_number(future), i * i);
        future_free(future);
    }
    CHECK_EQUAL(collect_number(shared_future), 49);
    return NULL;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pthread_t threads[THREADS];
    future_t *gate_keepers[2];
    uint64_t seven = 7;
    pool = new_pool(&options, 2);

    /* All threads wait for this one, which cannot start before the gate is open. */
    occupy(pool, 0, 2, gate_keepers);
    CHECK_OK(pool_submit(pool, square, &seven, sizeof seven, &shared_future));
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, submit_and_wait, NULL);
    release(0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    future_free(shared_future);
    wait_and_free(gate_keepers, 2);
    pool_free(pool);
    return leaves_nothing_behind();
}
