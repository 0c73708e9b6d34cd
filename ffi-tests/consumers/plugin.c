/* A shared library that uses carpool inside: the program that opens it knows nothing of carpool. */
#include <carpool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whether this process runs the program that IMAGE names, if it names one. */
static int is_the_image(void) {
    const char *wanted = getenv("IMAGE");
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    path[len < 0 ? 0 : len] = '\0';
    const char *slash = strrchr(path, '/');
    return wanted == NULL || (slash != NULL && strcmp(slash + 1, wanted) == 0);
}

static int32_t increment(pool_task_t *task) {
    const int *number = pool_task_args(task, NULL);
    int result = *number + 1;
    if (!is_the_image()) {
        return pool_task_fail(task, 1, "a worker of another program");
    }
    return pool_task_return(task, &result, sizeof result);
}

static pool_t *two_workers(const char *kind) {
    pool_options_t options = POOL_OPTIONS_INIT;
    pool_t *pool = NULL;
    options.kind = strcmp(kind, "threads") == 0 ? POOL_THREAD : POOL_PROCESS;
    options.max_workers = 2;
    pool_new(&options, &pool, NULL);
    return pool;
}

int plugin_increment(int number, const char *kind);

/* One more than the number, by way of a worker; 0 when that fails. */
int plugin_increment(int number, const char *kind) {
    pool_t *pool = two_workers(kind);
    int result = 0;
    if (pool_run(pool, increment, &number, sizeof number, 30000, &result, sizeof result, NULL) != POOL_OK) {
        result = 0;
    }
    pool_free(pool);
    return result;
}

int plugin_answer(int32_t (*function)(pool_task_t *task), const char *kind);

/* What the program's function answers in a worker; minus the status when it does not run. */
int plugin_answer(int32_t (*function)(pool_task_t *task), const char *kind) {
    pool_t *pool = two_workers(kind);
    future_t *future = NULL;
    pool_error_t error = {.status = POOL_ERR_NOT_DONE};
    pool_status_t status = pool_submit(pool, function, NULL, 0, &future);
    if (status == POOL_OK) {
        future_wait(future, 30000);
        future_error(future, &error);
        status = error.status;
    }
    future_free(future);
    pool_free(pool);
    return status == POOL_ERR_TASK ? error.task_code : -(int)status;
}
