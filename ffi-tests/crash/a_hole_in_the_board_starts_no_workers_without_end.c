/* A worker that takes the pages of the shared memory away, so that all of it reads as zeros, does not make the program
 * start one worker after the other: the idle time, for one, is then 0, and workers would leave as soon as they are there.
 * Whoever waits gets an answer, and the pool ends. */
#include "processes.h"

enum { ROUNDS = 3, TASKS = 4, WORKERS_MAX = 60 };

static int32_t punch_a_hole(pool_task_t *task) {
    char line[4096 + 128];
    unsigned long start, end;
    (void)task;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        if (!strstr(line, "memfd:carpool") || sscanf(line, "%lx-%lx", &start, &end) != 2) continue;
        fclose(maps);
        return madvise((void *)start, end - start, MADV_REMOVE);
    }
    return 1;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    for (int round = 0; round < ROUNDS; round++) {
        pool_t *pool = new_pool(&options, 2);
        future_t *futures[TASKS];
        pool_stats_t stats = POOL_STATS_INIT;
        for (uint64_t i = 0; i < TASKS; i++) {
            CHECK_OK(pool_submit(pool, i == 0 ? punch_a_hole : square, &i, sizeof i, &futures[i]));
        }
        CHECK_OK(future_wait_many(futures, TASKS, POOL_WAIT_ALL, POOL_FOREVER, NULL));
        CHECK_OK(pool_stats(pool, &stats));
        printf("%" PRIu64 " workers started\n", stats.workers_started);
        CHECK(stats.workers_started <= WORKERS_MAX);
        CHECK_OK(pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER));
        for (int i = 0; i < TASKS; i++) future_free(futures[i]);
        pool_free(pool);
    }
    return leaves_nothing_behind();
}
