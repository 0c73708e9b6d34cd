/* Tasks with priorities wake sleeping workers, and are cancelled, listed, joined and counted like other
 * tasks. */
#include "queue.h"

enum { COUNT = WORD_FIRST, N = 200 };

static future_t *submit_ranked(pool_t *pool, int32_t priority) {
    uint32_t index = COUNT;
    future_t *future;
    pool_call_t call = POOL_CALL_INIT;
    call.task.pointer = count_in_word;
    call.task.args = &index;
    call.task.len = sizeof index;
    call.priority = priority;
    CHECK_OK(pool_submit_call(pool, &call, &future));
    return future;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    future_t *futures[N];

    /* One at a time, so that workers sleep between them. */
    for (int i = 0; i < N; i++) {
        future_t *future = submit_ranked(pool, i % 16 - 8);
        CHECK_EQUAL(future_id(future), 1 + (uint64_t)i);
        CHECK_OK(future_wait(future, POOL_FOREVER));
        future_free(future);
    }
    CHECK_EQUAL(word_get(COUNT), N);
    for (int i = 0; i < N; i++) futures[i] = submit_ranked(pool, i % 16 - 8);
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    CHECK_EQUAL(word_get(COUNT), 2 * N);
    wait_and_free(futures, N);
    pool_free(pool);
    if (options.kind == POOL_INLINE) return leaves_nothing_behind();

    future_t *busy[2];
    uint64_t n;
    pool = new_pool(&options, 2);
    occupy(pool, 0, 2, busy);
    for (int i = 0; i < N; i++) futures[i] = submit_ranked(pool, i % 16 - 8);
    for (int i = 0; i < N; i += 4) CHECK_OK(future_cancel(futures[i], POOL_CANCEL_QUEUED));
    CHECK_EQUAL(pool_count_pending_tasks(pool), N - N / 4);
    CHECK_OK(pool_cancel_pending(pool, &n));
    CHECK_EQUAL(n, N - N / 4);
    wait_and_free(futures, N);
    for (int i = 0; i < N; i++) futures[i] = submit_ranked(pool, i % 16 - 8);
    CHECK_IS(pool_shutdown(pool, POOL_STOP_CANCEL, 1), POOL_ERR_TIMEOUT);
    CHECK_EQUAL(pool_cancelled_count(pool), N);
    release(0);
    wait_and_free(futures, N);
    wait_and_free(busy, 2);
    CHECK_EQUAL(word_get(COUNT), 2 * N);
    pool_free(pool);
    return leaves_nothing_behind();
}
