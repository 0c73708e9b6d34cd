/* A lazy map may be freed with items in flight: those that wait are not run, those that run end, its
 * source is not asked again, and the pool is as it was. */
#include "lazy_map.h"

enum { N = 1000, RUNS = WORD_FIRST, GATE = 0, WINDOW = 50 };

/* Items behind the tenth wait at the gate. */
static int32_t wait_behind_ten(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    if (n >= 10) {
        word_add(gate_started(GATE), 1);
        word_wait(gate_open(GATE), 1);
    }
    word_add(RUNS + n, 1);
    return square(task);
}

static void free_early(pool_t *pool, uint64_t taken, size_t chunk_size, int is_inline) {
    struct source *source = (struct source *)calloc(1, sizeof *source);
    pool_map_options_t options = POOL_MAP_INIT;
    CHECK(source != NULL);
    source->end = N;
    options.chunk_size = chunk_size;
    options.window = WINDOW;
    word_set(gate_started(GATE), 0);
    word_set(gate_open(GATE), is_inline);
    for (size_t i = 0; i < N; i++) word_set(RUNS + i, 0);
    pool_map_t *map = start_map(pool, wait_behind_ten, source, &options);
    for (uint64_t i = 0; i < taken; i++) CHECK_EQUAL(take_square(map, source), i);
    uint64_t pulled = source->pulled;
    if (taken > 0 && !is_inline) word_wait(gate_started(GATE), 2);
    pool_map_free(map);
    CHECK_EQUAL(source->pulled, pulled);
    free(source);
    CHECK_EQUAL(pool_count_pending_tasks(pool), 0);
    release(GATE);
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    uint64_t n_runs = 0;
    for (size_t i = 0; i < N; i++) n_runs += word_get(RUNS + i);
    CHECK(n_runs <= pulled && n_runs >= taken);
    /* Two workers, each in one chunk. */
    if (!is_inline) CHECK(n_runs <= 10 + 3 * chunk_size);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    int is_inline = options.kind == POOL_INLINE;
    for (size_t chunk_size = 1; chunk_size < 6; chunk_size += 4) {
        for (uint64_t taken = 0; taken <= 10; taken += 5) {
            free_early(pool, taken, chunk_size, is_inline);
        }
    }

    /* Thousands of them, one after the other. */
    for (int i = 0; i < 5000; i++) {
        struct source source = {.end = N};
        pool_map_t *map = start_map(pool, square, &source, NULL);
        if (i % 10 == 0) CHECK_EQUAL(take_square(map, &source), 0);
        pool_map_free(map);
    }
    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
