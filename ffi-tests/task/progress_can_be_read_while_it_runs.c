/* Progress is seen while the task runs, and stays as it was when the task is done. */
#include "rendezvous.h"

enum { GATE = 0 };

static int32_t work_in_steps(pool_task_t *task) {
    uint32_t gate = GATE;
    pool_task_progress(task, 3, 10);
    word_add(gate_started(gate), 1);
    word_wait(gate_open(gate), 1);
    pool_task_progress(task, 10, 10);
    return 0;
}

static void check_progress(future_t *future, uint64_t done, uint64_t total) {
    uint64_t is_done = 99, is_total = 99;
    CHECK_OK(future_progress(future, &is_done, &is_total));
    CHECK_EQUAL(is_done, done);
    CHECK_EQUAL(is_total, total);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    pool_t *pool = new_pool(&options, 1);
    future_t *talks, *is_silent;
    CHECK_OK(pool_submit(pool, work_in_steps, NULL, 0, &talks));
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &is_silent));
    word_wait(gate_started(GATE), 1);
    CHECK_EQUAL(future_state(talks), FUTURE_RUNNING);
    check_progress(talks, 3, 10);
    check_progress(is_silent, 0, 0);
    CHECK_OK(future_progress(talks, NULL, NULL));
    release(GATE);
    CHECK_OK(future_wait(is_silent, POOL_FOREVER));
    check_progress(talks, 10, 10);
    check_progress(is_silent, 0, 0);
    future_free(talks);
    future_free(is_silent);
    pool_free(pool);
    return leaves_nothing_behind();
}
