/* Shut down with DRAIN: everything that was submitted runs first. */
#include "rendezvous.h"
#include <pthread.h>

enum { WORKERS = 2, TASKS = 300, GATE = 0, RAN = WORD_FIRST };

static pool_t *pool;

static void *drain(void *unused) {
    (void)unused;
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    return NULL;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    future_t *busy[WORKERS], *futures[TASKS];
    uint32_t ran = RAN;
    pthread_t drainer;
    pool = new_pool(&options, WORKERS);
    occupy(pool, GATE, WORKERS, busy);
    for (int i = 0; i < TASKS; i++) {
        CHECK_OK(pool_submit(pool, count_in_word, &ran, sizeof ran, &futures[i]));
    }
    pthread_create(&drainer, NULL, drain, NULL);
    while (!(pool_state(pool) & POOL_STATE_CLOSED)) pause_briefly();
    CHECK_IS(pool_submit(pool, warm_up, NULL, 0, NULL), POOL_ERR_CLOSED);
    CHECK_EQUAL(pool_count_pending_tasks(pool), TASKS);
    release(GATE);
    pthread_join(drainer, NULL);
    for (int i = 0; i < TASKS; i++) CHECK_EQUAL(future_state(futures[i]), FUTURE_COMPLETED);
    CHECK_EQUAL(word_get(RAN), TASKS);
    CHECK_EQUAL(pool_count_workers(pool), 0);
    wait_and_free(futures, TASKS);
    wait_and_free(busy, WORKERS);
    pool_free(pool);
    return leaves_nothing_behind();
}
