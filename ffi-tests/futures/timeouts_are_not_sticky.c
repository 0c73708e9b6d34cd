/* A wait that timed out has changed nothing: the same call made later succeeds. */
#include "rendezvous.h"

enum { GATE = 0, LATE = 1 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    future_t *future;
    const void *data = &options;
    size_t len = 1;
    pool_error_t error;
    uint32_t late = LATE;

    occupy(pool, GATE, 1, &future);
    for (int64_t timeout_ms = 0; timeout_ms < 3; timeout_ms++) {
        CHECK_IS(future_wait(future, timeout_ms), POOL_ERR_TIMEOUT);
        CHECK_IS(future_collect(future, timeout_ms, &data, &len), POOL_ERR_TIMEOUT);
        CHECK(data == NULL && len == 0);
        CHECK_IS(pool_join(pool, timeout_ms), POOL_ERR_TIMEOUT);
    }
    CHECK_IS(future_result(future, &data, &len), POOL_ERR_NOT_DONE);
    CHECK_IS(future_error(future, &error), POOL_ERR_NOT_DONE);
    CHECK(!future_is_done(future));

    /* The task goes on when nobody waits for it any more. */
    CHECK_IS(pool_run(pool, wait_at_gate, &late, sizeof late, 1, NULL, 0, &len), POOL_ERR_TIMEOUT);
    CHECK_EQUAL(len, 0);
    CHECK_EQUAL(pool_count_pending_tasks(pool), 1);
    release(GATE);
    release(LATE);
    CHECK_OK(future_wait(future, INT64_MAX));
    CHECK_OK(future_collect(future, 0, &data, &len));
    CHECK_OK(pool_join(pool, INT64_MAX));
    CHECK_EQUAL(word_get(gate_started(LATE)), 1);
    future_free(future);
    pool_free(pool);
    return leaves_nothing_behind();
}
