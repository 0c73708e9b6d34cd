/* A promise is pending until it is resolved, rejected or cancelled, once; it belongs to no pool, and
 * otherwise it is a future like any other. */
#include "callbacks.h"

static pool_error_t error_of(future_t *future) {
    pool_error_t error;
    CHECK_OK(future_error(future, &error));
    return error;
}

static future_t *new_promise(void) {
    future_t *promise = NULL;
    pool_error_t error;
    CHECK_OK(future_new_promise(&promise));
    CHECK(promise != NULL);
    CHECK_EQUAL(future_state(promise), FUTURE_PENDING);
    CHECK(!future_is_done(promise) && !future_cancel_requested(promise));
    CHECK(future_pool(promise) == NULL);
    CHECK_IS(future_wait(promise, 0), POOL_ERR_TIMEOUT);
    CHECK_IS(future_wait(promise, 2), POOL_ERR_TIMEOUT);
    CHECK_IS(future_result(promise, &(const void *){NULL}, NULL), POOL_ERR_NOT_DONE);
    CHECK_IS(future_error(promise, &error), POOL_ERR_NOT_DONE);
    return promise;
}

/* Once it is done in whatever way. */
static void check_settled(future_t *promise, future_state_t state) {
    CHECK_IS(future_resolve(promise, "again", 5), POOL_ERR_STATE);
    CHECK_IS(future_reject(promise, 1, "again"), POOL_ERR_STATE);
    CHECK_EQUAL(future_state(promise), state);
    CHECK(future_is_done(promise));
    CHECK_OK(future_wait(promise, 0));
    CHECK_OK(future_wait(promise, POOL_FOREVER));
    CHECK(future_pool(promise) == NULL);
    uint64_t queued, running, done, total;
    CHECK_OK(future_duration(promise, &queued, &running));
    CHECK_OK(future_progress(promise, &done, &total));
    CHECK_EQUAL(done + total, 0);
    future_free(promise);
    CHECK_IS(future_resolve(promise, NULL, 0), POOL_ERR_INVALID);
    CHECK_IS(future_reject(promise, 1, NULL), POOL_ERR_INVALID);
}

static void resolved(const void *bytes, size_t size) {
    future_t *promise = new_promise();
    const void *data;
    size_t len;
    CHECK_OK(future_resolve(promise, bytes, size));
    CHECK_OK(future_collect(promise, 0, &data, &len));
    CHECK_EQUAL(len, size);
    CHECK(data != NULL && (size == 0 || memcmp(data, bytes, size) == 0));
    CHECK_IS(error_of(promise).status, POOL_OK);
    CHECK_IS(future_cancel(promise, POOL_CANCEL_QUEUED), POOL_ERR_STATE);
    check_settled(promise, FUTURE_COMPLETED);
}

static void rejected(int32_t code, const char *message, const char *expected) {
    future_t *promise = new_promise();
    const void *data = &data;
    CHECK_OK(future_reject(promise, code, message));
    CHECK_IS(future_collect(promise, POOL_FOREVER, &data, NULL), POOL_ERR_TASK);
    CHECK(data == NULL);
    pool_error_t error = error_of(promise);
    CHECK_IS(error.status, POOL_ERR_TASK);
    CHECK_EQUAL(error.task_code, code);
    CHECK(strcmp(error.message, expected) == 0);
    CHECK_EQUAL(error.signal + error.exit_code + error.os_errno + error.worker_pid, 0);
    check_settled(promise, FUTURE_FAILED);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    char text[400] = {0};

    resolved("kept", 4);
    resolved(NULL, 0);
    resolved("", 0);
    resolved(text, sizeof text);
    rejected(7, "not today", "not today");
    rejected(-1, NULL, pool_status_string(POOL_ERR_TASK));
    rejected(1, "", pool_status_string(POOL_ERR_TASK));
    rejected(0, "no code", "no code");
    memset(text, 'x', 300);
    char cut[216] = {0};
    memset(cut, 'x', 215);
    rejected(INT32_MAX, text, cut);

    future_t *promise = new_promise();
    CHECK_OK(future_cancel(promise, POOL_CANCEL_QUEUED));
    CHECK(future_cancel_requested(promise));
    CHECK_IS(error_of(promise).status, POOL_ERR_CANCELLED);
    CHECK_OK(future_cancel(promise, POOL_CANCEL_QUEUED));
    check_settled(promise, FUTURE_CANCELLED);

    /* What makes no sense changes nothing. */
    promise = new_promise();
    CHECK_IS(future_resolve(promise, NULL, 5), POOL_ERR_INVALID);
    CHECK_EQUAL(future_state(promise), FUTURE_PENDING);
    CHECK_IS(future_resolve(NULL, "x", 1), POOL_ERR_INVALID);
    CHECK_IS(future_reject(NULL, 1, "x"), POOL_ERR_INVALID);
    CHECK_IS(future_new_promise(NULL), POOL_ERR_INVALID);
    count_when_done(promise, 0);
    future_free(promise); /* nobody can keep it any more */
    await_drop(0);
    check_counts(0, 1, 1);

    /* A task's future is not the caller's to end, neither while it runs nor afterwards. */
    pool_t *pool = new_pool(&options, 1);
    future_t *future;
    uint32_t gate = 0;
    if (options.kind == POOL_INLINE) release(gate);
    CHECK_OK(pool_submit(pool, wait_at_gate, &gate, sizeof gate, &future));
    CHECK_IS(future_resolve(future, "x", 1), POOL_ERR_STATE);
    CHECK_IS(future_reject(future, 1, "x"), POOL_ERR_STATE);
    release(gate);
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_IS(future_resolve(future, "x", 1), POOL_ERR_STATE);
    CHECK_EQUAL(future_state(future), FUTURE_COMPLETED);
    future_free(future);
    pool_free(pool);
    return leaves_nothing_behind();
}
