/* A caller that polls results and errors gets POOL_ERR_NOT_DONE until the task is done, and then what
 * the task has left; no answer mixes a moment before its end with one after. Nothing is printed. */
#include "check.h"
#include <sys/mman.h>

enum { ROUNDS = 1000, TOGETHER = 4 };

/* Returns the square of an even number, and refuses an odd one. */
static int32_t square_if_even(pool_task_t *task) {
    uint64_t number;
    memcpy(&number, pool_task_args(task, NULL), sizeof number);
    if (number % 2) return pool_task_fail(task, (int32_t)number, "odd");
    number *= number;
    return pool_task_return(task, &number, sizeof number);
}

static future_t *submit(pool_t *pool, uint64_t number) {
    future_t *future;
    CHECK_OK(pool_submit(pool, square_if_even, &number, sizeof number, &future));
    return future;
}

static void check_bytes(const void *data, size_t len, uint64_t number) {
    uint64_t square;
    CHECK_EQUAL(len, sizeof square);
    CHECK(data != NULL);
    memcpy(&square, data, sizeof square);
    CHECK_EQUAL(square, number * number);
}

static void check_result(pool_status_t status, const void *data, size_t len, uint64_t number) {
    CHECK_IS(status, number % 2 ? POOL_ERR_TASK : POOL_OK);
    if (number % 2) CHECK(data == NULL && len == 0);
    else check_bytes(data, len, number);
}

static void poll_result(future_t *future, uint64_t number) {
    const void *data;
    size_t len;
    pool_status_t status;
    do {
        status = future_result(future, &data, &len);
        if (status == POOL_ERR_NOT_DONE) CHECK(data == NULL && len == 0);
    } while (status == POOL_ERR_NOT_DONE);
    check_result(status, data, len, number);
}

static void poll_collect(future_t *future, uint64_t number) {
    const void *data;
    size_t len;
    pool_status_t status;
    while ((status = future_collect(future, 0, &data, &len)) == POOL_ERR_TIMEOUT) {
    }
    check_result(status, data, len, number);
}

static void poll_error(future_t *future, uint64_t number) {
    pool_error_t error;
    pool_status_t status;
    while ((status = future_error(future, &error)) == POOL_ERR_NOT_DONE) {
    }
    CHECK_OK(status);
    CHECK_IS(error.status, number % 2 ? POOL_ERR_TASK : POOL_OK);
    CHECK_EQUAL(error.task_code, number % 2 ? (int32_t)number : 0);
    if (number % 2) CHECK(strcmp(error.message, "odd") == 0);
}

/* Its time and its progress are told of a task that is done, or not at all. */
static void poll_duration(future_t *future, uint64_t number) {
    const uint64_t minute = 60000000000u;
    uint64_t queued, running, done, total;
    do {
        CHECK_OK(future_duration(future, &queued, &running));
        CHECK(queued < minute && running < minute);
        CHECK_OK(future_progress(future, &done, &total));
        CHECK(done == 0 && total == 0);
    } while (!future_is_done(future));
    poll_result(future, number);
}

/* The status of all is that of the first, in order, that has not completed; as long as one is not
 * done it is a timeout, and that one has no result. */
static void poll_many(pool_t *pool, uint64_t first) {
    future_t *futures[TOGETHER];
    const void *data[TOGETHER];
    size_t lens[TOGETHER];
    pool_status_t status;
    for (uint64_t i = 0; i < TOGETHER; i++) futures[i] = submit(pool, first + 2 * i);
    do {
        int missing = 0;
        status = future_collect_many(futures, TOGETHER, 0, data, lens);
        for (uint64_t i = 0; i < TOGETHER; i++) {
            if (data[i] == NULL) missing++;
            else check_bytes(data[i], lens[i], first + 2 * i);
        }
        if (status == POOL_ERR_TIMEOUT) CHECK(missing > 0);
        else CHECK_EQUAL(missing, first % 2 ? TOGETHER : 0);
    } while (status == POOL_ERR_TIMEOUT);
    CHECK_IS(status, first % 2 ? POOL_ERR_TASK : POOL_OK);
    for (int i = 0; i < TOGETHER; i++) future_free(futures[i]);
}

/* What is cancelled when it ends is cancelled or has ended; a request that came too late is told so. */
static void cancel_at_the_end(future_t *future, uint64_t number) {
    pool_status_t status = future_cancel(future, POOL_CANCEL_QUEUED);
    if (status != POOL_OK) {
        CHECK_IS(status, POOL_ERR_STATE);
        poll_result(future, number);
        return;
    }
    CHECK_EQUAL(future_state(future), FUTURE_CANCELLED);
    CHECK_IS(future_result(future, &(const void *){NULL}, NULL), POOL_ERR_CANCELLED);
    CHECK_OK(future_cancel(future, POOL_CANCEL_QUEUED));
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    int printed = memfd_create("stderr", MFD_CLOEXEC), own_stderr = dup(2);
    CHECK(printed >= 0 && own_stderr >= 0);
    pool_t *pool = new_pool(&options, 2);
    void (*const polls[])(future_t *, uint64_t) = {poll_result, poll_collect, poll_error,
                                                   poll_duration, cancel_at_the_end};
    CHECK(dup2(printed, 2) == 2);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < COUNT_OF(polls); i++) {
            future_t *future = submit(pool, round);
            polls[i](future, round);
            future_free(future);
        }
        if (round % TOGETHER == 0) poll_many(pool, round / TOGETHER);
    }
    pool_free(pool);
    CHECK(dup2(own_stderr, 2) == 2);
    CHECK_EQUAL(lseek(printed, 0, SEEK_END), 0);
    close(own_stderr);
    close(printed);
    return leaves_nothing_behind();
}
