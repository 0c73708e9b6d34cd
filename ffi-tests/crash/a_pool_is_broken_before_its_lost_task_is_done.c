/* With POOL_LOST_BREAK, a caller that sees the lost task done finds the pool broken: a submit right after
 * that is refused. */
#include "check.h"
#include <signal.h>

enum { ROUNDS = 100 };

static int32_t kill_oneself(pool_task_t *task) {
    (void)task;
    raise(SIGKILL);
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    options.on_worker_lost = POOL_LOST_BREAK;
    for (int i = 0; i < ROUNDS; i++) {
        pool_t *pool = new_pool(&options, 1);
        future_t *lost;
        CHECK_OK(pool_submit(pool, kill_oneself, NULL, 0, &lost));
        CHECK_OK(future_wait(lost, POOL_FOREVER));
        CHECK_IS(pool_submit(pool, warm_up, NULL, 0, NULL), POOL_ERR_BROKEN);
        CHECK(pool_state(pool) & POOL_STATE_BROKEN);
        CHECK_IS(pool_check(pool, NULL), POOL_ERR_BROKEN);
        CHECK_IS(future_result(lost, &(const void *){NULL}, NULL), POOL_ERR_WORKER_LOST);
        future_free(lost);
        pool_free(pool);
    }
    return leaves_nothing_behind();
}
