/* There may be 4096 pools of threads, or of no workers, and hundreds of processes: none takes more than
 * its part of the addresses. */
#include "check.h"

#include <sys/resource.h>

/* A pool of processes may have a process from the start. */
enum { POOLS_MAX = 4096, PROCESS_POOLS = 600, DESCRIPTORS_EACH = 4 };

static int32_t nothing(pool_task_t *task) {
    (void)task;
    return 0;
}

/* How many pools the limits of descriptors and processes leave room for; 0: too few. */
static int pools_allowed(const pool_options_t *options) {
    int wanted = options->kind == POOL_PROCESS ? PROCESS_POOLS : POOLS_MAX;
    struct rlimit files, processes;
    CHECK_EQUAL(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    CHECK_EQUAL(setrlimit(RLIMIT_NOFILE, &files), 0);
    CHECK_EQUAL(getrlimit(RLIMIT_NPROC, &processes), 0);
    bool has_room = files.rlim_cur / DESCRIPTORS_EACH >= (rlim_t)wanted &&
                    processes.rlim_cur >= (rlim_t)(4 * wanted);
    return options->kind == POOL_INLINE || has_room ? wanted : 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    options.min_workers = 0;
    int n = pools_allowed(&options), made = 0;
    if (n == 0) exit(SKIPPED);
    pool_t **pools = (pool_t **)calloc((size_t)n, sizeof(pool_t *));
    CHECK(pools != NULL);
    options.max_workers = 1;
    for (; made < n; made++) {
        pool_error_t error;
        pool_status_t status = pool_new(&options, &pools[made], &error);
        /* Of the machine, not of the addresses. */
        if (status != POOL_OK && options.kind != POOL_INLINE && error.os_errno == 11) break;
        if (status != POOL_OK) fprintf(stderr, "%d pools: %s\n", made, error.message);
        CHECK_OK(status);
    }
    for (int i = 0; i < made; i += 256) {
        CHECK_OK(pool_run(pools[i], nothing, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    }
    for (int i = 0; i < made; i++) pool_free(pools[i]);
    free(pools);
    return leaves_nothing_behind();
}
