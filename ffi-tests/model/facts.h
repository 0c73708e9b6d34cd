/* What the player of the model-based test knows at any moment, and so which answers are true.
 *
 * A fact is set before a call that may cause something ("begun"), or after an answer was given ("seen").
 * Facts are never taken back. An answer is wrong if it contradicts a fact that was seen before the call
 * began, or if no call that was begun before the answer came explains it. */
#ifndef FACTS_H
#define FACTS_H

#include "tasks.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

enum { CELLS = 12, THREADS = 4, NOT_KNOWN = -1 };

/* A future that was handed out. */
struct record {
    uint64_t serial, args_len, result_len, begun_ns;
    enum task_kind kind;
    bool is_promise, has_deadline, has_hard_limit, has_calls;
    uint32_t retries;
    future_t *future;
    /* Readers use the handle; the writer frees it. */
    pthread_rwlock_t lock;
    bool is_freed;
    _Atomic bool cancel_begun, cancel_seen, cancel_running_begun, done_seen;
    /* The status that future_result has answered. */
    _Atomic int32_t end_seen;
    _Atomic uint64_t id_seen;
    /* The value that completes a promise, once it is certain. */
    _Atomic uint64_t resolved;
    _Atomic uint32_t accepts, own_dones, dones, drops, asked_dones, asked_drops;
    _Atomic int64_t accept_pid;
};

struct config {
    pool_kind_t kind;
    pool_start_t start;
    uint32_t workers, retries;
    uint64_t max_pending, max_tasks;
    pool_on_worker_lost_t on_lost;
    pool_sched_t sched;
    int64_t idle_timeout_ms;
    bool is_module;
    pool_stop_t end;
};

static struct config config;
static struct table *table;
static pool_t *pool;
static pool_task_fn task_function, item_function;
static struct record records[RECORDS];
static _Atomic uint32_t n_records;
static struct record *_Atomic cells[CELLS];
static _Atomic uint64_t calls;

static struct {
    _Atomic uint32_t stops_begun;
    _Atomic bool close_begun, close_seen, stop_begun, cancel_all_begun, kill_begun, kill_all_begun, restart_begun;
    _Atomic bool break_begun, loss_seen, end_seen, map_begun;
    _Atomic uint64_t accepted, completed, failed, cancelled, starting, ready, exited;
    _Atomic uint64_t max_workers;
} facts;

/* ---- reporting ------------------------------------------------------------------------------- */

static __thread int current_thread = -1, current_step;
static __thread const char *current_words = "the end";

__attribute__((noreturn, format(printf, 1, 2))) static void wrong(const char *format, ...) {
    static atomic_flag once = ATOMIC_FLAG_INIT;
    while (atomic_flag_test_and_set(&once)) sleep_us(1000);
    va_list args;
    va_start(args, format);
    printf("WRONG: thread %d step %d (%s): ", current_thread, current_step, current_words);
    vprintf(format, args);
    printf("\n");
    fflush(NULL);
    _exit(1);
}

#define RIGHT(condition, ...)                                                                     \
    do {                                                                                          \
        if (!(condition)) wrong(__VA_ARGS__);                                                     \
    } while (0)

#define COUNTED(call) (atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed), (call))

static inline uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline bool is_process(void) {
    return config.kind == POOL_PROCESS;
}

/* Whether workers may have been lost without the help of a task. */
static inline bool is_loss_possible(void) {
    return is_process() && facts.kill_begun;
}

static inline bool may_die(const struct record *record) {
    return is_process() && (record->kind == DIES || record->kind == DIES_ONCE || record->kind == EXITS);
}

/* ---- what may be answered -------------------------------------------------------------------- */

static inline bool is_cancelled_status(int32_t status) {
    return status == POOL_ERR_CANCELLED || status == POOL_ERR_TERMINATED || status == POOL_ERR_EXPIRED ||
           status == POOL_ERR_BROKEN;
}

static const char *why_not_promise(const struct record *record, int32_t status) {
    if (status == POOL_OK || status == POOL_ERR_TASK) {
        return record->resolved ? NULL : "nobody has completed the promise";
    }
    if (status == POOL_ERR_CANCELLED) return record->cancel_begun ? NULL : "nobody has cancelled it";
    return "a promise never ends so";
}

/* Why a task cannot have ended like this; NULL: it can. */
static const char *why_not(const struct record *record, int32_t status) {
    if (record->is_promise) return why_not_promise(record, status);
    uint32_t runs = table->rows[record->serial].runs;
    bool is_lost_possible = may_die(record) || is_loss_possible();
    if (runs > 1 + record->retries) return "it ran too often";
    if (runs > 1 && !is_lost_possible) return "it ran twice without a loss";
    switch (status) {
    case POOL_OK:
        if (record->kind == FAILS || record->kind == DIES || record->kind == EXITS) return "it cannot complete";
        if (record->kind == DIES_ONCE && runs < 2) return "it dies in its first run";
        return runs > 0 ? NULL : "it did not run";
    case POOL_ERR_TASK: return record->kind == FAILS && runs > 0 ? NULL : "its function did not fail";
    case POOL_ERR_WORKER_LOST:
        if (!is_lost_possible) return "no worker was lost";
        if (runs < 1 + record->retries && !record->cancel_begun && !facts.stop_begun && !facts.break_begun &&
            !is_loss_possible()) {
            return "it has retries left";
        }
        return NULL;
    case POOL_ERR_HARD_LIMIT: return record->has_hard_limit ? NULL : "it has no hard limit";
    case POOL_ERR_EXPIRED:
        if (!record->has_deadline) return "it has no deadline";
        return runs == 0 ? NULL : "it has started";
    case POOL_ERR_CANCELLED:
        if (!record->cancel_begun && !facts.cancel_all_begun) return "nobody has cancelled it";
        if (runs > 0 && !record->cancel_running_begun && !is_lost_possible) return "it ran";
        return NULL;
    case POOL_ERR_TERMINATED: return is_process() && facts.kill_all_begun ? NULL : "nobody has stopped the pool";
    case POOL_ERR_BROKEN:
        if (!facts.break_begun) return "the pool cannot be broken";
        return runs == 0 || is_lost_possible ? NULL : "it ran";
    default: return "no task ends so";
    }
}

static int32_t end_before(const struct record *record) {
    return record->end_seen;
}

static bool is_done_before(const struct record *record) {
    return record->done_seen || (facts.end_seen && !record->is_promise);
}

/* Some call said that the task is done. */
static void see_done(struct record *record) {
    record->done_seen = true;
}

static void count_end(int32_t status) {
    if (status == POOL_OK) {
        facts.completed++;
    } else if (is_cancelled_status(status)) {
        facts.cancelled++;
    } else {
        facts.failed++;
    }
}

/* Some call said how the task has ended. */
static void see_end(struct record *record, int32_t status) {
    int32_t none = NOT_KNOWN;
    see_done(record);
    if (atomic_compare_exchange_strong(&record->end_seen, &none, status)) {
        const char *why = why_not(record, status);
        RIGHT(!why, "future %" PRIu64 " (kind %d) ended with %s, but %s", record->serial, record->kind,
              pool_status_name(status), why);
        if (!record->is_promise) count_end(status);
        /* What a restart kills breaks nothing. */
        bool breaks = config.on_lost == POOL_LOST_BREAK && !facts.restart_begun;
        if (status == POOL_ERR_WORKER_LOST && breaks) facts.loss_seen = true;
    } else {
        RIGHT(none == status, "future %" PRIu64 " ended with %s, and with %s before", record->serial,
              pool_status_name(status), pool_status_name(none));
    }
}

/* An answer of a call that began when this was known: `done` and `end`. */
static void see_answer(struct record *record, bool done, int32_t end, int32_t answer, int32_t not_done) {
    if (answer == not_done) {
        RIGHT(!done && end == NOT_KNOWN, "%s, but future %" PRIu64 " was done before", pool_status_name(answer),
              record->serial);
        return;
    }
    see_end(record, answer);
}

static void check_bytes(const struct record *record, const void *data, size_t len) {
    const unsigned char *bytes = data;
    RIGHT(data != NULL, "a result without an address");
    if (record->is_promise) {
        uint64_t value = 0;
        RIGHT(len == sizeof value, "%zu bytes of a promise", len);
        memcpy(&value, data, len);
        RIGHT(value == record->serial, "the promise %" PRIu64 " has the value %" PRIu64, record->serial, value);
        return;
    }
    struct task_result result;
    RIGHT(len == sizeof result + record->result_len, "%zu bytes, not %" PRIu64, len,
          sizeof result + record->result_len);
    memcpy(&result, data, sizeof result);
    RIGHT(result.serial == record->serial, "the result of %" PRIu64 " for %" PRIu64, result.serial,
          record->serial);
    RIGHT(result.id == future_id(record->future), "task %" PRIu64 " saw the id %" PRIu64, record->serial, result.id);
    RIGHT(result.pid == table->rows[record->serial].last_pid, "it ran last in another process");
    for (size_t at = 0; at < record->result_len; at++) {
        RIGHT(bytes[sizeof result + at] == pattern(record->serial, at), "byte %zu of the result is wrong", at);
    }
}

/* Whether a status of a call for the whole pool is explained. */
static bool is_pool_status(pool_status_t status) {
    switch (status) {
    case POOL_OK: return true;
    case POOL_ERR_CLOSED: return facts.close_begun;
    case POOL_ERR_BROKEN: return facts.break_begun;
    default: return false;
    }
}

static void check_pool_answer(pool_status_t status, bool is_explained) {
    if (is_explained || is_pool_status(status)) return;
    pool_error_t error = {.status = POOL_OK};
    pool_check(pool, &error);
    wrong("unexplained %s; pool_check says %s: %s", pool_status_name(status), pool_status_name(error.status),
          error.message);
}

#define POOL_ANSWER(status, ...) check_pool_answer(status, (__VA_ARGS__))

#endif
