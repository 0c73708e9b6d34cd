/* A task that has passed its hard limit ends with its worker process and all that it has started, however
 * deaf it is; it fails, on_timeout is called once, the worker is replaced, and no other task notices. */
#include "time_limits.h"
#include "processes.h"

enum { WORKERS = 3, GATE = 0, STARTED = WORD_FIRST, GRANDCHILD, LIMIT_MS = 80 };

static int32_t start_another_and_stay(pool_task_t *task) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        signal(SIGTERM, SIG_IGN);
        for (;;) pause();
    }
    word_set(GRANDCHILD, (uint32_t)child);
    return run_for_ever(task);
}

static int32_t stop_itself(pool_task_t *task) {
    word_set(WORKER_PIDS + pool_task_worker(task), (uint32_t)getpid());
    raise(SIGSTOP);
    return 0;
}

static void pass_the_limit(pool_t *pool, pool_task_fn function, int64_t limit_ms) {
    static struct timeouts notes[8];
    static size_t used;
    struct timeouts *told = &notes[used++];
    uint32_t started = STARTED;
    pool_call_t call = call_recording_timeouts(function, told);
    call.task.args = &started;
    call.task.len = sizeof started;
    call.hard_limit_ms = limit_ms;
    future_t *future = submit_call(pool, &call);
    pool_error_t error = check_ended(future, FUTURE_FAILED, POOL_ERR_HARD_LIMIT);
    CHECK(error.message[0] != 0);
    pid_t worker = (pid_t)word_get(WORKER_PIDS + WORKERS - 1);
    CHECK(worker > 0 && is_dead(worker));
    await_count(&told->drops, 1);
    CHECK_EQUAL(told->hard, 1);
    CHECK_EQUAL(told->hard_ms, limit_ms ? limit_ms : LIMIT_MS);
    CHECK_EQUAL(told->soft, 0);
    CHECK_IS(future_cancel(future, POOL_CANCEL_RUNNING), POOL_ERR_STATE);
    future_free(future);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;

    /* A pool without limits: the task brings one. Others wait at the gate meanwhile. */
    future_t *others[WORKERS - 1];
    pool_t *pool = new_pool(&options, WORKERS);
    occupy(pool, GATE, WORKERS - 1, others);
    pass_the_limit(pool, start_another_and_stay, 50);
    while (!is_dead((pid_t)word_get(GRANDCHILD))) pause_briefly();
    pass_the_limit(pool, stop_itself, 60);
    for (int i = 0; i < WORKERS - 1; i++) CHECK_EQUAL(future_state(others[i]), FUTURE_RUNNING);
    uint64_t n = 11;
    CHECK_OK(pool_run(pool, square, &n, sizeof n, POOL_FOREVER, &n, sizeof n, NULL));
    CHECK_EQUAL(n, 121);
    release(GATE);
    for (int i = 0; i < WORKERS - 1; i++) check_ended(others[i], FUTURE_COMPLETED, POOL_OK);
    wait_and_free(others, WORKERS - 1);
    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);

    /* A pool with one: for every task that says nothing. */
    reset_gate(GATE);
    options.hard_limit_ms = LIMIT_MS;
    pool = new_pool(&options, WORKERS);
    pool_call_t call = POOL_CALL_INIT;
    const uint32_t gate = GATE;
    call.task = (pool_function_t){wait_at_gate, NULL, NULL, &gate, sizeof gate};
    call.hard_limit_ms = POOL_FOREVER;
    for (int i = 0; i < WORKERS - 1; i++) others[i] = submit_call(pool, &call);
    word_wait(gate_started(GATE), WORKERS - 1);
    for (int i = 0; i < 3; i++) pass_the_limit(pool, run_for_ever, 0);
    release(GATE);
    for (int i = 0; i < WORKERS - 1; i++) check_ended(others[i], FUTURE_COMPLETED, POOL_OK);
    wait_and_free(others, WORKERS - 1);
    pool_free(pool);
    return leaves_nothing_behind();
}
