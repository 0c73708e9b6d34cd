/* pool_terminate asks tasks to end, and gives worker processes the grace for it: what ends in time has
 * its result, what ignores SIGTERM or is stopped is killed, and every future is done. */
#include "processes.h"

enum { LISTENS, IGNORES, IS_STOPPED, SLEEPS, TASKS, QUEUED = 5, STARTED = WORD_FIRST };

static volatile sig_atomic_t was_told;

static void on_term(int number) {
    (void)number;
    was_told = 1;
}

int32_t behave(pool_task_t *task) {
    uint32_t what;
    memcpy(&what, pool_task_args(task, NULL), sizeof what);
    if (what == LISTENS) signal(SIGTERM, on_term);
    if (what == IGNORES) signal(SIGTERM, SIG_IGN);
    word_set(WORKER_PIDS + what, (uint32_t)getpid());
    word_add(STARTED, 1);
    while (!(what == LISTENS && was_told && pool_task_cancelled(task))) pause_briefly();
    uint64_t seven = 7;
    return pool_task_return(task, &seven, sizeof seven);
}

int32_t end_when_asked(pool_task_t *task) {
    word_add(STARTED, 1);
    while (!pool_task_cancelled(task)) pause_briefly();
    return 0;
}

static void terminate_processes(pool_t *pool) {
    future_t *futures[TASKS], *queued[QUEUED];
    const void *data;
    for (uint32_t i = 0; i < TASKS; i++) CHECK_OK(pool_submit(pool, behave, &i, sizeof i, &futures[i]));
    word_wait(STARTED, TASKS);
    for (int i = 0; i < QUEUED; i++) CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &queued[i]));
    stop_and_wait((pid_t)word_get(WORKER_PIDS + IS_STOPPED));
    CHECK_OK(pool_terminate(pool, 300));
    CHECK_EQUAL(future_state(futures[LISTENS]), FUTURE_COMPLETED);
    CHECK_EQUAL(collect_number(futures[LISTENS]), 7);
    for (int i = IGNORES; i < TASKS; i++) {
        pool_error_t error;
        CHECK_EQUAL(future_state(futures[i]), FUTURE_CANCELLED);
        CHECK_IS(future_result(futures[i], &data, NULL), POOL_ERR_TERMINATED);
        CHECK_OK(future_error(futures[i], &error));
        CHECK_EQUAL(error.signal, i == SLEEPS ? SIGTERM : SIGKILL);
        CHECK_EQUAL(error.worker_pid, word_get(WORKER_PIDS + i));
    }
    for (int i = 0; i < QUEUED; i++) CHECK_EQUAL(future_state(queued[i]), FUTURE_CANCELLED);
    wait_and_free(futures, TASKS);
    wait_and_free(queued, QUEUED);
}

static void terminate_threads(pool_t *pool) {
    future_t *stubborn, *polite;
    stubborn = submit_to_gate(pool, 0);
    word_wait(gate_started(0), 1);
    CHECK_OK(pool_submit(pool, end_when_asked, NULL, 0, &polite));
    word_wait(STARTED, 1);
    CHECK_IS(pool_terminate(pool, POOL_NOW), POOL_ERR_TIMEOUT);
    CHECK_OK(future_wait(polite, POOL_FOREVER));
    CHECK_EQUAL(future_state(stubborn), FUTURE_RUNNING);
    release(0);
    /* It goes on stopping, and may be through already. */
    pool_status_t status = pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER);
    CHECK(status == POOL_OK || status == POOL_ERR_CLOSED);
    CHECK_EQUAL(future_state(stubborn), FUTURE_COMPLETED);
    future_free(stubborn);
    future_free(polite);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, TASKS);
    CHECK_IS(pool_terminate(pool, -1), POOL_ERR_INVALID);
    CHECK_IS(pool_terminate(pool, -3), POOL_ERR_INVALID);
    CHECK_IS(pool_terminate(NULL, 0), POOL_ERR_INVALID);
    if (options.kind == POOL_PROCESS) terminate_processes(pool);
    if (options.kind == POOL_THREAD) terminate_threads(pool);
    if (options.kind == POOL_INLINE) CHECK_OK(pool_terminate(pool, 0));
    CHECK_IS(pool_terminate(pool, 0), POOL_ERR_CLOSED);
    CHECK_EQUAL(pool_count_workers(pool), 0);
    pool_free(pool);

    /* While it is idle, before it had workers, and with its own grace. */
    for (uint32_t workers = 0; workers < 3; workers++) {
        options.kill_grace_ms = workers == 1 ? POOL_NOW : 0;
        pool = new_pool(&options, 2);
        CHECK_OK(pool_spawn_workers(pool, workers, NULL));
        CHECK_OK(pool_terminate(pool, 0));
        CHECK_EQUAL(pool_state(pool) & POOL_STATE_TERMINATED, POOL_STATE_TERMINATED);
        pool_free(pool);
    }
    return leaves_nothing_behind();
}
