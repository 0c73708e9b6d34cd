/* A shutdown that does not wait has closed the pool when it returns: no more tasks are accepted, and a
 * queued task starts only if the mode is to drain. */
#include "rendezvous.h"

enum { ROUNDS = 100, RAN = WORD_FIRST };

static void stops(const pool_options_t *options, pool_stop_t mode) {
    pool_t *pool = new_pool(options, 1);
    future_t *running, *waiting, *late;
    uint32_t ran = RAN;
    word_set(RAN, 0);
    reset_gate(0);
    occupy(pool, 0, 1, &running);
    CHECK_OK(pool_submit(pool, count_in_word, &ran, sizeof ran, &waiting));
    CHECK_IS(pool_shutdown(pool, mode, 0), POOL_ERR_TIMEOUT);
    CHECK_IS(pool_submit(pool, count_in_word, &ran, sizeof ran, &late), POOL_ERR_CLOSED);
    CHECK(late == NULL);
    CHECK_IS(pool_check(pool, NULL), POOL_ERR_CLOSED);
    CHECK(pool_state(pool) & POOL_STATE_CLOSED);
    release(0);
    CHECK_OK(future_wait(waiting, POOL_FOREVER));
    bool is_drained = mode == POOL_STOP_DRAIN;
    CHECK_EQUAL(future_state(waiting), is_drained ? FUTURE_COMPLETED : FUTURE_CANCELLED);
    CHECK_EQUAL(word_get(RAN), is_drained);
    future_free(running);
    future_free(waiting);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    for (int i = 0; i < ROUNDS; i++) {
        stops(&options, POOL_STOP_CANCEL);
        stops(&options, POOL_STOP_DRAIN);
    }
    return leaves_nothing_behind();
}
