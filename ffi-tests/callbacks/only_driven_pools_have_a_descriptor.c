/* pool_fd and its like are for pools with POOL_DRIVER_EXTERNAL: others, and handles that are not pools, have no
 * descriptor, are never due, and cannot be processed. */
#include "external_driver.h"

static void check_has_none(pool_t *pool, pool_status_t status) {
    uint32_t n = 7;
    CHECK_EQUAL(pool_fd(pool), -1);
    CHECK_EQUAL(pool_next_timeout_ms(pool), POOL_FOREVER);
    CHECK_IS(pool_process_events(pool, &n), status);
    CHECK_EQUAL(n, 0);
    CHECK_IS(pool_process_events(pool, NULL), status);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *internal = new_pool(&options, 1), *external = new_driven_pool(&options, 1), *pool;
    pool_options_t found = POOL_OPTIONS_INIT;
    uint64_t nothing = 7;

    future_t *future = submit_warm_up(internal);
    check_has_none(internal, POOL_ERR_STATE);
    count_when_done(future, 0);
    await_drop(0);
    check_has_none(internal, POOL_ERR_STATE);
    CHECK_OK(pool_get_options(internal, &found));
    CHECK_EQUAL(found.driver, POOL_DRIVER_INTERNAL);
    CHECK_OK(pool_get_options(external, &found));
    CHECK_EQUAL(found.driver, POOL_DRIVER_EXTERNAL);

    check_has_none(NULL, POOL_ERR_INVALID);
    check_has_none((pool_t *)future, POOL_ERR_INVALID);
    check_has_none((pool_t *)&nothing, POOL_ERR_INVALID);

    /* Also after a shutdown it has one, and it stays the same; then it is gone. */
    int fd = pool_fd(external);
    CHECK_OK(pool_shutdown(external, POOL_STOP_DRAIN, POOL_FOREVER));
    CHECK_EQUAL(pool_fd(external), fd);
    check_due(external, 0);
    CHECK_EQUAL(process_events(external), 0);
    pool_free(external);
    check_has_none(external, POOL_ERR_INVALID);
    CHECK_EQUAL(fcntl(fd, F_GETFD), -1);
    pool_free(internal);
    check_has_none(internal, POOL_ERR_INVALID);
    future_free(future);

    int32_t wrong[] = {-1, 2, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        options.driver = wrong[i];
        CHECK_IS(pool_new(&options, &pool, NULL), POOL_ERR_INVALID);
        CHECK(pool == NULL);
    }
    return leaves_nothing_behind();
}
