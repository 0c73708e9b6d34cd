/* Each worker that is executed opens the modules of the options; for workers that are forked they are
 * opened once. So is what is preloaded, where it can be opened: what cannot is left out. */
#include "lifecycle.h"

enum { OPENED = WORD_FIRST, WORKERS = 3, GATE = 0 };

/* So many times the library was opened for so many workers, and for one that came later. */
static uint32_t count_opened(const pool_options_t *options) {
    future_t *futures[WORKERS];
    word_set(OPENED, 0);
    pool_t *pool = new_pool(options, WORKERS);
    occupy(pool, GATE, WORKERS, futures);
    release(GATE);
    wait_and_free(futures, WORKERS);
    reset_gate(GATE);
    await_workers(pool, 0);
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);
    return word_get(OPENED);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    char *counted = library_path("counted");
    const char *const modules[] = {counted, NULL};
    const char *const preload[] = {"/no/such/library.so", counted, NULL};
    options.idle_timeout_ms = POOL_NOW;

    pool_options_t with = options;
    with.modules = modules;
    CHECK_EQUAL(count_opened(&with), options.start == POOL_SPAWN ? WORKERS + 1 : 1);

    with = options;
    with.preload = preload;
    if (options.start == POOL_SPAWN) {
        pool_t *pool;
        CHECK_IS(pool_new(&with, &pool, NULL), POOL_ERR_UNSUPPORTED);
    } else {
        CHECK_EQUAL(count_opened(&with), 1);
    }
    free(counted);
    return leaves_nothing_behind();
}
