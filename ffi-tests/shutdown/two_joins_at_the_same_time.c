/* Several threads may join a pool at once: everything has run when they come back, and the pool is
 * open again. */
#include "lifecycle.h"
#include <pthread.h>

enum { ROUNDS = 50, TASKS = 20, THREADS = 3, RAN = LIFECYCLE_FIRST };

static pool_t *pool;
static uint32_t expected;

static void *join(void *unused) {
    (void)unused;
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    CHECK_EQUAL(word_get(RAN), expected);
    return NULL;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool = new_pool(&options, 2);
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t threads[THREADS];
        uint32_t ran = RAN;
        for (int i = 0; i < TASKS; i++) {
            CHECK_OK(pool_submit(pool, count_in_word, &ran, sizeof ran, NULL));
        }
        expected += TASKS;
        for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, join, NULL);
        for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
        CHECK_EQUAL(pool_state(pool), 0);
        CHECK_EQUAL(pool_count_workers(pool), 0);
    }
    pool_free(pool);
    return leaves_nothing_behind();
}
