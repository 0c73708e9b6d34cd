/* POOL_LOST_BREAK: with the first worker that is lost with its task the pool is broken; that task fails,
 * what waits is cancelled, and what others run ends. */
#include "time_limits.h"
#include "processes.h"

enum { WORKERS = 2, QUEUED = 20, GATE = 0, STARTED = WORD_FIRST };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    options.on_worker_lost = POOL_LOST_BREAK;
    options.kill_grace_ms = POOL_NOW;
    pool_t *pool = new_pool(&options, WORKERS);
    future_t *running[WORKERS], *queued[QUEUED], *cancelled;
    const uint32_t started = STARTED;
    pool_error_t error;

    /* Killed on request is not lost. */
    CHECK_OK(pool_submit(pool, run_for_ever, &started, sizeof started, &cancelled));
    word_wait(STARTED, 1);
    CHECK_OK(future_cancel(cancelled, POOL_CANCEL_RUNNING));
    check_ended(cancelled, FUTURE_CANCELLED, POOL_ERR_CANCELLED);
    future_free(cancelled);
    CHECK_OK(pool_check(pool, NULL));

    occupy(pool, GATE, WORKERS, running);
    for (uint64_t i = 0; i < QUEUED; i++) {
        CHECK_OK(pool_submit(pool, square, &i, sizeof i, &queued[i]));
    }
    pool_worker_info_t workers[WORKERS] = {{.struct_size = sizeof *workers}};
    CHECK_OK(pool_workers(pool, workers, WORKERS, NULL));
    int is_first = workers[0].task_id == future_id(running[0]);
    CHECK(is_first || workers[1].task_id == future_id(running[0]));
    kill_and_wait((pid_t)workers[!is_first].pid);
    CHECK_OK(future_wait(running[0], POOL_FOREVER));
    check_lost(running[0]);
    for (int i = 0; i < QUEUED; i++) {
        error = check_ended(queued[i], FUTURE_CANCELLED, POOL_ERR_BROKEN);
        CHECK_EQUAL(error.signal, SIGKILL);
        CHECK(error.message[0] != 0);
    }
    CHECK_IS(pool_check(pool, &error), POOL_ERR_BROKEN);
    CHECK(error.message[0] != 0);
    CHECK(pool_state(pool) & POOL_STATE_BROKEN);
    CHECK_IS(pool_submit(pool, warm_up, NULL, 0, NULL), POOL_ERR_BROKEN);
    release(GATE);
    check_ended(running[1], FUTURE_COMPLETED, POOL_OK);
    wait_and_free(running, WORKERS);
    wait_and_free(queued, QUEUED);
    pool_free(pool);
    return leaves_nothing_behind();
}
