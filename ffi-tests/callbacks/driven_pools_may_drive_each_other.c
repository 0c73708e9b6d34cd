/* A callback may process another pool, and end it; that one's callbacks then cannot end the pools whose
 * callbacks they are called from. */
#include "external_driver.h"

static pool_t *outer, *inner;

static void try_to_end_both(future_t *future, void *user) {
    pool_t *pools[] = {outer, inner};
    count_driven(future, user);
    for (size_t i = 0; i < 2; i++) {
        CHECK_IS(pool_shutdown(pools[i], POOL_STOP_CANCEL, POOL_FOREVER), POOL_ERR_DEADLOCK);
        CHECK_IS(pool_join(pools[i], POOL_FOREVER), POOL_ERR_DEADLOCK);
        pool_free(pools[i]);
    }
    CHECK_EQUAL(process_events(outer), 0);
    CHECK_EQUAL(process_events(inner), 0);
}

static void process_inner(future_t *future, void *user) {
    count_driven(future, user);
    CHECK(is_due_within(inner, -1));
    CHECK_EQUAL(process_events(inner), 1);
    CHECK_IS(pool_join(outer, POOL_FOREVER), POOL_ERR_DEADLOCK);
    pool_free(inner);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    outer = new_driven_pool(&options, 1);
    inner = new_driven_pool(&options, 1);
    future_t *first = submit_warm_up(outer), *second = submit_warm_up(inner);
    CHECK_OK(future_on_done(first, process_inner, user_of(0), count_driven_drop, NULL));
    CHECK_OK(future_on_done(second, try_to_end_both, user_of(1), count_driven_drop, NULL));
    drive_until_drop(outer, 0);
    check_counts(0, 1, 1);
    check_counts(1, 1, 1);
    CHECK_EQUAL(pool_fd(inner), -1);
    CHECK(pool_fd(outer) >= 0);
    future_free(first);
    future_free(second);
    pool_free(outer);
    return leaves_nothing_behind();
}
