/* pool_submit_call with on_done: the callback is called once when the task is done, with a future or without
 * one; drop follows, also when the submit fails. */
#include "rendezvous.h"

enum { TASKS = 100, CALLS = WORD_FIRST, DROPS };

static void check_square(future_t *future, void *user) {
    uint64_t n = (uintptr_t)user;
    CHECK_EQUAL(collect_number(future), n * n);
    word_add(CALLS, 1);
}

static void count_drop(void *user) {
    (void)user;
    word_add(DROPS, 1);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    for (uint64_t n = 0; n < TASKS; n++) {
        pool_call_t call = POOL_CALL_INIT;
        call.task.pointer = square;
        call.task.args = &n;
        call.task.len = sizeof n;
        call.on_done = check_square;
        call.user = (void *)(uintptr_t)n;
        call.drop = count_drop;
        future_t *future;
        CHECK_OK(pool_submit_call(pool, &call, n % 2 ? &future : NULL));
        if (n % 2) future_free(future);
    }
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    CHECK_EQUAL(word_get(CALLS), TASKS);
    CHECK_EQUAL(word_get(DROPS), TASKS);

    pool_call_t call = POOL_CALL_INIT;
    call.task.pointer = square;
    call.on_done = check_square;
    call.drop = count_drop;
    future_t *future;
    CHECK_IS(pool_submit_call(pool, &call, &future), POOL_ERR_CLOSED);
    CHECK_IS(pool_submit_call(pool, &call, NULL), POOL_ERR_CLOSED);
    CHECK_EQUAL(word_get(DROPS), TASKS + 2);
    CHECK_EQUAL(word_get(CALLS), TASKS);
    pool_free(pool);
    return leaves_nothing_behind();
}
