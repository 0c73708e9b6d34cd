/* One task and its result: a function of this program runs in a worker process and answers. With
 * --threads the worker is a thread; nothing else changes.
 *
 * Prints:
 *     Hello, world!
 */
#include <carpool.h>
#include <stdio.h>
#include <string.h>

static int32_t greet(pool_task_t *task) {
    const char *name = pool_task_args(task, NULL);
    char greeting[64];
    snprintf(greeting, sizeof greeting, "Hello, %s!", name);
    return pool_task_return(task, greeting, strlen(greeting) + 1);
}

int main(int argc, char **argv) {
    pool_options_t options = POOL_OPTIONS_INIT;
    if (argc > 1 && strcmp(argv[1], "--threads") == 0) options.kind = POOL_THREAD;
    pool_t *pool;
    char greeting[64];
    pool_status_t status = pool_new(&options, &pool, NULL);
    if (status == POOL_OK) {
        status = pool_run(pool, greet, "world", sizeof "world", POOL_FOREVER, greeting,
                          sizeof greeting, NULL);
    }
    puts(status == POOL_OK ? greeting : pool_status_string(status));
    pool_free(pool);
    return status;
}
