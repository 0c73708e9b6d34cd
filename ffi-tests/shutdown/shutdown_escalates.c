/* A stronger shutdown overtakes a weaker one that still waits; a weaker one changes nothing. */
#include "rendezvous.h"
#include <pthread.h>

enum { QUEUED = 20, GATE = 0 };

static pool_t *pool;

static void *drain(void *unused) {
    (void)unused;
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    return NULL;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    future_t *busy, *queued[QUEUED];
    pthread_t drainer;
    pool = new_pool(&options, 1);
    occupy(pool, GATE, 1, &busy);
    for (int i = 0; i < QUEUED; i++) CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &queued[i]));
    pthread_create(&drainer, NULL, drain, NULL);
    while (!(pool_state(pool) & POOL_STATE_CLOSED)) pause_briefly();
    CHECK_EQUAL(future_state(queued[0]), FUTURE_PENDING);

    CHECK_IS(pool_shutdown(pool, POOL_STOP_CANCEL, 0), POOL_ERR_TIMEOUT);
    CHECK_OK(future_wait_many(queued, QUEUED, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    for (int i = 0; i < QUEUED; i++) CHECK_EQUAL(future_state(queued[i]), FUTURE_CANCELLED);
    CHECK_EQUAL(future_state(busy), FUTURE_RUNNING);

    if (options.kind == POOL_PROCESS) {
        /* Nobody opens the gate. */
        pool_status_t status = pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER);
        CHECK(status == POOL_OK || status == POOL_ERR_CLOSED);
        CHECK_EQUAL(future_state(busy), FUTURE_CANCELLED);
    } else {
        CHECK_IS(pool_shutdown(pool, POOL_STOP_KILL, 0), POOL_ERR_TIMEOUT);
        release(GATE);
    }
    pthread_join(drainer, NULL);
    CHECK(future_is_done(busy));
    wait_and_free(queued, QUEUED);
    future_free(busy);
    pool_free(pool);
    return leaves_nothing_behind();
}
