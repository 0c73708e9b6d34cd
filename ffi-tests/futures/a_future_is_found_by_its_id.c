/* A future is found by its id until it is freed, and knows the tag of its submit. */
#include "rendezvous.h"

enum { N = 200 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    future_t *futures[N];
    uint64_t n = 3;
    pool_call_t call = POOL_CALL_INIT;
    call.task.pointer = square;
    call.task.args = &n;
    call.task.len = sizeof n;
    for (uint64_t i = 0; i < N; i++) {
        call.tag = i;
        CHECK_OK(i % 2 ? pool_submit_call(pool, &call, &futures[i])
                       : pool_submit(pool, square, &n, sizeof n, &futures[i]));
    }
    for (uint64_t i = 0; i < N; i++) {
        CHECK(pool_find_future(pool, future_id(futures[i])) == futures[i]);
        CHECK_EQUAL(future_tag(futures[i]), i % 2 ? i : 0);
    }
    CHECK_OK(future_wait_many(futures, N, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    for (uint64_t i = 0; i < N; i++) {
        uint64_t id = future_id(futures[i]);
        CHECK(pool_find_future(pool, id) == futures[i]);
        CHECK_EQUAL(future_tag(futures[i]), i % 2 ? i : 0);
        future_free(futures[i]);
        CHECK(pool_find_future(pool, id) == NULL);
        CHECK_EQUAL(future_tag(futures[i]), 0);
    }
    CHECK(pool_find_future(pool, 0) == NULL);
    CHECK(pool_find_future(pool, UINT64_MAX) == NULL);
    CHECK(pool_find_future(NULL, 1) == NULL);
    pool_free(pool);
    return leaves_nothing_behind();
}
