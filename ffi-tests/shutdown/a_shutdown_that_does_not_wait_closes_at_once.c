/* A shutdown whose time is over has closed the pool when it returns, however short that time was: a
 * submit after it is refused. */
#include "rendezvous.h"

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    for (int i = 0; i < 1500; i++) {
        pool_t *pool = new_pool(&options, 1);
        CHECK_OK(pool_submit(pool, warm_up, NULL, 0, NULL));
        pool_status_t status = pool_shutdown(pool, i % 3, 0);
        if (status != POOL_OK) CHECK_IS(status, POOL_ERR_TIMEOUT);
        CHECK_IS(pool_submit(pool, warm_up, NULL, 0, NULL), POOL_ERR_CLOSED);
        CHECK(pool_state(pool) & POOL_STATE_CLOSED);
        CHECK_IS(pool_check(pool, NULL), POOL_ERR_CLOSED);
        pool_free(pool);
    }
    return leaves_nothing_behind();
}
