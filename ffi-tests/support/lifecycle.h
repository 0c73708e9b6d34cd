/* An initializer and a finalizer that count their runs, and a task that counts the tasks of its worker. */
#ifndef LIFECYCLE_H
#define LIFECYCLE_H

#include "rendezvous.h"

enum { INITIALIZED = WORD_FIRST, FINALIZED = WORD_FIRST + 1, LIFECYCLE_FIRST = WORD_FIRST + 2 };

/* Arguments: the text "begin". Allocates the worker's state, a count of its tasks. */
static inline int32_t count_initializer(pool_task_t *task) {
    size_t length;
    const char *text = (const char *)pool_task_args(task, &length);
    CHECK(length == 5 && memcmp(text, "begin", 5) == 0);
    CHECK_EQUAL(pool_task_id(task), 0);
    CHECK(*pool_task_state(task) == NULL);
    *pool_task_state(task) = calloc(1, sizeof(uint64_t));
    word_add(INITIALIZED, 1);
    return 0;
}

static inline int32_t count_finalizer(pool_task_t *task) {
    size_t length;
    const char *text = (const char *)pool_task_args(task, &length);
    CHECK(length == 3 && memcmp(text, "end", 3) == 0);
    CHECK(*pool_task_state(task) != NULL);
    free(*pool_task_state(task));
    word_add(FINALIZED, 1);
    return 0;
}

/* Result: how many of these tasks this worker has run before. */
static inline int32_t count_task(pool_task_t *task) {
    uint64_t *count = (uint64_t *)*pool_task_state(task);
    CHECK(count != NULL);
    uint64_t before = (*count)++;
    return pool_task_return(task, &before, sizeof before);
}

static inline void count_lifecycle(pool_options_t *options) {
    pool_function_t begin = {count_initializer, NULL, NULL, "begin", 5};
    pool_function_t end = {count_finalizer, NULL, NULL, "end", 3};
    options->initializer = begin;
    options->finalizer = end;
}

static inline uint64_t tasks_run_before(pool_t *pool) {
    uint64_t count;
    CHECK_OK(pool_run(pool, count_task, NULL, 0, POOL_FOREVER, &count, sizeof count, NULL));
    return count;
}

static inline void await_workers(pool_t *pool, uint32_t n) {
    while (pool_count_workers(pool) != n) pause_briefly();
}

#endif
