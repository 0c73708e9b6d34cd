/* A hard limit holds although a debugger traces the worker, and so learns of its death first: the task fails, the
 * worker is replaced, and the supervisor does not spin meanwhile. When the debugger lets go, no zombie stays. */
#include "processes.h"
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { STARTED = WORD_FIRST, LIMIT_MS = 300, TRACED = 1, REFUSED = 2 };

static int32_t run_forever(pool_task_t *task) {
    (void)task;
    word_set(STARTED, (uint32_t)getpid());
    for (;;) pause();
    return 0;
}

static int32_t answer(pool_task_t *task) {
    uint32_t seven = 7;
    return pool_task_return(task, &seven, sizeof seven);
}

/* Forks a process that traces the process whose id comes through the pipe. It never waits for it. */
static pid_t fork_debugger(const int ids[2], const int replies[2]) {
    pid_t debugger = fork(), traced;
    CHECK(debugger >= 0);
    if (debugger > 0) return debugger;
    CHECK(read(ids[0], &traced, sizeof traced) == sizeof traced);
    char reply = ptrace(PTRACE_SEIZE, traced, 0, 0) == 0 ? TRACED : REFUSED;
    CHECK(write(replies[1], &reply, 1) == 1);
    for (;;) pause();
}

static double cpu_seconds(void) {
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) exit(SKIPPED);
    int ids[2], replies[2];
    CHECK(pipe(ids) == 0 && pipe(replies) == 0);
    pid_t debugger = fork_debugger(ids, replies);
    options.hard_limit_ms = LIMIT_MS;
    pool_t *pool = new_pool(&options, 1);
    future_t *future;
    uint32_t seven = 0;
    char reply = 0;
    CHECK_OK(pool_submit(pool, run_forever, NULL, 0, &future));
    word_wait(STARTED, 1);
    pid_t worker = (pid_t)word_get(STARTED);
    CHECK(write(ids[1], &worker, sizeof worker) == sizeof worker);
    CHECK(read(replies[0], &reply, 1) == 1);
    double used = cpu_seconds();
    if (reply == TRACED) {
        CHECK_OK(future_wait(future, POOL_FOREVER));
        CHECK_IS(future_result(future, &(const void *){NULL}, NULL), POOL_ERR_HARD_LIMIT);
        CHECK_OK(pool_run(pool, answer, NULL, 0, POOL_FOREVER, &seven, sizeof seven, NULL));
        CHECK_EQUAL(seven, 7);
        while (process_state(worker) != 'Z') pause_briefly();
        used = cpu_seconds() - used;
    }
    kill_and_wait(debugger);
    CHECK(waitpid(debugger, NULL, 0) == debugger);
    /* It is reaped once the debugger has let go. */
    while (process_state(worker) != 0) pause_briefly();
    future_free(future);
    pool_free(pool);
    for (int i = 0; i < 2; i++) CHECK(close(ids[i]) == 0 && close(replies[i]) == 0);
    if (reply != TRACED) exit(SKIPPED);
    CHECK(used < 0.5 * LIMIT_MS / 1000.0); /* Of CPU time, by a thread that would spin for as long as this takes. */
    return leaves_nothing_behind();
}
