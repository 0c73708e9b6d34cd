/* Callbacks that pool_process_events has not called when their pool ends are called by the thread that ends
 * it, once, and before that call returns; their pointers are dropped then. */
#include "external_driver.h"

enum { N = 100 };

typedef void end_fn(pool_t *pool);

static void drain(pool_t *pool) {
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
}

static void cancel(pool_t *pool) {
    CHECK_OK(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER));
}

static void terminate(pool_t *pool) {
    CHECK_OK(pool_terminate(pool, 5000));
}

static void shut_all_down(pool_t *pool) {
    (void)pool;
    CHECK_OK(pool_shutdown_all(POOL_STOP_CANCEL, POOL_FOREVER));
}

static void only_free(pool_t *pool) {
    (void)pool;
}

static int is_ending;

/* While the pool ends, nobody else can. */
static void look_at_the_pool(future_t *future, void *user) {
    uint32_t n = 7;
    pool_t *pool = future_pool(future);
    count_driven(future, user);
    if (!pool || !is_ending) return;
    pool_status_t status = pool_process_events(pool, &n);
    CHECK(status == POOL_ERR_INVALID || (status == POOL_OK && n == 0));
    CHECK_IS(pool_submit(pool, warm_up, NULL, 0, NULL), status == POOL_OK ? POOL_ERR_CLOSED : status);
}

static void ends(const pool_options_t *options, end_fn *end, size_t first) {
    pool_t *pool = new_driven_pool(options, 2);
    future_t *futures[N];
    for (size_t i = 0; i < N; i++) {
        futures[i] = submit_warm_up(pool);
        count_when_driven(futures[i], first + 2 * i);
        CHECK_OK(future_on_done(futures[i], look_at_the_pool, user_of(first + 2 * i + 1),
                                count_driven_drop, NULL));
        if (i % 3 == 0) future_free(futures[i]);
        /* Some have been called before, some are due, some come. */
        if (i == N / 4) {
            CHECK(is_due_within(pool, -1));
            process_events(pool);
        }
        if (i == N / 2) CHECK_OK(future_wait(futures[N / 2 - N / 2 % 3 - 1], POOL_FOREVER));
    }
    may_call = is_ending = 1;
    end(pool);
    if (end == only_free) pool_free(pool);
    may_call = is_ending = 0;
    for (size_t i = 0; i < 2 * N; i++) check_counts(first + i, 1, 1);
    if (end != only_free) {
        check_due(pool, 0);
        CHECK_EQUAL(process_events(pool), 0);
        pool_free(pool);
    }
    for (size_t i = 0; i < N; i++) {
        if (i % 3) future_free(futures[i]);
    }
    for (size_t i = 0; i < 2 * N; i++) check_counts(first + i, 1, 1);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    end_fn *all[] = {drain, cancel, terminate, shut_all_down, only_free};
    for (size_t i = 0; i < COUNT_OF(all); i++) ends(&options, all[i], 1000 * i);
    return leaves_nothing_behind();
}
