/* The pointer of a pool_call_t without callbacks is dropped once: when the task is done, not before,
 * or when it will not run; also if its future was freed or never wanted. */
#include "callbacks.h"

enum { GATE = 0, TASK_HAS_ENDED = WORD_OTHER };

static int32_t wait_and_end(pool_task_t *task) {
    (void)task;
    word_wait(gate_open(GATE), 1);
    word_add(TASK_HAS_ENDED, 1);
    return 0;
}

static void drop_after_the_task(void *user) {
    CHECK_EQUAL(word_get(TASK_HAS_ENDED), 1);
    count_drop(user);
}

static pool_call_t call_of(pool_task_fn function, size_t n, pool_drop_fn drop) {
    pool_call_t call = POOL_CALL_INIT;
    call.task.pointer = function;
    call.user = user_of(n);
    call.drop = drop;
    return call;
}

static future_t *submit(pool_t *pool, pool_task_fn function, size_t n, pool_drop_fn drop) {
    future_t *future;
    pool_call_t call = call_of(function, n, drop);
    CHECK_OK(pool_submit_call(pool, &call, &future));
    return future;
}

/* A struct of a later version, with a field that this one does not know. */
static void from_the_future(pool_t *pool, size_t n) {
    struct {
        pool_call_t call;
        uint64_t unknown;
    } later = {call_of(warm_up, n, count_drop), 1};
    future_t *future;
    later.call.struct_size = sizeof later;
    CHECK_IS(pool_submit_call(pool, &later.call, &future), POOL_ERR_VERSION);
    check_counts(n, 0, 1);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    pool_call_t call;
    size_t n = 0;

    /* While it runs or waits, nothing is dropped. */
    if (options.kind != POOL_INLINE) {
        future_t *running = submit(pool, wait_and_end, n++, drop_after_the_task);
        future_t *cancelled = submit(pool, warm_up, n++, count_drop);
        future_t *freed = submit(pool, warm_up, n++, drop_after_the_task);
        call = call_of(warm_up, n++, drop_after_the_task);
        CHECK_OK(pool_submit_call(pool, &call, NULL));
        for (size_t i = 0; i < n; i++) check_counts(i, 0, 0);
        CHECK_OK(future_cancel(cancelled, POOL_CANCEL_QUEUED));
        await_drop(1);
        future_free(freed);
        for (size_t i = 0; i < n; i++) check_counts(i, 0, i == 1);
        release(GATE);
        for (size_t i = 0; i < n; i++) await_drop(i);
        future_free(running);
        future_free(cancelled);
    } else {
        word_set(gate_open(GATE), 1);
        future_free(submit(pool, wait_and_end, n, drop_after_the_task));
        check_counts(n++, 0, 1);
    }

    /* Where it will never run, at once. */
    size_t first_refused = n;
    call = call_of(NULL, n++, count_drop);
    CHECK_IS(pool_submit_call(pool, &call, NULL), POOL_ERR_INVALID);
    call = call_of(warm_up, n++, count_drop);
    CHECK_IS(pool_submit_call(NULL, &call, NULL), POOL_ERR_INVALID);
    call = call_of(warm_up, n++, count_drop);
    call.priority = POOL_PRIORITY_MAX + 1;
    CHECK_IS(pool_submit_call(pool, &call, NULL), POOL_ERR_INVALID);
    from_the_future(pool, n++);
    CHECK_OK(pool_close(pool));
    call = call_of(warm_up, n++, count_drop);
    CHECK_IS(pool_submit_call(pool, &call, NULL), POOL_ERR_CLOSED);
    for (size_t i = first_refused; i < n; i++) check_counts(i, 0, 1);
    pool_free(pool);
    for (size_t i = 0; i < n; i++) check_counts(i, 0, 1);
    return leaves_nothing_behind();
}
