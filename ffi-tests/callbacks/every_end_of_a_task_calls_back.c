/* A callback comes however its task ends: completed, failed, not to be found, cancelled by hand, or
 * cancelled with the pool; and it sees that end. */
#include "callbacks.h"

struct end {
    pool_status_t status;
    int32_t task_code;
    char message[216];
};

static struct end ends[16];

static void note_end(future_t *future, void *user) {
    struct end *end = &ends[(uintptr_t)user];
    pool_error_t error;
    CHECK_OK(future_error(future, &error));
    end->status = error.status;
    end->task_code = error.task_code;
    memcpy(end->message, error.message, sizeof end->message);
    CHECK_IS(future_result(future, &(const void *){NULL}, NULL), error.status);
    count_call(future, user);
}

static void note_when_done(future_t *future, size_t n) {
    CHECK_OK(future_on_done(future, note_end, user_of(n), count_drop, NULL));
}

static int32_t fail(pool_task_t *task) {
    return pool_task_fail(task, -42, "out of luck");
}

static int32_t fail_without_words(pool_task_t *task) {
    (void)task;
    return INT32_MIN;
}

static void check_end(size_t n, pool_status_t status, int32_t code) {
    check_counts(n, 1, 1);
    CHECK_IS(ends[n].status, status);
    CHECK_EQUAL(ends[n].task_code, code);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    future_t *futures[6];
    size_t n = 4;
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &futures[0]));
    CHECK_OK(pool_submit(pool, fail, NULL, 0, &futures[1]));
    CHECK_OK(pool_submit(pool, fail_without_words, NULL, 0, &futures[2]));
    CHECK_OK(pool_submit_symbol(pool, "libm.so.6", "no_such_function", NULL, 0, &futures[3]));
    for (size_t i = 0; i < 4; i++) note_when_done(futures[i], i);
    for (size_t i = 0; i < 4; i++) await_drop(i);

    if (options.kind != POOL_INLINE) {
        n = 6;
        future_t *busy;
        occupy(pool, 0, 1, &busy);
        for (size_t i = 4; i < n; i++) {
            CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &futures[i]));
            note_when_done(futures[i], i);
        }
        CHECK_OK(future_cancel(futures[4], POOL_CANCEL_QUEUED));
        await_drop(4); /* though the only worker is busy */
        CHECK_IS(pool_shutdown(pool, POOL_STOP_CANCEL, 0), POOL_ERR_TIMEOUT);
        await_drop(5);
        release(0);
        wait_and_free(&busy, 1);
        check_end(4, POOL_ERR_CANCELLED, 0);
        check_end(5, POOL_ERR_CANCELLED, 0);
    }
    pool_free(pool);
    check_end(0, POOL_OK, 0);
    check_end(1, POOL_ERR_TASK, -42);
    CHECK(strcmp(ends[1].message, "out of luck") == 0);
    check_end(2, POOL_ERR_TASK, INT32_MIN);
    check_end(3, POOL_ERR_FUNCTION, 0);
    CHECK(strstr(ends[3].message, "no_such_function") != NULL);
    for (size_t i = 0; i < n; i++) future_free(futures[i]);
    return leaves_nothing_behind();
}
