/* pool_shutdown_all shuts every open pool of the process down; those that were before are no
 * failure, and pool_count_live counts until they are freed. */
#include "lifecycle.h"

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pools[4];
    CHECK_EQUAL(pool_count_live(), 0);
    for (int i = 0; i < 4; i++) pools[i] = new_pool(&options, 1);
    for (int i = 0; i < 3; i++) pid_of_any_worker(pools[i]);
    CHECK_EQUAL(pool_count_live(), 4);
    CHECK_OK(pool_shutdown(pools[1], POOL_STOP_CANCEL, POOL_FOREVER));
    CHECK_IS(pool_shutdown_all(17, 0), POOL_ERR_INVALID);
    CHECK_OK(pool_shutdown_all(POOL_STOP_DRAIN, POOL_FOREVER));
    for (int i = 0; i < 4; i++) CHECK_IS(pool_check(pools[i], NULL), POOL_ERR_CLOSED);
    CHECK_OK(pool_shutdown_all(POOL_STOP_DRAIN, POOL_FOREVER));
    CHECK_EQUAL(pool_count_live(), 4);
    for (int i = 0; i < 4; i++) pool_free(pools[i]);
    return leaves_nothing_behind();
}
