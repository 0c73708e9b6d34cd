/* Only consecutive failed starts break a pool: a worker that becomes ready resets the count, and with
 * UINT32_MAX failures are not counted. */
#include "lifecycle.h"
#include <signal.h>

enum { CYCLE = LIFECYCLE_FIRST, ROUNDS = 4 };

/* Of so many starts as CYCLE says only the last one succeeds. */
static int32_t die_but_once(pool_task_t *task) {
    (void)task;
    uint32_t cycle = word_get(CYCLE);
    if (word_add(INITIALIZED, 1) % cycle != cycle - 1) raise(SIGKILL);
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    options.initializer.pointer = die_but_once;
    options.max_restarts = 3;
    word_set(CYCLE, 3);
    pool_t *pool = new_pool(&options, 1);
    future_t *running;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        occupy(pool, round, 1, &running);
        CHECK_OK(pool_check(pool, NULL));
        kill(pid_of_worker(0), SIGKILL);
        CHECK_OK(future_wait(running, POOL_FOREVER));
        future_free(running);
    }
    CHECK(word_get(INITIALIZED) >= 3 * ROUNDS);
    pool_free(pool);

    options.max_restarts = UINT32_MAX;
    word_set(INITIALIZED, 0);
    word_set(CYCLE, 8);
    pool = new_pool(&options, 1);
    pid_of_any_worker(pool);
    CHECK_EQUAL(word_get(INITIALIZED), 8);
    pool_free(pool);
    return leaves_nothing_behind();
}
