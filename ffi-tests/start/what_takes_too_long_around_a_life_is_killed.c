/* A worker process that is not ready in time is killed and counts as a failed start; one whose initializer
 * or finalizer takes too long breaks the pool, which says so. */
#include "lifecycle.h"
#include <sys/stat.h>

enum { BEGAN = LIFECYCLE_FIRST };

int32_t hang(pool_task_t *task) {
    (void)task;
    word_add(BEGAN, 1);
    for (;;) pause();
}

static void check_broken(pool_t *pool, pool_status_t expected, const char *words) {
    pool_error_t error;
    CHECK_IS(pool_check(pool, &error), expected);
    if (!strstr(error.message, words)) fprintf(stderr, "says: %s\n", error.message);
    CHECK(strstr(error.message, words) != NULL);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    const pool_function_t hanging = {hang, NULL, NULL, NULL, 0};
    pool_options_t chosen = POOL_OPTIONS_INIT;
    pool_error_t error;
    pool_t *pool = new_pool(&options, 1);
    CHECK_OK(pool_get_options(pool, &chosen));
    CHECK_EQUAL(chosen.start_timeout_ms, 30000);
    pool_free(pool);

    pool_options_t slow = options;
    slow.initializer = hanging;
    slow.initializer_timeout_ms = 50;
    pool = new_pool(&slow, 2);
    future_t *future;
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &future));
    CHECK_IS(pool_wait_ready(pool, 1, POOL_FOREVER), POOL_ERR_INITIALIZER);
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_EQUAL(future_state(future), FUTURE_CANCELLED);
    CHECK_OK(future_error(future, &error));
    CHECK(strstr(error.message, "initializer_timeout_ms (50 ms)") != NULL);
    future_free(future);
    check_broken(pool, POOL_ERR_INITIALIZER, "initializer_timeout_ms (50 ms)");

    slow = options;
    slow.finalizer = hanging;
    slow.finalizer_timeout_ms = 50;
    pool = new_pool(&slow, 1);
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_IS(pool_join(pool, POOL_FOREVER), POOL_ERR_FINALIZER);
    check_broken(pool, POOL_ERR_FINALIZER, "finalizer_timeout_ms (50 ms)");

    /* What never reports is replaced, until that has happened too often. A copy of the caller executes
     * no program. */
    if (options.start == POOL_FORK) return leaves_nothing_behind();
    char path[4096];
    snprintf(path, sizeof path, "%s/silent", getenv("TEST_TMP"));
    FILE *script = fopen(path, "w");
    CHECK(script != NULL);
    fprintf(script, "#!/bin/sh\nexec sleep 1000\n");
    fclose(script);
    CHECK(chmod(path, 0700) == 0);
    slow = options;
    slow.worker_executable = path;
    slow.start_timeout_ms = 20;
    slow.max_restarts = 3;
    slow.restart_window_ms = 10;
    pool = new_pool(&slow, 1);
    CHECK_IS(pool_wait_ready(pool, 0, POOL_FOREVER), POOL_ERR_RESTARTS);
    check_broken(pool, POOL_ERR_RESTARTS, "start_timeout_ms (20 ms)");
    return leaves_nothing_behind();
}
