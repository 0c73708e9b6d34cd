/* pool_map_error tells why a lazy map has ended early: its pool broke between two results, was closed, or
 * its source failed. */
#include "lazy_map.h"
#include "lifecycle.h"

enum { GATE = 0, ITEMS = 20 };

static pool_error_t error_of(pool_map_t *map) {
    pool_error_t error;
    CHECK_OK(pool_map_error(map, &error));
    return error;
}

/* Then the map is at its end, and the reason is still known. */
static void ends_with(pool_map_t *map, pool_status_t status, const char *message) {
    for (int i = 0; i < 3; i++) {
        pool_error_t error = error_of(map);
        CHECK_IS(error.status, status);
        CHECK(strstr(error.message, message) != NULL);
        check_next(map, POOL_FOREVER, status == POOL_ERR_CLOSED ? status : POOL_ERR_END);
    }
    pool_map_free(map);
}

static pool_map_t *begin(pool_t *pool, struct source *source) {
    pool_map_options_t options = POOL_MAP_INIT;
    options.chunk_size = options.window = 1;
    pool_map_t *map = start_map(pool, square, source, &options);
    for (uint64_t i = 0; i < 3; i++) {
        CHECK_EQUAL(take_square(map, source), i);
        CHECK_OK(error_of(map).status);
    }
    return map;
}

static int32_t refuse_the_second(pool_task_t *task) {
    return word_add(INITIALIZED, 1) == 0 ? 0 : pool_task_fail(task, 42, "only one");
}

static void pool_breaks(pool_options_t options) {
    struct source source = {.end = ITEMS};
    future_t *running;
    pool_error_t why;
    options.initializer.pointer = refuse_the_second;
    pool_t *pool = new_pool(&options, 2);
    pool_map_t *map = begin(pool, &source);
    occupy(pool, GATE, 1, &running);
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, NULL));
    while (pool_check(pool, &why) == POOL_OK) pause_briefly();
    release(GATE);
    check_next(map, POOL_FOREVER, why.status);
    ends_with(map, why.status, "only one");
    wait_and_free(&running, 1);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    struct source source = {.end = 3, .end_status = POOL_ERR_TASK};
    pool_t *pool = new_pool(&options, 1);
    pool_map_t *map = begin(pool, &source);
    check_next(map, POOL_FOREVER, POOL_ERR_TASK);
    ends_with(map, POOL_ERR_TASK, "source");

    source = (struct source){.end = ITEMS};
    map = begin(pool, &source);
    CHECK_OK(pool_close(pool));
    check_next(map, POOL_FOREVER, POOL_ERR_CLOSED);
    ends_with(map, POOL_ERR_CLOSED, "");
    pool_free(pool);
    if (options.kind != POOL_INLINE) pool_breaks(options);
    return leaves_nothing_behind();
}
