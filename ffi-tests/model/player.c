/* Plays one sequence of calls of the model-based test, which ffi-tests/model.rs makes up, and checks each
 * answer. The file that is named on the command line has a line with the options of the pool, and a line
 * for each step: the thread, the call, three numbers. Prints how many calls were made, or the first answer
 * that is wrong. */
#include "pool_steps.h"
#include <dirent.h>

static const struct action actions[] = {
    {"submit", do_submit},
    {"submit_call", do_submit_call},
    {"submit_with_calls", do_submit_calls},
    {"run", do_run},
    {"result", do_result},
    {"poll", do_poll},
    {"collect", do_collect},
    {"wait", do_wait},
    {"wait_for_ever", do_wait_for_ever},
    {"error", do_error},
    {"state", do_state},
    {"is_done", do_is_done},
    {"cancel", do_cancel},
    {"requested", do_requested},
    {"id", do_id},
    {"times", do_times},
    {"free", do_free},
    {"on_done", do_on_done},
    {"wait_many", do_wait_many},
    {"collect_many", do_collect_many},
    {"set_add", do_set_add},
    {"set_next", do_set_next},
    {"promise", do_promise},
    {"resolve", do_resolve},
    {"reject", do_reject},
    {"map", do_map},
    {"lazy_map", do_lazy_map},
    {"grow", do_grow},
    {"shrink", do_shrink},
    {"restart", do_restart},
    {"spawn", do_spawn},
    {"wait_ready", do_wait_ready},
    {"kill", do_kill},
    {"idle_timeout", do_idle_timeout},
    {"stats", do_stats},
    {"look", do_look},
    {"cancel_pending", do_cancel_pending},
    {"close", do_close},
    {"join", do_join},
    {"shutdown", do_shutdown},
    {"terminate", do_terminate},
    {"request_stop", do_request_stop},
    {"open", do_open},
    {"pause", do_pause},
};

enum { STEPS = 4096 };

static struct step steps[STEPS];
static size_t n_steps;

int32_t module_task(pool_task_t *task);
int32_t module_item(pool_task_t *task);

/* ---- the file -------------------------------------------------------------------------------- */

static const struct action *find_action(const char *name) {
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(actions[i].name, name) == 0) return &actions[i];
    }
    return NULL;
}

static bool read_file(const char *path) {
    FILE *file = fopen(path, "r");
    unsigned kind, workers, retries, pending, tasks, lost, prefetch, idle, module, end;
    if (!file || fscanf(file, "%u %u %u %u %u %u %u %u %u %u", &kind, &workers, &retries, &pending, &tasks, &lost,
                        &prefetch, &idle, &module, &end) != 10) {
        return false;
    }
    static const int64_t idle_times[] = {0, POOL_NOW, 1};
    config.kind = kind == 0 ? POOL_THREAD : kind == 4 ? POOL_INLINE : POOL_PROCESS;
    config.start = kind == 2 ? POOL_FORKSERVER : kind == 3 ? POOL_FORK : POOL_SPAWN;
    config.workers = 1 + workers % 3;
    config.on_lost = is_process() ? (pool_on_worker_lost_t)(lost % 3) : POOL_LOST_FAIL_TASK;
    config.retries = config.on_lost == POOL_LOST_RETRY ? 1 + retries % 2 : 0;
    config.max_pending = pending % 4;
    config.max_tasks = tasks % 4;
    config.sched = prefetch % 2 ? POOL_SCHED_PREFETCH : POOL_SCHED_FIFO;
    config.idle_timeout_ms = idle_times[idle % 3];
    config.is_module = module % 2;
    config.end = end % 3;
    char name[32];
    while (n_steps < STEPS) {
        struct step step;
        if (fscanf(file, "%d %31s %u %u %u", &step.thread, name, &step.a, &step.b, &step.c) != 5) break;
        step.action = find_action(name);
        if (!step.action) return false;
        steps[n_steps++] = step;
    }
    fclose(file);
    return true;
}

/* ---- the play -------------------------------------------------------------------------------- */

static void on_event(const pool_event_t *event, void *user) {
    (void)user;
    if (event->kind == POOL_EVENT_STARTING) facts.starting++;
    if (event->kind == POOL_EVENT_READY) facts.ready++;
    if (event->kind == POOL_EVENT_EXITED) facts.exited++;
    RIGHT(facts.starting >= facts.exited, "more workers have exited than were started");
    RIGHT((event->pid != 0) == is_process(), "an event of process %" PRId64, event->pid);
}

static void make_pool(void) {
    pool_options_t options = POOL_OPTIONS_INIT;
    pool_error_t error;
    options.kind = config.kind;
    options.start = config.start;
    options.max_workers = config.workers;
    options.on_worker_lost = config.on_lost;
    options.retries = config.retries;
    options.max_pending = config.max_pending;
    options.max_tasks_per_worker = config.max_tasks;
    options.sched = config.sched;
    options.idle_timeout_ms = config.idle_timeout_ms;
    options.on_event = on_event;
    if (is_process()) options.kill_grace_ms = POOL_NOW;
    facts.max_workers = config.workers;
    pool_status_t status = COUNTED(pool_new(&options, &pool, &error));
    RIGHT(status == POOL_OK, "pool_new returned %s: %s", pool_status_name(status), error.message);
}

static void *play(void *user) {
    current_thread = (int)(intptr_t)user;
    for (size_t i = 0; i < n_steps; i++) {
        if (steps[i].thread % THREADS != current_thread) continue;
        current_step = (int)i;
        current_words = steps[i].action->name;
        steps[i].action->run(&steps[i]);
    }
    current_words = "the end of a thread";
    end_thread();
    return NULL;
}

static void play_all(void) {
    pthread_t threads[THREADS];
    for (intptr_t i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, play, (void *)i);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void wait_for_all(void) {
    for (uint32_t i = 0; i < n_records; i++) {
        struct record *record = &records[i];
        if (!record->future || record->is_freed || record->is_promise) continue;
        RIGHT(COUNTED(future_wait(record->future, POOL_FOREVER)) == POOL_OK, "no end of %" PRIu64, record->serial);
        see_done(record);
        ask_result(record);
    }
}

/* Also of tasks whose futures were freed. */
static void wait_for_rest(void) {
    while (pool_count_pending_tasks(pool) > 0 || pool_count_busy_workers(pool) > 0) sleep_us(100);
}

static uint64_t sum_of(const uint64_t *entries) {
    uint64_t sum = 0;
    for (int i = 0; i < 64; i++) sum += entries[i];
    return sum;
}

/* Nothing is queued or runs. */
static void check_stats_at_rest(void) {
    pool_stats_t stats = POOL_STATS_INIT;
    RIGHT(COUNTED(pool_stats(pool, &stats)) == POOL_OK, "no statistics");
    uint64_t ended = stats.tasks_completed + stats.tasks_failed + stats.tasks_cancelled;
    RIGHT(stats.tasks_submitted == ended,
          "%" PRIu64 " submitted, but %" PRIu64 " completed, %" PRIu64 " failed, %" PRIu64 " cancelled",
          stats.tasks_submitted, stats.tasks_completed, stats.tasks_failed, stats.tasks_cancelled);
    uint64_t by_workers = sum_of(stats.run_ns);
    RIGHT(sum_of(stats.queue_ns) == by_workers, "the histograms differ");
    RIGHT(by_workers >= stats.tasks_completed && by_workers <= stats.tasks_completed + stats.tasks_failed,
          "%" PRIu64 " in the histograms, %" PRIu64 " completed", by_workers, stats.tasks_completed);
    RIGHT(stats.tasks_completed >= facts.completed && stats.tasks_failed >= facts.failed &&
              stats.tasks_cancelled >= facts.cancelled,
          "fewer than were seen");
    if (!facts.map_begun) {
        RIGHT(stats.tasks_submitted == facts.accepted, "%" PRIu64 " submitted, not %" PRIu64,
              stats.tasks_submitted, (uint64_t)facts.accepted);
    }
}

static void check_records_at_the_end(void) {
    for (uint32_t i = 0; i < n_records; i++) {
        struct record *record = &records[i];
        int32_t end = record->end_seen;
        const char *why = end == NOT_KNOWN ? NULL : why_not(record, end);
        RIGHT(!why, "future %u ended with %s, but %s", i, pool_status_name(end), why);
        if (!record->future || record->is_promise) continue;
        uint32_t runs = table->rows[i].runs;
        RIGHT(record->dones == record->asked_dones, "%u callbacks of %u", record->dones, record->asked_dones);
        RIGHT(record->drops == record->asked_drops, "%u drops of %u", record->drops, record->asked_drops);
        if (!record->has_calls) continue;
        RIGHT(runs == 0 || record->accepts == 1, "future %u ran, and on_accept was not called", i);
        RIGHT(end != POOL_ERR_EXPIRED || record->accepts == 0, "future %u was accepted and expired", i);
        bool is_lost = may_die(record) || is_loss_possible() || facts.kill_all_begun ||
                       record->cancel_running_begun || record->has_hard_limit;
        RIGHT(record->accepts == 0 || runs > 0 || is_lost, "future %u was accepted and did not run", i);
        /* A function of the main program may first be taken by a worker that runs another program. */
        bool is_known = config.is_module && record->accepts == 1 && runs > 0 && is_process() && !is_loss_possible();
        RIGHT(!is_known || record->accept_pid == table->rows[i].first_pid,
              "on_accept got process %" PRId64 " for %u, which ran in %" PRId64, (int64_t)record->accept_pid, i,
              (int64_t)table->rows[i].first_pid);
    }
}

static bool has_children(void) {
    char path[64], byte;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
    int file = open(path, O_RDONLY | O_CLOEXEC);
    bool has = file >= 0 && read(file, &byte, 1) == 1;
    close(file);
    return has;
}

static void end_pool(void) {
    current_words = "the end";
    open_gates();
    if (config.end != 2) wait_for_all();
    if (config.end == 0) {
        wait_for_rest();
        check_stats_at_rest();
    }
    stop_with(config.end == 2 ? POOL_STOP_KILL : POOL_STOP_DRAIN, POOL_FOREVER);
    wait_for_all();
    check_stats_at_rest();
    pool_stats_t stats = POOL_STATS_INIT;
    RIGHT(COUNTED(pool_stats(pool, &stats)) == POOL_OK, "no statistics");
    RIGHT(stats.workers_started == facts.starting || config.kind == POOL_INLINE,
          "%" PRIu64 " workers were started, %" PRIu64 " reported", stats.workers_started,
          (uint64_t)facts.starting);
    RIGHT(facts.exited == facts.starting && facts.ready <= facts.starting,
          "%" PRIu64 " workers have exited of %" PRIu64, (uint64_t)facts.exited, (uint64_t)facts.starting);
    check_records_at_the_end();
    pool_free(pool);
    for (uint32_t i = 0; i < n_records; i++) {
        if (records[i].future) free_record(&records[i]);
    }
    RIGHT(!has_children(), "a child is left");
}

static bool make_table(const char *path) {
    char name[4096];
    snprintf(name, sizeof name, "%s.table", path);
    int file = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, sizeof *table) != 0) return false;
    table = map_table(file);
    close(file);
    return table && setenv(TABLE_VARIABLE, name, 1) == 0 && (the_table() != NULL);
}

int main(int argc, char **argv) {
    if (argc != 2 || !read_file(argv[1]) || !make_table(argv[1])) {
        printf("usage: player FILE\n");
        return 2;
    }
    task_function = config.is_module ? module_task : run_model_task;
    item_function = config.is_module ? module_item : run_model_item;
    make_pool();
    play_all();
    end_pool();
    printf("calls %" PRIu64 "\n", (uint64_t)calls);
    return 0;
}
