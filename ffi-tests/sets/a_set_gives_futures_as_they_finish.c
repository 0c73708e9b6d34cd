/* A set gives its futures out in the order in which they are done, whatever that order is, also
 * those that were done before, those of other pools, promises, and those that come while it is read;
 * and says when nothing is left in it. */
#include "rendezvous.h"
#include <pthread.h>

enum { N = 8 };

static void next_is(future_set_t *set, int64_t timeout_ms, future_t *expected) {
    future_t *taken = NULL;
    CHECK_OK(future_set_next(set, timeout_ms, &taken));
    CHECK(taken == expected);
    CHECK(future_is_done(taken));
}

static void check_next(future_set_t *set, int64_t timeout_ms, pool_status_t status) {
    future_t *taken = (future_t *)set;
    CHECK_IS(future_set_next(set, timeout_ms, &taken), status);
    CHECK(taken == NULL);
}

static future_set_t *new_set(void) {
    future_set_t *set = NULL;
    CHECK_OK(future_set_new(&set));
    CHECK(set != NULL);
    check_next(set, 0, POOL_ERR_END);
    check_next(set, POOL_FOREVER, POOL_ERR_END);
    return set;
}

/* Tasks of two pools, and promises, at gates that open in another order. */
static void in_order_of_their_end(pool_t **pools) {
    static const uint32_t order[N] = {3, 0, 7, 6, 1, 5, 2, 4};
    future_set_t *set = new_set();
    future_t *futures[N];
    for (uint32_t i = 0; i < N; i++) {
        if (i == 2 || i == 6) CHECK_OK(future_new_promise(&futures[i]));
        else futures[i] = submit_to_gate(pools[i % 2], i);
        CHECK_OK(future_set_add(set, futures[i]));
    }
    check_next(set, 0, POOL_ERR_TIMEOUT);
    check_next(set, 3, POOL_ERR_TIMEOUT);
    for (uint32_t k = 0; k < N; k++) {
        uint32_t i = order[k];
        if (i == 2 || i == 6) CHECK_OK(future_reject(futures[i], 1, NULL));
        else release(i);
        if (k < N / 2) {
            next_is(set, POOL_FOREVER, futures[i]);
            check_next(set, 0, k == N - 1 ? POOL_ERR_END : POOL_ERR_TIMEOUT);
        } else {
            CHECK_OK(future_wait(futures[i], POOL_FOREVER));
        }
    }
    /* Some have been waiting; their order between pools is told by who looks at each pool. */
    future_t *taken;
    for (uint32_t k = N / 2; k < N; k++) CHECK_OK(future_set_next(set, POOL_FOREVER, &taken));
    check_next(set, 0, POOL_ERR_END);
    check_next(set, POOL_FOREVER, POOL_ERR_END);
    for (int i = 0; i < N; i++) future_free(futures[i]);
    future_set_free(set);
}

/* Of one worker that runs them in a row. */
static void in_order_of_a_row(pool_t *pool) {
    enum { ROW = 200 };
    future_set_t *set = new_set();
    future_t *futures[ROW], *busy;
    occupy(pool, 20, 1, &busy);
    for (uint64_t i = 0; i < ROW; i++) {
        CHECK_OK(pool_submit(pool, square, &i, sizeof i, &futures[i]));
    }
    for (int i = ROW - 1; i >= 0; i--) CHECK_OK(future_set_add(set, futures[i]));
    release(20);
    for (int i = 0; i < ROW; i++) next_is(set, POOL_FOREVER, futures[i]);
    check_next(set, POOL_FOREVER, POOL_ERR_END);
    for (int i = 0; i < ROW; i++) future_free(futures[i]);
    wait_and_free(&busy, 1);
    future_set_free(set);
}

struct reader {
    future_set_t *set;
    future_t *taken;
};

static void *take_one(void *argument) {
    struct reader *reader = (struct reader *)argument;
    CHECK_OK(future_set_next(reader->set, POOL_FOREVER, &reader->taken));
    return NULL;
}

/* What is added while somebody waits is what he gets. */
static void fed_while_it_is_read(pool_t *pool) {
    future_set_t *set = new_set();
    future_t *never, *future;
    CHECK_OK(future_new_promise(&never));
    CHECK_OK(future_set_add(set, never));
    for (int i = 0; i < 20; i++) {
        struct reader reader = {set, NULL};
        pthread_t thread;
        pthread_create(&thread, NULL, take_one, &reader);
        CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &future));
        if (i % 2) CHECK_OK(future_wait(future, POOL_FOREVER));
        CHECK_OK(future_set_add(set, future));
        pthread_join(thread, NULL);
        CHECK(reader.taken == future);
        future_free(future);
    }
    check_next(set, 0, POOL_ERR_TIMEOUT);
    CHECK_OK(future_cancel(never, POOL_CANCEL_QUEUED));
    next_is(set, POOL_FOREVER, never);
    future_free(never);
    future_set_free(set);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pools[3] = {new_pool(&options, N), new_pool(&options, N), new_pool(&options, 1)};
    future_t *futures[3];
    if (options.kind != POOL_INLINE) {
        in_order_of_their_end(pools);
        in_order_of_a_row(pools[2]);
    }
    fed_while_it_is_read(pools[0]);

    /* What is done already comes, too, however it has ended; twice if it was added twice; and again
     * if it is added again. */
    future_set_t *set = new_set();
    for (int i = 0; i < 3; i++) CHECK_OK(pool_submit(pools[i], warm_up, NULL, 0, &futures[i]));
    CHECK_OK(future_wait_many(futures, 3, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    for (int i = 0; i < 3; i++) CHECK_OK(future_set_add(set, futures[i]));
    CHECK_OK(future_set_add(set, futures[1]));
    for (int i = 0; i < 3; i++) next_is(set, 0, futures[i]);
    next_is(set, 0, futures[1]);
    check_next(set, 0, POOL_ERR_END);
    CHECK_OK(future_set_add(set, futures[1]));
    next_is(set, 0, futures[1]);
    check_next(set, 0, POOL_ERR_END);

    /* Twice before it is done; and in two sets. */
    future_set_t *other = new_set();
    future_t *promise;
    CHECK_OK(future_new_promise(&promise));
    CHECK_OK(future_set_add(set, promise));
    CHECK_OK(future_set_add(other, promise));
    CHECK_OK(future_set_add(set, promise));
    CHECK_OK(future_resolve(promise, NULL, 0));
    for (int i = 0; i < 2; i++) next_is(set, POOL_FOREVER, promise);
    next_is(other, POOL_FOREVER, promise);
    check_next(set, POOL_FOREVER, POOL_ERR_END);
    check_next(other, POOL_FOREVER, POOL_ERR_END);
    future_free(promise);

    for (int i = 0; i < 3; i++) future_free(futures[i]);
    for (int i = 0; i < 3; i++) pool_free(pools[i]);
    future_set_free(set);
    future_set_free(other);
    return leaves_nothing_behind();
}
