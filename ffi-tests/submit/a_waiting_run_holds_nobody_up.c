/* While one thread waits in pool_run, other threads submit to the same pool, run tasks, count workers and
 * inspect the pool. */
#include "rendezvous.h"
#include <pthread.h>

static pool_t *pool;

static void *run_and_wait(void *unused) {
    uint32_t gate = 0;
    CHECK_OK(pool_run(pool, wait_at_gate, &gate, sizeof gate, POOL_FOREVER, NULL, 0, NULL));
    return unused;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind == POOL_INLINE) return SKIPPED; /* Nobody else runs its tasks. */
    pool = new_pool(&options, 2);
    pthread_t waiting;
    CHECK(pthread_create(&waiting, NULL, run_and_wait, NULL) == 0);
    word_wait(gate_started(0), 1);

    uint64_t n = 12, result;
    CHECK_OK(pool_run(pool, square, &n, sizeof n, POOL_FOREVER, &result, sizeof result, NULL));
    CHECK_EQUAL(result, 144);
    future_t *future;
    CHECK_OK(pool_submit(pool, square, &n, sizeof n, &future));
    CHECK_EQUAL(collect_number(future), 144);
    future_free(future);
    await_busy_workers(pool, 1);
    CHECK_EQUAL(pool_count_workers(pool), 2);
    CHECK_EQUAL(pool_count_pending_tasks(pool), 0);
    CHECK_OK(pool_check(pool, NULL));

    release(0);
    CHECK(pthread_join(waiting, NULL) == 0);
    pool_free(pool);
    return leaves_nothing_behind();
}
