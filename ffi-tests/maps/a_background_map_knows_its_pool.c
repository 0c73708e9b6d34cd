/* The future of a map in the background knows the pool of the map until that is freed. It is no task of the
 * pool, so it has no ID that a task could have as well; neither has a promise. */
#include "rendezvous.h"

enum { N = 20 };

static uint64_t items[N], results[N];

static future_t *begin(pool_t *pool) {
    future_t *future;
    CHECK_OK(pool_map_async(pool, square, items, 8, N, NULL, results, 8, NULL, &future));
    CHECK(future_pool(future) == pool);
    CHECK_EQUAL(future_id(future), 0);
    return future;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1), *other = new_pool(&options, 1);
    future_t *task, *promise;
    CHECK_OK(pool_submit(pool, square, items, 8, &task));
    CHECK_OK(future_new_promise(&promise));
    CHECK_EQUAL(future_id(task), 1);
    CHECK_EQUAL(future_id(promise), 0);
    CHECK(future_pool(promise) == NULL);

    future_t *future = begin(pool), *of_other = begin(other), *freed = begin(pool);
    future_free(freed);
    CHECK(future_pool(freed) == NULL);
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_OK(future_wait(of_other, POOL_FOREVER));
    CHECK(future_pool(future) == pool && future_pool(of_other) == other);
    CHECK(pool_find_future(pool, 1) == task);
    CHECK(pool_find_future(pool, 0) == NULL);

    /* A pool that takes the place of a freed one is another one. */
    pool_free(pool);
    CHECK(future_pool(future) == NULL && future_pool(of_other) == other);
    pool = new_pool(&options, 1);
    CHECK(future_pool(future) == NULL);
    CHECK_OK(future_result(future, &(const void *){NULL}, NULL));
    CHECK_OK(future_resolve(promise, "value", 5));
    CHECK_EQUAL(future_id(promise), 0);
    CHECK(future_pool(promise) == NULL);
    future_free(task);
    future_free(promise);
    future_free(future);
    future_free(of_other);
    pool_free(pool);
    pool_free(other);
    return leaves_nothing_behind();
}
