/* Synchronization of a test with its tasks, without sleeps: an array of words that the program, its
 * threads and its worker processes share, and gates, where tasks wait until the test releases them.
 *
 * The array is a file in TEST_TMP, which workers inherit with the environment. Waiting is a futex wait
 * on the word, so a waiter wakes when the word changes, and no earlier. */
#ifndef RENDEZVOUS_H
#define RENDEZVOUS_H

#include "check.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum {
    WORDS = 1 << 20,
    GATES = 64,
    WORKER_PIDS = 2 * GATES,       /* from here, by index: the pid of each worker that reached a gate */
    WORD_FIRST = WORKER_PIDS + 64, /* the first word for a program's own use */
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

/* ---- gates: tasks that report that they run, and wait to be released -------------------------- */

static inline size_t gate_started(uint32_t gate) {
    return 2 * (size_t)gate;
}

static inline size_t gate_open(uint32_t gate) {
    return 2 * (size_t)gate + 1;
}

static inline pid_t pid_of_worker(uint32_t worker) {
    return (pid_t)word_get(WORKER_PIDS + worker);
}

/* Arguments: the number of the gate. */
static inline int32_t wait_at_gate(pool_task_t *task) {
    uint32_t gate;
    memcpy(&gate, pool_task_args(task, NULL), sizeof gate);
    word_set(WORKER_PIDS + pool_task_worker(task), (uint32_t)getpid());
    word_add(gate_started(gate), 1);
    word_wait(gate_open(gate), 1);
    return 0;
}

/* Skips the test for an inline pool, whose submit would wait for ever. */
static inline future_t *submit_to_gate(pool_t *pool, uint32_t gate) {
    future_t *future;
    pool_options_t options = POOL_OPTIONS_INIT;
    CHECK_OK(pool_get_options(pool, &options));
    skip_inline(&options);
    CHECK_OK(pool_submit(pool, wait_at_gate, &gate, sizeof gate, &future));
    return future;
}

/* Keeps n workers busy: on return n tasks are running and wait at the gate. */
static inline void occupy(pool_t *pool, uint32_t gate, uint32_t n, future_t **futures) {
    for (uint32_t i = 0; i < n; i++) futures[i] = submit_to_gate(pool, gate);
    word_wait(gate_started(gate), n);
}

static inline void release(uint32_t gate) {
    word_set(gate_open(gate), 1);
}

/* Makes a gate usable again. No task may be waiting at it. */
static inline void reset_gate(uint32_t gate) {
    word_set(gate_started(gate), 0);
    word_set(gate_open(gate), 0);
}

/* ---- tasks that many programs use ------------------------------------------------------------- */

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

/* Result: the pid of the task's process, an int64_t. */
static inline int32_t return_pid(pool_task_t *task) {
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

static inline int64_t pid_of_any_worker(pool_t *pool) {
    int64_t pid;
    CHECK_OK(pool_run(pool, return_pid, NULL, 0, POOL_FOREVER, &pid, sizeof pid, NULL));
    return pid;
}

static inline void wait_and_free(future_t **futures, size_t n) {
    CHECK_OK(future_wait_many(futures, n, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    for (size_t i = 0; i < n; i++) future_free(futures[i]);
}

#endif
