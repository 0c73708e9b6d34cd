/* The default maximum of a pool is one worker per available CPU, and 5 more for threads: that many can be
 * started, and no more. */
#include "rendezvous.h"
#include <sched.h>

static void starts(const pool_options_t *options, uint32_t wanted) {
    pool_options_t now = POOL_OPTIONS_INIT;
    uint32_t spawned;
    pool_t *pool = new_pool(options, 0);
    CHECK_OK(pool_get_options(pool, &now));
    CHECK_EQUAL(now.max_workers, wanted);
    CHECK_OK(pool_spawn_workers(pool, INT64_MAX, &spawned));
    CHECK_EQUAL(spawned, wanted);
    CHECK_OK(pool_spawn_max_workers(pool, &spawned));
    CHECK_EQUAL(spawned, 0);
    CHECK_EQUAL(pool_count_workers(pool), wanted);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind == POOL_INLINE) return SKIPPED; /* It has no workers. */
    uint32_t more = options.kind == POOL_THREAD ? 5 : 0;
    starts(&options, pool_available_cpus() + more);

    /* On one CPU, of which there always is one. */
    cpu_set_t all, one;
    CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
    CPU_ZERO(&one);
    for (int cpu = 0; CPU_COUNT(&one) == 0; cpu++) {
        if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
    }
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK_EQUAL(pool_available_cpus(), 1);
    starts(&options, 1 + more);
    return leaves_nothing_behind();
}
