/* Tasks that end only when they are told or killed, and a callback that notes which limits passed. */
#ifndef LIMITS_H
#define LIMITS_H

#include "meet.h"
#include <signal.h>

/* What on_timeout has been told about one task. It lives in the program, not in workers. */
struct told {
    _Atomic uint32_t soft, hard, drops;
    _Atomic int64_t soft_ms, hard_ms;
};

static inline void note_timeout(future_t *future, bool soft, int64_t limit_ms, void *user) {
    struct told *told = (struct told *)user;
    (void)future;
    atomic_store(soft ? &told->soft_ms : &told->hard_ms, limit_ms);
    atomic_fetch_add(soft ? &told->soft : &told->hard, 1);
}

static inline void note_drop(void *user) {
    atomic_fetch_add(&((struct told *)user)->drops, 1);
}

/* A call of a function whose limits are noted. */
static inline pool_call_t call_noting(pool_task_fn function, struct told *told) {
    pool_call_t call = POOL_CALL_INIT;
    call.task.pointer = function;
    call.on_timeout = note_timeout;
    call.user = told;
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
    while (atomic_load(count) < at_least) look_again_soon();
}

/* How a task has ended, by all that a future tells. */
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

/* Runs until its soft limit has passed, and says 7. */
static inline int32_t run_until_soft_limit(pool_task_t *task) {
    uint64_t seven = 7;
    CHECK(!pool_task_soft_expired(task));
    while (!pool_task_soft_expired(task)) look_again_soon();
    CHECK(pool_task_cancelled(task));
    return pool_task_return(task, &seven, sizeof seven);
}

/* Runs for ever, whatever signal it gets. Arguments: the word that counts those that do. */
static inline int32_t run_for_ever(pool_task_t *task) {
    uint32_t started;
    memcpy(&started, pool_task_args(task, NULL), sizeof started);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    word_set(SEATS + pool_task_worker(task), (uint32_t)getpid());
    word_add(started, 1);
    for (;;) look_again_soon();
    return 0;
}

#endif
