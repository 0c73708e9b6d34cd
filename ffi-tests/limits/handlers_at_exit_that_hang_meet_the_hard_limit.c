/* A task that calls exit, whose handlers then never return, has not ended: its hard limit ends it, and the worker with
 * it. */
#include "processes.h"

enum { STARTED = WORD_FIRST, LIMIT_MS = 100 };

static void never_return(void) {
    word_set(STARTED, (uint32_t)getpid());
    for (;;) pause();
}

static int32_t call_exit(pool_task_t *task) {
    (void)task;
    atexit(never_return);
    exit(0);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    options.hard_limit_ms = LIMIT_MS;
    pool_t *pool = new_pool(&options, 1);
    future_t *future;
    pool_error_t error;
    CHECK_OK(pool_submit(pool, call_exit, NULL, 0, &future));
    word_wait(STARTED, 1);
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_OK(future_error(future, &error));
    CHECK_IS(error.status, POOL_ERR_HARD_LIMIT);
    while (!is_dead((pid_t)word_get(STARTED))) pause_briefly();
    future_free(future);
    CHECK(pid_of_any_worker(pool) > 0);
    pool_free(pool);
    return leaves_nothing_behind();
}
