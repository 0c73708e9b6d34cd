/* pthread_exit in a task, and the cancellation of its thread if it allows that, fail that task. Its worker
 * goes on, and cleanup handlers are run. A cancellation that it does not allow has no effect, whenever it comes. */
#define _GNU_SOURCE
#include <pthread.h>

#include "check.h"

static void undo(void *flag) { *(int *)flag = 1; }

static int32_t leave(pool_task_t *task) {
    static _Thread_local int undone;
    size_t len;
    const char *how = pool_task_args(task, &len);
    undone = 0;
    if (len == 0) return 0;
    if (*how == 'p') return pthread_cancel(pthread_self());
    pthread_cleanup_push(undo, &undone);
    if (*how == 'c') {
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
        pthread_cancel(pthread_self());
        pthread_testcancel();
    } else {
        pthread_exit(&undone);
    }
    pthread_cleanup_pop(0);
    return pool_task_fail(task, 1, "it did not leave");
}

static void run(pool_t *pool, const char *how) {
    future_t *future;
    pool_error_t error;
    CHECK_OK(pool_submit(pool, leave, how, strlen(how), &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_OK(future_error(future, &error));
    bool is_left = *how == 'e' || *how == 'c';
    CHECK_IS(error.status, is_left ? POOL_ERR_TASK : POOL_OK);
    if (is_left) {
        CHECK_EQUAL(error.task_code, INT32_MIN);
        CHECK(strcmp(error.message, "pthread_exit, or a cancellation, left the function") == 0);
    }
    future_free(future);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    for (const char *how = "ce"; *how; how++) {
        char letter[] = {*how, 0};
        pool_t *pool = new_pool(&options, 1);
        pool_stats_t stats = POOL_STATS_INIT;
        run(pool, letter);
        run(pool, "");
        run(pool, "e");
        if (options.kind != POOL_INLINE) run(pool, "p");
        else run(pool, "");
        CHECK_OK(pool_stats(pool, &stats));
        CHECK_EQUAL(stats.tasks_failed, 2);
        CHECK_EQUAL(stats.tasks_completed, 2);
        CHECK_EQUAL(stats.workers_lost, 0);
        pool_free(pool);
    }
    return leaves_nothing_behind();
}
