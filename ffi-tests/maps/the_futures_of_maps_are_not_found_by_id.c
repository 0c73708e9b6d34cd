/* The futures that the library holds for itself, those of the chunks of maps and of pool_run, are not
 * found by their IDs: whoever freed one would take its results away from the map. */
#include "lazy_map.h"
#include <pthread.h>

enum { N = 12, LAST_ID = 200, GATE = 0 };

/* Frees every future that it finds. Returns how many. */
static int free_found(pool_t *pool) {
    int n = 0;
    for (uint64_t id = 1; id <= LAST_ID; id++) {
        future_t *found = pool_find_future(pool, id);
        if (found) n++;
        future_free(found);
    }
    return n;
}

static int32_t square_at_gate(pool_task_t *task) {
    word_add(gate_started(GATE), 1);
    word_wait(gate_open(GATE), 1);
    return square(task);
}

static void lazy(pool_t *pool, size_t chunk_size, int is_unordered) {
    struct source source = {.end = N};
    pool_map_options_t options = POOL_MAP_INIT;
    options.chunk_size = chunk_size;
    options.unordered = is_unordered;
    pool_map_t *map = start_map(pool, square, &source, &options);
    for (int i = 0; i < N; i++) {
        take_square(map, &source);
        CHECK_EQUAL(free_found(pool), 0);
    }
    check_next(map, POOL_FOREVER, POOL_ERR_END);
    pool_map_free(map);
}

/* ---- what waits for its tasks, in a thread of its own ------------------------------------------ */

struct call {
    pool_t *pool;
    void (*make)(pool_t *pool);
};

static void map_array(pool_t *pool) {
    uint64_t items[N], results[N];
    pool_map_options_t options = POOL_MAP_INIT;
    options.chunk_size = 3;
    for (uint64_t i = 0; i < N; i++) items[i] = i;
    CHECK_OK(pool_map(pool, square_at_gate, items, 8, N, &options, results, 8, NULL));
    for (uint64_t i = 0; i < N; i++) CHECK_EQUAL(results[i], i * i);
}

static void map_in_background(pool_t *pool) {
    uint64_t items[N], results[N];
    future_t *future;
    for (uint64_t i = 0; i < N; i++) items[i] = i;
    CHECK_OK(pool_map_async(pool, square_at_gate, items, 8, N, NULL, results, 8, NULL, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_OK(future_result(future, &(const void *){NULL}, NULL));
    for (uint64_t i = 0; i < N; i++) CHECK_EQUAL(results[i], i * i);
    future_free(future);
}

static void map_zipped(pool_t *pool) {
    uint64_t items[N], results[N];
    pool_array_t array = {.items = items, .item_size = sizeof *items, .n = N};
    for (uint64_t i = 0; i < N; i++) items[i] = i;
    CHECK_OK(pool_map_zip(pool, square_at_gate, &array, 1, NULL, results, 8, NULL, NULL));
    for (uint64_t i = 0; i < N; i++) CHECK_EQUAL(results[i], i * i);
}

static void run_one(pool_t *pool) {
    uint64_t n = 7, result = 0;
    CHECK_OK(pool_run(pool, square_at_gate, &n, 8, POOL_FOREVER, &result, 8, NULL));
    CHECK_EQUAL(result, 49);
}

static void *make_call(void *data) {
    struct call *call = (struct call *)data;
    call->make(call->pool);
    return NULL;
}

static void none_is_found_during(pool_t *pool, void (*make)(pool_t *pool)) {
    struct call call = {pool, make};
    pthread_t thread;
    reset_gate(GATE);
    CHECK(pthread_create(&thread, NULL, make_call, &call) == 0);
    word_wait(gate_started(GATE), 1);
    CHECK_EQUAL(free_found(pool), 0);
    release(GATE);
    pthread_join(thread, NULL);
    CHECK_EQUAL(free_found(pool), 0);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    none_is_found_during(pool, map_array);
    none_is_found_during(pool, map_in_background);
    none_is_found_during(pool, map_zipped);
    none_is_found_during(pool, run_one);
    for (int is_unordered = 0; is_unordered < 2; is_unordered++) {
        lazy(pool, 0, is_unordered);
        lazy(pool, 1, is_unordered);
        lazy(pool, 4, is_unordered);
    }

    /* A chunk that the caller has submitted is the caller's. */
    uint64_t items[N] = {0};
    future_t *chunk;
    CHECK_OK(pool_submit_chunk(pool, square, items, 8, N, 8, &chunk));
    CHECK(pool_find_future(pool, future_id(chunk)) == chunk);
    CHECK_OK(future_wait(chunk, POOL_FOREVER));
    future_free(chunk);
    pool_free(pool);
    return leaves_nothing_behind();
}
