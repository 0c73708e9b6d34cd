/* Arguments can have any length, and reach the task aligned and unchanged. */
#include "sizes.h"

static int32_t check_arguments(pool_task_t *task) {
    size_t len;
    const void *args = pool_task_args(task, &len);
    if (!args) return pool_task_fail(task, 1, "no bytes");
    if (!is_aligned(args, len)) return pool_task_fail(task, 2, "not aligned");
    if (!is_filled(args, len)) return pool_task_fail(task, 3, "other bytes");
    uint64_t seen = len;
    return pool_task_return(task, &seen, sizeof seen);
}

static void finish(future_t *future, size_t len) {
    pool_error_t error;
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_OK(future_error(future, &error));
    if (error.status != POOL_OK) fprintf(stderr, "%zu bytes: %s\n", len, error.message);
    CHECK_EQUAL(collect_number(future), len);
    future_free(future);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    for (size_t i = 0; i < COUNT_OF(SIZES); i++) {
        size_t len = SIZES[i];
        future_t *copied, *in_place;
        void *bytes = malloc(len + 1);
        CHECK(bytes != NULL);
        fill(bytes, len);
        CHECK_OK(pool_submit(pool, check_arguments, bytes, len, &copied));
        memset(bytes, 0x55, len);
        free(bytes);
        finish(copied, len);

        pool_call_t call = POOL_CALL_INIT;
        call.task.pointer = check_arguments;
        CHECK_OK(pool_buffer_new(pool, len, &call.buffer, &bytes));
        CHECK(bytes != NULL);
        CHECK(is_aligned(bytes, SIZE_MAX));
        fill(bytes, len);
        CHECK_OK(pool_submit_call(pool, &call, &in_place));
        finish(in_place, len);
    }
    pool_free(pool);
    return leaves_nothing_behind();
}
