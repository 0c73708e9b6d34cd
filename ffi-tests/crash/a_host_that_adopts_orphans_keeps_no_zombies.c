/* A host that adopts orphans, as a subreaper or as the first process of a container: whatever dies, fork
 * servers, their workers, or all at once, the library leaves it no zombie, and leaves its own children to it. */
#include "forkserver.h"
#include <sys/prctl.h>
#include <sys/wait.h>

enum { WORKERS = 3, ROUNDS = 4, EXIT_CODE = 5 };

static int32_t parent_pid(pool_task_t *task) {
    int32_t pid = (int32_t)getppid();
    return pool_task_return(task, &pid, sizeof pid);
}

static int32_t die_at_once(pool_task_t *task) {
    (void)task;
    raise(SIGKILL);
    return 0;
}

static pid_t server_of(pool_t *pool) {
    int32_t pid = 0;
    CHECK_OK(pool_run(pool, parent_pid, NULL, 0, POOL_FOREVER, &pid, sizeof pid, NULL));
    CHECK(pid > 1 && pid != getpid());
    return pid;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    pid_t own = fork();
    CHECK(own >= 0);
    if (own == 0) _exit(EXIT_CODE);
    options.min_workers = WORKERS;
    options.max_restarts = UINT32_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        pool_t *pool = new_pool(&options, WORKERS);
        future_t *future;
        CHECK_OK(pool_wait_ready(pool, WORKERS, POOL_FOREVER));
        pid_t server = server_of(pool);
        CHECK_OK(pool_wait_ready(pool, WORKERS, POOL_FOREVER));
        kill(server, SIGKILL);
        while (!is_dead(server)) pause_briefly();
        /* Its workers live, and are the host's by now. */
        CHECK_OK(pool_submit(pool, die_at_once, NULL, 0, &future));
        CHECK_OK(future_wait(future, POOL_FOREVER));
        CHECK_EQUAL(check_lost(future).signal, SIGKILL);
        future_free(future);
        CHECK_OK(pool_shutdown(pool, round % 2 ? POOL_STOP_KILL : POOL_STOP_CANCEL, POOL_FOREVER));
        pool_free(pool);
    }
    int status;
    CHECK(waitpid(own, &status, 0) == own);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CODE);
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
    return leaves_nothing_behind();
}
