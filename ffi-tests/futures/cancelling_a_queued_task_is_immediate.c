/* A queued task is cancelled at once, also while every worker is busy, and never runs. */
#include "rendezvous.h"

enum { WORKERS = 2, QUEUED = 100, GATE = 0, RAN = WORD_FIRST };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, WORKERS);
    future_t *busy[WORKERS], *queued[QUEUED];
    uint32_t ran = RAN;
    uint64_t waited, took;
    const void *data;
    pool_error_t error;

    occupy(pool, GATE, WORKERS, busy);
    for (int i = 0; i < QUEUED; i++) {
        CHECK_OK(pool_submit(pool, count_in_word, &ran, sizeof ran, &queued[i]));
    }
    for (int i = 0; i < QUEUED; i += 2) {
        CHECK_EQUAL(future_state(queued[i]), FUTURE_PENDING);
        CHECK_IS(future_cancel(queued[i], 99), POOL_ERR_INVALID);
        if (i == 0) CHECK_OK(future_cancel(queued[i], POOL_CANCEL_RUNNING)); /* Also those that wait. */
        CHECK_OK(future_cancel(queued[i], POOL_CANCEL_QUEUED));
        CHECK_EQUAL(future_state(queued[i]), FUTURE_CANCELLED);
        CHECK_OK(future_wait(queued[i], 0));
        CHECK_IS(future_result(queued[i], &data, NULL), POOL_ERR_CANCELLED);
        CHECK(data == NULL);
        CHECK_OK(future_error(queued[i], &error));
        CHECK_IS(error.status, POOL_ERR_CANCELLED);
        CHECK_OK(future_duration(queued[i], &waited, &took));
        CHECK_EQUAL(took, 0);
        CHECK_OK(future_cancel(queued[i], POOL_CANCEL_QUEUED)); /* It is cancelled already. */
    }
    CHECK_EQUAL(pool_count_pending_tasks(pool), QUEUED / 2);
    CHECK_IS(future_cancel(busy[0], POOL_CANCEL_QUEUED), POOL_ERR_STATE);

    release(GATE);
    CHECK_OK(future_wait_many(queued, QUEUED, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    CHECK_EQUAL(word_get(RAN), QUEUED / 2);
    CHECK_IS(future_cancel(queued[1], POOL_CANCEL_QUEUED), POOL_ERR_STATE);
    wait_and_free(queued, QUEUED);
    wait_and_free(busy, WORKERS);
    pool_free(pool);
    return leaves_nothing_behind();
}
