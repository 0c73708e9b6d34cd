/* pool_shutdown_all in a task shuts the other pools down, leaves the task's own out, and says so. */
#include "lifecycle.h"

static int32_t stop_all(pool_task_t *task) {
    (void)task;
    CHECK_IS(pool_shutdown_all(POOL_STOP_CANCEL, POOL_FOREVER), POOL_ERR_DEADLOCK);
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind == POOL_PROCESS) return SKIPPED; /* A worker process has pools of its own. */
    pool_t *own = new_pool(&options, 1), *others[2];
    for (int i = 0; i < 2; i++) others[i] = new_pool(&options, 1);
    pid_of_any_worker(others[0]);
    CHECK_OK(pool_run(own, stop_all, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_OK(pool_check(own, NULL));
    pid_of_any_worker(own);
    for (int i = 0; i < 2; i++) {
        CHECK_IS(pool_check(others[i], NULL), POOL_ERR_CLOSED);
        CHECK(pool_state(others[i]) & POOL_STATE_TERMINATED);
        pool_free(others[i]);
    }
    pool_free(own);
    return leaves_nothing_behind();
}
