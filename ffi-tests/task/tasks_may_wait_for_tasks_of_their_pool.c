/* A task of a thread pool can submit to its pool and wait, in every way of waiting, also with one worker: it
 * runs tasks that have not started itself. Waiting for itself returns an error. */
#include "lifecycle.h"

static pool_t *pool;
static future_t *_Atomic own;

static int32_t fibonacci(pool_task_t *task) {
    uint64_t n, left, right;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    if (n < 2) return pool_task_return(task, &n, sizeof n);
    uint64_t one = n - 1, two = n - 2;
    future_t *future;
    CHECK_OK(pool_submit(pool, fibonacci, &one, sizeof one, &future));
    CHECK_OK(pool_run(pool, fibonacci, &two, sizeof two, POOL_FOREVER, &right, sizeof right, NULL));
    left = collect_number(future) + right;
    future_free(future);
    return pool_task_return(task, &left, sizeof left);
}

static int32_t wait_in_every_way(pool_task_t *task) {
    (void)task;
    future_t *futures[4], *next;
    size_t done;
    for (uint64_t i = 0; i < 4; i++) {
        CHECK_OK(pool_submit(pool, square, &i, sizeof i, &futures[i]));
    }
    CHECK_OK(future_wait_many(futures, 4, POOL_WAIT_FIRST, POOL_FOREVER, &done));
    CHECK(done >= 1);
    CHECK_OK(future_wait_many(futures, 4, POOL_WAIT_ALL, POOL_FOREVER, &done));
    for (int i = 0; i < 4; i++) future_free(futures[i]);

    future_set_t *set;
    CHECK_OK(future_set_new(&set));
    for (uint64_t i = 0; i < 4; i++) {
        CHECK_OK(pool_submit(pool, square, &i, sizeof i, &futures[i]));
        CHECK_OK(future_set_add(set, futures[i]));
    }
    for (int i = 0; i < 4; i++) {
        CHECK_OK(future_set_next(set, POOL_FOREVER, &next));
        future_free(next);
    }
    CHECK_IS(future_set_next(set, POOL_FOREVER, &next), POOL_ERR_END);
    future_set_free(set);

    uint64_t items[50], results[50];
    for (uint64_t i = 0; i < 50; i++) items[i] = i;
    CHECK_OK(pool_map(pool, square, items, sizeof *items, 50, NULL, results, sizeof *results, NULL));
    for (uint64_t i = 0; i < 50; i++) CHECK_EQUAL(results[i], i * i);

    uint64_t number = 3;
    future_t *future;
    CHECK_OK(pool_submit(pool, square, &number, sizeof number, &future));
    if (pool_count_workers(pool) == 1) CHECK_IS(future_wait(future, 0), POOL_ERR_TIMEOUT);
    CHECK_EQUAL(collect_number(future), 9);
    future_free(future);
    return 0;
}

static int32_t wait_for_itself(pool_task_t *task) {
    (void)task;
    word_wait(WORD_FIRST, 1);
    CHECK_IS(future_wait(own, 0), POOL_ERR_TIMEOUT);
    CHECK_IS(future_wait(own, POOL_FOREVER), POOL_ERR_DEADLOCK);
    future_t *alone = own;
    CHECK_IS(future_wait_many(&alone, 1, POOL_WAIT_FIRST, POOL_FOREVER, NULL), POOL_ERR_DEADLOCK);
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_THREAD) return SKIPPED;
    for (uint32_t workers = 1; workers <= 2; workers++) {
        pool = new_pool(&options, workers);
        uint64_t n = 14, result;
        CHECK_OK(pool_run(pool, fibonacci, &n, sizeof n, POOL_FOREVER, &result, sizeof result, NULL));
        CHECK_EQUAL(result, 377);
        CHECK_OK(pool_run(pool, wait_in_every_way, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
        word_set(WORD_FIRST, 0);
        future_t *future;
        CHECK_OK(pool_submit(pool, wait_for_itself, NULL, 0, &future));
        own = future;
        word_set(WORD_FIRST, 1);
        CHECK_OK(future_collect(future, POOL_FOREVER, &(const void *){NULL}, NULL));
        future_free(future);
        pool_free(pool);
    }
    return leaves_nothing_behind();
}
