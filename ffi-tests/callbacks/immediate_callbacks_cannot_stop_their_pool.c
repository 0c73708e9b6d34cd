/* A callback that is called at once, because its future is done already, is a callback like any other: it
 * cannot join, shut down, terminate or free its pool. Afterwards the thread can. */
#include "lifecycle.h"

static pool_t *pool;
static pool_status_t statuses[4];
static int calls;

static void stop(future_t *future, void *user) {
    (void)user;
    statuses[0] = pool_join(pool, POOL_FOREVER);
    statuses[1] = pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER);
    statuses[2] = pool_terminate(pool, POOL_NOW);
    statuses[3] = pool_shutdown_all(POOL_STOP_CANCEL, POOL_FOREVER);
    pool_free(pool);
    future_free(future);
    calls++;
}

static void stop_in_another(future_t *future, void *other) {
    (void)future;
    CHECK_OK(future_on_done((future_t *)other, stop, NULL, NULL, NULL));
}

static future_t *run_one(void) {
    future_t *future;
    CHECK_OK(pool_submit(pool, return_pid, NULL, 0, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    return future;
}

static void check_refused(int expected_calls) {
    CHECK_EQUAL(calls, expected_calls);
    for (size_t i = 0; i < COUNT_OF(statuses); i++) CHECK_IS(statuses[i], POOL_ERR_DEADLOCK);
    CHECK_OK(pool_check(pool, NULL));
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool = new_pool(&options, 1);
    CHECK_OK(future_on_done(run_one(), stop, NULL, NULL, NULL));
    check_refused(1);
    future_t *outer = run_one();
    CHECK_OK(future_on_done(outer, stop_in_another, run_one(), NULL, NULL));
    check_refused(2);
    future_free(outer);
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    pool_free(pool);
    return leaves_nothing_behind();
}
