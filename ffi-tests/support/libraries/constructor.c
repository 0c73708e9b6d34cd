/* A library whose constructor runs a task in a pool of its own. The environment's CONSTRUCTOR, or the first
 * argument of the program, is the kind of pool; with neither the constructor does nothing. */
#include "check.h"

/* What the constructor's call was answered with; its message. */
extern pool_status_t constructor_status;
extern char constructor_message[256];
int32_t tell_constructor_status(pool_task_t *task);

pool_status_t constructor_status = POOL_ERR_NOT_DONE;
char constructor_message[256];

static int32_t seven(pool_task_t *task) {
    return pool_task_return(task, "7", 1);
}

/* Result: constructor_status in the worker. */
int32_t tell_constructor_status(pool_task_t *task) {
    return pool_task_return(task, &constructor_status, sizeof constructor_status);
}

static pool_status_t run_task(const pool_options_t *options) {
    pool_error_t error = {0};
    pool_t *pool;
    char result = 0;
    pool_status_t status = pool_new(options, &pool, &error);
    if (status == POOL_OK) {
        status = pool_run(pool, seven, NULL, 0, POOL_FOREVER, &result, 1, NULL);
        if (status == POOL_OK && result != '7') status = POOL_ERR_TASK;
        pool_free(pool);
    }
    memcpy(constructor_message, error.message, sizeof error.message);
    return status;
}

__attribute__((constructor)) static void construct(int argc, char **argv) {
    if (!getenv("CONSTRUCTOR") && argc > 1) setenv("CONSTRUCTOR", argv[1], 1);
    const char *kind = getenv("CONSTRUCTOR");
    if (!kind) return;
    pool_options_t options = POOL_OPTIONS_INIT;
    options.max_workers = 1;
    if (strcmp(kind, "thread") == 0) options.kind = POOL_THREAD;
    if (strcmp(kind, "inline") == 0) options.kind = POOL_INLINE;
    if (strcmp(kind, "forkserver") == 0) options.start = POOL_FORKSERVER;
    if (strcmp(kind, "fork") == 0) options.start = POOL_FORK;
    constructor_status = run_task(&options);
}
