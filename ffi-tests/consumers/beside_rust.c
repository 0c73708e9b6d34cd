/* A program with two Rust libraries in it, each linked statically: both work. */
#include <carpool.h>

int other_survives_its_panic(void);

static int32_t answer(pool_task_t *task) {
    return pool_task_fail(task, other_survives_its_panic() + 41, "as it should");
}

int main(void) {
    pool_options_t options = POOL_OPTIONS_INIT;
    pool_t *pool = NULL;
    options.kind = POOL_THREAD;
    options.max_workers = 1;
    if (pool_new(&options, &pool, NULL) != POOL_OK) {
        return 1;
    }
    pool_status_t status = pool_run(pool, answer, NULL, 0, 30000, NULL, 0, NULL);
    pool_free(pool);
    return status == POOL_ERR_TASK ? 0 : 1;
}
