/* An inline pool runs a task in the thread that submits it, before the submit returns; everything else works
 * as in other pools. */
#include "lifecycle.h"
#include <pthread.h>

static pthread_t submitter;

static int32_t run_here(pool_task_t *task) {
    CHECK(pthread_equal(pthread_self(), submitter));
    CHECK_EQUAL(pool_task_worker(task), 0);
    word_add(LIFECYCLE_FIRST, 1);
    return count_task(task);
}

static pool_t *pool;

static int32_t submit_another(pool_task_t *task) {
    CHECK_EQUAL(pool_task_worker(task), 0);
    uint64_t number = 7, result;
    CHECK_OK(pool_run(pool, square, &number, 8, POOL_FOREVER, &result, 8, NULL));
    CHECK_IS(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER), POOL_ERR_DEADLOCK);
    CHECK_EQUAL(pool_count_busy_workers(pool), 1);
    return pool_task_return(task, &result, sizeof result);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_INLINE) return SKIPPED;
    count_lifecycle(&options);
    submitter = pthread_self();
    pool = new_pool(&options, 2);
    future_t *future;
    for (uint64_t i = 0; i < 5; i++) {
        CHECK_OK(pool_submit(pool, run_here, NULL, 0, &future));
        CHECK_EQUAL(word_get(LIFECYCLE_FIRST), i + 1);
        CHECK_EQUAL(future_state(future), FUTURE_COMPLETED);
        CHECK_EQUAL(collect_number(future), i);
        CHECK_EQUAL(future_id(future), i + 1);
        CHECK_IS(future_cancel(future, POOL_CANCEL_QUEUED), POOL_ERR_STATE);
        future_free(future);
    }
    CHECK_EQUAL(word_get(INITIALIZED), 1);
    CHECK_EQUAL(pool_count_workers(pool), 1);
    CHECK_EQUAL(pool_count_pending_tasks(pool), 0);
    uint64_t result;
    CHECK_OK(pool_run(pool, submit_another, NULL, 0, POOL_FOREVER, &result, 8, NULL));
    CHECK_EQUAL(result, 49);
    CHECK_EQUAL(word_get(INITIALIZED), 2);
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    CHECK_EQUAL(word_get(FINALIZED), 2);
    CHECK_EQUAL(pool_count_workers(pool), 0);
    CHECK_EQUAL(tasks_run_before(pool), 0);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER));
    CHECK_EQUAL(word_get(FINALIZED), 3);
    CHECK_IS(pool_submit(pool, run_here, NULL, 0, NULL), POOL_ERR_CLOSED);
    CHECK_IS(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER), POOL_ERR_CLOSED);
    pool_free(pool);
    return leaves_nothing_behind();
}
