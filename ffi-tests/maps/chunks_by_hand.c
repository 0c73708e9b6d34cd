/* Whoever divides a map himself gets the results of each chunk in one piece, or the first failure in
 * it, behind which nothing is run; and the bounds of chunks cover every item once. */
#include "rendezvous.h"

enum { N = 1000, RUNS = WORD_FIRST };

static uint64_t items[N];

static int32_t square_or_fail(pool_task_t *task) {
    uint64_t n, large[2] = {0, 0};
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    word_add(RUNS + n % N, 1);
    switch (n / N) {
    case 1:
        return pool_task_fail(task, (int32_t)n, "no");
    case 2:
        return -2;
    case 3:
        pool_task_return(task, large, sizeof large);
        return 0;
    case 4:
        pool_task_fail(task, 1, "never mind");
        return square(task);
    default:
        return square(task);
    }
}

static pool_error_t fails(pool_t *pool, pool_status_t status, uint64_t first_failing) {
    future_t *future;
    pool_error_t error;
    const void *data = &error;
    size_t len = 9;
    for (size_t i = 0; i < N; i++) word_set(RUNS + i, 0);
    CHECK_OK(pool_submit_chunk(pool, square_or_fail, items, 8, N, 8, &future));
    CHECK_IS(future_collect(future, POOL_FOREVER, &data, &len), status);
    CHECK(data == NULL && len == 0);
    CHECK_EQUAL(future_state(future), FUTURE_FAILED);
    CHECK_OK(future_error(future, &error));
    for (size_t i = 0; i < N; i++) CHECK_EQUAL(word_get(RUNS + i), i <= first_failing);
    future_free(future);
    return error;
}

static void bounds(size_t n, size_t chunk_size) {
    size_t begin, end, next = 0, count = pool_chunk_count(n, chunk_size);
    CHECK_EQUAL(count, n / chunk_size + (n % chunk_size != 0));
    for (size_t i = 0; i < count && i < 100; i++) {
        CHECK(pool_chunk_bounds(n, chunk_size, i, &begin, &end));
        CHECK_EQUAL(begin, next);
        CHECK(end - begin == chunk_size || (end == n && end > begin && end - begin < chunk_size));
        next = end;
    }
    if (count > 0) {
        CHECK(pool_chunk_bounds(n, chunk_size, count - 1, &begin, &end));
        CHECK_EQUAL(end, n);
        CHECK(pool_chunk_bounds(n, chunk_size, 0, NULL, NULL));
    }
    CHECK(!pool_chunk_bounds(n, chunk_size, count, &begin, &end));
    CHECK_EQUAL(begin + end, 0);
    CHECK(!pool_chunk_bounds(n, chunk_size, SIZE_MAX, &begin, &end));
    CHECK(!pool_chunk_bounds(n, chunk_size, count, NULL, NULL));
}

static void bounds_of_all_sizes(void) {
    static const size_t SIZES[] = {1, 2, 3, 7, 100, SIZE_MAX / 2, SIZE_MAX - 1, SIZE_MAX};
    size_t begin = 1, end = 1;
    for (size_t i = 0; i < COUNT_OF(SIZES); i++) {
        for (size_t n = 0; n < 50; n++) bounds(n, SIZES[i]);
        for (size_t k = 0; k < COUNT_OF(SIZES); k++) bounds(SIZES[k], SIZES[i]);
    }
    CHECK_EQUAL(pool_chunk_count(10, 0), 0);
    CHECK(!pool_chunk_bounds(10, 0, 0, &begin, &end));
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    future_t *future, *futures[N];
    const void *data;
    size_t len;
    bounds_of_all_sizes();

    for (size_t chunk_size = 1; chunk_size < 2 * N; chunk_size = chunk_size * 3 + 1) {
        uint64_t results[N];
        size_t begin, end, count = pool_chunk_count(N, chunk_size);
        for (uint64_t i = 0; i < N; i++) items[i] = i;
        for (size_t i = 0; i < count; i++) {
            CHECK(pool_chunk_bounds(N, chunk_size, i, &begin, &end));
            CHECK_OK(pool_submit_chunk(pool, square, items + begin, 8, end - begin, 8,
                                       &futures[i]));
        }
        memset(items, 0xee, sizeof items); /* they were copied */
        for (size_t i = 0; i < count; i++) {
            CHECK(pool_chunk_bounds(N, chunk_size, i, &begin, &end));
            CHECK_OK(future_collect(futures[i], POOL_FOREVER, &data, &len));
            CHECK_EQUAL(len, (end - begin) * 8);
            memcpy(results + begin, data, len);
            future_free(futures[i]);
        }
        for (uint64_t i = 0; i < N; i++) CHECK_EQUAL(results[i], i * i);
    }

    /* The first failure counts, whatever comes behind it. */
    for (uint64_t i = 0; i < N; i++) items[i] = i;
    items[700] += N;
    items[701] += 2 * N;
    pool_error_t error = fails(pool, POOL_ERR_TASK, 700);
    CHECK_EQUAL(error.task_code, 700 + N);
    CHECK(strcmp(error.message, "no") == 0);
    items[10] += 4 * N; /* leaves words, and succeeds */
    items[20] += 2 * N;
    error = fails(pool, POOL_ERR_TASK, 20);
    CHECK_EQUAL(error.task_code, -2);
    CHECK(strcmp(error.message, "never mind") != 0);
    items[0] += 3 * N;
    fails(pool, POOL_ERR_TOO_LARGE, 0);

    /* Chunks of nothing. */
    CHECK_OK(pool_submit_chunk(pool, square, NULL, 8, 0, 8, &future));
    CHECK_OK(future_collect(future, POOL_FOREVER, &data, &len));
    CHECK_EQUAL(len, 0);
    future_free(future);
    CHECK_OK(pool_submit_chunk(pool, warm_up, NULL, 0, 5, 0, &future));
    CHECK_OK(future_collect(future, POOL_FOREVER, &data, &len));
    CHECK_EQUAL(len, 0);
    future_free(future);
    CHECK_OK(pool_submit_chunk(pool, warm_up, NULL, 0, 5, 3, &future));
    CHECK_OK(future_collect(future, POOL_FOREVER, &data, &len));
    CHECK(len == 15 && memcmp(data, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 15) == 0);
    future_free(future);

    CHECK_IS(pool_submit_chunk(pool, square, NULL, 8, 5, 8, &future), POOL_ERR_INVALID);
    CHECK(future == NULL);
    CHECK_IS(pool_submit_chunk(pool, NULL, items, 8, 5, 8, &future), POOL_ERR_INVALID);
    CHECK_IS(pool_submit_chunk(NULL, square, items, 8, 5, 8, &future), POOL_ERR_INVALID);
    CHECK(pool_submit_chunk(pool, square, items, SIZE_MAX, 5, 8, &future) != POOL_OK);
    CHECK_OK(pool_close(pool));
    CHECK_IS(pool_submit_chunk(pool, square, items, 8, 5, 8, &future), POOL_ERR_CLOSED);
    pool_free(pool);
    return leaves_nothing_behind();
}
