/* A fault in the library's own thread, one that should not be there, breaks the pool and is told: waits and submits
 * return, and the pool can be freed. The fault is made: a system call fails that cannot, and so is not expected to. */
#include "system_calls.h"
#include <sys/wait.h>

enum { QUIET, BEFORE_A_DEATH };

static int32_t die(pool_task_t *task) {
    (void)task;
    return raise(SIGKILL);
}

static int live(const pool_options_t *options, int call) {
    uint64_t n = 3;
    future_t *future;
    pool_error_t error;
    let_calls_be_decided(call);
    pool_t *pool = new_pool(options, 1);
    CHECK_OK(pool_run(pool, square, &n, sizeof n, POOL_FOREVER, &n, sizeof n, NULL));
    mark(BEFORE_A_DEATH);
    CHECK_OK(pool_submit(pool, die, NULL, 0, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    future_free(future);
    pool_status_t status = pool_run(pool, square, &n, sizeof n, POOL_FOREVER, &n, sizeof n, NULL);
    mark(QUIET);
    if (status != POOL_OK) {
        CHECK_IS(status, POOL_ERR_BROKEN);
        CHECK_IS(pool_check(pool, &error), POOL_ERR_BROKEN);
        CHECK(strstr(error.message, "please report it") != NULL);
    }
    pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER);
    pool_free(pool);
    pool = new_pool(options, 1);
    CHECK_OK(pool_run(pool, square, &n, sizeof n, POOL_FOREVER, &n, sizeof n, NULL));
    pool_free(pool);
    return leaves_nothing_behind() != 0 ? 1 : status == POOL_OK ? SKIPPED : 0;
}

/* Lets the calls of the program's other threads fail, once the program says so. */
static int let_fail(pid_t pid, int listener) {
    int status, phase = QUIET;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        struct pollfd ready = {listener, POLLIN, 0};
        struct seccomp_notif asked = {0};
        if (poll(&ready, 1, 5) <= 0 || ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) continue;
        if (asked.data.nr == SYS_prctl) {
            phase = (int)asked.data.args[1];
            struct seccomp_notif_resp done = {.id = asked.id};
            ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &done);
            continue;
        }
        bool is_other = (pid_t)asked.pid != pid && is_thread_of((pid_t)asked.pid, pid);
        decide(listener, asked.id, phase == BEFORE_A_DEATH && is_other ? EAGAIN : 0);
    }
    return status;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    if (argc > 2) return live(&options, atoi(argv[2]));
    int status = run_decided(argv, "getrandom", let_fail);
    CHECK(WIFEXITED(status));
    if (WEXITSTATUS(status) != 0) return WEXITSTATUS(status);
    return leaves_nothing_behind();
}
