/* POOL_CANCEL_RUNNING ends a task together with its worker process and all processes that it has started: by
 * SIGTERM, or by SIGKILL when the task is still running after the grace period. The future is cancelled, the
 * worker is replaced, and other tasks are not affected. A task that ends by itself meanwhile keeps its
 * result. */
#include "time_limits.h"
#include "processes.h"

enum { WORKERS = 2, GATE = 0, STARTED = WORD_FIRST, GRANDCHILD };

/* Starts a process, and sleeps with it. SIGTERM ends both. */
static int32_t sleep_with_another(pool_task_t *task) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        for (;;) pause();
    }
    word_set(GRANDCHILD, (uint32_t)child);
    word_set(WORKER_PIDS + pool_task_worker(task), (uint32_t)getpid());
    word_add(STARTED, 1);
    for (;;) pause();
    return 0;
}

static volatile sig_atomic_t was_told;

static void on_term(int number) {
    was_told = number;
}

/* Handles SIGTERM, tidies up, and returns. */
static int32_t end_when_told(pool_task_t *task) {
    struct sigaction action = {.sa_handler = on_term};
    uint64_t seven = 7;
    CHECK(sigaction(SIGTERM, &action, NULL) == 0);
    word_set(WORKER_PIDS + pool_task_worker(task), (uint32_t)getpid());
    word_add(STARTED, 1);
    while (!was_told) pause_briefly();
    CHECK(pool_task_cancelled(task));
    return pool_task_return(task, &seven, sizeof seven);
}

static future_t *start(pool_t *pool, pool_task_fn function) {
    uint32_t started = STARTED, before = word_get(STARTED);
    future_t *future;
    CHECK_OK(pool_submit(pool, function, &started, sizeof started, &future));
    word_wait(STARTED, before + 1);
    return future;
}

static void check_cancelled(future_t *future) {
    pid_t worker = pid_of_worker(WORKERS - 1);
    CHECK_OK(future_cancel(future, POOL_CANCEL_RUNNING));
    CHECK_OK(future_cancel(future, POOL_CANCEL_RUNNING)); /* It is under way, or done. */
    CHECK(future_cancel_requested(future));
    check_ended(future, FUTURE_CANCELLED, POOL_ERR_CANCELLED);
    CHECK(is_dead(worker));
    CHECK_OK(future_cancel(future, POOL_CANCEL_RUNNING)); /* It is cancelled already. */
    future_free(future);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    options.kill_grace_ms = 60000;
    pool_t *pool = new_pool(&options, WORKERS);
    future_t *other;
    occupy(pool, GATE, WORKERS - 1, &other);
    check_cancelled(start(pool, sleep_with_another));
    while (!is_dead((pid_t)word_get(GRANDCHILD))) pause_briefly();

    future_t *future = start(pool, end_when_told);
    CHECK_OK(future_cancel(future, POOL_CANCEL_RUNNING));
    CHECK_EQUAL(collect_number(future), 7);
    check_ended(future, FUTURE_COMPLETED, POOL_OK);
    CHECK_IS(future_cancel(future, POOL_CANCEL_RUNNING), POOL_ERR_STATE);
    future_free(future);
    CHECK_EQUAL(future_state(other), FUTURE_RUNNING);
    release(GATE);
    wait_and_free(&other, 1);
    pool_free(pool);

    /* One that does not listen has the grace, or no time at all. */
    for (int i = 0; i < 2; i++) {
        reset_gate(GATE);
        options.kill_grace_ms = i ? POOL_NOW : 50;
        pool = new_pool(&options, WORKERS);
        occupy(pool, GATE, WORKERS - 1, &other);
        check_cancelled(start(pool, run_for_ever));
        uint64_t n = 5;
        CHECK_OK(pool_run(pool, square, &n, sizeof n, POOL_FOREVER, &n, sizeof n, NULL));
        CHECK_EQUAL(n, 25);
        CHECK_EQUAL(future_state(other), FUTURE_RUNNING);
        release(GATE);
        check_ended(other, FUTURE_COMPLETED, POOL_OK);
        future_free(other);
        CHECK_OK(pool_check(pool, NULL));
        pool_free(pool);
    }
    return leaves_nothing_behind();
}
