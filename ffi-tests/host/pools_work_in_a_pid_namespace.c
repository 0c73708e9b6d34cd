/* In a PID namespace that has the /proc of another one, as some sandboxes do, every kind of pool works: what
 * /proc says of threads and processes by other ids is not believed. */
#include "processes.h"
#include <sched.h>
#include <sys/wait.h>

static void use_pools(pool_options_t options) {
    pid_t pids[2];
    future_t *future;
    /* Both pools have threads of the library's own when the second one is made. */
    pool_t *pool = new_pool(&options, 2), *second = new_pool(&options, 1);
    CHECK_OK(pool_run(second, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    get_worker_pids(pool, 0, 2, pids);
    pool_worker_info_t workers[2] = {{.struct_size = sizeof *workers}};
    CHECK_OK(pool_workers(pool, workers, 2, NULL));
    for (int i = 0; i < 2 && options.kind == POOL_PROCESS; i++) {
        CHECK_EQUAL(workers[i].pid, pids[i]);
        CHECK_EQUAL(workers[i].resident_bytes, 0);
        CHECK(kill(pids[i], SIGKILL) == 0);
    }
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    future_free(future);
    pool_free(second);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    options.fork_with_threads = false;
    int status;
    if (unshare(CLONE_NEWPID) != 0) return SKIPPED;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        use_pools(options);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK_EQUAL(WEXITSTATUS(status), 0);
    return 0;
}
