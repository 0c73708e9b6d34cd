/* Several threads map, in all the ways there are, and submit tasks to the same pool at the same time:
 * each gets what is its own. */
#include "rendezvous.h"
#include <pthread.h>

enum { THREADS = 6, ROUNDS = 5, N = 1500 };

static pool_t *pool;

struct numbers {
    uint64_t next, end, item;
};

static pool_status_t next_number(void *user, const void **item, size_t *len) {
    struct numbers *numbers = (struct numbers *)user;
    if (numbers->next == numbers->end) return POOL_ERR_END;
    numbers->item = numbers->next++;
    *item = &numbers->item;
    *len = sizeof numbers->item;
    return POOL_OK;
}

static int32_t add_two(pool_task_t *task) {
    uint64_t pair[2];
    memcpy(pair, pool_task_args(task, NULL), sizeof pair);
    pair[0] += pair[1];
    return pool_task_return(task, pair, 8);
}

static void map_lazily(uint64_t first, int is_unordered, size_t chunk_size) {
    struct numbers numbers = {first, first + N, 0};
    pool_map_options_t options = POOL_MAP_INIT;
    pool_map_t *map;
    const void *data;
    uint64_t index, number, sum = 0, expected = 0;
    options.unordered = is_unordered;
    options.chunk_size = chunk_size;
    CHECK_OK(pool_map_start(pool, square, next_number, &numbers, &options, &map));
    for (uint64_t i = 0; i < N; i++) {
        CHECK_OK(pool_map_next(map, POOL_FOREVER, &data, NULL, &index));
        memcpy(&number, data, sizeof number);
        CHECK_EQUAL(number, (first + index) * (first + index));
        if (!is_unordered) CHECK_EQUAL(index, i);
        sum += index;
        expected += i;
    }
    CHECK_EQUAL(sum, expected);
    CHECK_IS(pool_map_next(map, POOL_FOREVER, &data, NULL, NULL), POOL_ERR_END);
    pool_map_free(map);
}

static void *work(void *argument) {
    uint64_t own = 1000000 * (uint64_t)(uintptr_t)argument;
    uint64_t *items = (uint64_t *)malloc(N * 8), *results = (uint64_t *)malloc(N * 8);
    future_t **futures = (future_t **)malloc(N * sizeof *futures), *background;
    CHECK(items != NULL && results != NULL && futures != NULL);
    for (uint64_t i = 0; i < N; i++) items[i] = own + i;
    for (int k = 0; k < ROUNDS; k++) {
        pool_map_options_t options = POOL_MAP_INIT;
        options.chunk_size = (size_t)k * 10;
        for (size_t i = 0; i < N; i++) {
            CHECK_OK(pool_submit(pool, square, &items[i], 8, &futures[i]));
        }
        CHECK_OK(pool_map(pool, square, items, 8, N, &options, results, 8, NULL));
        for (size_t i = 0; i < N; i++) CHECK_EQUAL(results[i], items[i] * items[i]);
        memset(results, 0, N * 8);
        CHECK_OK(pool_map_async(pool, square, items, 8, N, &options, results, 8, NULL,
                                &background));
        map_lazily(own, k % 2, options.chunk_size);
        CHECK_OK(future_wait(background, POOL_FOREVER));
        future_free(background);
        for (size_t i = 0; i < N; i++) CHECK_EQUAL(results[i], items[i] * items[i]);
        pool_array_t arrays[2] = {{items, 8, N}, {items, 8, N}};
        CHECK_OK(pool_map_zip(pool, add_two, arrays, 2, NULL, results, 8, NULL, NULL));
        for (size_t i = 0; i < N; i++) CHECK_EQUAL(results[i], 2 * items[i]);
        for (size_t i = 0; i < N; i++) {
            CHECK_EQUAL(collect_number(futures[i]), items[i] * items[i]);
            future_free(futures[i]);
        }
    }
    free(items);
    free(results);
    free(futures);
    return NULL;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pthread_t threads[THREADS];
    pool = new_pool(&options, 2);
    for (uintptr_t i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    pool_free(pool);
    return leaves_nothing_behind();
}
