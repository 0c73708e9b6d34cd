/* What every program here does with an event loop of others: some hundred tasks, half of which bring a second
 * one, and a callback for each, all in the loop's thread; then nothing is left.
 *
 *     drive_begin(argc, argv);
 *     ... watch pool_fd(drive.pool), call drive_turn() whenever it is readable, until it returns 0 ...
 *     return drive_end();
 */
#ifndef LOOP_H
#define LOOP_H

#include "check.h"
#include <pthread.h>

enum { DRIVE_FIRST = 300, DRIVE_ALL = DRIVE_FIRST + DRIVE_FIRST / 2 };

static struct {
    pool_t *pool;
    pthread_t home;
    uint32_t called, dropped;
    uint64_t sum, expected;
} drive;

int32_t drive_square(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    n *= n;
    return pool_task_return(task, &n, sizeof n);
}

static inline void drive_submit(uint64_t n);

static inline void drive_called(future_t *future, void *user) {
    uint64_t square, n = (uintptr_t)user;
    const void *data;
    CHECK(pthread_equal(pthread_self(), drive.home));
    CHECK_OK(future_result(future, &data, NULL));
    memcpy(&square, data, sizeof square);
    CHECK_EQUAL(square, n * n);
    drive.sum += square;
    drive.called++;
    if (n < DRIVE_FIRST && n % 2) drive_submit(n + DRIVE_FIRST);
}

static inline void drive_dropped(void *user) {
    (void)user;
    CHECK(pthread_equal(pthread_self(), drive.home));
    drive.dropped++;
}

/* The callback comes with the submit, or is added to the future. */
static inline void drive_submit(uint64_t n) {
    future_t *future;
    drive.expected += n * n;
    if (n % 3) {
        pool_call_t call = POOL_CALL_INIT;
        call.task.pointer = drive_square;
        call.task.args = &n;
        call.task.len = sizeof n;
        call.on_done = drive_called;
        call.user = (void *)(uintptr_t)n;
        call.drop = drive_dropped;
        CHECK_OK(pool_submit_call(drive.pool, &call, NULL));
    } else {
        CHECK_OK(pool_submit(drive.pool, drive_square, &n, sizeof n, &future));
        CHECK_OK(future_on_done(future, drive_called, (void *)(uintptr_t)n, drive_dropped, NULL));
        future_free(future);
    }
}

static inline void drive_begin(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    options.driver = POOL_DRIVER_EXTERNAL;
    drive.home = pthread_self();
    drive.pool = new_pool(&options, 2);
    CHECK(pool_fd(drive.pool) >= 0);
    for (uint64_t n = 0; n < DRIVE_FIRST; n++) drive_submit(n);
    CHECK_EQUAL(drive.called, 0);
}

/* A loop that was woken has something to do. 0: all is done. */
static inline int drive_turn(void) {
    uint32_t n, before = drive.called;
    CHECK_OK(pool_process_events(drive.pool, &n));
    CHECK(n > 0);
    CHECK_EQUAL(drive.called - before, n);
    return drive.called < DRIVE_ALL;
}

static inline int drive_end(void) {
    CHECK_EQUAL(pool_next_timeout_ms(drive.pool), POOL_FOREVER);
    CHECK_OK(pool_shutdown(drive.pool, POOL_STOP_DRAIN, POOL_FOREVER));
    pool_free(drive.pool);
    CHECK_EQUAL(drive.called, DRIVE_ALL);
    CHECK_EQUAL(drive.dropped, DRIVE_ALL);
    CHECK_EQUAL(drive.sum, drive.expected);
    return leaves_nothing_behind();
}

#endif
