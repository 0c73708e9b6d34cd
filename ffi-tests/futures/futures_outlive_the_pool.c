/* Futures, with their results and errors of every size, are valid until they are freed. */
#include "sizes.h"

static int32_t make_bytes(pool_task_t *task) {
    uint64_t len;
    memcpy(&len, pool_task_args(task, NULL), sizeof len);
    fill(pool_task_result(task, len), len);
    return 0;
}

static int32_t fail(pool_task_t *task) {
    return pool_task_fail(task, 9, "it was in vain");
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    const uint64_t lens[] = {0, 8, 100, 5000, MIB, 64 * MIB + 1};
    future_t *futures[COUNT_OF(lens)], *failed, *last;
    const void *data;
    size_t len;
    pool_error_t error;
    for (size_t i = 0; i < COUNT_OF(lens); i++) {
        CHECK_OK(pool_submit(pool, make_bytes, &lens[i], sizeof lens[i], &futures[i]));
    }
    CHECK_OK(pool_submit(pool, fail, NULL, 0, &failed));
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    occupy(pool, 0, 1, &last);
    release(0);
    CHECK_OK(future_wait(last, POOL_FOREVER));
    pool_free(pool);

    CHECK_EQUAL(pool_count_live(), 0);
    for (size_t i = 0; i < COUNT_OF(lens); i++) {
        CHECK_OK(future_wait(futures[i], POOL_FOREVER));
        CHECK_OK(future_result(futures[i], &data, &len));
        CHECK_EQUAL(len, lens[i]);
        CHECK(is_filled(data, len));
        CHECK_EQUAL(future_id(futures[i]), i + 1);
        CHECK(future_pool(futures[i]) == NULL);
        CHECK_IS(future_cancel(futures[i], POOL_CANCEL_QUEUED), POOL_ERR_STATE);
    }
    CHECK_IS(future_result(failed, &data, &len), POOL_ERR_TASK);
    CHECK_OK(future_error(failed, &error));
    CHECK_EQUAL(error.task_code, 9);
    CHECK(strcmp(error.message, "it was in vain") == 0);

    /* A new pool does not disturb them. */
    pool = new_pool(&options, 1);
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK(future_pool(failed) == NULL);
    pool_free(pool);
    for (size_t i = 0; i < COUNT_OF(lens); i++) future_free(futures[i]);
    future_free(failed);
    CHECK_IS(future_wait(failed, 0), POOL_ERR_INVALID);
    future_free(last);
    return leaves_nothing_behind();
}
