/* While a join waits the pool takes no tasks; afterwards it does again. */
#include "rendezvous.h"
#include <pthread.h>

enum { GATE = 0 };

static pool_t *pool;

static void *join(void *unused) {
    (void)unused;
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    return NULL;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    future_t *busy, *future;
    pthread_t joiner;
    pool = new_pool(&options, 1);
    occupy(pool, GATE, 1, &busy);
    pthread_create(&joiner, NULL, join, NULL);
    while (!(pool_state(pool) & POOL_STATE_JOINING)) pause_briefly();
    CHECK_IS(pool_submit(pool, warm_up, NULL, 0, &future), POOL_ERR_CLOSED);
    CHECK(future == NULL);
    release(GATE);
    pthread_join(joiner, NULL);
    CHECK_EQUAL(pool_state(pool), 0);
    CHECK_EQUAL(pool_count_workers(pool), 0);
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    future_free(busy);
    pool_free(pool);
    return leaves_nothing_behind();
}
