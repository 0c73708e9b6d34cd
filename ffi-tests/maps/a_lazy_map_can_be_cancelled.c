/* A lazy map that is cancelled, from any thread, returns every item that it has pulled: with its result if
 * it ran, else as cancelled; and pulls no more. */
#include "lazy_map.h"
#include <pthread.h>

enum { N = 1000, RUNS = WORD_FIRST, GATE = 0 };

/* All wait at the gate. */
static int32_t wait_and_square(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    word_add(gate_started(GATE), 1);
    word_wait(gate_open(GATE), 1);
    word_add(RUNS + n, 1);
    return square(task);
}

static pool_t *pool;

/* When some of them run, and more wait than the two workers could take meanwhile. */
static void *cancel_and_release(void *map) {
    word_wait(gate_started(GATE), 1);
    while (pool_count_pending_tasks(pool) < 3) pause_briefly();
    CHECK_OK(pool_map_cancel((pool_map_t *)map));
    CHECK_OK(pool_map_cancel((pool_map_t *)map));
    release(GATE);
    return NULL;
}

static void while_it_waits(size_t chunk_size, int is_unordered) {
    struct source source = {.end = N};
    pool_map_options_t options = POOL_MAP_INIT;
    pthread_t thread;
    options.chunk_size = chunk_size;
    options.window = 100;
    options.unordered = is_unordered;
    word_set(gate_started(GATE), 0);
    word_set(gate_open(GATE), 0);
    for (size_t i = 0; i < N; i++) word_set(RUNS + i, 0);
    pool_map_t *map = start_map(pool, wait_and_square, &source, &options);
    pthread_create(&thread, NULL, cancel_and_release, map);
    uint64_t n_answered = 0, n_cancelled = 0;
    for (;; n_answered++) {
        const void *data;
        uint64_t index, number;
        pool_status_t status = pool_map_next(map, POOL_FOREVER, &data, NULL, &index);
        if (status == POOL_ERR_END) break;
        if (!is_unordered) CHECK_EQUAL(index, n_answered);
        if (status == POOL_OK) {
            memcpy(&number, data, sizeof number);
            CHECK_EQUAL(number, index * index);
        } else {
            CHECK_IS(status, POOL_ERR_CANCELLED);
            n_cancelled++;
        }
        CHECK_EQUAL(word_get(RUNS + index), status == POOL_OK);
    }
    pthread_join(thread, NULL);
    CHECK_EQUAL(n_answered, source.pulled);
    CHECK(source.pulled <= 100);
    CHECK(n_cancelled > 0 && n_cancelled < n_answered);
    for (int i = 0; i < 3; i++) check_next(map, POOL_FOREVER, POOL_ERR_END);
    CHECK_EQUAL(source.pulled, n_answered);
    pool_map_free(map);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool = new_pool(&options, 2);
    if (options.kind != POOL_INLINE) {
        for (size_t chunk_size = 1; chunk_size < 20; chunk_size *= 3) {
            while_it_waits(chunk_size, 0);
            while_it_waits(chunk_size, 1);
        }
    }

    /* Before anything, in the middle, and after all. */
    for (uint64_t taken = 0; taken <= 20; taken += 10) {
        struct source source = {.end = 20};
        pool_map_options_t with = POOL_MAP_INIT;
        with.chunk_size = 1;
        with.window = 1;
        pool_map_t *map = start_map(pool, square, &source, &with);
        for (uint64_t i = 0; i < taken; i++) CHECK_EQUAL(take_square(map, &source), i);
        CHECK_OK(pool_map_cancel(map));
        for (int i = 0; i < 3; i++) check_next(map, POOL_FOREVER, POOL_ERR_END);
        CHECK_EQUAL(source.pulled, taken);
        pool_map_free(map);
    }
    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
