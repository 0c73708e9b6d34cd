/* POOL_LOST_BREAK: a worker that is lost while it is idle breaks the pool, like one that is lost with a task.
 * One that is lost before it is ready is a failed start, and another one is started. */
#include "lifecycle.h"
#include "processes.h"

static int32_t die_at_the_first_start(pool_task_t *task) {
    (void)task;
    if (word_add(INITIALIZED, 1) == 0) raise(SIGKILL);
    return 0;
}

static void lost_while_idle(pool_options_t options) {
    pid_t pid;
    pool_error_t error;
    pool_t *pool = new_pool(&options, 1);
    get_worker_pids(pool, 0, 1, &pid);
    kill_and_wait(pid);
    while (!(pool_state(pool) & POOL_STATE_BROKEN)) pause_briefly();
    CHECK_IS(pool_check(pool, &error), POOL_ERR_BROKEN);
    CHECK_EQUAL(error.worker_pid, pid);
    CHECK_EQUAL(error.signal, SIGKILL);
    CHECK_IS(pool_submit(pool, warm_up, NULL, 0, NULL), POOL_ERR_BROKEN);
    pool_free(pool);
}

static void lost_while_starting(pool_options_t options) {
    options.initializer.pointer = die_at_the_first_start;
    pool_t *pool = new_pool(&options, 1);
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_OK(pool_check(pool, NULL));
    CHECK_EQUAL(word_get(INITIALIZED), 2);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    options.on_worker_lost = POOL_LOST_BREAK;
    lost_while_idle(options);
    lost_while_starting(options);
    return leaves_nothing_behind();
}
