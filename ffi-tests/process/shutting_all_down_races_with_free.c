/* pool_shutdown_all may be called while other threads make pools, use them and free them: each pool
 * is either shut down by it or freed, never both at once. */
#include "lifecycle.h"
#include <pthread.h>

enum { THREADS = 2, POOLS = 60 };

static pool_options_t options;
static _Atomic int at_work = THREADS;

/* What the pool answers depends on who was faster; that it answers does not. */
static void *make_and_free(void *unused) {
    (void)unused;
    for (uint64_t i = 0; i < POOLS; i++) {
        uint64_t result;
        pool_t *pool = new_pool(&options, 1);
        pool_status_t status = pool_run(pool, square, &i, sizeof i, POOL_FOREVER, &result,
                                        sizeof result, NULL);
        if (status == POOL_OK) CHECK_EQUAL(result, i * i);
        else CHECK(status == POOL_ERR_CLOSED || status == POOL_ERR_CANCELLED);
        pool_free(pool);
    }
    at_work--;
    return NULL;
}

int main(int argc, char **argv) {
    options = test_begin(argc, argv);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, make_and_free, NULL);
    while (at_work > 0) CHECK_OK(pool_shutdown_all(POOL_STOP_CANCEL, POOL_FOREVER));
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    return leaves_nothing_behind();
}
