/* With POOL_SCHED_PREFETCH the tasks that a worker has taken from the queue and not started are pending, can
 * be cancelled, and are run by idle workers; none runs twice, and none is left. */
#include "queue.h"

enum { COUNT = WORD_FIRST, EACH, N = 200, THREADS = 4, MANY = 5000 };

static future_t *submit_count(pool_t *pool, uint32_t index) {
    future_t *future;
    CHECK_OK(pool_submit(pool, count_in_word, &index, sizeof index, &future));
    return future;
}

/* The worker is at a gate, with tasks behind it that it has taken. */
static void check_pending(const pool_options_t *options) {
    future_t *busy, *next, *futures[N];
    pool_t *pool = new_pool(options, 1);
    occupy(pool, 0, 1, &busy);
    next = submit_to_gate(pool, 1);
    for (uint32_t i = 0; i < N; i++) futures[i] = submit_count(pool, COUNT);
    release(0);
    word_wait(gate_started(1), 1);
    CHECK_EQUAL(pool_count_pending_tasks(pool), N);
    for (uint32_t i = 0; i < N; i++) CHECK_EQUAL(future_state(futures[i]), FUTURE_PENDING);
    for (uint32_t i = 0; i < 4; i++) CHECK_OK(future_cancel(futures[i], POOL_CANCEL_QUEUED));
    release(1);
    wait_and_free(&busy, 1);
    wait_and_free(&next, 1);
    for (uint32_t i = 0; i < N; i++) {
        CHECK_OK(future_wait(futures[i], POOL_FOREVER));
        CHECK_EQUAL(future_state(futures[i]), i < 4 ? FUTURE_CANCELLED : FUTURE_COMPLETED);
        future_free(futures[i]);
    }
    CHECK_EQUAL(word_get(COUNT), N - 4);
    CHECK_EQUAL(pool_count_pending_tasks(pool), 0);
    pool_free(pool);
}

/* Behind each gate wait tasks that the other worker takes over. */
static void check_taken_over(const pool_options_t *options) {
    future_t *busy[2], *next, *futures[N];
    pool_t *pool = new_pool(options, 2);
    word_set(COUNT, 0);
    occupy(pool, 2, 2, busy);
    next = submit_to_gate(pool, 3);
    for (uint32_t i = 0; i < N; i++) futures[i] = submit_count(pool, COUNT);
    release(2);
    word_wait(COUNT, N);
    CHECK_EQUAL(future_state(next), FUTURE_RUNNING);
    release(3);
    wait_and_free(busy, 2);
    wait_and_free(&next, 1);
    wait_and_free(futures, N);
    pool_free(pool);
}

static void *submit_many(void *argument) {
    uint32_t each = EACH;
    for (uint32_t i = 0; i < MANY; i++)
        CHECK_OK(pool_submit((pool_t *)argument, count_in_word, &each, sizeof each, NULL));
    return NULL;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    options.sched = POOL_SCHED_PREFETCH;
    if (options.kind != POOL_INLINE) {
        check_pending(&options);
        check_taken_over(&options);
    }

    /* Workers that leave often leave what they have taken to others. */
    options.max_tasks_per_worker = options.kind == POOL_THREAD ? 3 : 500;
    pool_t *pool = new_pool(&options, 3);
    pthread_t threads[THREADS];
    word_set(EACH, 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, submit_many, pool) == 0);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    while (word_get(EACH) < THREADS * MANY) pause_briefly();
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    CHECK_EQUAL(word_get(EACH), THREADS * MANY);
    pool_options_t got = POOL_OPTIONS_INIT;
    CHECK_OK(pool_get_options(pool, &got));
    CHECK_EQUAL(got.sched, POOL_SCHED_PREFETCH);
    pool_free(pool);
    return leaves_nothing_behind();
}
