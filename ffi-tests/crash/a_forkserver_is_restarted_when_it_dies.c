/* When the fork server dies, the next worker that is needed starts another one. The same holds for a copy of
 * the caller where fork_with_threads allows it. */
#include "forkserver.h"

enum { ROUNDS = 5 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.start == POOL_SPAWN) return SKIPPED;
    options.idle_timeout_ms = POOL_NOW;
    pool_t *pool = new_pool(&options, 1);
    for (int round = 0; round < ROUNDS; round++) {
        pid_t before = forkserver_of(pool);
        await_workers(pool, 0);
        CHECK_EQUAL(forkserver_of(pool), before);
        await_workers(pool, 0);
        kill_forkserver(before);
        CHECK(forkserver_of(pool) != before);
    }
    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
