/* The code and message of a failed task are kept with its future, word for word, up to 215 bytes. */
#include "rendezvous.h"

struct failure {
    int32_t code;
    int32_t has_message;
    char message[400];
};

static int32_t fail(pool_task_t *task) {
    const struct failure *how = (const struct failure *)pool_task_args(task, NULL);
    return pool_task_fail(task, how->code, how->has_message ? how->message : NULL);
}

static int32_t fail_without_a_word(pool_task_t *task) {
    (void)task;
    return -5;
}

static pool_error_t error_of(pool_t *pool, pool_task_fn function, const struct failure *how) {
    pool_error_t error, again;
    future_t *future;
    const void *data = &error;
    size_t len = 1;
    CHECK_OK(pool_submit(pool, function, how, how ? sizeof *how : 0, &future));
    CHECK_IS(future_collect(future, POOL_FOREVER, &data, &len), POOL_ERR_TASK);
    CHECK(data == NULL && len == 0);
    CHECK_EQUAL(future_state(future), FUTURE_FAILED);
    CHECK_OK(future_error(future, &error));
    CHECK_OK(future_error(future, &again));
    CHECK_IS(again.status, error.status);
    CHECK_EQUAL(again.task_code, error.task_code);
    CHECK(strcmp(again.message, error.message) == 0);
    CHECK_IS(error.status, POOL_ERR_TASK);
    CHECK_EQUAL(error.os_errno, 0);
    CHECK_EQUAL(error.signal, 0);
    CHECK_EQUAL(error.worker_pid, 0);
    future_free(future);
    return error;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    int64_t worker = pid_of_any_worker(pool);

    struct failure how = {7, 1, "no such luck"};
    pool_error_t error = error_of(pool, fail, &how);
    CHECK_EQUAL(error.task_code, 7);
    CHECK(strcmp(error.message, "no such luck") == 0);

    how = (struct failure){INT32_MIN, 1, ""};
    memset(how.message, 'x', 399);
    error = error_of(pool, fail, &how);
    CHECK_EQUAL(error.task_code, INT32_MIN);
    CHECK_EQUAL(strlen(error.message), 215);
    CHECK_EQUAL(strspn(error.message, "x"), 215);

    /* A letter of two bytes is not cut in half. */
    for (int i = 0; i < 198; i++) memcpy(how.message + 2 * i, "\xc3\xa9", 3);
    error = error_of(pool, fail, &how);
    CHECK_EQUAL(strlen(error.message), 214);

    how = (struct failure){3, 0, ""};
    CHECK_EQUAL(error_of(pool, fail, &how).task_code, 3);
    CHECK_EQUAL(error_of(pool, fail_without_a_word, NULL).task_code, -5);

    /* A message without a code is no failure. */
    how = (struct failure){0, 1, "never mind"};
    CHECK_OK(pool_run(pool, fail, &how, sizeof how, POOL_FOREVER, NULL, 0, NULL));

    /* The worker has not noticed. */
    CHECK_EQUAL(pid_of_any_worker(pool), worker);
    pool_free(pool);
    return leaves_nothing_behind();
}
