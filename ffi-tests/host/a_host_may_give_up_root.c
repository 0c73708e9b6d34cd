/* A host may give up root after its pools were made. Hard limits, cancelling, the strongest stop and the end
 * of the pool still reach its workers, which have stayed as they were. */
#include "processes.h"
#include <sys/wait.h>

enum { NOBODY = 65534, WORKERS = 2, GATE = 0 };

static int32_t hang(pool_task_t *task) {
    word_set(WORD_FIRST + pool_task_worker(task), (uint32_t)getpid());
    for (;;) pause();
    return 0;
}

static void run_as_nobody(pool_options_t options) {
    future_t *futures[WORKERS], *future;
    pid_t pids[WORKERS];
    options.hard_limit_ms = 200;
    pool_t *limited = new_pool(&options, 1);
    options.hard_limit_ms = 0;
    pool_t *pool = new_pool(&options, WORKERS);
    pool_t *freed = new_pool(&options, 1);
    occupy(pool, GATE, WORKERS, futures);
    for (uint32_t i = 0; i < WORKERS; i++) pids[i] = pid_of_worker(i);
    CHECK_OK(pool_run(limited, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_OK(pool_run(freed, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK(setresgid(NOBODY, NOBODY, NOBODY) == 0);
    CHECK(setresuid(NOBODY, NOBODY, NOBODY) == 0);

    CHECK_IS(pool_run(limited, hang, NULL, 0, POOL_FOREVER, NULL, 0, NULL), POOL_ERR_HARD_LIMIT);
    pool_free(limited);

    CHECK_OK(future_cancel(futures[0], POOL_CANCEL_RUNNING));
    CHECK_OK(future_wait(futures[0], POOL_FOREVER));
    CHECK_EQUAL(future_state(futures[0]), FUTURE_CANCELLED);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER));
    for (uint32_t i = 0; i < WORKERS; i++) {
        CHECK_EQUAL(future_state(futures[i]), FUTURE_CANCELLED);
        future_free(futures[i]);
        while (!is_dead(pids[i])) pause_briefly();
    }
    pool_free(pool);

    CHECK_OK(pool_submit(freed, hang, NULL, 0, &future));
    word_wait(WORD_FIRST, 1);
    CHECK_OK(pool_shutdown(freed, POOL_STOP_KILL, POOL_FOREVER));
    CHECK_EQUAL(future_state(future), FUTURE_CANCELLED);
    future_free(future);
    pool_free(freed);
    _exit(0);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS || getuid() != 0) return SKIPPED;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) run_as_nobody(options);
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQUAL(status, 0);
    return leaves_nothing_behind();
}
