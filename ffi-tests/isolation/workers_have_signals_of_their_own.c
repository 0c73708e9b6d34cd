/* Whatever the program ignores, blocks or handles, its worker processes begin with the defaults: a cancel
 * ends them by SIGTERM. And they are in groups of their own: Ctrl-C is for the program alone. */
#include "time_limits.h"
#include "processes.h"

enum { STARTED = WORD_FIRST, GATE = 0 };

static void never(int number) {
    (void)number;
    abort();
}

/* Result: how many signals are blocked, ignored or handled here, and the group. */
static int32_t tell_signals(pool_task_t *task) {
    int64_t told[2] = {0, getpgrp()};
    sigset_t blocked;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    const int numbers[] = {SIGTERM, SIGUSR1, SIGUSR2, SIGHUP, SIGCHLD};
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        struct sigaction action;
        sigaction(numbers[i], NULL, &action);
        told[0] += sigismember(&blocked, numbers[i]) || action.sa_handler != SIG_DFL;
    }
    return pool_task_return(task, told, sizeof told);
}

static int32_t sleep_for_ever(pool_task_t *task) {
    (void)task;
    word_add(STARTED, 1);
    for (;;) pause();
    return 0;
}

int main(int argc, char **argv) {
    setpgid(0, 0);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR2, never);
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, NULL);

    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    options.kill_grace_ms = 3600000;
    pool_t *pool = new_pool(&options, 1);
    int64_t told[2];
    CHECK_OK(pool_run(pool, tell_signals, NULL, 0, POOL_FOREVER, told, sizeof told, NULL));
    CHECK_EQUAL(told[0], 0);
    CHECK(told[1] != getpgrp());

    future_t *future;
    CHECK_OK(pool_submit(pool, sleep_for_ever, NULL, 0, &future));
    word_wait(STARTED, 1);
    CHECK_OK(future_cancel(future, POOL_CANCEL_RUNNING));
    check_ended(future, FUTURE_CANCELLED, POOL_ERR_CANCELLED);
    future_free(future);

    /* Ctrl-C. */
    signal(SIGINT, SIG_IGN);
    occupy(pool, GATE, 1, &future);
    CHECK(kill(0, SIGINT) == 0);
    release(GATE);
    check_ended(future, FUTURE_COMPLETED, POOL_OK);
    future_free(future);
    pool_free(pool);
    return leaves_nothing_behind();
}
