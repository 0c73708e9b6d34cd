/* One call submits a task for each item of an array, and says how many when the pool refuses the rest. */
#include "rendezvous.h"

enum { N = 1000, RAN = WORD_FIRST };

static future_t *futures[N];

static void results_are_in_the_order_of_the_items(pool_t *pool) {
    uint64_t items[N];
    size_t submitted;
    const void *data[N];
    size_t lens[N];
    for (uint64_t i = 0; i < N; i++) items[i] = i;
    CHECK_OK(pool_submit_many(pool, square, items, sizeof *items, N, futures, &submitted));
    CHECK_EQUAL(submitted, N);
    CHECK_OK(future_collect_many(futures, N, POOL_FOREVER, data, lens));
    for (uint64_t i = 0; i < N; i++) {
        uint64_t result;
        CHECK_EQUAL(lens[i], sizeof result);
        memcpy(&result, data[i], sizeof result);
        CHECK_EQUAL(result, i * i);
    }
    future_free_many(futures, N);
    CHECK_IS(future_wait(futures[0], 0), POOL_ERR_INVALID);
    future_free_many(futures, N); /* freed handles are ignored */
}

static void futures_may_be_left_out(pool_t *pool) {
    uint32_t items[N];
    for (int i = 0; i < N; i++) items[i] = RAN;
    word_set(RAN, 0);
    CHECK_OK(pool_submit_many(pool, count_in_word, items, sizeof *items, N, NULL, NULL));
    CHECK_OK(pool_wait_idle(pool, POOL_FOREVER));
    CHECK_EQUAL(word_get(RAN), N);
}

static int32_t count_call(pool_task_t *task) {
    size_t len;
    pool_task_args(task, &len);
    CHECK_EQUAL(len, 0);
    word_add(RAN, 1);
    return 0;
}

static void items_may_be_empty(pool_t *pool) {
    word_set(RAN, 0);
    CHECK_OK(pool_submit_many(pool, count_call, NULL, 0, N, NULL, NULL));
    CHECK_OK(pool_submit_many(pool, count_call, NULL, 8, 0, NULL, NULL));
    CHECK_OK(pool_wait_idle(pool, POOL_FOREVER));
    CHECK_EQUAL(word_get(RAN), N);
}

/* No caller frees a handle that was never written. */
static void no_future_is_left_unset(pool_t *pool, pool_task_fn function, const void *items, size_t size) {
    size_t submitted = 7;
    for (int i = 0; i < 3; i++) futures[i] = (future_t *)&submitted;
    CHECK_IS(pool_submit_many(pool, function, items, size, 3, futures, &submitted), POOL_ERR_INVALID);
    CHECK_EQUAL(submitted, 0);
    for (int i = 0; i < 3; i++) CHECK(futures[i] == NULL);
}

static void bad_arguments_are_refused(pool_t *pool) {
    size_t submitted = 7;
    char item = 0;
    CHECK_IS(pool_submit_many(pool, NULL, &item, 1, 1, futures, &submitted), POOL_ERR_INVALID);
    CHECK_EQUAL(submitted, 0);
    CHECK_IS(pool_submit_many(pool, square, NULL, 1, 1, futures, NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_submit_many(pool, square, &item, SIZE_MAX, 2, NULL, NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_submit_many(NULL, square, &item, 1, 1, futures, NULL), POOL_ERR_INVALID);
    no_future_is_left_unset(pool, NULL, "abc", 1);
    no_future_is_left_unset(pool, square, NULL, 1);
    no_future_is_left_unset(pool, square, "abc", SIZE_MAX / 2);
    no_future_is_left_unset(NULL, square, "abc", 1);
}

/* One task waits at the gate, and one more may be queued: the third finds the pool closed. */
static void the_rest_is_refused(pool_options_t options) {
    pool_t *pool = new_pool(&options, 1);
    future_t *running;
    uint64_t items[3] = {1, 2, 3};
    size_t submitted;
    occupy(pool, 0, 1, &running);
    CHECK_OK(pool_submit_many(pool, square, items, sizeof *items, 2, futures, &submitted));
    CHECK_OK(pool_close(pool));
    futures[2] = running;
    CHECK_IS(pool_submit_many(pool, square, items, sizeof *items, 3, futures + 2, &submitted),
             POOL_ERR_CLOSED);
    CHECK_EQUAL(submitted, 0);
    CHECK(futures[2] == NULL && futures[3] == NULL && futures[4] == NULL);
    release(0);
    CHECK_OK(future_wait_many(futures, 2, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    future_free_many(futures, 3); /* NULL is ignored */
    future_free(running);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    for (int round = 0; round < 10; round++) results_are_in_the_order_of_the_items(pool);
    futures_may_be_left_out(pool);
    items_may_be_empty(pool);
    bad_arguments_are_refused(pool);
    pool_free(pool);
    if (options.kind != POOL_INLINE) the_rest_is_refused(options);
    return leaves_nothing_behind();
}
