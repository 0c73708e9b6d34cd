/* A map in the background is a future: it can be waited for, called back from, put into a set,
 * cancelled and freed, and is done when its last result is written. */
#include "callbacks.h"

enum { N = 500, GATE = 50 };

static uint64_t items[N], results[N];
static pool_status_t statuses[N];

static int32_t square_or_fail(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    return n >= N ? pool_task_fail(task, 5, "large") : square(task);
}

/* The first item waits at the gate. */
static int32_t wait_at_first(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    if (n == 0) {
        word_add(gate_started(GATE), 1);
        word_wait(gate_open(GATE), 1);
    }
    return square(task);
}

static void check_squares(future_t *future, void *user) {
    for (uint64_t i = 0; i < N; i++) CHECK_EQUAL(results[i], i * i);
    count_call(future, user);
}

static future_t *begin(pool_t *pool, pool_task_fn function, size_t chunk_size) {
    pool_map_options_t options = POOL_MAP_INIT;
    future_t *future = NULL;
    options.chunk_size = chunk_size;
    memset(results, 0xee, sizeof results);
    memset(statuses, 0xee, sizeof statuses);
    CHECK_OK(pool_map_async(pool, function, items, 8, N, &options, results, 8, statuses, &future));
    CHECK(future != NULL);
    return future;
}

static void ends_with(future_t *future, pool_status_t status, future_state_t state) {
    const void *data;
    size_t len = 9;
    pool_error_t error;
    CHECK_IS(future_collect(future, POOL_FOREVER, &data, &len), status);
    CHECK_EQUAL(len, 0);
    CHECK_EQUAL(data != NULL, status == POOL_OK);
    CHECK_OK(future_error(future, &error));
    CHECK_IS(error.status, status);
    CHECK_EQUAL(future_state(future), state);
    CHECK_IS(future_resolve(future, NULL, 0), POOL_ERR_STATE);
    future_free(future);
}

static void await_gate(void) {
    word_wait(gate_started(GATE), 1);
}

static void close_gate(void) {
    word_set(gate_started(GATE), 0);
    word_set(gate_open(GATE), 0);
}

static void while_it_runs(pool_t *pool) {
    future_t *future = begin(pool, wait_at_first, 1), *taken;
    future_set_t *set;
    await_gate();
    CHECK(!future_is_done(future));
    CHECK_IS(future_wait(future, 5), POOL_ERR_TIMEOUT);
    CHECK_IS(future_result(future, &(const void *){NULL}, NULL), POOL_ERR_NOT_DONE);
    CHECK_IS(future_resolve(future, "mine", 4), POOL_ERR_STATE);
    CHECK_IS(future_reject(future, 1, "mine"), POOL_ERR_STATE);
    CHECK_OK(future_on_done(future, check_squares, user_of(0), count_drop, NULL));
    CHECK_OK(future_set_new(&set));
    CHECK_OK(future_set_add(set, future));
    release(GATE);
    CHECK_OK(future_set_next(set, POOL_FOREVER, &taken));
    CHECK(taken == future);
    await_drop(0);
    check_counts(0, 1, 1);
    future_set_free(set);
    ends_with(future, POOL_OK, FUTURE_COMPLETED);

    /* Freed before it is done: it goes on, and a join waits for it. */
    close_gate();
    future = begin(pool, wait_at_first, 7);
    await_gate();
    CHECK_OK(future_on_done(future, check_squares, user_of(1), count_drop, NULL));
    future_free(future);
    release(GATE);
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    for (uint64_t i = 0; i < N; i++) CHECK_EQUAL(results[i], i * i);
    await_drop(1);
}

static void is_cancelled(pool_t *pool) {
    close_gate();
    future_t *future = begin(pool, wait_at_first, 1);
    await_gate();
    CHECK(!future_cancel_requested(future));
    CHECK_IS(future_cancel(future, POOL_CANCEL_QUEUED), POOL_ERR_STATE);
    CHECK(future_cancel_requested(future));
    release(GATE);
    ends_with(future, POOL_ERR_CANCELLED, FUTURE_CANCELLED);
    int n_cancelled = 0;
    for (uint64_t i = 0; i < N; i++) {
        if (statuses[i] != POOL_ERR_CANCELLED) CHECK_IS(statuses[i], POOL_OK);
        CHECK_EQUAL(results[i], statuses[i] == POOL_OK ? i * i : 0);
        n_cancelled += statuses[i] == POOL_ERR_CANCELLED;
    }
    CHECK(n_cancelled > 0);
    CHECK_IS(statuses[N - 1], POOL_ERR_CANCELLED);
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    for (uint64_t i = 0; i < N; i++) items[i] = i;
    for (size_t chunk_size = 0; chunk_size < 30; chunk_size += 7) {
        future_t *future = begin(pool, square, chunk_size);
        CHECK_OK(future_on_done(future, check_squares, user_of(10 + chunk_size), count_drop, NULL));
        ends_with(future, POOL_OK, FUTURE_COMPLETED);
        await_drop(10 + chunk_size);
        for (int i = 0; i < N; i++) CHECK_IS(statuses[i], POOL_OK);
    }
    items[77] = N;
    ends_with(begin(pool, square_or_fail, 0), POOL_ERR_TASK, FUTURE_FAILED);
    for (int i = 0; i < N; i++) CHECK_IS(statuses[i], i == 77 ? POOL_ERR_TASK : POOL_OK);
    items[77] = 77;

    if (options.kind != POOL_INLINE) {
        while_it_runs(pool);
        is_cancelled(pool);
    }
    pool_free(pool);
    future_t *none;
    CHECK_IS(pool_map_async(pool, square, items, 8, N, NULL, results, 8, NULL, &none),
             POOL_ERR_INVALID);
    CHECK(none == NULL);
    return leaves_nothing_behind();
}
