/* When a module of the options cannot be opened no worker can start: the pool says so, and every
 * future comes to an end. */
#include "rendezvous.h"

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    const char *const modules[] = {"/no/such/library.so", NULL};
    pool_error_t error;
    future_t *future;
    options.modules = modules;
    pool_t *pool = new_pool(&options, 2);
    /* A copy of the caller begins at once, so the pool may be broken by now. */
    pool_status_t status = pool_submit(pool, warm_up, NULL, 0, &future);
    if (status == POOL_OK) {
        CHECK_OK(future_wait(future, POOL_FOREVER));
        CHECK(future_state(future) != FUTURE_COMPLETED);
        future_free(future);
    } else {
        CHECK(options.start == POOL_FORK);
        CHECK_IS(status, POOL_ERR_BROKEN);
    }
    while (!(pool_state(pool) & POOL_STATE_BROKEN)) pause_briefly();
    CHECK_IS(pool_check(pool, &error), POOL_ERR_BROKEN);
    CHECK(strstr(error.message, "/no/such/library.so") != NULL);
    CHECK(strstr(error.message, "No such file or directory") != NULL);
    CHECK_IS(pool_submit(pool, warm_up, NULL, 0, &future), POOL_ERR_BROKEN);
    CHECK(future == NULL);
    CHECK_IS(pool_join(pool, POOL_FOREVER), POOL_ERR_BROKEN);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER));
    CHECK_IS(pool_check(pool, NULL), POOL_ERR_CLOSED);
    pool_free(pool);
    return leaves_nothing_behind();
}
