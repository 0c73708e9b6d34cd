/* When the deadline of a map passes, each item that is not done gets POOL_ERR_TIMEOUT: those that wait
 * for a worker, those that run, and those for which the queue had no room. */
#include "rendezvous.h"

enum { N = 24, GATE = 0, FILLER_GATE, RUNS = WORD_FIRST };

static uint64_t items[N], results[N];
static pool_status_t statuses[N];

/* The first item waits at a gate. */
static int32_t wait_if_first(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    word_add(RUNS + n, 1);
    if (n == 0) word_wait(gate_open(GATE), 1);
    return square(task);
}

static void map_is_late(pool_t *pool, const pool_map_options_t *options) {
    for (uint64_t i = 0; i < N; i++) {
        items[i] = i;
        word_set(RUNS + i, 0);
        statuses[i] = -1;
    }
    memset(results, 0xee, sizeof results);
    CHECK_IS(pool_map(pool, wait_if_first, items, 8, N, options, results, 8, statuses),
             POOL_ERR_TIMEOUT);
    for (int i = 0; i < N; i++) {
        if (statuses[i] == POOL_OK) CHECK_EQUAL(results[i], items[i] * items[i]);
        else CHECK_EQUAL(results[i], 0);
        if (statuses[i] != POOL_OK) CHECK_IS(statuses[i], POOL_ERR_TIMEOUT);
    }
}

/* All workers are busy with other tasks. */
static void all_wait(pool_t *pool, uint32_t workers, const pool_map_options_t *options) {
    future_t *fillers[2];
    occupy(pool, FILLER_GATE, workers, fillers);
    map_is_late(pool, options);
    for (int i = 0; i < N; i++) {
        CHECK_IS(statuses[i], POOL_ERR_TIMEOUT);
        CHECK_EQUAL(word_get(RUNS + i), 0);
    }
    release(FILLER_GATE);
    wait_and_free(fillers, workers);
    reset_gate(FILLER_GATE);
}

/* The first item runs, others wait behind it or have run. */
static void one_runs(pool_t *pool, const pool_map_options_t *options) {
    map_is_late(pool, options);
    CHECK_IS(statuses[0], POOL_ERR_TIMEOUT);
    release(GATE);
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    reset_gate(GATE);
}

/* The submit itself waits for room until the deadline. */
static void no_room(pool_options_t options, const pool_map_options_t *map) {
    future_t *fillers[2];
    options.max_pending = 1;
    pool_t *pool = new_pool(&options, 1);
    occupy(pool, FILLER_GATE, 1, fillers);
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &fillers[1]));
    map_is_late(pool, map);
    for (int i = 0; i < N; i++) {
        CHECK_IS(statuses[i], POOL_ERR_TIMEOUT);
        CHECK_EQUAL(word_get(RUNS + i), 0);
    }
    release(FILLER_GATE);
    wait_and_free(fillers, 2);
    reset_gate(FILLER_GATE);
    /* One chunk finds room and waits. */
    all_wait(pool, 1, map);
    one_runs(pool, map);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    for (size_t chunk = 0; chunk < 5; chunk += 2) {
        pool_map_options_t map = POOL_MAP_INIT;
        map.deadline_ms = 40;
        map.chunk_size = chunk;
        for (uint32_t workers = 1; workers <= 2; workers++) {
            pool_t *pool = new_pool(&options, workers);
            all_wait(pool, workers, &map);
            one_runs(pool, &map);
            pool_free(pool);
        }
        no_room(options, &map);
    }
    if (options.kind == POOL_PROCESS) {
        pool_map_options_t map = POOL_MAP_INIT;
        map.deadline_ms = 40;
        map.item_hard_limit_ms = 100000;
        pool_t *pool = new_pool(&options, 2);
        all_wait(pool, 2, &map);
        one_runs(pool, &map);
        pool_free(pool);
        no_room(options, &map);
    }
    return leaves_nothing_behind();
}
