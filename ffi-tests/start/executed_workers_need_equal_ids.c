/* A program that is executed with different real and effective ids has gained rights for the kernel, and would
 * believe no argument: a pool that executes workers is refused with a reason then. Threads and workers that are
 * forked from the caller work. Needs root, to have different ids. */
#include "processes.h"

enum { NOBODY = 65534 };

static int32_t answer(pool_task_t *task) {
    uint32_t user = (uint32_t)geteuid();
    return pool_task_return(task, &user, sizeof user);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (getuid() != 0) exit(SKIPPED);
    pool_error_t error;
    pool_t *pool = NULL;
    int executes = options.kind == POOL_PROCESS && options.start != POOL_FORK;
    options.max_workers = 1;
    CHECK(seteuid(NOBODY) == 0);
    pool_status_t status = pool_new(&options, &pool, &error);
    if (executes) {
        CHECK_IS(status, POOL_ERR_STATE);
        CHECK(strstr(error.message, "POOL_FORK") != NULL);
    } else {
        uint32_t user = 0;
        CHECK_OK(status);
        CHECK_OK(pool_run(pool, answer, NULL, 0, POOL_FOREVER, &user, sizeof user, NULL));
        CHECK_EQUAL(user, NOBODY);
        pool_free(pool);
    }
    CHECK(seteuid(0) == 0);
    if (executes) {
        pool = new_pool(&options, 1);
        uint32_t user = NOBODY;
        CHECK_OK(pool_run(pool, answer, NULL, 0, POOL_FOREVER, &user, sizeof user, NULL));
        CHECK_EQUAL(user, 0);
        pool_free(pool);
    }
    return leaves_nothing_behind();
}
