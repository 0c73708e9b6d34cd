/* The steps of the model-based test that concern the whole pool, or many items at once. */
#ifndef POOL_STEPS_H
#define POOL_STEPS_H

#include "steps.h"

/* ---- maps ------------------------------------------------------------------------------------ */

static bool is_item_right(uint64_t item, pool_status_t status) {
    bool dies = item % 100 == 13 && item >= 1000000;
    switch (status) {
    case POOL_OK: return item % 100 != 77 && !dies;
    case POOL_ERR_TASK: return item % 100 == 77;
    case POOL_ERR_WORKER_LOST: return is_process();
    case POOL_ERR_CANCELLED: return facts.cancel_all_begun || facts.close_begun;
    case POOL_ERR_TERMINATED: return is_process() && facts.kill_all_begun;
    case POOL_ERR_FULL: return false;
    default: return is_pool_status(status);
    }
}

static uint64_t item_of(uint32_t from, size_t index) {
    bool dies = is_process() && from % 4 == 0;
    if (dies && config.on_lost == POOL_LOST_BREAK) facts.break_begun = true;
    return (dies ? 1000000 : 0) + from + index;
}

static void do_map(const struct step *step) {
    enum { MOST = 40 };
    uint64_t items[MOST], results[MOST];
    pool_status_t statuses[MOST];
    pool_map_options_t options = POOL_MAP_INIT;
    size_t n = step->b % MOST, first = n;
    options.chunk_size = step->c % 7;
    for (size_t i = 0; i < n; i++) items[i] = item_of(step->a, i);
    open_gates();
    facts.map_begun = true;
    pool_status_t status = COUNTED(pool_map(pool, item_function, items, sizeof *items, n, &options, results,
                                            sizeof *results, statuses));
    if (is_pool_status(status) && status != POOL_OK && statuses[0] != status) return;
    for (size_t i = 0; i < n; i++) {
        /* A map that is refused as a whole says nothing of its items. */
        if (status == POOL_ERR_CLOSED || status == POOL_ERR_BROKEN) break;
        if (statuses[i] == POOL_ERR_BROKEN) POOL_ANSWER(statuses[i], false);
        RIGHT(is_item_right(items[i], statuses[i]), "item %zu (%" PRIu64 ") ended with %s, the map with %s", i,
              items[i], pool_status_name(statuses[i]), pool_status_name(status));
        RIGHT(results[i] == (statuses[i] == POOL_OK ? items[i] * 3 + 1 : 0), "the result of item %zu", i);
        if (first == n && statuses[i] != POOL_OK) first = i;
    }
    if (status == POOL_ERR_CLOSED || status == POOL_ERR_BROKEN) {
        POOL_ANSWER(status, false);
    } else {
        RIGHT(status == (first < n ? statuses[first] : POOL_OK), "the map ended with %s",
              pool_status_name(status));
    }
}

struct source {
    uint64_t given, n, items[64];
};

static pool_status_t give_item(void *user, const void **item, size_t *len) {
    struct source *source = user;
    if (source->given == source->n) return POOL_ERR_END;
    *item = &source->items[source->given++];
    *len = sizeof *source->items;
    return POOL_OK;
}

/* Takes some results of a lazy map, cancels it perhaps, and takes the rest or frees it. */
static void do_lazy_map(const struct step *step) {
    struct source source = {.n = step->b % 64};
    pool_map_options_t options = POOL_MAP_INIT;
    pool_map_t *map;
    bool seen[64] = {false}, is_cancelled = false;
    options.chunk_size = step->c % 4;
    options.window = step->c % 9;
    options.unordered = step->c & 16;
    for (size_t i = 0; i < source.n; i++) source.items[i] = item_of(step->a, i);
    open_gates();
    facts.map_begun = true;
    pool_status_t status =
        COUNTED(pool_map_start(pool, item_function, give_item, &source, &options, &map));
    POOL_ANSWER(status, false);
    if (status != POOL_OK) return;
    uint64_t taken = 0;
    for (int turn = 0; turn < 100; turn++) {
        const void *data;
        size_t len;
        uint64_t index = 99;
        if (step->c & 32 && taken == 5 && !is_cancelled) {
            is_cancelled = true;
            RIGHT(COUNTED(pool_map_cancel(map)) == POOL_OK, "not cancelled");
        }
        if (step->c & 64 && taken == 9) break;
        status = COUNTED(pool_map_next(map, turn % 3 ? 20 : 0, &data, &len, &index));
        if (status == POOL_ERR_TIMEOUT) continue;
        if (status == POOL_ERR_END) {
            RIGHT(taken == source.given, "%" PRIu64 " answers for %" PRIu64 " items", taken, source.given);
            RIGHT(is_cancelled || source.given == source.n, "the end before the last item");
            break;
        }
        /* Of an item that the break has cancelled, or of the map: the index is 0 then, too. */
        if (status == POOL_ERR_CLOSED || status == POOL_ERR_BROKEN) {
            POOL_ANSWER(status, false);
            break;
        }
        RIGHT(index < source.n, "%s for item %" PRIu64, pool_status_name(status), index);
        RIGHT(!seen[index], "two answers for item %" PRIu64, index);
        RIGHT(options.unordered || index == taken, "item %" PRIu64 " in place of %" PRIu64, index, taken);
        seen[index] = true;
        taken++;
        bool is_own = is_cancelled && status == POOL_ERR_CANCELLED;
        RIGHT(is_own || is_item_right(source.items[index], status), "item %" PRIu64 " ended with %s", index,
              pool_status_name(status));
        if (status != POOL_OK) continue;
        uint64_t value = 0;
        RIGHT(len == sizeof value, "%zu bytes of an item", len);
        memcpy(&value, data, len);
        RIGHT(value == source.items[index] * 3 + 1, "the result of item %" PRIu64, index);
    }
    calls++;
    pool_map_free(map);
}

/* ---- workers --------------------------------------------------------------------------------- */

static void do_grow(const struct step *step) {
    uint32_t n = step->b % 3;
    facts.max_workers += n;
    pool_status_t status = COUNTED(pool_grow(pool, n));
    POOL_ANSWER(status, status == POOL_ERR_UNSUPPORTED && config.kind == POOL_INLINE);
}

static void do_shrink(const struct step *step) {
    pool_status_t status =
        COUNTED(pool_shrink(pool, step->b % 2, step->c % 2 ? POOL_SHRINK_IDLE : POOL_SHRINK_WHEN_IDLE));
    bool is_refused = status == POOL_ERR_STATE || status == POOL_ERR_INVALID;
    POOL_ANSWER(status, is_refused || (status == POOL_ERR_UNSUPPORTED && config.kind == POOL_INLINE));
}

static void do_restart(const struct step *step) {
    bool now = step->b % 3 == 0;
    if (now) facts.kill_begun = facts.restart_begun = true;
    pool_status_t status = COUNTED(pool_restart(pool, now ? POOL_RESTART_NOW : POOL_RESTART_GRACEFUL));
    POOL_ANSWER(status, status == POOL_ERR_UNSUPPORTED && config.kind == POOL_INLINE);
}

static void do_spawn(const struct step *step) {
    uint32_t spawned;
    pool_status_t status = COUNTED(pool_spawn_workers(pool, (int64_t)(step->b % 4) - 1, &spawned));
    POOL_ANSWER(status, false);
    RIGHT(spawned <= facts.max_workers, "%u workers were started", spawned);
}

static void do_wait_ready(const struct step *step) {
    pool_status_t status = COUNTED(pool_wait_ready(pool, step->b % 3, short_time(step->c)));
    POOL_ANSWER(status, status == POOL_ERR_TIMEOUT || status == POOL_ERR_INVALID);
}

/* Kills a worker from outside. */
static void do_kill(const struct step *step) {
    if (!is_process()) return;
    pool_worker_info_t workers[16] = {{.struct_size = sizeof *workers}};
    size_t n = 0;
    facts.kill_begun = true;
    if (config.on_lost == POOL_LOST_BREAK) facts.break_begun = true;
    RIGHT(COUNTED(pool_workers(pool, workers, 16, &n)) == POOL_OK, "no workers");
    if (n > 16) n = 16;
    if (n > 0 && workers[step->b % n].pid > 1) kill((pid_t)workers[step->b % n].pid, SIGKILL);
}

static void do_idle_timeout(const struct step *step) {
    static const int64_t times[] = {0, POOL_NOW, 1, POOL_FOREVER};
    RIGHT(COUNTED(pool_set_idle_timeout(pool, times[step->b % 4])) == POOL_OK, "refused");
}

/* ---- looking at the pool --------------------------------------------------------------------- */

static void do_stats(const struct step *step) {
    (void)step;
    uint64_t accepted = facts.accepted, completed = facts.completed, failed = facts.failed,
             cancelled = facts.cancelled;
    pool_stats_t stats = POOL_STATS_INIT;
    RIGHT(COUNTED(pool_stats(pool, &stats)) == POOL_OK, "no statistics");
    RIGHT(stats.tasks_submitted >= accepted, "%" PRIu64 " submitted, not %" PRIu64, stats.tasks_submitted, accepted);
    RIGHT(stats.tasks_completed >= completed, "%" PRIu64 " completed, not %" PRIu64, stats.tasks_completed,
          completed);
    RIGHT(stats.tasks_failed >= failed, "%" PRIu64 " failed, not %" PRIu64, stats.tasks_failed, failed);
    RIGHT(stats.tasks_cancelled >= cancelled, "%" PRIu64 " cancelled, not %" PRIu64, stats.tasks_cancelled,
          cancelled);
}

static void do_look(const struct step *step) {
    (void)step;
    bool closed = facts.close_seen;
    uint32_t state = COUNTED(pool_state(pool));
    bool is_closed = state & (POOL_STATE_CLOSED | POOL_STATE_TERMINATED);
    RIGHT(is_closed || !closed, "the state is not closed, but was");
    RIGHT(!is_closed || facts.close_begun, "the state is closed");
    RIGHT(!(state & POOL_STATE_BROKEN) || facts.break_begun, "the state is broken");
    /* Nested tasks of an inline pool have a worker each. */
    uint32_t workers = COUNTED(pool_count_workers(pool));
    RIGHT(workers <= facts.max_workers + 1 || config.kind == POOL_INLINE, "%u workers", workers);
    COUNTED(pool_count_pending_tasks(pool));
    pool_error_t error;
    bool lost = facts.loss_seen;
    pool_status_t status = COUNTED(pool_check(pool, &error));
    POOL_ANSWER(status, false);
    RIGHT(!((closed || lost) && status == POOL_OK), "pool_check says POOL_OK of a closed or broken pool");
}

/* ---- stopping -------------------------------------------------------------------------------- */

static void do_cancel_pending(const struct step *step) {
    (void)step;
    uint64_t n;
    facts.cancel_all_begun = true;
    RIGHT(COUNTED(pool_cancel_pending(pool, &n)) == POOL_OK, "refused");
}

static void do_close(const struct step *step) {
    (void)step;
    facts.close_begun = true;
    RIGHT(COUNTED(pool_close(pool)) == POOL_OK, "refused");
    facts.close_seen = true;
}

static void do_join(const struct step *step) {
    facts.close_begun = true;
    pool_status_t status = COUNTED(pool_join(pool, short_time(step->b)));
    bool is_closed = status == POOL_ERR_CLOSED && facts.stop_begun;
    POOL_ANSWER(status == POOL_ERR_CLOSED ? POOL_OK : status, status == POOL_ERR_TIMEOUT || is_closed);
}

static void stop_with(pool_stop_t mode, int64_t timeout_ms) {
    facts.stops_begun++;
    facts.close_begun = facts.stop_begun = true;
    if (mode != POOL_STOP_DRAIN) facts.cancel_all_begun = true;
    if (mode == POOL_STOP_KILL) facts.kill_all_begun = true;
    pool_status_t status = COUNTED(pool_shutdown(pool, mode, timeout_ms));
    RIGHT(status == POOL_OK || (status == POOL_ERR_TIMEOUT && timeout_ms >= 0) ||
              (status == POOL_ERR_CLOSED && facts.stops_begun > 1),
          "unexplained %s", pool_status_name(status));
    facts.close_seen = true;
    if (status != POOL_ERR_TIMEOUT) facts.end_seen = true;
}

static void do_shutdown(const struct step *step) {
    stop_with(step->b % 3, short_time(step->c));
}

static void do_terminate(const struct step *step) {
    (void)step;
    facts.stops_begun++;
    facts.close_begun = facts.stop_begun = facts.cancel_all_begun = facts.kill_all_begun = true;
    if (!is_process()) open_gates();
    pool_status_t status = COUNTED(pool_terminate(pool, POOL_NOW));
    RIGHT(status == POOL_OK || status == POOL_ERR_TIMEOUT || (status == POOL_ERR_CLOSED && facts.stops_begun > 1),
          "unexplained %s", pool_status_name(status));
    facts.close_seen = true;
    if (status != POOL_ERR_TIMEOUT) facts.end_seen = true;
}

static void do_request_stop(const struct step *step) {
    pool_stop_t mode = step->b % 3;
    facts.stops_begun++;
    facts.close_begun = facts.stop_begun = true;
    if (mode != POOL_STOP_DRAIN) facts.cancel_all_begun = true;
    if (mode == POOL_STOP_KILL) facts.kill_all_begun = true;
    RIGHT(COUNTED(pool_request_stop(pool, mode)) == POOL_OK, "refused");
    facts.close_seen = true;
}

static void do_open(const struct step *step) {
    table->open[step->b % GATES] = 1;
}

static void do_pause(const struct step *step) {
    sleep_us(step->b % 8 * 50);
}

#endif
