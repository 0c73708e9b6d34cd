/* A worker that runs a task is counted and listed as busy from the first moment. */
#include "lifecycle.h"

enum { ROUNDS = 100, WORKERS = 2 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    for (int i = 0; i < ROUNDS; i++) {
        pool_t *pool = new_pool(&options, WORKERS);
        pool_worker_info_t workers[WORKERS] = {{.struct_size = sizeof *workers}};
        future_t *futures[WORKERS];
        size_t n;
        reset_gate(0);
        occupy(pool, 0, WORKERS, futures);
        CHECK_EQUAL(pool_count_busy_workers(pool), WORKERS);
        CHECK_EQUAL(pool_count_workers(pool), WORKERS);
        CHECK_OK(pool_workers(pool, workers, WORKERS, &n));
        CHECK_EQUAL(n, WORKERS);
        for (int j = 0; j < WORKERS; j++) CHECK_EQUAL(workers[j].state, POOL_WORKER_BUSY);
        release(0);
        wait_and_free(futures, WORKERS);
        pool_free(pool);
    }
    return leaves_nothing_behind();
}
