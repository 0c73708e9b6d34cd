/* pool_set_idle_timeout reaches workers that are asleep; POOL_FOREVER keeps them, POOL_NOW lets a
 * worker go as soon as no task waits. */
#include "lifecycle.h"

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    options.idle_timeout_ms = POOL_FOREVER;
    pool_t *pool = new_pool(&options, 2);
    uint32_t spawned;
    CHECK_OK(pool_spawn_max_workers(pool, &spawned));
    CHECK_EQUAL(spawned, 2);
    CHECK_EQUAL(pool_count_workers(pool), 2);
    pid_of_any_worker(pool);
    CHECK_OK(pool_set_idle_timeout(pool, 1));
    await_workers(pool, 0);

    CHECK_OK(pool_set_idle_timeout(pool, POOL_NOW));
    for (int i = 0; i < 3; i++) {
        pid_of_any_worker(pool);
        await_workers(pool, 0);
    }
    pool_options_t now = POOL_OPTIONS_INIT;
    CHECK_OK(pool_get_options(pool, &now));
    CHECK_EQUAL(now.idle_timeout_ms, POOL_NOW);
    CHECK_OK(pool_set_idle_timeout(pool, 0));
    CHECK_OK(pool_get_options(pool, &now));
    CHECK_EQUAL(now.idle_timeout_ms, 60000);
    CHECK_IS(pool_set_idle_timeout(pool, -3), POOL_ERR_INVALID);
    pool_free(pool);
    return leaves_nothing_behind();
}
