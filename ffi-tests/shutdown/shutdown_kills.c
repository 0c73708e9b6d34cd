/* Shut down with KILL: worker processes are killed with what they run, and threads are asked. */
#include "rendezvous.h"
#include <errno.h>
#include <signal.h>

enum { WORKERS = 3, QUEUED = 20, STARTED = WORD_FIRST, RAN };

/* A process never ends by itself, and does not listen; a thread must. */
static int32_t do_not_stop(pool_task_t *task) {
    uint32_t is_thread;
    memcpy(&is_thread, pool_task_args(task, NULL), sizeof is_thread);
    sigset_t all;
    sigfillset(&all);
    if (!is_thread) sigprocmask(SIG_SETMASK, &all, NULL);
    word_set(WORKER_PIDS + pool_task_worker(task), (uint32_t)getpid());
    word_add(STARTED, 1);
    while (!is_thread || !pool_task_cancelled(task)) pause_briefly();
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    pool_t *pool = new_pool(&options, WORKERS);
    future_t *running[WORKERS], *queued[QUEUED];
    uint32_t is_thread = options.kind == POOL_THREAD, ran = RAN;
    pool_error_t error;
    const void *data;
    for (int i = 0; i < WORKERS; i++) {
        CHECK_OK(pool_submit(pool, do_not_stop, &is_thread, sizeof is_thread, &running[i]));
    }
    word_wait(STARTED, WORKERS);
    for (int i = 0; i < QUEUED; i++) {
        CHECK_OK(pool_submit(pool, count_in_word, &ran, sizeof ran, &queued[i]));
    }
    CHECK_OK(pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER));
    for (uint32_t i = 0; i < WORKERS; i++) {
        if (is_thread) {
            CHECK_EQUAL(future_state(running[i]), FUTURE_COMPLETED);
            continue;
        }
        CHECK_EQUAL(future_state(running[i]), FUTURE_CANCELLED);
        CHECK_IS(future_result(running[i], &data, NULL), POOL_ERR_TERMINATED);
        CHECK_OK(future_error(running[i], &error));
        CHECK_IS(error.status, POOL_ERR_TERMINATED);
        CHECK(kill(pid_of_worker(i), 0) == -1 && errno == ESRCH);
    }
    for (int i = 0; i < QUEUED; i++) {
        CHECK_EQUAL(future_state(queued[i]), FUTURE_CANCELLED);
        CHECK_IS(future_result(queued[i], &data, NULL), POOL_ERR_CANCELLED);
    }
    CHECK_EQUAL(word_get(RAN), 0);
    CHECK_EQUAL(pool_count_workers(pool), 0);
    wait_and_free(running, WORKERS);
    wait_and_free(queued, QUEUED);
    pool_free(pool);
    return leaves_nothing_behind();
}
