/* A map ends at its deadline: items that are done by then keep their results, the others get a timeout and
 * do not run any more. */
#include "rendezvous.h"

enum { N = 200, SLOW = 10, RUNS = WORD_FIRST, BEGUN = RUNS + N };

static uint64_t items[N], results[N];
static pool_status_t statuses[N];

/* The slow one comes back when it is released. */
static int32_t wait_if_slow(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    if (n == SLOW) {
        word_add(BEGUN, 1);
        word_wait(gate_open(0), 1);
    }
    word_add(RUNS + n, 1);
    return square(task);
}

static void let_time_pass(int64_t ms) {
    uint64_t end = now_ns() + (uint64_t)ms * 1000000u;
    while (now_ns() < end) pause_briefly();
}

/* The slow one makes the time pass by itself. */
static int32_t take_time_if_slow(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    if (n == SLOW) let_time_pass(60);
    word_add(RUNS + n, 1);
    return square(task);
}

static void spoil(void) {
    for (uint64_t i = 0; i < N; i++) {
        items[i] = i;
        word_set(RUNS + i, 0);
        statuses[i] = -1;
    }
    word_set(BEGUN, 0);
    memset(results, 0xee, sizeof results);
}

static void check_rest(void) {
    int n_late = 0;
    for (uint64_t i = 0; i < N; i++) {
        if (statuses[i] == POOL_ERR_TIMEOUT) {
            n_late++;
            CHECK_EQUAL(results[i], 0);
        } else {
            CHECK_IS(statuses[i], POOL_OK);
            CHECK_EQUAL(results[i], i * i);
        }
    }
    CHECK(n_late > 0);
}

static void with_one_that_waits(pool_t *pool, int is_async) {
    pool_map_options_t options = POOL_MAP_INIT;
    options.deadline_ms = 50;
    options.chunk_size = 1;
    word_set(gate_open(0), 0);
    spoil();
    if (is_async) {
        future_t *future;
        pool_error_t error;
        CHECK_OK(pool_map_async(pool, wait_if_slow, items, 8, N, &options, results, 8, statuses,
                                &future));
        CHECK_OK(future_wait(future, POOL_FOREVER));
        CHECK_OK(future_error(future, &error));
        CHECK_IS(error.status, POOL_ERR_TIMEOUT);
        CHECK_EQUAL(future_state(future), FUTURE_FAILED);
        future_free(future);
    } else {
        CHECK_IS(pool_map(pool, wait_if_slow, items, 8, N, &options, results, 8, statuses),
                 POOL_ERR_TIMEOUT);
    }
    check_rest();
    CHECK_IS(statuses[SLOW], POOL_ERR_TIMEOUT);
    release(0);
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    CHECK_EQUAL(word_get(RUNS + SLOW), word_get(BEGUN)); /* not begun, where the workers start late */
    CHECK_EQUAL(word_get(RUNS + N - 1), 0);
    check_rest(); /* what came too late came nowhere */
}

/* The time may also pass where the map never has to wait. */
static void with_one_that_takes_its_time(pool_t *pool) {
    pool_map_options_t options = POOL_MAP_INIT;
    options.deadline_ms = 30;
    options.chunk_size = 1;
    spoil();
    CHECK_IS(pool_map(pool, take_time_if_slow, items, 8, N, &options, results, 8, statuses),
             POOL_ERR_TIMEOUT);
    check_rest();
    CHECK_IS(statuses[N - 1], POOL_ERR_TIMEOUT);
    CHECK_EQUAL(word_get(RUNS + N - 1), 0);
}

static void dawdle(uint64_t done, uint64_t total, void *user) {
    (void)total, (void)user;
    if (done == 1) let_time_pass(600);
}

static void with_a_caller_who_takes_his_time(pool_t *pool) {
    pool_map_options_t options = POOL_MAP_INIT;
    options.deadline_ms = 500;
    options.chunk_size = 1;
    options.on_progress = dawdle;
    word_set(gate_open(0), 1);
    spoil();
    CHECK_IS(pool_map(pool, wait_if_slow, items, 8, N, &options, results, 8, statuses),
             POOL_ERR_TIMEOUT);
    CHECK_IS(statuses[0], POOL_OK);
    check_rest();
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    pool_map_options_t far = POOL_MAP_INIT;
    if (options.kind != POOL_INLINE) {
        with_one_that_waits(pool, 0);
        with_one_that_waits(pool, 1);
    }

    /* Time enough. */
    far.deadline_ms = 1000000;
    word_set(gate_open(0), 1);
    spoil();
    CHECK_OK(pool_map(pool, wait_if_slow, items, 8, N, &far, results, 8, statuses));

    with_one_that_takes_its_time(pool);
    with_a_caller_who_takes_his_time(pool);
    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
