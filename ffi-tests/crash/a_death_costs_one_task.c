/* However a worker dies, it takes only the task that it ran with it: that one fails and says how,
 * the worker is replaced, and everything else completes. */
#include "processes.h"

enum { WORKERS = 2, GOOD = 200 };

static int32_t die_by_kill(pool_task_t *task) {
    (void)task;
    raise(SIGKILL);
    return 0;
}

static int32_t die_by_segv(pool_task_t *task) {
    (void)task;
    volatile int *volatile nowhere = NULL;
    *nowhere = 1;
    return 0;
}

static int32_t die_by_abort(pool_task_t *task) {
    (void)task;
    abort();
}

static int32_t die_by_fpe(pool_task_t *task) {
    (void)task;
    raise(SIGFPE);
    return 0;
}

static int32_t die_by_term(pool_task_t *task) {
    (void)task;
    raise(SIGTERM);
    return 0;
}

static int32_t die_by_exit_0(pool_task_t *task) {
    (void)task;
    exit(0);
}

static int32_t die_by_exit_3(pool_task_t *task) {
    (void)task;
    exit(3);
}

static int32_t die_by__exit_0(pool_task_t *task) {
    (void)task;
    _exit(0);
}

static int32_t die_by_quick_exit(pool_task_t *task) {
    (void)task;
    quick_exit(4);
}

/* Without end, though no compiler can see that. */
static volatile int is_deep_enough;

static int recurse(volatile char *above) {
    volatile char here[4096];
    here[0] = above ? (char)(above[0] + 1) : 0;
    return is_deep_enough ? 0 : recurse(here) + here[0];
}

static int32_t die_by_stack_overflow(pool_task_t *task) {
    (void)task;
    return recurse(NULL);
}

static const struct death {
    const char *name;
    pool_task_fn function;
    int signal, exit_code;
} deaths[] = {
    {"die_by_kill", die_by_kill, SIGKILL, 0},
    {"die_by_segv", die_by_segv, SIGSEGV, 0},
    {"die_by_abort", die_by_abort, SIGABRT, 0},
    {"die_by_fpe", die_by_fpe, SIGFPE, 0},
    {"die_by_term", die_by_term, SIGTERM, 0},
    {"die_by_exit_0", die_by_exit_0, 0, 0},
    {"die_by_exit_3", die_by_exit_3, 0, 3},
    {"die_by__exit_0", die_by__exit_0, 0, 0},
    {"die_by_quick_exit", die_by_quick_exit, 0, 4},
    {"die_by_stack_overflow", die_by_stack_overflow, SIGSEGV, 0},
};

static void die(pool_t *pool, const struct death *death) {
    future_t *good[GOOD], *bad = NULL;
    for (uint64_t i = 0; i < GOOD; i++) {
        if (i == GOOD / 2) CHECK_OK(pool_submit(pool, death->function, NULL, 0, &bad));
        CHECK_OK(pool_submit(pool, square, &i, sizeof i, &good[i]));
    }
    CHECK_OK(future_wait(bad, POOL_FOREVER));
    pool_error_t error = check_lost(bad);
    printf("%s: %s\n", death->name, error.message);
    CHECK_EQUAL(error.signal, death->signal);
    CHECK_EQUAL(error.exit_code, death->exit_code);
    char pid[32];
    snprintf(pid, sizeof pid, "%" PRId64, error.worker_pid);
    CHECK(strstr(error.message, pid) != NULL);
    for (uint64_t i = 0; i < GOOD; i++) {
        CHECK_EQUAL(collect_number(good[i]), i * i);
        future_free(good[i]);
    }
    future_free(bad);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    pool_t *pool = new_pool(&options, WORKERS);
    for (size_t i = 0; i < COUNT_OF(deaths); i++) die(pool, &deaths[i]);

    /* The pool is as large as ever. */
    future_t *futures[WORKERS];
    occupy(pool, 0, WORKERS, futures);
    CHECK_EQUAL(pool_count_workers(pool), WORKERS);
    release(0);
    wait_and_free(futures, WORKERS);
    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
