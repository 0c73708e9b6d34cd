/* The deadline of a lazy map is for the whole map, and stays in effect whether or not a call had to wait;
 * its time begins with the first result that is requested. */
#include "lazy_map.h"

enum { N = 60 };

/* Item 0 waits at the gate. */
static int32_t wait_at_first(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    if (n == 0) word_wait(gate_open(0), 1);
    return square(task);
}

static void let_time_pass(int64_t ms) {
    uint64_t end = now_ns() + (uint64_t)ms * 1000000u;
    while (now_ns() < end) pause_briefly();
}

static void is_over(pool_t *pool) {
    struct source source = {.end = N};
    pool_map_options_t options = POOL_MAP_INIT;
    options.chunk_size = 1;
    options.deadline_ms = 50;
    pool_map_t *map = start_map(pool, wait_at_first, &source, &options);
    check_next(map, POOL_FOREVER, POOL_ERR_TIMEOUT);
    release(0);
    for (int i = 0; i < 3; i++) check_next(map, POOL_FOREVER, POOL_ERR_TIMEOUT);
    uint64_t pulled = source.pulled;
    check_next(map, 0, POOL_ERR_TIMEOUT);
    CHECK_EQUAL(source.pulled, pulled);
    pool_map_free(map);
}

/* Also where nobody had to wait; and it begins with the first result that is wanted. */
static void is_over_though_nobody_waits(pool_t *pool) {
    struct source source = {.end = N};
    pool_map_options_t options = POOL_MAP_INIT;
    options.deadline_ms = 500;
    pool_map_t *map = start_map(pool, square, &source, &options);
    let_time_pass(520);
    CHECK_EQUAL(take_square(map, &source), 0);
    let_time_pass(520);
    for (int i = 0; i < 3; i++) check_next(map, POOL_FOREVER, POOL_ERR_TIMEOUT);
    pool_map_free(map);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    if (options.kind != POOL_INLINE) is_over(pool);
    is_over_though_nobody_waits(pool);
    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
