/* A finalizer that takes its process with it breaks the pool, and the error says how. */
#include "lifecycle.h"
#include <signal.h>

static int32_t die(pool_task_t *task) {
    (void)task;
    raise(SIGKILL);
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    options.finalizer.pointer = die;
    pool_t *pool = new_pool(&options, 1);
    pool_error_t error;
    int64_t pid = pid_of_any_worker(pool);
    CHECK_IS(pool_join(pool, POOL_FOREVER), POOL_ERR_FINALIZER);
    CHECK_IS(pool_check(pool, &error), POOL_ERR_FINALIZER);
    CHECK_EQUAL(error.signal, SIGKILL);
    CHECK_EQUAL(error.worker_pid, pid);
    CHECK(strstr(error.message, "finalizer") != NULL);
    pool_free(pool);
    return leaves_nothing_behind();
}
