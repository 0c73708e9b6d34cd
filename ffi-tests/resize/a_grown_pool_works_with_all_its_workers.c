/* pool_grow raises max_workers and starts workers at once, also above the number that the pool was made
 * with; all of them work, and results of any size come from them. */
#include "lifecycle.h"

enum { BEFORE = 1, MORE = 39, ALL = BEFORE + MORE, GATE = 0, LARGE = 3 << 20 };

/* Result: many bytes, all the worker's place. */
int32_t fill(pool_task_t *task) {
    size_t len;
    memcpy(&len, pool_task_args(task, NULL), sizeof len);
    unsigned char *room = pool_task_result(task, len);
    CHECK(room != NULL);
    memset(room, (int)pool_task_worker(task), len);
    word_add(gate_started(GATE), 1);
    word_wait(gate_started(GATE), ALL);
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    options.idle_timeout_ms = POOL_FOREVER;
    pool_t *pool = new_pool(&options, BEFORE);
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_OK(pool_grow(pool, 0));
    CHECK_IS(pool_grow(pool, 1024), POOL_ERR_INVALID);
    CHECK_IS(pool_grow(pool, UINT32_MAX), POOL_ERR_INVALID);
    CHECK_IS(pool_grow(NULL, 1), POOL_ERR_INVALID);
    CHECK_EQUAL(pool_count_workers(pool), BEFORE);
    CHECK_IS(pool_wait_ready(pool, BEFORE + 1, 0), POOL_ERR_INVALID);
    CHECK_OK(pool_grow(pool, MORE));
    CHECK_EQUAL(pool_count_workers(pool), ALL);
    CHECK_OK(pool_wait_ready(pool, ALL, POOL_FOREVER));

    for (size_t len = 1; len <= LARGE; len = len == 1 ? 100000 : len == 100000 ? LARGE : LARGE + 1) {
        future_t *futures[ALL];
        unsigned places = 0;
        reset_gate(GATE);
        for (int i = 0; i < ALL; i++) CHECK_OK(pool_submit(pool, fill, &len, sizeof len, &futures[i]));
        for (int i = 0; i < ALL; i++) {
            const void *data;
            size_t got;
            CHECK_OK(future_collect(futures[i], POOL_FOREVER, &data, &got));
            CHECK_EQUAL(got, len);
            const unsigned char *bytes = data;
            CHECK(bytes[0] == bytes[len - 1] && bytes[0] < ALL);
            places += bytes[0];
        }
        CHECK_EQUAL(places, ALL * (ALL - 1) / 2);
        wait_and_free(futures, ALL);
    }
    CHECK_OK(pool_shrink(pool, ALL - 1, POOL_SHRINK_WHEN_IDLE));
    await_workers(pool, 1);
    for (uint64_t i = 0; i < 100; i++) {
        uint64_t squared;
        CHECK_OK(pool_run(pool, square, &i, sizeof i, POOL_FOREVER, &squared, sizeof squared, NULL));
        CHECK_EQUAL(squared, i * i);
    }
    CHECK_EQUAL(pool_count_workers(pool), 1);
    pool_free(pool);
    return leaves_nothing_behind();
}
