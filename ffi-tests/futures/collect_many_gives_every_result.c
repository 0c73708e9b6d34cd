/* Collecting many futures returns every result at its index, and the first failure in order; one timeout is
 * for all futures, and a timeout changes nothing. */
#include "rendezvous.h"
#include <pthread.h>

enum { N = 300 };

static const void *data[N];
static size_t lens[N];

static int32_t square_or_fail(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    return n % 2 ? pool_task_fail(task, (int32_t)n, "odd") : square(task);
}

static void check_number(size_t i, uint64_t expected) {
    uint64_t number;
    CHECK_EQUAL(lens[i], sizeof number);
    memcpy(&number, data[i], sizeof number);
    CHECK_EQUAL(number, expected);
}

static void check_none(size_t i) {
    CHECK(data[i] == NULL);
    CHECK_EQUAL(lens[i], 0);
}

static void spoil(void) {
    for (size_t i = 0; i < N; i++) data[i] = data, lens[i] = 99;
}

static void *release_0(void *unused) {
    (void)unused;
    release(0);
    return NULL;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pools[2] = {new_pool(&options, 2), new_pool(&options, 1)};
    static future_t *futures[N];
    for (uint64_t i = 0; i < N; i++) {
        CHECK_OK(pool_submit(pools[i % 2], square, &i, sizeof i, &futures[i]));
    }
    spoil();
    CHECK_OK(future_collect_many(futures, N, POOL_FOREVER, data, lens));
    for (uint64_t i = 0; i < N; i++) check_number(i, i * i);
    /* Again, without waiting, and for those who want less. */
    spoil();
    CHECK_OK(future_collect_many(futures, N, 0, data, NULL));
    CHECK(data[7] != data && lens[7] == 99);
    CHECK_OK(future_collect_many(futures, N, 0, NULL, lens));
    CHECK_OK(future_collect_many(futures, N, 0, NULL, NULL));
    CHECK_OK(future_collect_many(NULL, 0, POOL_FOREVER, NULL, NULL));
    /* The same one twice. */
    future_t *twice[2] = {futures[5], futures[5]};
    CHECK_OK(future_collect_many(twice, 2, POOL_FOREVER, data, lens));
    CHECK(data[0] == data[1]);
    check_number(1, 25);
    for (size_t i = 0; i < N; i++) future_free(futures[i]);

    /* Failures do not hide the others; the first in order is told. */
    for (uint64_t i = 0; i < 6; i++) {
        CHECK_OK(pool_submit(pools[0], square_or_fail, &i, sizeof i, &futures[i]));
    }
    CHECK_OK(future_new_promise(&futures[6]));
    spoil();
    CHECK_IS(future_collect_many(futures, 7, 20, data, lens), POOL_ERR_TIMEOUT);
    CHECK_OK(future_cancel(futures[6], POOL_CANCEL_QUEUED));
    CHECK_IS(future_collect_many(futures, 7, POOL_FOREVER, data, lens), POOL_ERR_TASK);
    for (size_t i = 0; i < 6; i += 2) check_number(i, i * i);
    for (size_t i = 1; i < 6; i += 2) check_none(i);
    check_none(6);
    future_t *other_order[3] = {futures[4], futures[6], futures[1]};
    CHECK_IS(future_collect_many(other_order, 3, POOL_FOREVER, data, lens), POOL_ERR_CANCELLED);
    check_number(0, 16);
    for (size_t i = 0; i < 7; i++) future_free(futures[i]);

    /* What is not done in time has no result, the others have theirs. */
    if (options.kind != POOL_INLINE) {
        pthread_t thread;
        for (uint64_t i = 0; i < 2; i++) {
            CHECK_OK(pool_submit(pools[0], square, &i, sizeof i, &futures[2 * i]));
            futures[2 * i + 1] = submit_to_gate(pools[1], 0);
        }
        CHECK_OK(future_wait(futures[0], POOL_FOREVER));
        CHECK_OK(future_wait(futures[2], POOL_FOREVER));
        spoil();
        CHECK_IS(future_collect_many(futures, 4, 0, data, lens), POOL_ERR_TIMEOUT);
        CHECK_IS(future_collect_many(futures, 4, 5, data, lens), POOL_ERR_TIMEOUT);
        check_number(0, 0);
        check_none(1);
        check_number(2, 1);
        check_none(3);
        pthread_create(&thread, NULL, release_0, NULL);
        CHECK_OK(future_collect_many(futures, 4, POOL_FOREVER, data, lens));
        CHECK(data[1] != NULL && lens[1] == 0);
        pthread_join(thread, NULL);
        wait_and_free(futures, 4);
    }

    /* What is no future. */
    CHECK_OK(pool_submit(pools[0], warm_up, NULL, 0, &futures[0]));
    futures[1] = NULL;
    spoil();
    CHECK_IS(future_collect_many(futures, 2, POOL_FOREVER, data, lens), POOL_ERR_INVALID);
    check_none(1);
    CHECK_IS(future_collect_many(NULL, 2, POOL_FOREVER, data, lens), POOL_ERR_INVALID);
    CHECK_OK(future_wait(futures[0], POOL_FOREVER));
    future_free(futures[0]);
    pool_free(pools[0]);
    pool_free(pools[1]);
    return leaves_nothing_behind();
}
