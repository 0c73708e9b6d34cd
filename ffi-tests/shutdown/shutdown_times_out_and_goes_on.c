/* A shutdown whose time is over has closed the pool, which goes on stopping by itself. */
#include "rendezvous.h"

enum { QUEUED = 20, GATE = 0, OTHER_GATE = 1, RAN = WORD_FIRST };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    future_t *busy, *futures[QUEUED];
    uint32_t ran = RAN;
    pool_t *pool = new_pool(&options, 1);
    occupy(pool, GATE, 1, &busy);
    for (int i = 0; i < QUEUED; i++) {
        CHECK_OK(pool_submit(pool, count_in_word, &ran, sizeof ran, &futures[i]));
    }
    for (int64_t timeout_ms = 0; timeout_ms < 3; timeout_ms++) {
        CHECK_IS(pool_shutdown(pool, POOL_STOP_DRAIN, timeout_ms), POOL_ERR_TIMEOUT);
    }
    CHECK_IS(pool_submit(pool, warm_up, NULL, 0, NULL), POOL_ERR_CLOSED);
    CHECK_EQUAL(future_state(busy), FUTURE_RUNNING);
    release(GATE);
    wait_and_free(futures, QUEUED); /* Nobody waits for the pool, and still they run. */
    CHECK_EQUAL(word_get(RAN), QUEUED);
    while (!(pool_state(pool) & POOL_STATE_TERMINATED)) pause_briefly();
    CHECK_EQUAL(pool_count_workers(pool), 0);
    CHECK_IS(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER), POOL_ERR_CLOSED);
    future_free(busy);
    pool_free(pool);

    /* What waits is cancelled at once, though the time was too short for what runs. */
    pool = new_pool(&options, 1);
    occupy(pool, OTHER_GATE, 1, &busy);
    CHECK_OK(pool_submit(pool, count_in_word, &ran, sizeof ran, &futures[0]));
    CHECK_IS(pool_shutdown(pool, POOL_STOP_CANCEL, 0), POOL_ERR_TIMEOUT);
    CHECK_OK(future_wait(futures[0], POOL_FOREVER));
    CHECK_EQUAL(future_state(futures[0]), FUTURE_CANCELLED);
    CHECK_EQUAL(future_state(busy), FUTURE_RUNNING);
    release(OTHER_GATE);
    future_free(futures[0]);
    future_free(busy);
    pool_free(pool);
    CHECK_EQUAL(word_get(RAN), QUEUED);
    return leaves_nothing_behind();
}
