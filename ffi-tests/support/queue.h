/* A full queue, submits with a timeout, and threads that block in a submit. */
#ifndef QUEUE_H
#define QUEUE_H

#include "rendezvous.h"
#include <pthread.h>

/* Arguments of the task: a uint32_t. timeout_ms as in pool_call_t.submit_timeout_ms. */
static inline pool_status_t submit_within(pool_t *pool, pool_task_fn function, uint32_t argument,
                                          int64_t timeout_ms, future_t **future) {
    pool_call_t call = POOL_CALL_INIT;
    call.task.pointer = function;
    call.task.args = &argument;
    call.task.len = sizeof argument;
    call.submit_timeout_ms = timeout_ms;
    return pool_submit_call(pool, &call, future);
}

/* A pool with one worker, which waits at the gate, and a full queue of `bound` tasks. */
static inline pool_t *new_full_pool(const pool_options_t *base, uint32_t gate, uint64_t bound,
                                    uint32_t index, future_t **futures) {
    pool_options_t options = *base;
    options.max_pending = bound;
    pool_t *pool = new_pool(&options, 1);
    occupy(pool, gate, 1, &futures[0]);
    for (uint64_t i = 1; i <= bound; i++)
        CHECK_OK(submit_within(pool, count_in_word, index, POOL_NOW, &futures[i]));
    return pool;
}

/* A thread that submits one more task, and its result. */
typedef struct submitter_t {
    pool_t *pool;
    uint32_t index;
    future_t *future;
    pool_status_t status;
    pthread_t thread;
} submitter_t;

static inline void *submit_one_more(void *argument) {
    submitter_t *submitter = (submitter_t *)argument;
    submitter->status = pool_submit(submitter->pool, count_in_word, &submitter->index,
                                    sizeof submitter->index, &submitter->future);
    return NULL;
}

static inline void start_submitter(submitter_t *submitter, pool_t *pool, uint32_t index) {
    submitter->pool = pool;
    submitter->index = index;
    submitter->future = NULL;
    CHECK(pthread_create(&submitter->thread, NULL, submit_one_more, submitter) == 0);
}

/* Waits until so many submits are blocked. */
static inline void await_waiting_submits(pool_t *pool, unsigned n) {
    char wanted[64], json[1 << 16];
    snprintf(wanted, sizeof wanted, "\"waiting_submits\":%u,", n);
    for (;;) {
        CHECK_OK(pool_info_json(pool, json, sizeof json, NULL));
        if (strstr(json, wanted)) return;
        pause_briefly();
    }
}

static inline pool_status_t join_submitter(submitter_t *submitter) {
    CHECK(pthread_join(submitter->thread, NULL) == 0);
    return submitter->status;
}

#endif
