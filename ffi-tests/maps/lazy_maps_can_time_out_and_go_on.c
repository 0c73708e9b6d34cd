/* A result that does not come in time comes later: nothing is lost, nor pulled twice. Two threads
 * cannot take from one map at once. */
#include "lazy_map.h"
#include <pthread.h>

enum { N = 60 };

/* Item 7 waits at gate 7, and so on for each seventh. */
static int32_t wait_at_sevenths(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    if (n % 7 == 0) {
        word_add(gate_started((uint32_t)n), 1);
        word_wait(gate_open((uint32_t)n), 1);
    }
    return square(task);
}

static void goes_on(pool_t *pool, size_t chunk_size) {
    struct source source = {.end = N};
    pool_map_options_t options = POOL_MAP_INIT;
    options.chunk_size = chunk_size;
    for (uint32_t gate = 0; gate < N; gate += 7) word_set(gate_open(gate), 0);
    pool_map_t *map = start_map(pool, wait_at_sevenths, &source, &options);
    for (uint32_t i = 0; i < N; i++) {
        uint64_t pulled = source.pulled;
        if (i % 7 == 0) {
            if (i % chunk_size == 0) {
                check_next(map, 0, POOL_ERR_TIMEOUT);
                pulled = source.pulled;
                check_next(map, 2, POOL_ERR_TIMEOUT);
                check_next(map, 0, POOL_ERR_TIMEOUT);
                CHECK_EQUAL(source.pulled, pulled);
            }
            release(i);
        } else if (i % chunk_size == 0) {
            /* The first of a chunk waits for all of it. */
            for (uint32_t gate = i; gate < i + chunk_size; gate++) release(gate);
        }
        CHECK_EQUAL(take_square(map, &source), i);
    }
    check_next(map, 0, POOL_ERR_END);
    pool_map_free(map);
}

static struct source shared_source;

static void *take_first(void *map) {
    CHECK_EQUAL(take_square((pool_map_t *)map, &shared_source), 0);
    return NULL;
}

static void two_at_once(pool_t *pool) {
    pthread_t thread;
    pool_map_options_t options = POOL_MAP_INIT;
    options.chunk_size = 1;
    word_set(gate_open(0), 0);
    word_set(gate_started(0), 0);
    shared_source = (struct source){.end = N};
    pool_map_t *map = start_map(pool, wait_at_sevenths, &shared_source, &options);
    pthread_create(&thread, NULL, take_first, map);
    word_wait(gate_started(0), 1);
    check_next(map, 0, POOL_ERR_STATE);
    check_next(map, POOL_FOREVER, POOL_ERR_STATE);
    CHECK_IS(pool_map_error(map, &(pool_error_t){0}), POOL_ERR_STATE);
    release(0);
    pthread_join(thread, NULL);
    CHECK_EQUAL(take_square(map, &shared_source), 1);
    pool_map_free(map);
    for (uint32_t gate = 0; gate < N; gate += 7) release(gate);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    pool_t *pool = new_pool(&options, 2);
    goes_on(pool, 1);
    goes_on(pool, 3);
    two_at_once(pool);
    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
