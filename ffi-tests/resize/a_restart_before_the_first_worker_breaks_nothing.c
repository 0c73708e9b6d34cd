/* A pool that is restarted at once, while its first workers are being started, goes on: also one whose workers
 * are forked from a process that still opens modules. */
#include "rendezvous.h"

enum { ROUNDS = 30, OPENING = WORD_FIRST, MAY_GO_ON = WORD_FIRST + 1 };

static void restart_and_run(pool_t *pool) {
    pool_error_t error;
    CHECK_OK(pool_restart(pool, POOL_RESTART_NOW));
    CHECK_OK(pool_grow(pool, 1));
    word_set(MAY_GO_ON, 1);
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_OK(pool_check(pool, &error));
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    /* So the copy of the caller that workers are forked from cannot be made again. */
    options.fork_with_threads = false;
    for (int round = 0; round < ROUNDS; round++) {
        pool_t *pool = new_pool(&options, 2);
        CHECK_OK(pool_spawn_workers(pool, 2, NULL));
        restart_and_run(pool);
    }
    /* Its constructor waits. */
    char *slow = library_path("patient");
    const char *const modules[] = {slow, NULL};
    options.modules = modules;
    options.min_workers = 1;
    word_set(MAY_GO_ON, 0);
    pool_t *pool = new_pool(&options, 1);
    word_wait(OPENING, 1);
    restart_and_run(pool);
    free(slow);
    return leaves_nothing_behind();
}
