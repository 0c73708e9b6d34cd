/* How a worker died is known also where the kernel hides it from the host: the worker has made itself
 * undumpable, or belongs to another user. Nothing is said that is not known. */
#include "processes.h"
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { NOBODY = 65534, EXIT_CODE = 5 };

enum way { CRASHES, EXITS, EXITS_WITH_0, WAYS };

/* Arguments: the way. */
static int32_t die_unseen(pool_task_t *task) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
    switch (*(const char *)pool_task_args(task, NULL)) {
    case EXITS: _exit(EXIT_CODE);
    case EXITS_WITH_0: _exit(0);
    default: raise(SIGSEGV);
    }
    return 0;
}

static void lose_in_all_ways(pool_t *pool) {
    for (char way = 0; way < WAYS; way++) {
        future_t *future;
        CHECK_OK(pool_submit(pool, die_unseen, &way, 1, &future));
        CHECK_OK(future_wait(future, POOL_FOREVER));
        pool_error_t error = check_lost(future);
        CHECK_EQUAL(error.signal, way == CRASHES ? SIGSEGV : 0);
        CHECK_EQUAL(error.exit_code, way == EXITS ? EXIT_CODE : 0);
        CHECK(way == CRASHES || strstr(error.message, way == EXITS ? "exit code 5" : "exit code 0"));
        future_free(future);
    }
}

/* Gives up the effective user after the pool was made. */
static void lose_as_another_user(const pool_options_t *options) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        pool_t *pool = new_pool(options, 1);
        CHECK_OK(pool_wait_ready(pool, 1, POOL_FOREVER));
        CHECK(setresuid(NOBODY, NOBODY, 0) == 0);
        lose_in_all_ways(pool);
        CHECK(setresuid(0, 0, 0) == 0);
        pool_free(pool);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQUAL(status, 0);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    options.max_restarts = UINT32_MAX;
    pool_t *pool = new_pool(&options, 1);
    lose_in_all_ways(pool);
    pool_free(pool);
    if (getuid() == 0) lose_as_another_user(&options);
    return leaves_nothing_behind();
}
