/* A task that a thread runs cannot be killed: POOL_CANCEL_RUNNING reports that, and sets the task's cancel
 * flag, so that the task may end by itself. */
#include "time_limits.h"

enum { STARTED = WORD_FIRST };

static int32_t run_until_cancelled(pool_task_t *task) {
    uint64_t seven = 7;
    CHECK(!pool_task_cancelled(task));
    word_add(STARTED, 1);
    while (!pool_task_cancelled(task)) pause_briefly();
    CHECK(!pool_task_soft_expired(task));
    return pool_task_return(task, &seven, sizeof seven);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_THREAD) return SKIPPED;
    pool_t *pool = new_pool(&options, 1);
    future_t *future, *queued;
    CHECK_OK(pool_submit(pool, run_until_cancelled, NULL, 0, &future));
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &queued));
    word_wait(STARTED, 1);
    CHECK_OK(future_cancel(queued, POOL_CANCEL_RUNNING));
    CHECK_EQUAL(future_state(queued), FUTURE_CANCELLED);
    CHECK_IS(future_cancel(future, POOL_CANCEL_RUNNING), POOL_ERR_UNSUPPORTED);
    CHECK(future_cancel_requested(future));
    CHECK_EQUAL(collect_number(future), 7);
    check_ended(future, FUTURE_COMPLETED, POOL_OK);
    CHECK_IS(future_cancel(future, POOL_CANCEL_RUNNING), POOL_ERR_STATE);
    future_free(future);
    future_free(queued);
    pool_free(pool);
    return leaves_nothing_behind();
}
