/* While a pool grows, shrinks and restarts, all submitted tasks run once, and in the end it has the maximum
 * number of workers. */
#include "lifecycle.h"
#include <pthread.h>

enum { SUBMITTERS = 2, TASKS = 300, CHANGES = 60, START = 3, COUNT = LIFECYCLE_FIRST };

static pool_t *pool;
static int is_over;

static void *submit_and_collect(void *unused) {
    (void)unused;
    uint64_t *rounds = calloc(1, sizeof *rounds);
    while (!__atomic_load_n(&is_over, __ATOMIC_ACQUIRE)) {
        future_t *futures[TASKS];
        uint32_t word_of_count = COUNT;
        for (int i = 0; i < TASKS; i++) {
            CHECK_OK(pool_submit(pool, count_in_word, &word_of_count, sizeof word_of_count, &futures[i]));
        }
        for (int i = 0; i < TASKS; i++) {
            CHECK_OK(future_wait(futures[i], POOL_FOREVER));
            CHECK_EQUAL(future_state(futures[i]), FUTURE_COMPLETED);
            future_free(futures[i]);
        }
        ++*rounds;
    }
    return rounds;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    pthread_t submitters[SUBMITTERS];
    uint64_t rounds = 0;
    uint32_t most = START;
    count_lifecycle(&options);
    pool = new_pool(&options, START);
    for (int i = 0; i < SUBMITTERS; i++) pthread_create(&submitters[i], NULL, submit_and_collect, NULL);
    for (uint32_t i = 0; i < CHANGES; i++) {
        uint32_t n = i % 2 + 1;
        pool_status_t status;
        switch (i % 5) {
        case 0:
        case 3:
            CHECK_OK(pool_grow(pool, n));
            most += n;
            break;
        case 1:
            status = pool_shrink(pool, n, POOL_SHRINK_IDLE);
            CHECK(status == POOL_OK || status == (n < most ? POOL_ERR_STATE : POOL_ERR_INVALID));
            if (status == POOL_OK) most -= n;
            break;
        case 2:
            CHECK_OK(pool_restart(pool, POOL_RESTART_GRACEFUL));
            break;
        default:
            CHECK_OK(pool_shrink(pool, n, POOL_SHRINK_WHEN_IDLE));
            most -= n;
        }
        if (i % 4 == 0) pause_briefly();
    }
    CHECK_OK(pool_wait_ready(pool, most, POOL_FOREVER));
    __atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < SUBMITTERS; i++) {
        void *result;
        pthread_join(submitters[i], &result);
        rounds += *(uint64_t *)result;
        free(result);
    }
    CHECK_EQUAL(word_get(COUNT), rounds * TASKS);
    await_workers(pool, most);
    CHECK_OK(pool_get_options(pool, &options));
    CHECK_EQUAL(options.max_workers, most);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    CHECK_EQUAL(word_get(INITIALIZED), word_get(FINALIZED));
    pool_free(pool);
    return leaves_nothing_behind();
}
