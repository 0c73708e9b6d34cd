/* A pool that is closed while it is paused keeps what is queued until it is resumed, and runs it then. */
#include "rendezvous.h"

enum { TASKS = 50, RAN = WORD_FIRST };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    uint32_t ran = RAN;
    for (int is_used = 0; is_used < 2; is_used++) {
        pool_t *pool = new_pool(&options, 2);
        if (is_used) CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
        word_set(RAN, 0);
        CHECK_OK(pool_pause(pool));
        for (int i = 0; i < TASKS; i++) CHECK_OK(pool_submit(pool, count_in_word, &ran, sizeof ran, NULL));
        CHECK_OK(pool_close(pool));
        CHECK_IS(pool_wait_idle(pool, 10), POOL_ERR_TIMEOUT);
        CHECK_IS(pool_pause(pool), POOL_ERR_CLOSED);
        CHECK_OK(pool_resume(pool));
        CHECK_OK(pool_resume(pool)); /* no effect */
        CHECK_OK(pool_wait_idle(pool, POOL_FOREVER));
        CHECK_EQUAL(word_get(RAN), TASKS);
        CHECK_IS(pool_pause(pool), POOL_ERR_CLOSED);
        CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
        CHECK_IS(pool_resume(pool), POOL_ERR_CLOSED);
        pool_free(pool);
    }
    return leaves_nothing_behind();
}
