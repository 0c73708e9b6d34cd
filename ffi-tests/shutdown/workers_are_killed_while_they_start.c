/* Pools that are stopped while their workers start leave no process behind, whatever the state of the start;
 * a worker that is opening a slow module does not delay the stop. */
#include "processes.h"

enum { ROUNDS = 30, WORKERS = 6 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    char *slow = library_path("slow");
    const char *const modules[] = {slow, NULL};
    const pool_stop_t modes[] = {POOL_STOP_KILL, POOL_STOP_CANCEL, POOL_STOP_DRAIN};
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t started;
        pool_t *pool = new_pool(&options, WORKERS);
        future_t *futures[WORKERS];
        for (int i = 0; i < WORKERS; i++) {
            CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &futures[i]));
        }
        CHECK_OK(pool_spawn_max_workers(pool, &started));
        /* None, one, two, ... of them are up by then. */
        for (int look = 0; look < round % 10; look++) future_wait(futures[look % WORKERS], 1);
        CHECK_OK(pool_shutdown(pool, modes[round % 3], POOL_FOREVER));
        CHECK_EQUAL(pool_count_workers(pool), 0);
        for (int i = 0; i < WORKERS; i++) CHECK(future_is_done(futures[i]));
        wait_and_free(futures, WORKERS);
        pool_free(pool);
    }
    for (int mode = 0; mode < 2; mode++) {
        pool_options_t with = options;
        with.modules = modules;
        pool_t *pool = new_pool(&with, WORKERS);
        CHECK_OK(pool_submit(pool, warm_up, NULL, 0, NULL));
        word_wait(WORD_FIRST, mode + 1);
        CHECK_OK(pool_shutdown(pool, modes[mode], POOL_FOREVER));
        pool_free(pool);
        CHECK_EQUAL(word_get(WORD_FIRST), mode + 1);
    }
    free(slow);
    return leaves_nothing_behind();
}
