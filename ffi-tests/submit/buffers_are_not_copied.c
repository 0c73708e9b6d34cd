/* A buffer is submitted without a copy: its task reads the same bytes that were written. */
#include "rendezvous.h"

enum { LEN = 64 * 1024, GATE = 0 };

static int32_t tell_address_and_first_byte(pool_task_t *task) {
    size_t len;
    const uint8_t *args = (const uint8_t *)pool_task_args(task, &len);
    CHECK_EQUAL(len, LEN);
    uintptr_t *result = (uintptr_t *)pool_task_result(task, 3 * sizeof *result);
    result[0] = (uintptr_t)args;
    result[1] = args[0];
    result[2] = (uintptr_t)result;
    return 0;
}

static pool_call_t call_with_buffer(pool_t *pool, void **bytes) {
    pool_call_t call = POOL_CALL_INIT;
    call.task.pointer = tell_address_and_first_byte;
    CHECK_OK(pool_buffer_new(pool, LEN, &call.buffer, bytes));
    return call;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1), *other = new_pool(&options, 1);
    future_t *blocker, *future;
    const void *data;
    void *bytes;

    /* Nobody should write to a buffer that was handed over. This does, while the task waits, since
     * it shows in every kind of worker that there is no copy. */
    occupy(pool, GATE, 1, &blocker);
    pool_call_t call = call_with_buffer(pool, &bytes);
    *(volatile uint8_t *)bytes = 1;
    CHECK_OK(pool_submit_call(pool, &call, &future));
    *(volatile uint8_t *)bytes = 2;
    release(GATE);
    CHECK_OK(future_collect(future, POOL_FOREVER, &data, NULL));
    const uintptr_t *result = (const uintptr_t *)data;
    CHECK_EQUAL(result[1], 2);
    if (options.kind == POOL_THREAD) {
        CHECK(result[0] == (uintptr_t)bytes);
        CHECK(result[2] == (uintptr_t)data); /* Results in place are not copied either. */
    }
    future_free(future);
    future_free(blocker);

    /* A buffer can be submitted once, to its own pool only, and not after it was freed. */
    CHECK_IS(pool_submit_call(pool, &call, &future), POOL_ERR_INVALID);
    CHECK(future == NULL);
    call = call_with_buffer(other, &bytes);
    CHECK_IS(pool_submit_call(pool, &call, &future), POOL_ERR_INVALID);
    pool_buffer_free(call.buffer);
    CHECK_IS(pool_submit_call(other, &call, &future), POOL_ERR_INVALID);
    pool_buffer_free(call.buffer);
    pool_buffer_free(NULL);

    /* A submit that fails has taken the buffer over. One that is left is freed with its pool. */
    call = call_with_buffer(pool, &bytes);
    call.priority = POOL_PRIORITY_MAX + 1;
    CHECK_IS(pool_submit_call(pool, &call, &future), POOL_ERR_INVALID);
    call.priority = 0;
    CHECK_IS(pool_submit_call(pool, &call, &future), POOL_ERR_INVALID);
    call = call_with_buffer(pool, &bytes);
    pool_call_t left = call_with_buffer(pool, &bytes);
    CHECK(left.buffer != call.buffer);
    CHECK_OK(pool_close(pool));
    CHECK_IS(pool_submit_call(pool, &call, &future), POOL_ERR_CLOSED);
    CHECK_IS(pool_buffer_new(pool, LEN, &call.buffer, &bytes), POOL_ERR_CLOSED);
    CHECK(call.buffer == NULL && bytes == NULL);
    CHECK_IS(pool_buffer_new(other, SIZE_MAX / 2, &call.buffer, &bytes), POOL_ERR_TOO_LARGE);
    CHECK(call.buffer == NULL && bytes == NULL);
    pool_free(pool);
    pool_free(other);
    return leaves_nothing_behind();
}
