/* The steps of the model-based test: each makes one call, or a few, and checks the answer. */
#ifndef STEPS_H
#define STEPS_H

#include "facts.h"

struct step {
    int thread;
    uint32_t a, b, c;
    const struct action *action;
};

struct action {
    const char *name;
    void (*run)(const struct step *step);
};

/* A future of a cell, while nobody frees it. NULL: the cell is empty. */
static struct record *borrow(uint32_t cell) {
    struct record *record = cells[cell % CELLS];
    if (record) pthread_rwlock_rdlock(&record->lock);
    return record;
}

static void give_back(struct record *record) {
    pthread_rwlock_unlock(&record->lock);
}

static int64_t short_time(uint32_t number) {
    static const int64_t times[] = {0, 0, 1, 3, 10};
    return times[number % 5];
}

static void open_gates(void) {
    for (int gate = 0; gate < GATES; gate++) table->open[gate] = 1;
}

/* ---- submitting ------------------------------------------------------------------------------ */

static void free_record(struct record *record) {
    pthread_rwlock_wrlock(&record->lock);
    if (!record->is_freed) {
        record->is_freed = true;
        if (record->is_promise) record->cancel_begun = true;
        calls++;
        future_free(record->future);
    }
    pthread_rwlock_unlock(&record->lock);
}

static struct record *new_record(void) {
    uint32_t number = n_records++;
    if (number >= RECORDS) {
        n_records = RECORDS;
        return NULL;
    }
    struct record *record = &records[number];
    record->serial = number;
    record->end_seen = NOT_KNOWN;
    record->begun_ns = now_ns();
    pthread_rwlock_init(&record->lock, NULL);
    return record;
}

static void fill_cell(uint32_t cell, struct record *record) {
    struct record *old = atomic_exchange(&cells[cell % CELLS], record);
    if (old) free_record(old);
}

/* Dies are for processes; an inline pool would wait for its own submitter. */
static enum task_kind kind_of(uint32_t number) {
    enum task_kind kind = number % TASK_KINDS;
    bool dies = kind == DIES || kind == DIES_ONCE || kind == EXITS;
    if (dies && !is_process()) return FAILS;
    if ((kind == GATED || kind == ASKED) && config.kind == POOL_INLINE) return QUICK;
    if (dies && config.on_lost == POOL_LOST_BREAK) facts.break_begun = true;
    return kind;
}

static void on_accept(uint32_t worker, int64_t pid, void *user) {
    struct record *record = user;
    (void)worker;
    RIGHT(record->accepts++ == 0, "on_accept came twice for %" PRIu64, record->serial);
    RIGHT(record->own_dones == 0, "on_accept came after on_done for %" PRIu64, record->serial);
    RIGHT((pid != 0) == is_process(), "on_accept got process %" PRId64 " for %" PRIu64, pid, record->serial);
    record->accept_pid = pid;
}

static void on_done(future_t *future, void *user) {
    struct record *record = user;
    RIGHT(record->drops < record->asked_drops, "a callback after its drop");
    record->dones++;
    RIGHT(future_is_done(future), "a callback of a future that is not done");
    see_done(record);
}

/* The callback of the submit itself. */
static void on_own_done(future_t *future, void *user) {
    struct record *record = user;
    record->own_dones++;
    on_done(future, user);
}

static void on_drop(void *user) {
    struct record *record = user;
    record->drops++;
}

/* The status of a submit that began when this was known. */
static void check_submit(struct record *record, uint32_t cell, pool_status_t status, bool closed, bool lost) {
    RIGHT(!(closed && status == POOL_OK), "a closed pool took a task");
    RIGHT(!(lost && status == POOL_OK), "a broken pool took a task");
    POOL_ANSWER(status, status == POOL_ERR_FULL && config.max_pending > 0);
    if (status != POOL_OK) {
        RIGHT(record->future == NULL, "a failed submit set the future");
        return;
    }
    facts.accepted++;
    fill_cell(cell, record);
}

static pool_call_t call_of(struct record *record, uint32_t kind, uint32_t size, char *args, uint32_t flags) {
    static const uint32_t padding[] = {0, 0, 8, 100, 5000};
    static const uint64_t lens[] = {0, 0, 16, 300, 9000};
    pool_call_t call = POOL_CALL_INIT;
    record->kind = kind_of(kind);
    record->args_len = sizeof(struct task_args) + padding[size % 5];
    record->result_len = lens[size / 5 % 5];
    record->retries = config.retries;
    struct task_args head = {record->serial, record->kind, kind % GATES, record->result_len};
    memset(args, 0x5a, record->args_len);
    memcpy(args, &head, sizeof head);
    call.task.pointer = task_function;
    call.task.args = args;
    call.task.len = record->args_len;
    call.submit_timeout_ms = flags & 1 ? POOL_NOW : 5;
    if (flags & 2) {
        call.start_deadline_ms = 1 + flags % 3;
        record->has_deadline = config.kind != POOL_INLINE;
    }
    if (flags & 4 && is_process()) record->retries = call.retries = 1 + flags % 2;
    if (flags & 8) call.priority = (int32_t)(flags >> 4) % 3 - 1;
    if (flags & 16 && is_process()) {
        call.hard_limit_ms = 20;
        record->has_hard_limit = true;
    }
    if (flags & 32) {
        record->has_calls = true;
        record->asked_dones = record->asked_drops = 1;
        call.on_accept = on_accept;
        call.on_done = on_own_done;
        call.drop = on_drop;
        call.user = record;
    }
    return call;
}

static void submit_with(const struct step *step, uint32_t flags, bool is_plain) {
    char args[sizeof(struct task_args) + 5000];
    struct record *record = new_record();
    if (!record) return;
    bool closed = facts.close_seen, lost = facts.loss_seen;
    pool_call_t call = call_of(record, step->b, step->c, args, flags);
    pool_status_t status =
        is_plain ? COUNTED(pool_submit(pool, task_function, args, call.task.len, &record->future))
                 : COUNTED(pool_submit_call(pool, &call, &record->future));
    check_submit(record, step->a, status, closed, lost);
}

static void do_submit(const struct step *step) {
    /* A bounded queue could block for ever. */
    submit_with(step, 0, config.max_pending == 0);
}

static void do_submit_call(const struct step *step) {
    submit_with(step, step->c * 7 + step->b, false);
}

static void do_submit_calls(const struct step *step) {
    submit_with(step, (step->c * 7 + step->b) | 32, false);
}

static void do_run(const struct step *step) {
    char args[sizeof(struct task_args) + 5000], result[16384];
    struct record *record = new_record();
    if (!record) return;
    bool closed = facts.close_seen, lost = facts.loss_seen;
    pool_call_t call = call_of(record, step->b, step->c, args, 0);
    size_t len;
    facts.map_begun = true;
    pool_status_t status = COUNTED(
        pool_run(pool, task_function, args, call.task.len, short_time(step->a), result, sizeof result, &len));
    bool is_refused = (is_pool_status(status) && status != POOL_OK) || status == POOL_ERR_FULL ||
                      status == POOL_ERR_TIMEOUT;
    RIGHT(status != POOL_ERR_FULL || config.max_pending > 0, "unexplained POOL_ERR_FULL");
    RIGHT(!((closed || lost) && status == POOL_OK), "a closed or broken pool ran a task");
    const char *why = why_not(record, status);
    RIGHT(is_refused || !why, "pool_run returned %s, but %s", pool_status_name(status), why);
}

/* ---- futures --------------------------------------------------------------------------------- */

static bool is_stale(struct record *record, pool_status_t status) {
    if (!record->is_freed) return false;
    RIGHT(status == POOL_ERR_INVALID, "%s for a future that was freed", pool_status_name(status));
    return true;
}

static void check_result(struct record *record, bool done, int32_t end, pool_status_t status, const void *data,
                         size_t len, int32_t not_done) {
    if (is_stale(record, status)) return;
    see_answer(record, done, end, status, not_done);
    if (status == POOL_OK) check_bytes(record, data, len);
    RIGHT(status == POOL_OK || data == NULL, "%s with a result", pool_status_name(status));
}

static pool_status_t ask_result(struct record *record) {
    const void *data;
    size_t len;
    bool done = is_done_before(record);
    int32_t end = end_before(record);
    pool_status_t status = COUNTED(future_result(record->future, &data, &len));
    check_result(record, done, end, status, data, len, POOL_ERR_NOT_DONE);
    return status;
}

static void do_result(const struct step *step) {
    struct record *record = borrow(step->a);
    if (!record) return;
    ask_result(record);
    give_back(record);
}

static void do_poll(const struct step *step) {
    for (int turn = 0; turn < 2000; turn++) {
        struct record *record = borrow(step->a);
        if (!record) return;
        pool_status_t status = ask_result(record);
        give_back(record);
        if (status != POOL_ERR_NOT_DONE) return;
        if (turn > 500) sleep_us(20);
    }
}

static void do_collect(const struct step *step) {
    struct record *record = borrow(step->a);
    if (!record) return;
    const void *data;
    size_t len;
    bool done = is_done_before(record);
    int32_t end = end_before(record);
    pool_status_t status = COUNTED(future_collect(record->future, short_time(step->b), &data, &len));
    check_result(record, done, end, status, data, len, POOL_ERR_TIMEOUT);
    give_back(record);
}

static void do_wait(const struct step *step) {
    struct record *record = borrow(step->a);
    if (!record) return;
    bool done = is_done_before(record);
    pool_status_t status = COUNTED(future_wait(record->future, short_time(step->b)));
    if (!is_stale(record, status)) {
        RIGHT(status == POOL_OK || status == POOL_ERR_TIMEOUT, "unexplained %s", pool_status_name(status));
        RIGHT(!done || status == POOL_OK, "a timeout, but %" PRIu64 " was done before", record->serial);
        if (status == POOL_OK) see_done(record);
    }
    give_back(record);
}

static void do_wait_for_ever(const struct step *step) {
    open_gates();
    struct record *record = borrow(step->a);
    if (!record) return;
    if (!record->is_promise) {
        pool_status_t status = COUNTED(future_wait(record->future, POOL_FOREVER));
        if (!is_stale(record, status)) {
            RIGHT(status == POOL_OK, "unexplained %s", pool_status_name(status));
            see_done(record);
            ask_result(record);
        }
    }
    give_back(record);
}

static void do_error(const struct step *step) {
    struct record *record = borrow(step->a);
    if (!record) return;
    pool_error_t error;
    bool done = is_done_before(record);
    int32_t end = end_before(record);
    pool_status_t status = COUNTED(future_error(record->future, &error));
    if (!is_stale(record, status)) {
        see_answer(record, done, end, status == POOL_OK ? error.status : status, POOL_ERR_NOT_DONE);
        if (status == POOL_OK && error.status == POOL_ERR_TASK && !record->is_promise) {
            RIGHT(error.task_code == fail_code(record->serial), "the code %d", error.task_code);
            RIGHT(strcmp(error.message, "on purpose") == 0, "the message \"%s\"", error.message);
        }
        if (status == POOL_OK && error.status == POOL_ERR_BROKEN) {
            RIGHT(error.message[0] != 0, "no reason is given");
        }
    }
    give_back(record);
}

static void check_state(struct record *record, bool done, int32_t end, future_state_t state) {
    if (record->is_freed) {
        RIGHT(state == 0, "the state %d of a future that was freed", state);
        return;
    }
    if (state == FUTURE_PENDING || state == FUTURE_RUNNING) {
        RIGHT(!done, "the state %d, but %" PRIu64 " was done before", state, record->serial);
        return;
    }
    see_done(record);
    end = record->end_seen;
    if (end == NOT_KNOWN) return;
    future_state_t expected = end == POOL_OK               ? FUTURE_COMPLETED
                              : is_cancelled_status(end) ? FUTURE_CANCELLED
                                                           : FUTURE_FAILED;
    RIGHT(state == expected, "the state %d, but %" PRIu64 " ended with %s", state, record->serial,
          pool_status_name(end));
}

static void do_state(const struct step *step) {
    struct record *record = borrow(step->a);
    if (!record) return;
    bool done = is_done_before(record);
    int32_t end = end_before(record);
    check_state(record, done, end, COUNTED(future_state(record->future)));
    give_back(record);
}

static void do_is_done(const struct step *step) {
    struct record *record = borrow(step->a);
    if (!record) return;
    bool done = is_done_before(record);
    bool answer = COUNTED(future_is_done(record->future));
    if (record->is_freed) {
        RIGHT(!answer, "a future that was freed is done");
    } else {
        RIGHT(answer || !done, "not done, but %" PRIu64 " was done before", record->serial);
        if (answer) see_done(record);
    }
    give_back(record);
}

static void do_cancel(const struct step *step) {
    struct record *record = borrow(step->a);
    if (!record) return;
    pool_cancel_t mode = step->b % 3 == 0 ? POOL_CANCEL_RUNNING : POOL_CANCEL_QUEUED;
    int32_t end = end_before(record);
    if (!record->is_freed) {
        record->cancel_begun = true;
        if (mode == POOL_CANCEL_RUNNING) record->cancel_running_begun = true;
    }
    pool_status_t status = COUNTED(future_cancel(record->future, mode));
    if (!is_stale(record, status)) {
        record->cancel_seen = true;
        switch (status) {
        case POOL_OK:
            RIGHT(end == NOT_KNOWN || is_cancelled_status(end), "POOL_OK, but it ended with %s",
                  pool_status_name(end));
            if (mode == POOL_CANCEL_QUEUED) {
                pool_status_t answer = ask_result(record);
                RIGHT(is_cancelled_status(answer), "cancelled, but %s", pool_status_name(answer));
            }
            break;
        case POOL_ERR_STATE:
            RIGHT(end == NOT_KNOWN || !is_cancelled_status(end), "POOL_ERR_STATE, but it was cancelled before");
            break;
        case POOL_ERR_UNSUPPORTED:
            RIGHT(!is_process() && mode == POOL_CANCEL_RUNNING && !record->is_promise, "unexplained refusal");
            RIGHT(end == NOT_KNOWN, "it was done before");
            break;
        default: wrong("unexplained %s", pool_status_name(status));
        }
    }
    give_back(record);
}

static void do_requested(const struct step *step) {
    struct record *record = borrow(step->a);
    if (!record) return;
    bool seen = record->cancel_seen;
    bool answer = COUNTED(future_cancel_requested(record->future));
    if (!record->is_freed) {
        RIGHT(answer || !seen, "no request, but there was one before");
        RIGHT(!answer || record->cancel_begun, "a request that nobody made");
    }
    give_back(record);
}

static void do_id(const struct step *step) {
    struct record *record = borrow(step->a);
    if (!record) return;
    uint64_t id = COUNTED(future_id(record->future)), none = 0;
    if (record->is_freed) {
        RIGHT(id == 0, "the id of a future that was freed");
    } else if (record->is_promise) {
        RIGHT(id == 0, "a promise has the id %" PRIu64, id);
    } else {
        RIGHT(id != 0, "no id");
        bool is_first = atomic_compare_exchange_strong(&record->id_seen, &none, id);
        RIGHT(is_first || none == id, "the id %" PRIu64 ", and %" PRIu64 " before", id, none);
    }
    give_back(record);
}

static void do_times(const struct step *step) {
    struct record *record = borrow(step->a);
    if (!record) return;
    uint64_t queued, ran, done, total;
    bool was_done = is_done_before(record);
    uint64_t since = now_ns();
    pool_status_t status = COUNTED(future_duration(record->future, &queued, &ran));
    pool_status_t second = COUNTED(future_progress(record->future, &done, &total));
    uint64_t most = now_ns() - record->begun_ns + 1000000;
    (void)since;
    if (!is_stale(record, status)) {
        RIGHT(status == POOL_OK && second == POOL_OK, "unexplained %s, %s", pool_status_name(status),
              pool_status_name(second));
        RIGHT(queued <= most && ran <= most, "%" PRIu64 " ns queued and %" PRIu64 " ns run within %" PRIu64 " ns",
              queued, ran, most);
        bool none = done == 0 && total == 0;
        bool is_own = done == record->serial && total == PROGRESS_TOTAL && !record->is_promise;
        RIGHT(none || is_own, "the progress %" PRIu64 " of %" PRIu64, done, total);
        bool has_run = record->end_seen == POOL_OK && !record->is_promise;
        RIGHT(!was_done || !has_run || (ran > 0 && is_own), "a task that has run has no time or progress");
    }
    give_back(record);
}

static void do_free(const struct step *step) {
    struct record *record = cells[step->a % CELLS];
    if (record) free_record(record);
}

static void do_on_done(const struct step *step) {
    struct record *record = borrow(step->a);
    if (!record) return;
    uint64_t id;
    if (!record->is_freed) {
        bool done = is_done_before(record);
        uint32_t before = record->dones;
        record->asked_dones++;
        record->asked_drops++;
        pool_status_t status = COUNTED(future_on_done(record->future, on_done, record, on_drop, &id));
        RIGHT(status == POOL_OK, "unexplained %s", pool_status_name(status));
        RIGHT(!done || record->dones > before, "the future was done, and is not called back at once");
    }
    give_back(record);
}

/* ---- several futures ------------------------------------------------------------------------- */

struct group {
    struct record *records[3];
    future_t *futures[3];
    bool done[3];
    int32_t ends[3];
    size_t n;
    bool has_freed;
};

static struct group borrow_group(uint32_t cell) {
    struct group group = {.n = 0};
    for (uint32_t i = 0; i < 3; i++) {
        struct record *record = borrow(cell + i * 5);
        if (!record) continue;
        group.records[group.n] = record;
        group.futures[group.n] = record->future;
        group.done[group.n] = is_done_before(record);
        group.ends[group.n] = end_before(record);
        group.has_freed |= record->is_freed;
        group.n++;
    }
    return group;
}

static void give_back_group(struct group *group) {
    for (size_t i = 0; i < group->n; i++) give_back(group->records[i]);
}

static void do_wait_many(const struct step *step) {
    static const pool_wait_t modes[] = {POOL_WAIT_ALL, POOL_WAIT_FIRST, POOL_WAIT_FIRST_ERROR};
    struct group group = borrow_group(step->a);
    pool_wait_t mode = modes[step->b % 3];
    size_t n_done, known = 0;
    for (size_t i = 0; i < group.n; i++) known += group.done[i];
    pool_status_t status =
        COUNTED(future_wait_many(group.futures, group.n, mode, short_time(step->c), &n_done));
    if (group.has_freed) {
        RIGHT(status == POOL_ERR_INVALID, "%s with a future that was freed", pool_status_name(status));
    } else {
        RIGHT(status == POOL_OK || status == POOL_ERR_TIMEOUT, "unexplained %s", pool_status_name(status));
        RIGHT(n_done >= known && n_done <= group.n, "%zu are done, and %zu were before", n_done, known);
        RIGHT(status == POOL_OK || known < group.n, "a timeout, but all were done before");
        RIGHT(status == POOL_OK || mode != POOL_WAIT_FIRST || known == 0, "a timeout, but one was done before");
        RIGHT(status != POOL_OK || mode != POOL_WAIT_ALL || n_done == group.n, "not all are done");
        RIGHT(status != POOL_OK || group.n == 0 || n_done > 0, "none is done");
        for (size_t i = 0; i < group.n; i++) {
            if (status == POOL_OK && n_done == group.n) see_done(group.records[i]);
        }
    }
    give_back_group(&group);
}

static void do_collect_many(const struct step *step) {
    struct group group = borrow_group(step->a);
    const void *data[3];
    size_t lens[3];
    pool_status_t status =
        COUNTED(future_collect_many(group.futures, group.n, short_time(step->b), data, lens));
    for (size_t i = 0; i < group.n && !group.has_freed; i++) {
        if (data[i]) {
            see_end(group.records[i], POOL_OK);
            check_bytes(group.records[i], data[i], lens[i]);
        } else {
            RIGHT(group.ends[i] != POOL_OK, "no result of %" PRIu64 ", which had completed",
                  group.records[i]->serial);
            RIGHT(status != POOL_OK, "POOL_OK without a result");
        }
    }
    if (group.has_freed) {
        RIGHT(status == POOL_ERR_INVALID, "%s with a future that was freed", pool_status_name(status));
    } else if (status == POOL_ERR_TIMEOUT) {
        bool all = true;
        for (size_t i = 0; i < group.n; i++) all &= group.done[i];
        RIGHT(!all, "a timeout, but all were done before");
    } else if (status != POOL_OK) {
        size_t first = 0;
        while (first < group.n && data[first]) first++;
        RIGHT(first < group.n, "%s, but there are all results", pool_status_name(status));
        see_end(group.records[first], status);
    }
    give_back_group(&group);
}

/* ---- sets: each thread has one --------------------------------------------------------------- */

enum { MEMBERS = 64 };

static __thread future_set_t *set;
static __thread struct record *members[MEMBERS];
static __thread size_t n_members;

static void do_set_add(const struct step *step) {
    struct record *record = borrow(step->a);
    if (!record) return;
    if (!set) RIGHT(COUNTED(future_set_new(&set)) == POOL_OK, "no set");
    if (n_members < MEMBERS) {
        pool_status_t status = COUNTED(future_set_add(set, record->future));
        if (!is_stale(record, status)) {
            RIGHT(status == POOL_OK, "unexplained %s", pool_status_name(status));
            members[n_members++] = record;
        }
    }
    give_back(record);
}

static void take_member(future_t *future) {
    for (size_t i = 0; i < n_members; i++) {
        if (members[i]->future != future || members[i]->is_freed) continue;
        see_done(members[i]);
        RIGHT(future_is_done(future), "a set gave a future that is not done");
        members[i] = members[--n_members];
        return;
    }
    wrong("a set gave a future that is not in it");
}

static void do_set_next(const struct step *step) {
    if (!set) return;
    struct record *held[MEMBERS];
    size_t n_held = n_members, known = 0, living = 0;
    future_t *future;
    for (size_t i = 0; i < n_held; i++) {
        held[i] = members[i];
        pthread_rwlock_rdlock(&held[i]->lock);
        living += !held[i]->is_freed;
        known += !held[i]->is_freed && is_done_before(held[i]);
    }
    pool_status_t status = COUNTED(future_set_next(set, short_time(step->b), &future));
    switch (status) {
    case POOL_OK: take_member(future); break;
    case POOL_ERR_END: RIGHT(living == 0, "the set is not empty: %zu", living); break;
    case POOL_ERR_TIMEOUT:
        RIGHT(known == 0, "a timeout, but %zu were done before", known);
        RIGHT(living > 0, "a timeout of an empty set");
        break;
    default: wrong("unexplained %s", pool_status_name(status));
    }
    for (size_t i = 0; i < n_held; i++) pthread_rwlock_unlock(&held[i]->lock);
}

static void end_thread(void) {
    if (set) future_set_free(set);
    set = NULL;
}

/* ---- promises -------------------------------------------------------------------------------- */

static void do_promise(const struct step *step) {
    struct record *record = new_record();
    if (!record) return;
    record->is_promise = true;
    RIGHT(COUNTED(future_new_promise(&record->future)) == POOL_OK, "no promise");
    fill_cell(step->a, record);
}

static void complete_promise(const struct step *step, bool is_rejected) {
    struct record *record = borrow(step->a);
    if (!record) return;
    bool done = is_done_before(record);
    if (!record->is_freed) record->resolved = 1;
    pool_status_t status =
        is_rejected ? COUNTED(future_reject(record->future, fail_code(record->serial), "on purpose"))
                    : COUNTED(future_resolve(record->future, &record->serial, sizeof record->serial));
    if (!is_stale(record, status)) {
        RIGHT(status == POOL_OK || status == POOL_ERR_STATE, "unexplained %s", pool_status_name(status));
        RIGHT(status != POOL_OK || (record->is_promise && !done), "completed, what cannot be");
        if (status == POOL_OK) see_end(record, is_rejected ? POOL_ERR_TASK : POOL_OK);
    }
    give_back(record);
}

static void do_resolve(const struct step *step) {
    complete_promise(step, false);
}

static void do_reject(const struct step *step) {
    complete_promise(step, true);
}

#endif
