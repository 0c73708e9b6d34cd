/* Tasks that run until they are cancelled or killed, and an on_timeout callback that records its calls. */
#ifndef TIME_LIMITS_H
#define TIME_LIMITS_H

#include "rendezvous.h"
#include <signal.h>

/* The on_timeout calls for one task. Kept in the program's memory, not in shared memory. */
struct timeouts {
    _Atomic uint32_t soft, hard, drops;
    _Atomic int64_t soft_ms, hard_ms;
};

static inline void note_timeout(future_t *future, bool soft, int64_t limit_ms, void *user) {
    struct timeouts *timeouts = (struct timeouts *)user;
    (void)future;
    atomic_store(soft ? &timeouts->soft_ms : &timeouts->hard_ms, limit_ms);
    atomic_fetch_add(soft ? &timeouts->soft : &timeouts->hard, 1);
}

static inline void note_drop(void *user) {
    atomic_fetch_add(&((struct timeouts *)user)->drops, 1);
}

/* A call of this function whose timeouts are recorded. */
static inline pool_call_t call_recording_timeouts(pool_task_fn function, struct timeouts *timeouts) {
    pool_call_t call = POOL_CALL_INIT;
    call.task.pointer = function;
    call.on_timeout = note_timeout;
    call.user = timeouts;
    call.drop = note_drop;
    return call;
}

static inline future_t *submit_call(pool_t *pool, const pool_call_t *call) {
    future_t *future = NULL;
    CHECK_OK(pool_submit_call(pool, call, &future));
    CHECK(future != NULL);
    return future;
}

static inline void await_count(_Atomic uint32_t *count, uint32_t at_least) {
    while (atomic_load(count) < at_least) pause_briefly();
}

/* The outcome of a task, by every function of futures that reports it. */
static inline pool_error_t check_ended(future_t *future, future_state_t state,
                                       pool_status_t status) {
    pool_error_t error;
    const void *data;
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_EQUAL(future_state(future), state);
    CHECK_IS(future_result(future, &data, NULL), status);
    CHECK_OK(future_error(future, &error));
    CHECK_IS(error.status, status);
    return error;
}

/* Runs until its soft limit has expired. Result: 7. */
static inline int32_t run_until_soft_limit(pool_task_t *task) {
    uint64_t seven = 7;
    CHECK(!pool_task_soft_expired(task));
    while (!pool_task_soft_expired(task)) pause_briefly();
    CHECK(pool_task_cancelled(task));
    return pool_task_return(task, &seven, sizeof seven);
}

/* Runs for ever, with all signals blocked. Arguments: the shared word that counts the tasks that started. */
static inline int32_t run_for_ever(pool_task_t *task) {
    uint32_t started;
    memcpy(&started, pool_task_args(task, NULL), sizeof started);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    word_set(WORKER_PIDS + pool_task_worker(task), (uint32_t)getpid());
    word_add(started, 1);
    for (;;) pause_briefly();
    return 0;
}

#endif
