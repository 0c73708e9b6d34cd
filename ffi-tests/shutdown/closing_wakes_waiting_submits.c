/* A submit that waits for room in the queue fails when the pool is closed, joined or shut down meanwhile. */
#include "queue.h"

enum { COUNT = WORD_FIRST, SUBMITTERS = 3 };

static void *join(void *argument) {
    CHECK_OK(pool_join((pool_t *)argument, POOL_FOREVER));
    return NULL;
}

static void stop(pool_t *pool, uint32_t how, pthread_t *joiner) {
    if (how == 0) CHECK_OK(pool_close(pool));
    if (how == 1) CHECK(pthread_create(joiner, NULL, join, pool) == 0);
    if (how == 2) CHECK_IS(pool_shutdown(pool, POOL_STOP_DRAIN, 1), POOL_ERR_TIMEOUT);
    if (how == 3) CHECK_IS(pool_shutdown(pool, POOL_STOP_CANCEL, 1), POOL_ERR_TIMEOUT);
    if (how == 4) CHECK_OK(pool_request_stop(pool, POOL_STOP_CANCEL));
}

int main(int argc, char **argv) {
    pool_options_t base = test_begin(argc, argv);
    skip_inline(&base);
    for (uint32_t how = 0; how <= 4; how++) {
        future_t *futures[2];
        submitter_t submitters[SUBMITTERS];
        pool_t *pool = new_full_pool(&base, how, 1, COUNT, futures);
        for (int i = 0; i < SUBMITTERS; i++) {
            start_submitter(&submitters[i], pool, COUNT);
            await_waiting_submits(pool, (unsigned)i + 1);
        }
        pthread_t joiner;
        stop(pool, how, &joiner);
        for (int i = 0; i < SUBMITTERS; i++) {
            CHECK_IS(join_submitter(&submitters[i]), POOL_ERR_CLOSED);
            CHECK(submitters[i].future == NULL);
        }
        release(how);
        wait_and_free(futures, 2);
        if (how == 1) CHECK(pthread_join(joiner, NULL) == 0);
        pool_free(pool);
    }
    return leaves_nothing_behind();
}
