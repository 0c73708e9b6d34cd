/* How a test and its tasks meet without sleeping: numbered words that all of them see, in threads
 * and in worker processes alike.
 *
 * The words are a file in TEST_TMP, which workers inherit with the environment. Waiting is a futex
 * on the word, so whoever waits wakes when it changes, and no earlier. */
#ifndef MEET_H
#define MEET_H

#include "check.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum {
    WORDS = 1 << 20,
    GATES = 64,
    SEATS = 2 * GATES,       /* from here: the process of each worker that came to a gate */
    WORD_FIRST = SEATS + 64, /* the first word for a program's own use */
};

static inline _Atomic uint32_t *word(size_t index) {
    static _Atomic uint32_t *_Atomic words;
    CHECK(index < WORDS);
    if (!atomic_load(&words)) {
        char path[4096];
        snprintf(path, sizeof path, "%s/words", getenv("TEST_TMP"));
        int file = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
        CHECK(file >= 0);
        CHECK(ftruncate(file, WORDS * sizeof(uint32_t)) == 0);
        void *memory = mmap(NULL, WORDS * sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_SHARED,
                            file, 0);
        CHECK(memory != MAP_FAILED);
        close(file);
        atomic_store(&words, (_Atomic uint32_t *)memory);
    }
    return atomic_load(&words) + index;
}

static inline uint32_t word_get(size_t index) {
    return atomic_load(word(index));
}

static inline void word_set(size_t index, uint32_t value) {
    atomic_store(word(index), value);
    syscall(SYS_futex, word(index), FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

/* Returns the value before. */
static inline uint32_t word_add(size_t index, uint32_t n) {
    uint32_t before = atomic_fetch_add(word(index), n);
    syscall(SYS_futex, word(index), FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
    return before;
}

static inline void word_wait(size_t index, uint32_t at_least) {
    for (;;) {
        uint32_t value = word_get(index);
        if (value >= at_least) return;
        syscall(SYS_futex, word(index), FUTEX_WAIT, value, NULL, NULL, 0);
    }
}

/* ---- gates: tasks that say that they run, and wait to be released ---------------------------- */

static inline size_t gate_started(uint32_t gate) {
    return 2 * (size_t)gate;
}

static inline size_t gate_open(uint32_t gate) {
    return 2 * (size_t)gate + 1;
}

static inline pid_t pid_of_seat(uint32_t worker) {
    return (pid_t)word_get(SEATS + worker);
}

/* Arguments: the number of its gate. */
static inline int32_t wait_at_gate(pool_task_t *task) {
    uint32_t gate;
    memcpy(&gate, pool_task_args(task, NULL), sizeof gate);
    word_set(SEATS + pool_task_worker(task), (uint32_t)getpid());
    word_add(gate_started(gate), 1);
    word_wait(gate_open(gate), 1);
    return 0;
}

/* An inline pool would wait for ever: there is nothing to test for it. */
static inline future_t *submit_to_gate(pool_t *pool, uint32_t gate) {
    future_t *future;
    pool_options_t options = POOL_OPTIONS_INIT;
    CHECK_OK(pool_get_options(pool, &options));
    skip_inline(&options);
    CHECK_OK(pool_submit(pool, wait_at_gate, &gate, sizeof gate, &future));
    return future;
}

/* Keeps n workers busy: afterwards n tasks run and wait at the gate. */
static inline void occupy(pool_t *pool, uint32_t gate, uint32_t n, future_t **futures) {
    for (uint32_t i = 0; i < n; i++) futures[i] = submit_to_gate(pool, gate);
    word_wait(gate_started(gate), n);
}

static inline void release(uint32_t gate) {
    word_set(gate_open(gate), 1);
}

/* For a gate that nobody waits at any more: it can be used again. */
static inline void shut(uint32_t gate) {
    word_set(gate_started(gate), 0);
    word_set(gate_open(gate), 0);
}

/* ---- tasks that many programs use ------------------------------------------------------------ */

/* Adds 1 to the word whose number is the argument, a uint32_t. */
static inline int32_t count_in_word(pool_task_t *task) {
    uint32_t index;
    memcpy(&index, pool_task_args(task, NULL), sizeof index);
    word_add(index, 1);
    return 0;
}

/* Arguments: a uint64_t. Result: its square. */
static inline int32_t square(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    n *= n;
    return pool_task_return(task, &n, sizeof n);
}

/* Result: the process that the task runs in, an int64_t. */
static inline int32_t tell_pid(pool_task_t *task) {
    int64_t pid = getpid();
    return pool_task_return(task, &pid, sizeof pid);
}

static inline uint64_t collect_number(future_t *future) {
    const void *data;
    size_t len;
    uint64_t number;
    CHECK_OK(future_collect(future, POOL_FOREVER, &data, &len));
    CHECK_EQUAL(len, sizeof number);
    memcpy(&number, data, sizeof number);
    return number;
}

static inline int64_t pid_of_a_worker(pool_t *pool) {
    int64_t pid;
    CHECK_OK(pool_run(pool, tell_pid, NULL, 0, POOL_FOREVER, &pid, sizeof pid, NULL));
    return pid;
}

static inline void wait_and_free(future_t **futures, size_t n) {
    CHECK_OK(future_wait_many(futures, n, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    for (size_t i = 0; i < n; i++) future_free(futures[i]);
}

#endif
