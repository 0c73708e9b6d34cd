/* A program that is linked as usual needs no call in its main to start workers: when they fail to start, the
 * words do not ask for one. */
#include "rendezvous.h"

static void __attribute__((constructor)) leave_as_worker(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--carpool-worker") == 0 && getenv("LEAVE")) _exit(9);
}

static int32_t do_nothing(pool_task_t *task) {
    (void)task;
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS || options.start == POOL_FORK) return SKIPPED;
    pool_error_t error;
    options.max_restarts = 1;
    setenv("LEAVE", "1", 1);
    pool_t *pool = new_pool(&options, 1);
    CHECK(pool_run(pool, do_nothing, NULL, 0, POOL_FOREVER, NULL, 0, NULL) != POOL_OK);
    CHECK_IS(pool_check(pool, &error), POOL_ERR_RESTARTS);
    if (!strstr(error.message, "code 9") || strstr(error.message, "static")) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    pool_free(pool);
    return leaves_nothing_behind();
}
