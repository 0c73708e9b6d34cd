/* What can go wrong costs one task: one fails with a code and words of its own, one crashes, one
 * names a function that does not exist. The others do not notice.
 *
 * Prints:
 *     good: it works
 *     fails: POOL_ERR_TASK, code 7, "the oven is cold"
 *     crashes: POOL_ERR_WORKER_LOST, signal 11
 *     unknown: POOL_ERR_FUNCTION
 *     good: it works
 */
#include <carpool.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static void must(pool_status_t status) {
    if (status == POOL_OK) return;
    fprintf(stderr, "%s\n", pool_status_string(status));
    exit(1);
}

static int32_t good(pool_task_t *task) {
    return pool_task_return(task, "it works", sizeof "it works");
}

static int32_t fails(pool_task_t *task) {
    return pool_task_fail(task, 7, "the oven is cold");
}

/* In a worker that is a thread this would end the whole program. */
static int32_t crashes(pool_task_t *task) {
    (void)task;
    return raise(SIGSEGV);
}

static void tell(const char *name, future_t *future) {
    const void *result;
    pool_error_t error;
    pool_status_t status = future_collect(future, POOL_FOREVER, &result, NULL);
    must(future_error(future, &error)); /* Also there after success: its status is POOL_OK. */
    printf("%s: %s", name, status == POOL_OK ? (const char *)result : pool_status_name(status));
    if (status == POOL_ERR_TASK) printf(", code %d, \"%s\"", error.task_code, error.message);
    if (status == POOL_ERR_WORKER_LOST) printf(", signal %d", error.signal);
    puts("");
    future_free(future);
}

int main(void) {
    pool_t *pool;
    must(pool_new(NULL, &pool, NULL));
    future_t *first, *failing, *crashing, *unknown, *last;
    must(pool_submit(pool, good, NULL, 0, &first));
    must(pool_submit(pool, fails, NULL, 0, &failing));
    must(pool_submit(pool, crashes, NULL, 0, &crashing));
    must(pool_submit_symbol(pool, NULL, "does_not_exist", NULL, 0, &unknown));
    must(pool_submit(pool, good, NULL, 0, &last));
    tell("good", first);
    tell("fails", failing);
    tell("crashes", crashing);
    tell("unknown", unknown);
    tell("good", last);
    pool_free(pool);
}
