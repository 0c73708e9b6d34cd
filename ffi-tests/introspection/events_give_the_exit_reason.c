/* The event of a worker's exit has the reason, and the signal or the exit code if there is one; its message
 * names the worker. The log gets the same message. */
#include "lifecycle.h"
#include <signal.h>

static pool_event_t gone; /* The last that is gone, */
static pool_log_level_t grave; /* and how grave that was. */
static pool_log_level_t level;

static void hear(const pool_event_t *event, void *user) {
    CHECK(user == &gone);
    CHECK(strstr(event->message, "worker") != NULL);
    if (event->kind != POOL_EVENT_EXITED) return;
    gone = *event;
    grave = level;
    word_add(LIFECYCLE_FIRST, 1);
}

/* What goes to both goes to the log first. */
static void note(pool_log_level_t its, const char *message, void *user) {
    CHECK(user == &gone && message[0] != 0);
    level = its;
}

static void expect(int line, pool_exit_reason_t reason, int signal, int code, pool_log_level_t its) {
    static uint32_t n;
    word_wait(LIFECYCLE_FIRST, ++n);
    if (gone.reason != reason) fprintf(stderr, "in line %d: reason %d\n", line, gone.reason);
    CHECK_EQUAL(gone.reason, reason);
    /* What is to end with its task is asked to first. */
    if (signal != SIGKILL || gone.signal != SIGTERM) CHECK_EQUAL(gone.signal, signal);
    CHECK_EQUAL(gone.exit_code, code);
    CHECK_EQUAL(grave, its);
}

#define GOES(reason, signal, code, level) expect(__LINE__, reason, signal, code, level)

static int32_t leave_with_seven(pool_task_t *task) {
    (void)task;
    _exit(7);
}

static int32_t fail(pool_task_t *task) {
    return pool_task_fail(task, 1, "not today");
}

static void run(pool_t *pool, pool_task_fn function, pool_status_t expected) {
    CHECK_IS(pool_run(pool, function, NULL, 0, POOL_FOREVER, NULL, 0, NULL), expected);
}

static void any_worker(pool_options_t options) {
    pool_t *pool = new_pool(&options, 2);
    CHECK_OK(pool_spawn_workers(pool, 2, NULL));
    CHECK_OK(pool_wait_ready(pool, 2, POOL_FOREVER));
    CHECK_OK(pool_shrink(pool, 1, POOL_SHRINK_WHEN_IDLE));
    GOES(POOL_EXITED_SHRUNK, 0, 0, POOL_LOG_INFO);
    CHECK_OK(pool_restart(pool, POOL_RESTART_GRACEFUL));
    GOES(POOL_EXITED_RESTARTED, 0, 0, POOL_LOG_INFO);
    CHECK_OK(pool_wait_ready(pool, 1, POOL_FOREVER));
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    GOES(POOL_EXITED_REQUESTED, 0, 0, POOL_LOG_DEBUG);
    pool_free(pool);

    pool_function_t bad = {fail, NULL, NULL, NULL, 0};
    options.finalizer = bad;
    pool = new_pool(&options, 1);
    run(pool, warm_up, POOL_OK);
    CHECK_IS(pool_join(pool, POOL_FOREVER), POOL_ERR_FINALIZER);
    GOES(POOL_EXITED_HOOK_FAILED, 0, 0, POOL_LOG_ERROR);
    pool_free(pool);
}

static void processes(pool_options_t options) {
    future_t *future;
    pool_t *pool = new_pool(&options, 1);
    run(pool, leave_with_seven, POOL_ERR_WORKER_LOST);
    GOES(POOL_EXITED_LOST, 0, 7, POOL_LOG_ERROR);

    occupy(pool, 0, 1, &future);
    CHECK_OK(future_cancel(future, POOL_CANCEL_RUNNING));
    GOES(POOL_EXITED_CANCELLED, SIGKILL, 0, POOL_LOG_WARNING);
    future_free(future);
    reset_gate(0);

    CHECK_OK(pool_set_limits(pool, 0, 20));
    occupy(pool, 0, 1, &future);
    GOES(POOL_EXITED_TIME_LIMIT, SIGKILL, 0, POOL_LOG_WARNING);
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_EQUAL(future_state(future), FUTURE_FAILED);
    future_free(future);
    reset_gate(0);

    CHECK_OK(pool_set_limits(pool, 0, POOL_FOREVER));
    occupy(pool, 0, 1, &future);
    CHECK_OK(pool_restart(pool, POOL_RESTART_NOW));
    GOES(POOL_EXITED_RESTARTED, SIGKILL, 0, POOL_LOG_INFO);
    future_free(future);
    reset_gate(0);

    occupy(pool, 0, 1, &future);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER));
    GOES(POOL_EXITED_KILLED, SIGKILL, 0, POOL_LOG_DEBUG);
    future_free(future);
    pool_free(pool);
}

static void other_images(pool_options_t options) {
    uint64_t n = 5;
    future_t *future;
    char *functions = library_path("functions");
    pool_t *pool = new_pool(&options, 1);
    CHECK_OK(pool_submit_symbol(pool, functions, "triple", &n, sizeof n, &future));
    CHECK_EQUAL(collect_number(future), 15);
    run(pool, warm_up, POOL_OK);
    GOES(POOL_EXITED_NEEDS_MAIN_PROGRAM, 0, 0, POOL_LOG_DEBUG);
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    GOES(POOL_EXITED_REQUESTED, 0, 0, POOL_LOG_DEBUG);
    pool_free(pool);
    future_free(future);
    free(functions);
}

static void no_worker(pool_options_t options) {
    options.worker_executable = "/bin/false";
    options.max_restarts = 1;
    pool_t *pool = new_pool(&options, 1);
    run(pool, warm_up, POOL_ERR_BROKEN);
    pool_free(pool);
    GOES(POOL_EXITED_START_FAILED, 0, 1, POOL_LOG_WARNING);
    CHECK_EQUAL(level, POOL_LOG_ERROR); /* The pool is broken. */
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    options.on_event = hear;
    options.log = note;
    options.user = &gone;
    any_worker(options);
    if (options.kind == POOL_PROCESS) {
        processes(options);
        if (options.start != POOL_FORK) other_images(options);
        if (options.start == POOL_SPAWN) no_worker(options);
    }
    return leaves_nothing_behind();
}
