/* A failed task leaves bytes of any size beside its message, such as an exception of another language. */
#include "rendezvous.h"

enum { MIB = 1 << 20 };

static unsigned char byte_at(size_t i) {
    return (unsigned char)(i * 7 + i / 251);
}

/* Arguments: how many bytes to leave. Every other size comes with a result, which is dropped. */
static int32_t fail_with_bytes(pool_task_t *task) {
    uint64_t len;
    memcpy(&len, pool_task_args(task, NULL), sizeof len);
    unsigned char *data = malloc(len + 1);
    CHECK(data != NULL);
    for (size_t i = 0; i < len; i++) data[i] = byte_at(i);
    if (len % 2) CHECK_EQUAL(pool_task_return(task, data, len / 2), 0);
    int32_t code = pool_task_fail_bytes(task, 7, len % 3 ? "with bytes" : NULL, data, len);
    free(data);
    return code;
}

static void leaves(pool_t *pool, uint64_t n) {
    future_t *future;
    pool_error_t error;
    const void *data;
    size_t len = 99;
    CHECK_OK(pool_submit(pool, fail_with_bytes, &n, sizeof n, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    for (int twice = 0; twice < 2; twice++) {
        CHECK_OK(future_failure(future, &data, &len));
        CHECK_EQUAL(len, n);
        CHECK(data != NULL);
        for (size_t i = 0; i < len; i++) CHECK(((const unsigned char *)data)[i] == byte_at(i));
    }
    CHECK_IS(future_result(future, &data, &len), POOL_ERR_TASK);
    CHECK_OK(future_error(future, &error));
    CHECK_IS(error.status, POOL_ERR_TASK);
    CHECK_EQUAL(error.task_code, 7);
    CHECK(strcmp(error.message, n % 3 ? "with bytes" : pool_status_string(POOL_ERR_TASK)) == 0);
    future_free(future);
}

/* What a task has left is not seen if it then succeeds, nor by the next task of its worker. */
static int32_t succeed_after_all(pool_task_t *task) {
    pool_task_fail_bytes(task, 7, "not seen", "not seen", 8);
    return pool_task_return(task, "seen", 4);
}

static int32_t fail_without(pool_task_t *task) {
    (void)task;
    return 3;
}

static int32_t fail_with_words_only(pool_task_t *task) {
    pool_task_fail_bytes(task, 4, "other words", "bytes", 5);
    return pool_task_fail(task, 4, "words");
}

static future_t *run(pool_t *pool, pool_task_fn function) {
    future_t *future;
    CHECK_OK(pool_submit(pool, function, NULL, 0, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    return future;
}

static void only_a_failure_leaves_them(pool_t *pool) {
    const void *data;
    size_t len;
    pool_error_t error;
    future_t *future = run(pool, succeed_after_all);
    CHECK_IS(future_failure(future, &data, &len), POOL_ERR_STATE);
    CHECK(data == NULL && len == 0);
    CHECK_OK(future_result(future, &data, &len));
    CHECK(len == 4 && memcmp(data, "seen", 4) == 0);
    future_free(future);
    future = run(pool, fail_without);
    CHECK_OK(future_failure(future, &data, &len));
    CHECK(data != NULL && len == 0);
    future_free(future);
    future = run(pool, fail_with_words_only);
    CHECK_OK(future_failure(future, &data, &len));
    CHECK_EQUAL(len, 0);
    CHECK_OK(future_error(future, &error));
    CHECK(strcmp(error.message, "words") == 0);
    CHECK_IS(future_failure(future, NULL, &len), POOL_ERR_INVALID);
    future_free(future);
    CHECK_IS(future_failure(future, &data, &len), POOL_ERR_INVALID);
}

static void a_cancelled_task_leaves_none(pool_t *pool) {
    future_t *running, *waiting;
    const void *data;
    size_t len;
    reset_gate(0);
    occupy(pool, 0, 1, &running);
    CHECK_OK(pool_submit(pool, fail_without, NULL, 0, &waiting));
    CHECK_IS(future_failure(waiting, &data, &len), POOL_ERR_NOT_DONE);
    CHECK_IS(future_failure(running, &data, &len), POOL_ERR_NOT_DONE);
    CHECK_OK(future_cancel(waiting, POOL_CANCEL_QUEUED));
    CHECK_OK(future_failure(waiting, &data, &len));
    CHECK_EQUAL(len, 0);
    release(0);
    CHECK_OK(future_wait(running, POOL_FOREVER));
    future_free(waiting);
    future_free(running);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    static const uint64_t sizes[] = {0, 1, 8, 15, 16, 63, 64, 70, 71, 80, 100, 4096, MIB, 40 * MIB};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) leaves(pool, sizes[i]);
    for (uint64_t n = 0; n < 300; n++) leaves(pool, n);
    only_a_failure_leaves_them(pool);
    if (options.kind != POOL_INLINE) a_cancelled_task_leaves_none(pool);
    pool_free(pool);
    return leaves_nothing_behind();
}
