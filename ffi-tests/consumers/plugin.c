/* A shared library that uses carpool inside: the program that opens it knows nothing of carpool. */
#include <carpool.h>
#include <string.h>

static int32_t increment(pool_task_t *task) {
    size_t len = 0;
    const int *number = pool_task_args(task, &len);
    int result = *number + 1;
    return pool_task_return(task, &result, sizeof result);
}

int plugin_increment(int number, const char *kind);

/* One more than the number, by way of a worker; 0 when that fails. */
int plugin_increment(int number, const char *kind) {
    pool_options_t options = POOL_OPTIONS_INIT;
    pool_t *pool = NULL;
    int result = 0;
    options.kind = strcmp(kind, "threads") == 0 ? POOL_THREAD : POOL_PROCESS;
    options.max_workers = 2;
    if (pool_new(&options, &pool, NULL) != POOL_OK) {
        return 0;
    }
    if (pool_run(pool, increment, &number, sizeof number, 30000, &result, sizeof result, NULL) != POOL_OK) {
        result = 0;
    }
    pool_free(pool);
    return result;
}
