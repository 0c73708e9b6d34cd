/* A program with two Rust libraries in it, each linked statically: both work, in threads or processes. */
#include <carpool.h>
#include <string.h>

int other_survives_its_panic(void);

static int32_t answer(pool_task_t *task) {
    return pool_task_fail(task, other_survives_its_panic() + 41, "as it should");
}

int main(int argc, char **argv) {
    pool_options_t options = POOL_OPTIONS_INIT;
    pool_error_t error = {.status = POOL_OK};
    pool_t *pool = NULL;
    future_t *future = NULL;
    options.kind = argc > 1 && strcmp(argv[1], "threads") == 0 ? POOL_THREAD : POOL_PROCESS;
    options.max_workers = 1;
    if (pool_new(&options, &pool, NULL) != POOL_OK || pool_submit(pool, answer, NULL, 0, &future) != POOL_OK) {
        return 1;
    }
    future_wait(future, 30000);
    future_error(future, &error);
    future_free(future);
    pool_free(pool);
    return error.task_code == 42 ? 0 : 1;
}
