/* An option that makes no sense, or none for this kind, is refused with a status, never ignored; and
 * what was handed over with it is given back. */
#include "rendezvous.h"

static int drops;

static void count_drop(void *user) {
    CHECK(user == &drops);
    drops++;
}

static pool_options_t base;

static void answers(pool_options_t options, pool_status_t expected, int line) {
    pool_error_t error;
    pool_t *pool = NULL;
    drops = 0;
    options.user = &drops;
    options.drop = count_drop;
    pool_status_t status = pool_new(&options, &pool, &error);
    if (status != expected) fprintf(stderr, "in line %d: ", line);
    CHECK_IS(status, expected);
    CHECK(pool == NULL);
    CHECK_IS(error.status, expected);
    CHECK(error.message[0] != 0);
    CHECK_EQUAL(drops, 1);
}

#define OPTION(assignment, expected)                                                              \
    do {                                                                                          \
        pool_options_t with = base;                                                               \
        with.assignment;                                                                          \
        answers(with, expected, __LINE__);                                                        \
    } while (0)

static void check_options(void) {
    OPTION(start = 3, POOL_ERR_INVALID);
    OPTION(on_worker_lost = 3, POOL_ERR_INVALID);
    OPTION(retries = 1, POOL_ERR_INVALID); /* without POOL_LOST_RETRY */
    OPTION(soft_limit_ms = -2, POOL_ERR_INVALID);
    OPTION(hard_limit_ms = -3, POOL_ERR_INVALID);
    OPTION(kill_grace_ms = -3, POOL_ERR_INVALID);
    OPTION(at_exit = 4, POOL_ERR_INVALID);
    OPTION(idle_timeout_ms = -3, POOL_ERR_INVALID);
    OPTION(kill_grace_ms = -1, POOL_ERR_INVALID);
    OPTION(tick_ms = 1, POOL_ERR_INVALID);
    OPTION(restart_window_ms = -1, POOL_ERR_INVALID);
    OPTION(min_workers = 1025, POOL_ERR_INVALID);
    OPTION(initializer.module = "m", POOL_ERR_INVALID);
    OPTION(sched = 2, POOL_ERR_INVALID);
    OPTION(driver = 2, POOL_ERR_INVALID);
    OPTION(kind = 3, POOL_ERR_INVALID);
    OPTION(kind = -1, POOL_ERR_INVALID);
    OPTION(max_workers = 1025, POOL_ERR_INVALID);
    OPTION(max_workers = UINT32_MAX, POOL_ERR_INVALID);
}

/* Threads share the program's environment, its folder, its modules and its memory. */
static void check_options_of_processes(void) {
    const char *const none[] = {NULL};
    OPTION(isolation = POOL_ISOLATED, POOL_ERR_UNSUPPORTED);
    OPTION(worker_executable = "/bin/true", POOL_ERR_UNSUPPORTED);
    OPTION(env = none, POOL_ERR_UNSUPPORTED);
    OPTION(modules = none, POOL_ERR_UNSUPPORTED);
    OPTION(cwd = "/", POOL_ERR_UNSUPPORTED);
    OPTION(start_timeout_ms = 1, POOL_ERR_UNSUPPORTED);
    OPTION(initializer_timeout_ms = 1, POOL_ERR_UNSUPPORTED);
    OPTION(finalizer_timeout_ms = 1, POOL_ERR_UNSUPPORTED);
}

static void call_answers(pool_t *pool, pool_call_t call, pool_status_t expected, int line) {
    future_t *future = NULL;
    drops = 0;
    call.task.pointer = warm_up;
    call.user = &drops;
    call.drop = count_drop;
    pool_status_t status = pool_submit_call(pool, &call, &future);
    if (status != expected) fprintf(stderr, "in line %d: ", line);
    CHECK_IS(status, expected);
    CHECK(future == NULL);
    CHECK_EQUAL(drops, 1);
}

#define CALL(assignment, expected)                                                                \
    do {                                                                                          \
        pool_call_t with = POOL_CALL_INIT;                                                        \
        with.assignment;                                                                          \
        call_answers(pool, with, expected, __LINE__);                                             \
    } while (0)

static void check_calls(pool_t *pool) {
    CALL(submit_timeout_ms = -3, POOL_ERR_INVALID);
    CALL(priority = POOL_PRIORITY_MIN - 1, POOL_ERR_INVALID);
    CALL(priority = POOL_PRIORITY_MAX + 1, POOL_ERR_INVALID);
}

/* How processes start is said for processes, and of no start what it does not do. */
static void check_starts(void) {
    static const char *const none[] = {NULL};
    OPTION(start = -1, POOL_ERR_INVALID);
    if (base.kind != POOL_PROCESS) {
        OPTION(start = POOL_FORKSERVER, POOL_ERR_UNSUPPORTED);
        OPTION(start = POOL_FORK, POOL_ERR_UNSUPPORTED);
    }
    if (base.kind == POOL_PROCESS) OPTION(isolation = 2, POOL_ERR_INVALID);
    if (base.start == POOL_SPAWN) OPTION(preload = none, POOL_ERR_UNSUPPORTED);
    if (base.start != POOL_FORK) OPTION(fork_with_threads = true, POOL_ERR_UNSUPPORTED);
    if (base.start == POOL_FORK) OPTION(worker_executable = "/bin/true", POOL_ERR_UNSUPPORTED);
}

int main(int argc, char **argv) {
    base = test_begin(argc, argv);
    check_options();
    check_starts();
    if (base.kind == POOL_THREAD) check_options_of_processes();

    pool_t *pool = new_pool(&base, 1);
    check_calls(pool);
    pool_free(pool);

    /* What is taken is given back once, when it is not needed any more. */
    pool_options_t options = base;
    pool_call_t call = POOL_CALL_INIT;
    future_t *future;
    drops = 0;
    options.user = call.user = &drops;
    options.drop = call.drop = count_drop;
    call.task.pointer = warm_up;
    call.submit_timeout_ms = POOL_NOW;
    pool = new_pool(&options, 1);
    CHECK_OK(pool_submit_call(pool, &call, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    future_free(future);
    pool_free(pool);
    CHECK_EQUAL(drops, 2); /* the task's and the pool's */
    return leaves_nothing_behind();
}
