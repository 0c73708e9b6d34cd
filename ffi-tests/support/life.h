/* Initializers and finalizers that count how often they run, and say where. */
#ifndef LIFE_H
#define LIFE_H

#include "meet.h"

enum { BEGUN = WORD_FIRST, ENDED = WORD_FIRST + 1, LIFE_FIRST = WORD_FIRST + 2 };

/* Arguments: a text. Keeps a count of tasks as the worker's state. */
static inline int32_t count_beginning(pool_task_t *task) {
    size_t length;
    const char *text = (const char *)pool_task_args(task, &length);
    CHECK(length == 5 && memcmp(text, "begin", 5) == 0);
    CHECK_EQUAL(pool_task_id(task), 0);
    CHECK(*pool_task_state(task) == NULL);
    *pool_task_state(task) = calloc(1, sizeof(uint64_t));
    word_add(BEGUN, 1);
    return 0;
}

static inline int32_t count_end(pool_task_t *task) {
    size_t length;
    const char *text = (const char *)pool_task_args(task, &length);
    CHECK(length == 3 && memcmp(text, "end", 3) == 0);
    CHECK(*pool_task_state(task) != NULL);
    free(*pool_task_state(task));
    word_add(ENDED, 1);
    return 0;
}

/* Result: how many tasks this worker has run before. */
static inline int32_t count_in_life(pool_task_t *task) {
    uint64_t *count = (uint64_t *)*pool_task_state(task);
    CHECK(count != NULL);
    uint64_t before = (*count)++;
    return pool_task_return(task, &before, sizeof before);
}

static inline void count_lives(pool_options_t *options) {
    pool_function_t begin = {count_beginning, NULL, NULL, "begin", 5};
    pool_function_t end = {count_end, NULL, NULL, "end", 3};
    options->initializer = begin;
    options->finalizer = end;
}

static inline uint64_t tasks_before_in_this_life(pool_t *pool) {
    uint64_t count;
    CHECK_OK(pool_run(pool, count_in_life, NULL, 0, POOL_FOREVER, &count, sizeof count, NULL));
    return count;
}

static inline void await_workers(pool_t *pool, uint32_t n) {
    while (pool_count_workers(pool) != n) look_again_soon();
}

#endif
