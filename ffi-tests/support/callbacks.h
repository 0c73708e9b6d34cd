/* Callbacks that count their calls and their drops: callback number n has a shared word for each. */
#ifndef CALLBACKS_H
#define CALLBACKS_H

#include "rendezvous.h"

enum {
    COUNTERS = 100000,                       /* callback numbers are below this */
    WORD_OTHER = WORD_FIRST + 2 * COUNTERS, /* the first word for a program's own use */
};

static inline size_t calls_of(size_t n) {
    return WORD_FIRST + 2 * n;
}

static inline size_t drops_of(size_t n) {
    return WORD_FIRST + 2 * n + 1;
}

static inline void *user_of(size_t n) {
    return (void *)(uintptr_t)n;
}

static inline void count_call(future_t *future, void *user) {
    CHECK(future_is_done(future));
    word_add(calls_of((uintptr_t)user), 1);
}

static inline void count_drop(void *user) {
    word_add(drops_of((uintptr_t)user), 1);
}

/* Adds callback number n to the future. Returns the library's id for it. */
static inline uint64_t count_when_done(future_t *future, size_t n) {
    uint64_t id = 0;
    CHECK_OK(future_on_done(future, count_call, user_of(n), count_drop, &id));
    return id;
}

static inline void check_counts(size_t n, uint32_t calls, uint32_t drops) {
    CHECK_EQUAL(word_get(calls_of(n)), calls);
    CHECK_EQUAL(word_get(drops_of(n)), drops);
}

/* Waits until the callback's user pointer was dropped, which is the last event of a callback. */
static inline void await_drop(size_t n) {
    word_wait(drops_of(n), 1);
}

#endif
