/* When the library's own thread comes late to a time limit of a start, because the program was stopped or the machine is
 * busy, it looks first whether the worker has become ready meanwhile: such a worker may be running a task, and is not
 * killed. The thread is held in a system call, at the moment that matters. */
#include "system_calls.h"
#include <sys/wait.h>

enum { TIMEOUT_MS = 150, QUIET, LATE };
enum { INITIALIZING = SYSTEM_CALLS_FIRST, MAY_BE_READY, STARTED, MAY_END };

static int32_t initialize(pool_task_t *task) {
    (void)task;
    word_set(INITIALIZING, 1);
    word_wait(MAY_BE_READY, 1);
    return 0;
}

static int32_t wait_for_the_end(pool_task_t *task) {
    word_set(STARTED, 1);
    word_wait(MAY_END, 1);
    return return_pid(task);
}

static int live(pool_options_t *options, int call) {
    future_t *future;
    let_calls_be_decided(call);
    options->initializer.pointer = initialize;
    options->initializer_timeout_ms = TIMEOUT_MS;
    pool_t *pool = new_pool(options, 1);
    CHECK_OK(pool_submit(pool, wait_for_the_end, NULL, 0, &future));
    word_wait(INITIALIZING, 1);
    mark(LATE);
    CHECK_OK(pool_resume(pool)); /* no effect, but the supervisor wakes up for it */
    mark(QUIET);
    word_set(MAY_END, 1);
    CHECK(collect_number(future) > 0);
    CHECK_OK(pool_check(pool, NULL));
    future_free(future);
    pool_free(pool);
    return leaves_nothing_behind();
}

/* Holds the first call of another thread than the program's first one in LATE, until the limit has passed. */
static int hold(pid_t pid, int listener) {
    uint64_t held = 0, ready_at = 0;
    int status, phase = QUIET;
    bool is_held = false;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        struct pollfd ready = {listener, POLLIN, 0};
        struct seccomp_notif asked = {0};
        if (is_held && !ready_at && word_get(STARTED)) ready_at = now_ns();
        if (ready_at && now_ns() - ready_at > 2 * TIMEOUT_MS * 1000000ull) {
            decide(listener, held, 0);
            is_held = false, ready_at = 0, phase = QUIET;
        }
        if (poll(&ready, 1, 5) <= 0 || ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) continue;
        if (asked.data.nr == SYS_prctl) {
            phase = (int)asked.data.args[1];
            struct seccomp_notif_resp done = {.id = asked.id};
            ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &done);
        } else if (phase == LATE && !is_held && (pid_t)asked.pid != pid && is_thread_of((pid_t)asked.pid, pid)) {
            held = asked.id, is_held = true;
            word_set(MAY_BE_READY, 1);
        } else {
            decide(listener, asked.id, 0);
        }
    }
    CHECK_EQUAL(word_get(MAY_BE_READY), 1);
    return status;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    if (argc > 2) return live(&options, atoi(argv[2]));
    CHECK_EQUAL(run_decided(argv, "read", hold), 0);
    return leaves_nothing_behind();
}
