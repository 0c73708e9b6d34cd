/* pool_cancel_pending cancels all queued tasks and reports them; running tasks and the pool, which accepts
 * tasks as before, are not affected. */
#include "queue.h"

enum { COUNT = WORD_FIRST, TOLD, N = 50 };

static void tell(future_t *future, void *user) {
    (void)user;
    CHECK_EQUAL(future_state(future), FUTURE_CANCELLED);
    word_add(TOLD, 1);
}

int main(int argc, char **argv) {
    pool_options_t base = test_begin(argc, argv);
    uint64_t n = 1;
    pool_t *pool = new_pool(&base, 1);
    CHECK_OK(pool_cancel_pending(pool, &n));
    CHECK_EQUAL(n, 0);
    CHECK_OK(pool_cancel_pending(pool, NULL));
    n = 1;
    CHECK_IS(pool_cancel_pending(NULL, &n), POOL_ERR_INVALID);
    CHECK_EQUAL(n, 0);
    pool_free(pool);
    skip_inline(&base);

    future_t *futures[1 + N];
    submitter_t submitter;
    pool = new_full_pool(&base, 0, N, COUNT, futures);
    CHECK_OK(future_on_done(futures[1], tell, NULL, NULL, NULL));
    CHECK_OK(future_on_done(futures[N], tell, NULL, NULL, NULL));
    start_submitter(&submitter, pool, COUNT);
    await_waiting_submits(pool, 1);
    CHECK_OK(pool_cancel_pending(pool, &n));
    CHECK_EQUAL(n, N);
    for (int i = 1; i <= N; i++) CHECK_EQUAL(future_state(futures[i]), FUTURE_CANCELLED);
    CHECK_EQUAL(future_state(futures[0]), FUTURE_RUNNING);
    word_wait(TOLD, 2);
    CHECK_EQUAL(pool_state(pool), 0);
    CHECK_EQUAL(pool_cancelled_count(pool), 0);

    CHECK_OK(join_submitter(&submitter));
    CHECK_EQUAL(pool_count_pending_tasks(pool), 1);
    release(0);
    wait_and_free(futures, 1 + N);
    wait_and_free(&submitter.future, 1);
    CHECK_EQUAL(word_get(COUNT), 1);
    pool_free(pool);
    return leaves_nothing_behind();
}
