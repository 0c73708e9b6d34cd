/* A callback may submit, wait, map, add, remove, cancel, free, and make pools and promises; only to
 * wait for the end of its own pool is refused. */
#include "callbacks.h"

static pool_t *pool;
static int is_inline;
static int round_number;

static void submits_and_waits(void) {
    future_t *futures[10];
    for (uint64_t i = 0; i < 10; i++) {
        CHECK_OK(pool_submit(pool, square, &i, sizeof i, &futures[i]));
    }
    CHECK_OK(future_wait_many(futures, 10, POOL_WAIT_FIRST, POOL_FOREVER, NULL));
    CHECK_OK(future_wait_many(futures, 10, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    for (uint64_t i = 0; i < 10; i++) CHECK_EQUAL(collect_number(futures[i]), i * i);
    for (int i = 0; i < 10; i++) future_free(futures[i]);
}

static void maps(void) {
    uint64_t items[50], results[50];
    for (uint64_t i = 0; i < 50; i++) items[i] = i;
    CHECK_OK(pool_map(pool, square, items, 8, 50, NULL, results, 8, NULL));
    for (uint64_t i = 0; i < 50; i++) CHECK_EQUAL(results[i], i * i);
}

static void makes_others(void) {
    pool_options_t options = POOL_OPTIONS_INIT;
    options.kind = POOL_THREAD;
    pool_t *other = new_pool(&options, 1);
    future_t *promise, *future;
    uint64_t three = 3;
    CHECK_OK(pool_submit(other, square, &three, sizeof three, &future));
    CHECK_EQUAL(collect_number(future), 9);
    CHECK_OK(pool_shutdown(other, POOL_STOP_DRAIN, POOL_FOREVER));
    pool_free(other);
    future_free(future);
    CHECK_OK(future_new_promise(&promise));
    CHECK_OK(future_resolve(promise, &three, sizeof three));
    CHECK_EQUAL(collect_number(promise), 3);
    future_free(promise);
}

static void do_everything(future_t *future, void *user) {
    CHECK_IS(pool_join(pool, POOL_FOREVER), POOL_ERR_DEADLOCK);
    CHECK_IS(pool_join(pool, 0), POOL_ERR_DEADLOCK);
    CHECK_IS(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER), POOL_ERR_DEADLOCK);
    CHECK_IS(pool_shutdown(pool, POOL_STOP_KILL, 0), POOL_ERR_DEADLOCK);
    pool_free(pool); /* does nothing */
    CHECK_OK(pool_check(pool, NULL));
    submits_and_waits();
    maps();
    makes_others();

    /* Others' callbacks, and its own. */
    future_t *waiting;
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &waiting));
    size_t n = 10 * (size_t)round_number;
    uint64_t id = count_when_done(waiting, n + 1);
    pool_status_t removed = future_remove_callback(waiting, id);
    CHECK(removed == POOL_OK || removed == POOL_ERR_STATE);
    count_when_done(future, n + 2);
    check_counts(n + 2, 1, 1);
    pool_status_t cancelled = future_cancel(waiting, POOL_CANCEL_QUEUED);
    CHECK(cancelled == POOL_OK || cancelled == POOL_ERR_STATE);
    CHECK_OK(future_wait(waiting, POOL_FOREVER));
    future_free(waiting);
    count_call(future, user);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    is_inline = options.kind == POOL_INLINE;
    pool = new_pool(&options, 1);

    for (round_number = 0; round_number < 20; round_number++) {
        size_t n = 10 * (size_t)round_number;
        future_t *future = NULL, *busy = NULL;
        if (!is_inline) occupy(pool, (uint32_t)round_number, 1, &busy);
        CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &future));
        if (is_inline) {
            /* At once, in this thread, which is not the library's. */
            count_when_done(future, n);
        } else {
            CHECK_OK(future_on_done(future, do_everything, user_of(n), count_drop, NULL));
            release((uint32_t)round_number);
            await_drop(n);
            wait_and_free(&busy, 1);
            CHECK_EQUAL(word_get(drops_of(n + 1)), 1);
            check_counts(n + 2, 1, 1);
        }
        check_counts(n, 1, 1);
        future_free(future);
    }
    pool_free(pool);
    return leaves_nothing_behind();
}
