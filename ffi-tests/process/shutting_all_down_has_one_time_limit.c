/* pool_shutdown_all closes every pool before it waits for any, and can be called again when its
 * time was too short. */
#include "lifecycle.h"

enum { POOLS = 3 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    pool_t *pools[POOLS];
    future_t *running[POOLS];
    for (uint32_t i = 0; i < POOLS; i++) {
        pools[i] = new_pool(&options, 1);
        occupy(pools[i], i, 1, &running[i]);
    }
    CHECK_IS(pool_shutdown_all(POOL_STOP_DRAIN, 0), POOL_ERR_TIMEOUT);
    CHECK_IS(pool_shutdown_all(POOL_STOP_DRAIN, 20), POOL_ERR_TIMEOUT);
    for (uint32_t i = 0; i < POOLS; i++) {
        CHECK_IS(pool_check(pools[i], NULL), POOL_ERR_CLOSED);
        CHECK_EQUAL(future_state(running[i]), FUTURE_RUNNING);
        release(i);
    }
    CHECK_OK(pool_shutdown_all(POOL_STOP_DRAIN, POOL_FOREVER));
    for (int i = 0; i < POOLS; i++) CHECK(pool_state(pools[i]) & POOL_STATE_TERMINATED);
    wait_and_free(running, POOLS);
    for (int i = 0; i < POOLS; i++) pool_free(pools[i]);
    return leaves_nothing_behind();
}
