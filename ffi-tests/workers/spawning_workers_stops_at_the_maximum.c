/* pool_spawn_workers starts the requested number of workers, or as many as queued tasks need, but never more
 * than max_workers in all. */
#include "lifecycle.h"

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    pool_t *pool = new_pool(&options, 4);
    uint32_t spawned = 99;
    CHECK_EQUAL(pool_count_workers(pool), 0);
    CHECK_OK(pool_spawn_workers(pool, -1, &spawned));
    CHECK_EQUAL(spawned, 0);
    CHECK_OK(pool_spawn_workers(pool, 3, &spawned));
    CHECK_EQUAL(spawned, 3);
    CHECK_EQUAL(pool_count_workers(pool), 3);
    CHECK_OK(pool_spawn_workers(pool, 3, &spawned));
    CHECK_EQUAL(spawned, 1);
    CHECK_OK(pool_spawn_max_workers(pool, &spawned));
    CHECK_EQUAL(spawned, 0);
    CHECK_EQUAL(pool_count_workers(pool), 4);
    CHECK_EQUAL(pool_count_free_workers(pool), 4);
    CHECK_OK(pool_spawn_workers(pool, 0, NULL));
    CHECK_OK(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER));
    CHECK_EQUAL(pool_count_workers(pool), 0);
    CHECK_IS(pool_spawn_workers(pool, 1, &spawned), POOL_ERR_CLOSED);
    CHECK_EQUAL(spawned, 0);
    pool_free(pool);

    pool_status_t (*const makers[])(const pool_options_t *, pool_t **, pool_error_t *) = {
        pool_new_single_thread,  pool_new_single_process, pool_new_dual_thread,
        pool_new_dual_process,   pool_new_triple_thread,  pool_new_triple_process,
        pool_new_quad_thread,    pool_new_quad_process,
    };
    for (uint32_t i = 0; i < COUNT_OF(makers); i++) {
        CHECK_OK(makers[i](NULL, &pool, NULL));
        CHECK_EQUAL(pool_count_workers(pool), 0);
        CHECK_OK(pool_spawn_max_workers(pool, &spawned));
        CHECK_EQUAL(spawned, i / 2 + 1);
        pool_options_t now = POOL_OPTIONS_INIT;
        CHECK_OK(pool_get_options(pool, &now));
        CHECK_EQUAL(now.kind, i % 2 ? POOL_PROCESS : POOL_THREAD);
        pool_free(pool);
    }
    return leaves_nothing_behind();
}
