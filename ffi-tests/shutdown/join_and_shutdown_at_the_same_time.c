/* A pool may be joined, drained and cancelled by several threads at once: all of them come back,
 * one of them at least has shut it down, and every future is done. */
#include "lifecycle.h"
#include <pthread.h>

enum { ROUNDS = 50, TASKS = 20, THREADS = 4 };

static pool_t *pool;
static pool_status_t answers[THREADS];

static void *stop(void *argument) {
    size_t i = (size_t)(uintptr_t)argument;
    if (i == 0) answers[i] = pool_join(pool, POOL_FOREVER);
    else answers[i] = pool_shutdown(pool, i % 2 ? POOL_STOP_DRAIN : POOL_STOP_CANCEL, POOL_FOREVER);
    return NULL;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    count_lifecycle(&options);
    for (int round = 0; round < ROUNDS; round++) {
        pool = new_pool(&options, 2);
        future_t *futures[TASKS];
        pthread_t threads[THREADS];
        for (int i = 0; i < TASKS; i++) {
            CHECK_OK(pool_submit(pool, count_task, NULL, 0, &futures[i]));
        }
        for (size_t i = 0; i < THREADS; i++) {
            pthread_create(&threads[i], NULL, stop, (void *)(uintptr_t)i);
        }
        for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
        int stopped = 0;
        for (int i = 0; i < THREADS; i++) {
            if (answers[i] != POOL_OK) CHECK_IS(answers[i], POOL_ERR_CLOSED);
            stopped += i > 0 && answers[i] == POOL_OK;
        }
        CHECK(stopped >= 1);
        CHECK(pool_state(pool) & POOL_STATE_TERMINATED);
        CHECK_EQUAL(pool_state(pool) & POOL_STATE_JOINING, 0);
        size_t cancelled = 0;
        for (int i = 0; i < TASKS; i++) {
            CHECK(future_is_done(futures[i]));
            cancelled += future_state(futures[i]) == FUTURE_CANCELLED;
        }
        CHECK_EQUAL(pool_cancelled_count(pool), cancelled);
        CHECK_EQUAL(word_get(INITIALIZED), word_get(FINALIZED));
        wait_and_free(futures, TASKS);
        pool_free(pool);
    }
    return leaves_nothing_behind();
}
