/* A closed pool takes nothing more, runs what it has, and then its workers leave. */
#include "rendezvous.h"

enum { WORKERS = 2, TASKS = 500, GATE = 0, RAN = WORD_FIRST };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, WORKERS);
    future_t *busy[WORKERS], *future;
    pool_error_t error;
    uint32_t ran = RAN;
    CHECK_OK(pool_check(pool, &error));
    occupy(pool, GATE, WORKERS, busy);
    for (int i = 0; i < TASKS; i++) {
        CHECK_OK(pool_submit(pool, count_in_word, &ran, sizeof ran, NULL));
    }
    CHECK_OK(pool_close(pool));
    CHECK_OK(pool_close(pool));
    CHECK(pool_state(pool) & POOL_STATE_CLOSED);
    CHECK_IS(pool_submit(pool, warm_up, NULL, 0, &future), POOL_ERR_CLOSED);
    CHECK(future == NULL);
    CHECK_IS(pool_check(pool, &error), POOL_ERR_CLOSED);
    CHECK_IS(error.status, POOL_ERR_CLOSED);
    CHECK_IS(pool_check(pool, NULL), POOL_ERR_CLOSED);
    CHECK_IS(pool_join(pool, 0), POOL_ERR_TIMEOUT);
    release(GATE);
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    CHECK_EQUAL(word_get(RAN), TASKS);
    CHECK_EQUAL(pool_count_workers(pool), 0);
    CHECK_EQUAL(pool_count_pending_tasks(pool), 0);
    CHECK_IS(pool_submit(pool, warm_up, NULL, 0, &future), POOL_ERR_CLOSED);
    wait_and_free(busy, WORKERS);
    pool_free(pool);
    return leaves_nothing_behind();
}
